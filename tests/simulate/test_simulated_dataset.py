"""Writing a simulated dataset: the same bytes whatever the workers, continued after an interruption."""

import re
import shutil

import numpy as np
import pytest

from gzmass.datasets import open_dataset
from gzmass.datasets import write as write_module
from gzmass.errors import ConfigError
from gzmass.preparation import PrepareConfig, prepare
from gzmass.simulate import explainable_r2, making, simulate


def contents(path):
    return {file.name: file.read_bytes() for file in sorted((path / "images").iterdir())}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    out = tmp_path_factory.mktemp("simulated") / "dataset"
    return simulate(out, 60, npix=24, seed=5, unlabelled_ml=0.2)


def test_the_dataset_opens_and_the_summary_is_true(small):
    dataset = open_dataset(small["path"])
    assert len(dataset.table) == small["n_galaxies"] == 60
    assert dataset.images().shape == (60, 24, 24, 1)
    assert dataset.table["log_ml_g"].notna().sum() == small["with_log_ml"] < 60
    assert dataset.table["log_mstar"].isna().equals(dataset.table["log_ml_g"].isna())  # it would give the label away
    assert dataset.table["log_ml_g_err"].isna().equals(dataset.table["log_ml_g"].isna())
    assert len(dataset.rows(labelled="votes")) == small["with_votes"] < 60
    assert (dataset.table["stretch_scale"] > 0).all()
    np.testing.assert_allclose(dataset.table["pixel_scale_arcsec"], 4.24 * dataset.table["sim_r90_arcsec"] / 24)
    assert explainable_r2(dataset.table) == pytest.approx(dataset.info["explainable_r2"]) == small["explainable_r2"]
    assert not (small["path"] / "units").exists()


def test_a_finished_dataset_is_what_its_file_says_and_the_default_fractions_are_the_default(small):
    file = small["path"] / "dataset.yaml"
    text = file.read_text()
    file.write_text(re.sub(r"(image_and_luminosity: ).*", r"\g<1>0.5", text))
    again = simulate(
        small["path"], 60, npix=24, seed=5, unlabelled_ml=0.2, fractions={"train": 0.7, "val": 0.1, "test": 0.2}
    )
    file.write_text(text)
    assert again["explainable_r2"]["image_and_luminosity"] == 0.5


def test_the_stretch_is_described_as_prepare_describes_its_own(small, tmp_path):
    # a run compares the two word for word, and calls images of another stretch out of its domain
    prepared = prepare(
        PrepareConfig(
            out=tmp_path / "prepared", images={"folder": small["path"] / "images", "pattern": "{id}.png"}, npix=24
        )
    )
    assert open_dataset(prepared.path).info["stretch"] == open_dataset(small["path"]).info["stretch"]


def test_more_galaxies_and_more_workers_give_the_same_bytes(small, tmp_path, monkeypatch):
    monkeypatch.setattr(making, "GALAXIES_PER_UNIT", 40)
    more = simulate(tmp_path / "more", 90, npix=24, seed=5, unlabelled_ml=0.2, workers=2)
    first, second = contents(small["path"]), contents(more["path"])
    assert {name: second[name] for name in first} == first
    table, other = (open_dataset(result["path"]).table for result in (small, more))
    assert table.equals(other[:60])


def test_an_interrupted_run_goes_on(small, tmp_path, monkeypatch):
    monkeypatch.setattr(making, "GALAXIES_PER_UNIT", 20)
    rendered, fail = [], True

    def interrupted(galaxy, npix, rng):
        if fail and len(rendered) == 45:
            raise KeyboardInterrupt
        rendered.append(galaxy["id"])
        return original(galaxy, npix, rng)

    original = making.render
    monkeypatch.setattr(making, "render", interrupted)
    out, arguments = tmp_path / "again", {"npix": 24, "seed": 5, "unlabelled_ml": 0.2}
    with pytest.raises(KeyboardInterrupt):
        simulate(out, 60, **arguments)
    assert not (out / "dataset.yaml").exists()
    fail, calls = False, []
    simulate(out, 60, progress=lambda done, total: calls.append((done, total)), **arguments)
    assert rendered[45:] == list(range(40, 60))
    assert calls == [(60, 60)]
    assert contents(out) == contents(small["path"])
    assert open_dataset(out).table.equals(open_dataset(small["path"]).table)


def test_shards_hold_the_same_dataset_and_go_on_too(small, tmp_path, monkeypatch):
    monkeypatch.setattr(making, "GALAXIES_PER_UNIT", 20)
    out, arguments = tmp_path / "shards", {"npix": 24, "seed": 5, "unlabelled_ml": 0.2, "storage": "shards"}
    rendered, original = [], making.render

    def interrupted(galaxy, npix, rng):
        rendered.append(galaxy["id"])
        if len(rendered) == 45:
            raise KeyboardInterrupt
        return original(galaxy, npix, rng)

    monkeypatch.setattr(making, "render", interrupted)
    with pytest.raises(KeyboardInterrupt):
        simulate(out, 60, **arguments)
    simulate(out, 60, **arguments)
    assert rendered[45:] == list(range(40, 60))
    packed, files = open_dataset(out), open_dataset(small["path"])
    assert {file.name for file in out.iterdir()} == {"catalog.parquet", "dataset.yaml", "recipe.yaml", "shards"}
    assert packed.info["content_hash"] == files.info["content_hash"]
    assert (packed.images() == files.images()).all()
    simulate(out, 60, **{**arguments, "storage": "files"})
    assert contents(out) == contents(small["path"])
    assert len(rendered) == 65


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"storage": "zip"}, "files, shards. Received: storage='zip'"),
        ({"n_galaxies": 0}, "n_galaxies=0"),
        ({"npix": 15}, "npix=15"),
        ({"unlabelled_votes": 1.5}, "unlabelled_votes=1.5"),
        ({"workers": 0}, "workers=0"),
    ],
)
def test_bad_arguments_leave_nothing_behind(tmp_path, arguments, match):
    with pytest.raises(ConfigError, match=match):
        simulate(tmp_path / "none", **({"n_galaxies": 5} | arguments))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("storage", ["files", "shards"])
def test_what_was_deleted_of_a_dataset_in_progress_is_made_again(small, tmp_path, monkeypatch, storage):
    monkeypatch.setattr(making, "GALAXIES_PER_UNIT", 20)
    out, arguments = tmp_path / "again", {"npix": 24, "seed": 5, "unlabelled_ml": 0.2, "storage": storage}

    def interrupted(done, total):
        if done == 40 < total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(out, 60, progress=interrupted, **arguments)
    if storage == "files":
        (out / "images" / "3.png").unlink()
    else:
        shutil.rmtree(out / "work")
    simulate(out, 60, **arguments)
    assert open_dataset(out).info["content_hash"] == open_dataset(small["path"]).info["content_hash"]


def test_a_process_that_comes_between_is_told_before_anything_is_written(tmp_path, monkeypatch):
    """Another process begins the directory after this one has looked at it, and before it holds it."""
    original = write_module.hold_directory

    def hold(path):
        monkeypatch.setattr(write_module, "hold_directory", original)
        simulate(path, 20, npix=24, seed=1)
        return original(path)

    monkeypatch.setattr(write_module, "hold_directory", hold)
    with pytest.raises(ConfigError, match="made from another seed"):
        simulate(tmp_path / "ds", 20, npix=24, seed=2)
    assert open_dataset(tmp_path / "ds").info["simulation"]["seed"] == 1
    assert simulate(tmp_path / "ds", 20, npix=24, seed=1)["n_galaxies"] == 20
