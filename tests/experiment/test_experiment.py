"""Experiments: what is planned, what is run, what is measured and written, and what becomes of failures and breaks."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from dying_job import run_job as dying

from gzmass.cli import main
from gzmass.config import load_config
from gzmass.errors import ConfigError
from gzmass.experiment import ExperimentConfig, list_runs, run_experiment
from gzmass.experiment.plan import make_plan
from gzmass.experiment.tables import experiment_table, write_tables

ROOT = Path(__file__).parents[2]
TINY = {
    "model": {"hidden": 8, "dropout": 0.0},
    "optimization": {"batch_size": 12},
    "test_time_augmentation": 1,
}
STAGES = [{"name": "all", "epochs": 2, "keep": "last"}]


def experiment(dataset, out, **changes):
    return ExperimentConfig(
        **{
            "out": out,
            "seeds": [0, 1],
            "finetune": {"dataset": dataset, **TINY, "stages": STAGES, "n_labels": 36},
            "pretrain": {"votes": {**TINY, "stages": STAGES}},
            "axes": {
                "start": {
                    "scratch": {},
                    "pretrained": {"init_from": "votes", "vote_loss_weight": 0.02},
                    "too many": {"n_labels": 1000},
                },
                "metadata": {"none": {}, "D": {"metadata": ["distance_mpc"]}},
            },
            "rows": [{"at": {"start": start, "metadata": "D"}} for start in ("scratch", "pretrained", "too many")],
            **changes,
        }
    )


# ---- what is planned -------------------------------------------------------------------------------------------------


def test_every_training_is_planned_once_and_after_what_it_starts_from(galaxies, tmp_path):
    axes = {
        "labels": {10: {"n_labels": 10}, "all": {}},
        "start": {"scratch": {}, "pretrained": {"init_from": "votes"}, "again": {"init_from": {"start": "pretrained"}}},
    }
    plan = make_plan(experiment(galaxies, tmp_path, axes=axes, rows=None))
    assert [cell.at for cell in plan.cells][:2] == [
        {"labels": "10", "start": "scratch"}, {"labels": "10", "start": "pretrained"}
    ]  # fmt: skip
    # two pretrainings, one a seed, and 2 x 3 x 2 trainings
    assert [job.kind for job in plan.jobs].count("pretrain-gz2") == 2
    assert len(plan.jobs) == 14
    assert len({job.config.out for job in plan.jobs}) == 14
    for position, job in enumerate(plan.jobs):
        if job.needs:
            assert job.needs in plan.jobs[:position]
            assert job.config.init_from == job.needs.config.out
            assert job.config.seed == job.needs.config.seed
    again = plan.cells[2].jobs[1]
    assert (again.name, again.needs.name, again.needs.needs.name) == (
        "10 again seed 1", "10 pretrained seed 1", "pretraining votes seed 1"
    )  # fmt: skip


def test_keys_with_a_dot_go_into_what_other_axes_set(galaxies, tmp_path):
    axes = {
        "labels": {"few": {"stages.all.epochs": 5}},
        "start": {"heads first": {"stages": [{"name": "head", "train": "heads", "epochs": 1}, *STAGES]}},
    }
    job = make_plan(experiment(galaxies, tmp_path, axes=axes, rows=None)).jobs[0]
    assert [(stage.name, stage.epochs) for stage in job.config.stages] == [("head", 1), ("all", 5)]
    assert [stage["epochs"] for stage in STAGES] == [2]  # the data given are left as they were


def test_a_pretraining_has_the_network_and_the_dataset_of_what_starts_from_it(galaxies, make_dataset, tmp_path):
    other = make_dataset(seed=5)
    axes = {
        "data": {"one": {}, "other": {"dataset": other}},
        "hidden": {"8": {"init_from": "votes"}, "9": {"init_from": "votes", "model.hidden": 9}},
    }
    plan = make_plan(experiment(galaxies, tmp_path, axes=axes, rows=None, seeds=[3], pretrain={"votes": {}}))
    pretrainings = [job.config for job in plan.jobs if job.kind == "pretrain-gz2"]
    assert {(config.dataset, config.model.hidden) for config in pretrainings} == {
        (path, hidden) for path in (galaxies, other) for hidden in (8, 9)
    }


def test_a_training_is_known_by_what_it_learns_not_by_where_it_stands(galaxies, make_dataset, tmp_path):
    def identity(**changes):
        finetune = {"dataset": galaxies, "stages": STAGES, **changes}
        axes = {"a": {"b": {}}}
        return make_plan(experiment("", tmp_path, finetune=finetune, axes=axes, rows=None)).jobs[0].fingerprint

    moved = tmp_path / "moved"
    moved.mkdir()
    (moved / "dataset.yaml").write_bytes((galaxies / "dataset.yaml").read_bytes())
    assert identity() == identity(dataset=moved) == identity(model={"dropout": 0.3}, tensorboard=True)
    assert len({identity(), identity(dataset=make_dataset(seed=9)), identity(n_labels=5)}) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axes": {"a": {"b": {"stages.all.epoch": 1}}}}, r"training 'b' .* no key 'stages.0.epoch' .* 'epochs'\?"),
        ({"axes": {"a": {"b": {"loss": "absolute"}}}}, "key 'loss' has the value 'absolute': input should be"),
        ({"axes": {"a": {"b": {"seed": 3}}}}, "key 'seed' has the value 3, but the experiment sets it"),
        ({"axes": {"a": {"b": {"init_from": "vots"}}}}, r"'vots', which is neither a pretraining .* \(votes\) nor"),
        ({"axes": {"a": {"b": {"init_from": {"a": "c"}}}}}, "allowed are values on the axes a"),
        ({"axes": {"a": {"b": {"init_from": {"a": "b"}}}}}, "training 'b' .* starts from itself"),
        ({"pretrain": {"votes": {"vote_los": "x"}}, "rows": None}, r"'pretraining votes' .* no key 'vote_los'"),
    ],
)
def test_a_training_that_is_not_allowed_is_told_of_before_any_is_run(galaxies, tmp_path, changes, message):
    if "axes" in changes:
        changes["rows"] = None
    with pytest.raises(ConfigError, match=message):
        run_experiment(experiment(galaxies, tmp_path / "out", **changes))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["rows.0.at.start=scrtch"], "a row has 'scrtch' on the axis 'start', whose values are scratch, pretrained"),
        (["rows.0.at={start: scratch}"], r"a row needs a value of each axis \(start, metadata\)"),
        (["axes.seed={a: {}}"], "axes has 'seed', which is a column of the table"),
        (["seeds=[1, 1]"], "seeds has a seed twice"),
        (["rows.0.published.rmse=1"], "'rows.0.published.rmse' has the value 'rmse'"),
    ],
)
def test_errors_of_the_experiment_itself(galaxies, tmp_path, overrides, message):
    with pytest.raises(ConfigError, match=message):
        load_config(ExperimentConfig, written(experiment(galaxies, "out"), tmp_path), overrides)


def written(config, folder):
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("name", "rows", "trainings"), [("label_efficiency", 16, 51), ("published_table", 6, 15), ("trunks", 2, 6)]
)
def test_the_configurations_that_come_with_gzmass(name, rows, trainings):
    plan = make_plan(load_config(ExperimentConfig, ROOT / "configs" / f"{name}.yaml"))
    assert (len(plan.cells), len(plan.jobs)) == (rows, trainings)


def test_the_published_protocol():
    plan = make_plan(load_config(ExperimentConfig, ROOT / "configs" / "published_table.yaml"))
    config = plan.cells[3].jobs[0].config
    assert (config.model.trunk, config.loss, config.target, config.optimization.optimizer) == (
        "cnn4", "squared_error", "linear", "nadam"
    )  # fmt: skip
    assert (config.n_labels, config.metadata) == (10_000, ["distance_mpc", "luminosity_g"])
    last = plan.cells[5].jobs[0]
    assert last is plan.cells[4].jobs[0]
    assert (last.config.n_labels, last.config.augmentation.shift) == (30_000, 0.078)
    assert last.needs is plan.cells[3].jobs[0]


# ---- what is run -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(galaxies, tmp_path_factory):
    """An experiment of three rows, and what was told of it."""
    config = experiment(galaxies, tmp_path_factory.mktemp("experiment") / "out", seeds=[1])
    told = []
    return config, run_experiment(config, progress=lambda *what: told.append(what)), told


def test_the_table(finished):
    config, result, _ = finished
    table = pd.read_parquet(config.out / "results.parquet")
    pd.testing.assert_frame_equal(table, result.table)
    assert table["kind"].tolist() == ["finetune-ml"] * 3 + ["pretrain-gz2"] + ["baseline"] * 4
    scratch, pretrained, failed = (table[table["start"] == name] for name in ("scratch", "pretrained", "too many"))
    for rows in (scratch, pretrained):
        assert rows["seed"].tolist() == [1]
        assert np.isfinite(rows[["rmse_linear", "r2_linear", "r2_dex", "coverage_68", "coverage_95"]]).all(axis=None)
        assert (rows["training_seconds"] > 0).all()
        assert rows["n_train"].tolist() == [36]
    assert pretrained["rmse_dex"].item() != scratch["rmse_dex"].item()
    assert np.isfinite(pretrained["votes_rmse"]).all()
    assert scratch["votes_rmse"].isna().all()
    assert failed["failed"].str.contains("'n_labels' has the value 1000").all()
    assert table.loc[table["kind"] == "baseline", "name"].tolist()[0] == "constant"
    assert np.isfinite(table.loc[table["kind"] == "pretrain-gz2", ["votes_rmse", "votes_rmse_mean"]]).all(axis=None)


def test_what_failed_is_told_of_and_the_rest_went_on(finished):
    config, result, told = finished
    assert [name for name, _ in result.failed] == ["too many D seed 1"]
    ended = [(done, total, name) for done, total, name, what in told if isinstance(what, dict)]
    assert [done for done, _, _ in ended] == [1, 2, 3, 4]
    assert ended[-1] == (4, 4, "pretrained D seed 1")
    assert (0, 4, "scratch D seed 1", "all 2/2") in told
    assert "- too many D seed 1: The key 'n_labels'" in (config.out / "results.md").read_text()


def test_a_finished_experiment_trains_nothing_and_gives_the_same_tables(finished):
    config, result, _ = finished
    written = {file: file.stat().st_mtime_ns for file in config.out.rglob("model.keras")}
    told = []
    again = run_experiment(config, progress=lambda *what: told.append(what))
    pd.testing.assert_frame_equal(again.table, result.table)
    assert [name for _, _, name, _ in told] == ["too many D seed 1"]  # tried again
    assert {file: file.stat().st_mtime_ns for file in config.out.rglob("model.keras")} == written


def test_the_listing(finished):
    config, _, _ = finished
    runs = {run["name"]: run for run in list_runs(config.model_copy(update={"seeds": [1, 2]}))}
    assert runs["scratch D seed 1"]["state"] == "finished"
    assert runs["scratch D seed 2"]["state"] == "missing"
    assert runs["scratch D seed 2"]["seconds"] == runs["scratch D seed 1"]["seconds"] > 0


def test_an_interrupted_experiment_that_goes_on_in_another_process_gives_the_same_table(finished, galaxies, tmp_path):
    config, result, _ = finished
    interrupted = experiment(galaxies, tmp_path / "out", seeds=[1], rows=config.rows[:2])

    def stop(done, *_):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_experiment(interrupted, progress=stop)
    before = dict(os.environ)
    whole = run_experiment(interrupted.model_copy(update={"workers": 2})).table
    assert dict(os.environ) == before
    same = ["name", "start", "seed", "n_train", "rmse_linear", "r2_dex", "coverage_90", "votes_rmse"]
    expected = result.table[(result.table["kind"] != "baseline") & (result.table["failed"] == "")]
    got = whole[whole["kind"] != "baseline"]
    pd.testing.assert_frame_equal(got[same].reset_index(drop=True), expected[same].reset_index(drop=True), rtol=1e-4)


def test_an_experiment_that_is_killed_again_and_again_gives_the_same_table(finished, galaxies, tmp_path):
    config, result, _ = finished
    killed = experiment(galaxies, tmp_path / "out", seeds=[1], rows=config.rows[:2], baselines=False)
    code = "import sys; from gzmass.cli import main; sys.exit(main(['experiment', sys.argv[1]]))"
    rng = np.random.default_rng(0)
    states = []
    # in the middle of a training; and soon after one, before it is measured or in the next
    for mark in ("history.csv", "card.yaml"):
        n_before = len(list(killed.out.rglob(mark)))
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code, str(written(killed, tmp_path))],
            env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            while process.poll() is None and len(list(killed.out.rglob(mark))) == n_before:
                time.sleep(0.02)
            time.sleep(rng.uniform(0, 0.5))
            assert process.poll() is None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        states.append({run["state"] for run in list_runs(killed)})
    assert states[0] == {"begun", "missing"}
    assert "missing" in states[1]
    got = run_experiment(killed).table
    expected = result.table[(result.table["kind"] != "baseline") & (result.table["failed"] == "")]
    same = ["name", "start", "seed", "n_train", "rmse_linear", "r2_dex", "coverage_90", "votes_rmse"]
    expected = expected[expected["seed"] == 1]
    pd.testing.assert_frame_equal(got[same].reset_index(drop=True), expected[same].reset_index(drop=True), rtol=1e-4)


def test_a_training_whose_process_dies_fails_alone(galaxies, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["gzmass.experiment.experiment"], "run_job", dying)
    config = experiment(galaxies, tmp_path / "out", axes={"start": {"scratch": {}}}, rows=None, seeds=[0, 1, 2])
    told = []
    result = run_experiment(
        config.model_copy(update={"workers": 2, "baselines": False}), progress=lambda *said: told.append(said[2])
    )
    assert result.failed == [("scratch seed 1", "its worker process was killed by SIGKILL at each of 3 attempts")]
    assert result.table.set_index("seed")["rmse_dex"].dropna().to_dict() == {0: 0.1, 2: 2.1}
    assert sorted(told) == ["scratch seed 0", "scratch seed 1", "scratch seed 2"]


def test_what_starts_from_a_training_that_failed_is_not_run(make_dataset, tmp_path):
    def no_votes(table):
        table[[name for name in table if name.endswith("_votes")]] = np.nan

    config = experiment(make_dataset(edit=no_votes), tmp_path / "out", seeds=[0], baselines=False)
    config = config.model_copy(update={"rows": config.rows[1:2]})
    result = run_experiment(config)
    assert [name for name, _ in result.failed] == ["pretrained D seed 0", "pretraining votes seed 0"]
    assert result.failed[0][1] == "the training 'pretraining votes seed 0', which it starts from, failed"
    assert "has no votes" in result.failed[1][1]


def test_a_dataset_that_is_missing_stops_its_rows_only(galaxies, tmp_path):
    axes = {"data": {"here": {}, "not yet": {"dataset": "absent"}}}
    config = experiment(galaxies, tmp_path / "out", axes=axes, rows=None, seeds=[0], baselines=False)
    assert {run["name"]: run["state"] for run in list_runs(config)} == {
        "here seed 0": "missing",
        "not yet seed 0": "The directory 'absent' is not a finished dataset: it has no dataset.yaml.",
    }
    result = run_experiment(config, only_tables=True)
    assert dict(result.failed) == {"here seed 0": "not finished", "not yet seed 0": "not finished"}


# ---- the tables ------------------------------------------------------------------------------------------------------


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


# ---- the command line ------------------------------------------------------------------------------------------------


def test_the_command(finished, tmp_path, capsys):
    config, _, _ = finished
    file = str(written(config, tmp_path))
    assert main(["experiment", file, "--list"]) == 0
    assert "scratch D seed 1: finished" in capsys.readouterr().out
    assert main(["experiment", file, "--only-tables"]) == 3
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"4 trainings in {config.out}, 3 of them finished"
    assert out[-1] == f"-> {config.out / 'results.md'}"
    rows = yaml.safe_dump([row.model_dump() for row in config.rows[:2]], default_flow_style=True, width=1000)
    assert main(["experiment", file, f"rows={rows.strip()}"]) == 0
    assert main(["experiment", file, "finetune.loss=absolute"]) == 2
    assert capsys.readouterr().err.startswith("Error: The training")
