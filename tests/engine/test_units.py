"""Units that fail, kill their worker, or are killed from outside: the others are made, once, and a rerun goes on."""

import csv
import multiprocessing
import os
import signal
import threading
import time

import pytest
import unit_pieces

from gzmass.engine import LocalEngine, Unit, claim_directory, fingerprint, open_engine, run_units
from gzmass.engine.local import ATTEMPTS
from gzmass.errors import ConfigError, GzmassError


def units_of(folder, *what):
    (folder / "begun").mkdir(exist_ok=True)
    return [Unit(f"unit {k}", folder / "parts" / f"{k}.txt", 10, (one, folder / "begun")) for k, one in enumerate(what)]


def begun(folder):
    """How often each unit was begun."""
    return {int(file.name.split(".")[0]): len(file.read_text().split()) for file in (folder / "begun").iterdir()}


def failures(folder):
    with (folder / "failed_units.csv").open(newline="") as file:
        return {row["unit"]: row["reason"] for row in csv.DictReader(file)}


def made(folder):
    return sorted(file.name for file in (folder / "parts").iterdir())


@pytest.fixture(params=["local", "dask"])
def engine(request):
    if request.param == "dask":
        pytest.importorskip("distributed")
    with open_engine(request.param, workers=2) as opened:
        yield opened


def kill_one_that_works_on(folder, unit):
    """Kill, from outside, the worker that has begun a unit."""
    file = folder / "begun" / f"{unit}.txt.begun"

    def kill():
        while not file.is_file() or not file.read_text():
            time.sleep(0.01)
        os.kill(int(file.read_text().split()[0]), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_one_raises_one_kills_and_one_is_killed_from_outside(engine, tmp_path):
    units = units_of(tmp_path, "ok", "raise", "kill", "ok", "slow", "ok", "ok", "ok")
    seen = []
    thread = kill_one_that_works_on(tmp_path, 4)
    summary = run_units(engine, unit_pieces.write, units, tmp_path, lambda done, total: seen.append((done, total)))
    thread.join()
    assert made(tmp_path) == [f"{k}.txt" for k in (0, 3, 4, 5, 6, 7)]
    assert summary.found == 0
    assert summary.made == 6
    assert dict(summary.failed) == failures(tmp_path)
    assert failures(tmp_path)["unit 1"] == "ValueError: the unit is bad"
    assert f"at each of {ATTEMPTS} attempts" in failures(tmp_path)["unit 2"]
    counts = begun(tmp_path)
    assert counts[2] == ATTEMPTS
    assert counts[4] <= 2
    assert [counts[k] for k in (0, 1, 3, 5, 6, 7)] == [1] * 6
    assert seen[-1] == (80, 80)
    # again, with the unit that raised mended: only what is missing is begun
    for file in (tmp_path / "begun").iterdir():
        file.unlink()
    units[1:3] = units_of(tmp_path, "ok", "ok", "ok")[1:3]
    again = run_units(engine, unit_pieces.write, units, tmp_path)
    assert (again.found, again.made, again.failed) == (6, 2, [])
    assert begun(tmp_path) == {1: 1, 2: 1}
    assert not (tmp_path / "failed_units.csv").exists()


def test_a_full_disk_ends_the_run_in_one_sentence_and_it_goes_on_later(engine, tmp_path):
    units = units_of(tmp_path, "ok", "full", *["slow"] * 12)
    with pytest.raises(
        GzmassError, match=r"1.txt' can not be written: the disk is full. .* run the same command again"
    ):
        run_units(engine, unit_pieces.write, units, tmp_path)
    n_made = len(made(tmp_path))
    assert n_made < 13
    assert not list((tmp_path / "parts").glob(".partial-*"))
    again = run_units(engine, unit_pieces.write, units_of(tmp_path, *["ok"] * 14), tmp_path)
    assert (again.found, again.made) == (n_made, 14 - n_made)


def test_what_an_earlier_call_has_listed_and_an_interrupted_one_did_not_come_to_stays_listed(tmp_path):
    units = units_of(tmp_path, "raise", "ok", "raise")
    run_units(LocalEngine(), unit_pieces.write, units, tmp_path)
    before = failures(tmp_path)
    assert set(before) == {"unit 0", "unit 2"}

    def stop(done, _):
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_units(LocalEngine(), unit_pieces.write, [*units_of(tmp_path, "ok"), *units[1:]], tmp_path, stop)
    assert failures(tmp_path) == {"unit 2": before["unit 2"]}
    run_units(LocalEngine(), unit_pieces.write, units_of(tmp_path, "ok", "ok", "ok"), tmp_path)
    assert not (tmp_path / "failed_units.csv").exists()


def test_an_error_that_ends_the_run(tmp_path):
    with pytest.raises(GzmassError, match=r"no model. What is finished is kept"):
        run_units(LocalEngine(), raise_for_all, units_of(tmp_path, "ok", "ok"), tmp_path)
    assert begun(tmp_path) == {}


def raise_for_all(_work, _path):
    error = GzmassError("no model.")
    error.ends_run = True
    raise error


def test_one_worker_is_another_process_too(tmp_path):
    summary = run_units(LocalEngine(), unit_pieces.write, units_of(tmp_path, "kill", "ok"), tmp_path)
    assert (summary.made, len(summary.failed)) == (1, 1)
    assert "was killed by SIGKILL" in summary.failed[0][1]
    assert not multiprocessing.active_children()


def test_results_come_one_by_one_and_closing_ends_the_processes(tmp_path):
    units = units_of(tmp_path, "ok", "wait", "wait")
    running = LocalEngine(2).run(run_one, units)
    assert next(running)[0] is units[0]
    running.close()
    assert not multiprocessing.active_children()
    assert not list((tmp_path / "parts").glob("[12].txt"))


def run_one(unit):
    unit.output.parent.mkdir(exist_ok=True)
    unit_pieces.write(unit.work, unit.output)


def test_a_directory_belongs_to_one_recipe(tmp_path):
    recipe = {"model": "a", "input": "b"}
    with claim_directory(tmp_path / "out", recipe, "predictions") as mark:
        assert mark == fingerprint(recipe)
    with claim_directory(tmp_path / "out", dict(reversed(recipe.items())), "predictions") as again:
        assert again == mark
    with (
        pytest.raises(ConfigError, match=r"out' holds predictions made from another model \(recipe.yaml says which\)"),
        claim_directory(tmp_path / "out", {**recipe, "model": "c"}, "predictions"),
    ):
        pass
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["recipe.yaml"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    for name in ("other", "other/file"):
        with (
            pytest.raises(ConfigError, match=r"exists and holds no predictions"),
            claim_directory(tmp_path / name, recipe, "predictions"),
        ):
            pass
    assert [file.name for file in (tmp_path / "other").iterdir()] == ["file"]
