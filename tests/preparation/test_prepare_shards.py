import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from gzmass.config import load_config
from gzmass.datasets import open_dataset, shards, storage
from gzmass.errors import ConfigError, DataError
from gzmass.preparation import PrepareConfig, pieces
from gzmass.preparation import prepare as prepare_function

FIRST = 1237648721789256091
N = 23


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Pieces of four images, shards of six in row groups of four; no page, which takes the longest."""
    monkeypatch.setattr(pieces, "_PIECE", 4)
    monkeypatch.setattr(storage, "shard_rows", lambda _: 6)
    monkeypatch.setattr(shards, "GROUP_ROWS", 4)
    monkeypatch.setattr("gzmass.preparation.page.write_page", lambda *_: None)


@pytest.fixture
def source(tmp_path):
    """Twenty-three FITS images, of which two are bad."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:30, :30] - 14.5
    (tmp_path / "fits").mkdir()
    for k in range(N):
        image = 50 * np.exp(-np.hypot(x, y) / (2 + k / 8)) + rng.normal(size=x.shape)
        fits.PrimaryHDU(image.astype(np.float32)).writeto(tmp_path / "fits" / f"{FIRST + k}.fits")
    for k in (3, 7):
        (tmp_path / "fits" / f"{FIRST + k}.fits").write_bytes(b"SIMPLE  = nothing")
    pd.DataFrame({"id": FIRST + np.arange(N), "redshift": np.arange(N) / 100}).to_csv(tmp_path / "z.csv", index=False)
    return tmp_path


def make(source, out, kind="shards", **changes):
    values = {
        "out": source / out,
        "images": {"folder": source / "fits"},
        "npix": 16,
        "cutout": {"neighbours": "none"},
        "metadata": {"file": source / "z.csv", "columns": {"redshift": "redshift"}},
        "storage": kind,
    }
    return prepare_function(PrepareConfig(**(values | changes))).path


def contents(path):
    """All that a dataset consists of; the records are no part of it."""
    files = (file for file in sorted(path.rglob("*")) if file.is_file() and file.suffix != ".json")
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


def make_noted(monkeypatch):
    """Note the galaxies whose images are made."""
    made, original = [], pieces.prepare_image

    def noted(config, galaxy, frames):
        made.append(galaxy.id - FIRST)
        return original(config, galaxy, frames)

    monkeypatch.setattr(pieces, "prepare_image", noted)
    return made


def test_shards_hold_the_same_dataset(source, monkeypatch):
    files, packed = open_dataset(make(source, "files", "files")), open_dataset(make(source, "shards"))
    assert packed.info["content_hash"] == files.info["content_hash"]
    assert packed.table.equals(files.table)
    assert (packed.images() == files.images()).all()
    assert len(packed) == N - 2
    assert [shard["rows"] for shard in packed.info["shards"].values()] == [6, 6, 6, 3]
    names = {file.name for file in packed.path.iterdir()}
    assert names == {"catalog.parquet", "dataset.yaml", "quarantine.csv", "recipe.yaml", "shards", "work"}
    assert {file.suffix for file in (packed.path / "work").iterdir()} == {".json"}
    expected = contents(packed.path)
    made = make_noted(monkeypatch)
    assert contents(make(source, "shards")) == expected
    assert made == []
    assert contents(make(source, "two", workers=2)) == expected


def test_a_storage_becomes_the_other_without_making_images(source, monkeypatch):
    expected = {kind: contents(make(source, kind, kind)) for kind in ("files", "shards")}
    made = make_noted(monkeypatch)
    for kind in ("shards", "files", "shards"):
        assert contents(make(source, "files", kind)) == expected[kind]
    assert made == []


def test_mended_removed_and_damaged(source, monkeypatch):
    path = make(source, "ds")
    shutil.copy(source / "fits" / f"{FIRST}.fits", source / "fits" / f"{FIRST + 3}.fits")
    (source / "fits" / f"{FIRST + 12}.fits").unlink()
    made = make_noted(monkeypatch)
    make(source, "ds")
    # pieces of which a file has changed, and those whose galaxies have moved into another
    assert sorted(made) == [0, 1, 2, 3, *range(13, 23)]
    expected = contents(make(source, "fresh"))
    assert contents(path) == expected
    for damage in (Path.unlink, lambda file: file.write_bytes(b"PAR1")):
        damage(path / "shards" / "part-00001.parquet")
        made.clear()
        make(source, "ds")
        assert contents(path) == expected
        assert len(made) == 6


def test_a_file_that_comes_back_is_not_taken_for_the_one_between(source):
    file, kept = source / "fits" / f"{FIRST + 5}.fits", source / "kept.fits"
    path, expected = make(source, "ds"), None
    expected = contents(path)
    shutil.copy2(file, kept)
    shutil.copy(source / "fits" / f"{FIRST}.fits", file)
    assert contents(make(source, "ds")) != expected
    shutil.copy2(kept, file)  # with its time of change
    assert contents(make(source, "ds")) == expected


def test_interrupted_at_any_rename_it_goes_on_to_the_same_bytes(source, monkeypatch):
    """First from nothing; then when a file was mended, so that all shards move; then to files."""
    before = contents(make(source, "before"))
    fresh = source / "fits" / f"{FIRST + 3}.fits"
    bad = fresh.read_bytes()
    cases = [(None, "shards"), ("before", "shards"), ("before", "files")]
    for number, (start, kind) in enumerate(cases):
        fresh.write_bytes(bad)
        if start is not None:
            shutil.copy(source / "fits" / f"{FIRST}.fits", fresh)
        expected, interrupted = contents(make(source, f"expected {number}", kind)), 0
        for stop in (0, 2, 5, 9, 12, 14, 15, 16, 17, 18, 19, 21) if start is None else range(10):
            out = source / f"{number} {stop}"
            if start is not None:
                shutil.copytree(source / start, out)
            with monkeypatch.context() as patch:
                interrupt_at(patch, stop)
                try:
                    make(source, out.name, kind)
                except KeyboardInterrupt:
                    interrupted += 1
                    if (out / "dataset.yaml").exists():  # then it is a whole one, the old or the new
                        assert len(open_dataset(out).images()) in {N - 2, N - 1}
            make(source, out.name, kind)
            assert contents(out) == expected, f"case {number}, interrupted at {stop}"
        assert interrupted > 2
    assert contents(source / "before") == before


def interrupt_at(patch, n):
    """Let the n-th rename or removal of a whole file be an interruption, and all after it."""
    count = [0]

    def counted(function):
        def call(*arguments, **kwargs):
            if "partial" not in Path(arguments[0]).name or function is not original["unlink"]:
                count[0] += 1
                if count[0] > n:
                    raise KeyboardInterrupt
            return function(*arguments, **kwargs)

        return call

    original = {"unlink": Path.unlink, "replace": Path.replace}
    for name, function in original.items():
        patch.setattr(Path, name, counted(function))


def test_nothing_can_be_used(source):
    for file in (source / "fits").iterdir():
        file.write_bytes(b"SIMPLE  = nothing")
    with pytest.raises(DataError, match="None of the 23 images can be used"):
        make(source, "ds")
    assert not (source / "ds").exists()
    with pytest.raises(ConfigError, match=r"storage.*files.*shards"):
        load_config(PrepareConfig, overrides=["out=x", "images.folder=fits", "storage=zip"])
