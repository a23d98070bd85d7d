"""The tables of an experiment: means and spreads, what is said of the datasets, and pages that show them."""

import sys
from pathlib import Path

import pandas as pd
from small_experiment import STAGES, experiment

from gzmass.experiment import run_experiment
from gzmass.experiment.plan import make_plan
from gzmass.experiment.tables import experiment_table, write_tables

ROOT = Path(__file__).parents[2]


def test_means_spreads_and_published_values_in_markdown(galaxies, tmp_path):
    rows = [
        {"at": {"start": "scratch", "metadata": "D"}, "published": {"rmse_linear": 0.21}, "note": "first"},
        {"at": {"start": "scratch", "metadata": "none"}},
    ]
    config = experiment(galaxies, tmp_path, rows=rows)
    plan = make_plan(config)
    numbers = [{"rmse_linear": 0.9, "coverage_68": 0.70}, {"rmse_linear": 1.0, "coverage_68": 0.60}]
    outcomes = {job.fingerprint: numbers[seed] for seed, job in plan.cells[0].jobs.items()}
    outcomes |= {job.fingerprint: None for job in plan.cells[1].jobs.values()}
    outcomes[plan.cells[1].jobs[1].fingerprint] = {"rmse_linear": 0.5}
    write_tables(experiment_table(plan, outcomes, {}), plan, config)
    text = (tmp_path / "results.md").read_text()
    assert "| start | metadata | note | seeds | RMSE | published | in 68 % [%] |" in text
    assert "| scratch | D | first | 2 | 0.950 ± 0.071 | 0.210 | 65.0 ± 7.1 |" in text
    assert "| scratch | none |  | 1 | 0.500 |  |  |" in text
    assert "- scratch none seed 0: not finished" in text


def test_pretrainings_of_other_networks_are_no_seeds_of_one(galaxies, tmp_path):
    axes = {"trunk": {"cnn5": {"init_from": "votes"}, "cnn4": {"init_from": "votes", "model.trunk": "cnn4"}}}
    config = experiment(galaxies, tmp_path, axes=axes, rows=None, pretrain={"votes": {"stages": STAGES}})
    plan = make_plan(config)
    outcomes = {job.fingerprint: {"failed": f"no {job.name}"} for job in plan.jobs}
    for job in plan.jobs:
        if job.kind == "pretrain-gz2" and job.config.seed == 0:
            rmse = {"cnn5": 0.1, "cnn4": 0.3}[job.config.model.trunk]
            outcomes[job.fingerprint] = {"votes_rmse": rmse, "n_train": 40}
    write_tables(experiment_table(plan, outcomes, {}), plan, config)
    text = (tmp_path / "results.md").read_text()
    for trunk, rmse in (("cnn5", "0.1000"), ("cnn4", "0.3000")):
        assert f"| votes (trunk {trunk}) | {galaxies} | 40 | {rmse} |" in text
        assert f"- pretraining votes (trunk {trunk}) seed 1: no pretraining votes" in text
    assert "votes (trunk cnn5) seed 0:" not in text


def test_two_trainings_without_numbers_are_both_told_of(galaxies, tmp_path):
    axes = {"a": {"x": {}, "x y": {"n_labels": 5}}, "b": {"y z": {}, "z": {}}}
    rows = [{"at": {"a": "x", "b": "y z"}}, {"at": {"a": "x y", "b": "z"}}]
    config = experiment(galaxies, tmp_path, axes=axes, rows=rows, seeds=[0])
    run_experiment(config.model_copy(update={"baselines": False}), only_tables=True)
    assert (tmp_path / "results.md").read_text().count("- x y z seed 0: not finished") == 2


def test_what_would_break_a_markdown_table_is_escaped(galaxies, tmp_path):
    axes = {"a|b": {"c|d\ne": {}}}
    config = experiment(galaxies, tmp_path, axes=axes, rows=None, seeds=[0])
    run_experiment(config.model_copy(update={"baselines": False}), only_tables=True)
    lines = (tmp_path / "results.md").read_text().splitlines()
    assert r"| a\|b | seeds |" in lines
    assert r"| c\|d e | 0 |" in lines
    assert "- c|d e seed 0: not finished" in lines
    assert pd.read_parquet(tmp_path / "results.parquet")["a|b"].tolist() == ["c|d\ne"]


def test_what_is_not_known_of_a_dataset_is_not_told(make_dataset, tmp_path):
    dataset = make_dataset(explainable_r2={"image": 0.5, "image_and_luminosity": float("nan")})
    config = experiment(dataset, tmp_path)
    run_experiment(config.model_copy(update={"baselines": False}), only_tables=True)
    text = (tmp_path / "results.md").read_text()
    assert "best reachable R2 [dex] from image 0.500" in text
    assert "nan" not in text


def test_a_bound_may_be_one_number(make_dataset, tmp_path):
    config = experiment(make_dataset(explainable_r2=0.5), tmp_path)
    run_experiment(config.model_copy(update={"baselines": False}), only_tables=True)
    assert "best reachable R2 [dex] from inputs 0.500" in (tmp_path / "results.md").read_text()


def test_a_proxy_is_called_one(make_dataset, tmp_path):
    config = experiment(make_dataset(label_kind="proxy"), tmp_path)
    run_experiment(config.model_copy(update={"baselines": False}), only_tables=True)
    assert "its M/L is a proxy" in (tmp_path / "results.md").read_text()


def test_tables_of_a_page_are_rewritten(tmp_path):
    sys.path.insert(0, str(ROOT / "docs"))
    from update_results import update_tables

    page = tmp_path / "page.md"
    block = "<!-- table: {} -->\nold\n<!-- end of table -->\n"
    page.write_text("before\n" + block.format("a.md") + "between\n" + block.format("b.md") + "after\n")
    (tmp_path / "a.md").write_text("| a \\1 |\n")
    assert update_tables(page, tmp_path) == ["b.md"]
    expected = "before\n<!-- table: a.md -->\n\n| a \\1 |\n\n<!-- end of table -->\nbetween\n" + block.format("b.md")
    assert page.read_text() == expected + "after\n"
    update_tables(page, tmp_path)
    assert page.read_text() == expected + "after\n"
