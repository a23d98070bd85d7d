"""Experiments: what is run, what is measured, and what becomes of failures and breaks."""

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
from small_experiment import experiment, written

from gzmass import console
from gzmass.cli import main
from gzmass.engine import hold_directory
from gzmass.errors import ConfigError, DataError
from gzmass.experiment import list_runs, run_experiment
from gzmass.experiment.plan import make_plan

ROOT = Path(__file__).parents[2]


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


def test_the_listing(finished, capsys):
    config, _, _ = finished
    runs = {run["name"]: run for run in list_runs(config.model_copy(update={"seeds": [1, 2]}))}
    assert runs["scratch D seed 1"]["state"] == "finished"
    assert runs["scratch D seed 2"]["state"] == "missing"
    assert runs["scratch D seed 2"]["seconds"] == runs["scratch D seed 1"]["seconds"] > 0
    console.experiment_runs(list(runs.values()))
    assert (
        capsys.readouterr().out.splitlines()[-1].endswith(" to be run; their minutes are estimates from another seed")
    )


def test_what_another_version_measured_is_listed_as_such(finished, monkeypatch):
    monkeypatch.setattr("gzmass.experiment.measuring.__version__", "9.9.9")
    states = {run["name"]: run["state"] for run in list_runs(finished[0])}
    assert states["scratch D seed 1"] == states["pretraining votes seed 1"] == "to be measured"


def test_baselines_stay_in_the_tables_while_an_experiment_goes_on(finished):
    config, result, _ = finished
    seen = []

    def look(_, __, ___, what):
        if isinstance(what, str):
            return
        seen.append(pd.read_parquet(config.out / "results.parquet"))
        if len(seen) == 2:  # the tables have been written after the first
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_experiment(config.model_copy(update={"seeds": [1, 2]}), progress=look)
    run_experiment(config, only_tables=True)
    assert (seen[1]["kind"] == "baseline").sum() == (result.table["kind"] == "baseline").sum() == 4


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


def test_one_process_at_a_time_runs_an_experiment(galaxies, tmp_path):
    config = experiment(galaxies, tmp_path / "out", axes={"start": {"scratch": {}}}, rows=None, seeds=[0])
    with hold_directory(config.out), pytest.raises(ConfigError, match="is being worked in by process"):
        run_experiment(config)
    assert not list(config.out.glob("results.*"))


def test_what_starts_from_a_training_that_failed_is_not_run(make_dataset, tmp_path):
    def no_votes(table):
        table[[name for name in table if name.endswith("_votes")]] = np.nan

    config = experiment(make_dataset(edit=no_votes), tmp_path / "out", seeds=[0], baselines=False)
    config = config.model_copy(update={"rows": config.rows[1:2]})
    result = run_experiment(config)
    assert [name for name, _ in result.failed] == ["pretrained D seed 0", "pretraining votes seed 0"]
    assert result.failed[0][1] == "the training 'pretraining votes seed 0', which it starts from, failed"
    assert "has no votes" in result.failed[1][1]


def test_a_dataset_that_is_missing_stops_its_rows_only(galaxies, tmp_path, capsys):
    axes = {"data": {"here": {}, "not yet": {"dataset": "absent"}}}
    config = experiment(galaxies, tmp_path / "out", axes=axes, rows=None, seeds=[0], baselines=False)
    reason = "The dataset directory 'absent' does not exist."
    assert {run["name"]: (run["state"], run["problem"]) for run in list_runs(config)} == {
        "here seed 0": ("missing", None),
        "not yet seed 0": ("can not be run", reason),
    }
    console.experiment_runs(list_runs(config))
    assert capsys.readouterr().out.splitlines() == [
        "here seed 0: missing",
        "not yet seed 0: can not be run",
        "1 of 2 to be run",
        f"1 can not be run: {reason}",
    ]
    result = run_experiment(config, only_tables=True)
    assert dict(result.failed) == {
        "here seed 0": "not finished",
        "not yet seed 0": reason,
    }


@pytest.mark.parametrize("only_tables", [True, False])
def test_numbers_are_not_lost_since_their_dataset_is_away(make_dataset, tmp_path, only_tables):
    dataset = make_dataset()
    axes = {"start": {"scratch": {}}}
    config = experiment(dataset, tmp_path / "out", axes=axes, rows=None, seeds=[0], baselines=False)
    folder = make_plan(config).jobs[0].config.out
    folder.mkdir(parents=True)
    (folder / "test.yaml").write_text(yaml.safe_dump({"gzmass": "0.0.0", "measured": {"rmse_dex": 0.1}}))
    assert run_experiment(config, only_tables=True).failed == []  # of whatever version
    before = {file: file.read_bytes() for file in config.out.glob("results.*")}
    assert len(before) == 2
    dataset.rename(dataset.with_name("away"))
    with pytest.raises(DataError, match=r"numbers of the training 'scratch seed 0', which would be lost, "):
        run_experiment(config, only_tables=only_tables)
    assert {file: file.read_bytes() for file in config.out.glob("results.*")} == before


def test_tables_alone_train_no_baselines(finished, galaxies, tmp_path, monkeypatch):
    config, result, _ = finished
    monkeypatch.setattr("gzmass.experiment.measuring.mass_to_light_baselines", None)
    monkeypatch.setattr("gzmass.experiment.measuring.__version__", "9.9.9")  # after an upgrade
    again = run_experiment(config, only_tables=True).table
    pd.testing.assert_frame_equal(again[again["kind"] == "baseline"], result.table[result.table["kind"] == "baseline"])
    other = run_experiment(experiment(galaxies, tmp_path / "out"), only_tables=True)
    assert (f"baselines of {galaxies}", "not finished") in other.failed
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["results.md", "results.parquet"]


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
