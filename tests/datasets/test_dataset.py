import os
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from gzmass.datasets import open_dataset, split_by_id, write_dataset
from gzmass.errors import ConfigError, DataError
from gzmass.tree import load_tree

TREE = load_tree("gz2")
FIRST = 1237648721789256091


def make_table(n=30):
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"id": FIRST + np.arange(n), "redshift": rng.uniform(0, 0.2, n)})
    table["split"] = split_by_id(table["id"], {"train": 0.5, "val": 0.2, "test": 0.3})
    table["log_ml_g"] = np.where(np.arange(n) % 3 == 0, np.nan, 0.2)
    table["luminosity_g"] = 1e10
    for stem in TREE.stems:
        table[f"{stem}_votes"] = np.where(np.arange(n) % 2 == 0, np.nan, rng.uniform(0, 5, n))
    return table


def make_images(table, npix=16):
    rng = np.random.default_rng(2)
    return [(i, rng.integers(0, 256, (npix, npix), dtype=np.uint8)) for i in table["id"]]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    table = make_table()
    return write_dataset(tmp_path_factory.mktemp("d") / "ds", table, make_images(table), {"npix": 16}, TREE)


@pytest.fixture
def path(template, tmp_path):
    return shutil.copytree(template, tmp_path / "ds")


def edit(path, **columns):
    table = pd.read_parquet(path / "catalog.parquet")
    table.assign(**columns).to_parquet(path / "catalog.parquet", index=False)


def test_what_was_written_is_read(path):
    table = make_table()
    ds = open_dataset(path)
    assert ds.npix == 16
    assert ds.tree == TREE
    assert ds.table["id"].dtype == np.int64
    assert ds.table["id"].tolist() == table["id"].tolist()
    images = ds.images()
    assert images.shape == (30, 16, 16, 1)
    assert images.dtype == np.uint8
    assert all((images[k, ..., 0] == image).all() for k, (_, image) in enumerate(make_images(table)))
    assert np.allclose(ds.votes([1, 3]), table.filter(like="_votes").iloc[[1, 3]])
    assert np.isnan(ds.votes([0])).all()
    assert ds.log_ml("val").shape == (len(ds.rows("val")), 2)
    assert np.isnan(ds.log_ml()[:, 1]).all()
    assert ds.metadata(["redshift", "distance_mpc"]).dtype == np.float32
    assert np.isnan(ds.metadata(["distance_mpc"])).all()
    assert ds.table["log_mstar"].iloc[1] == pytest.approx(10.2)
    assert ds.info["counts"]["all"] == {"galaxies": 30, "votes": 15, "log_ml": 20, "votes_and_log_ml": 10}


def test_rows_by_a_mask(path):
    ds = open_dataset(path)
    mask = ds.table["split"] == "val"  # as pandas gives it
    for of in (ds.images, ds.votes, ds.log_ml, lambda rows: ds.pixels[rows], lambda rows: ds.batches(rows).rows):
        np.testing.assert_array_equal(of(mask), of(ds.rows("val")))
    assert ds.pngs(mask) == ds.pngs("val")
    for wrong in (mask[:-1], [0.0, 1.0], ["0"]):
        with pytest.raises(DataError, match=r"whole numbers, or by a mask of all 30 rows. Received: values of type"):
            ds.images(wrong)
    assert ds.images([]).shape == (0, 16, 16, 1)


def test_rows_by_split_and_label(path):
    ds = open_dataset(path)
    assert sum(len(ds.rows(split)) for split in ("train", "val", "test")) == 30
    assert (ds.rows(labelled="votes") % 2 == 1).all()
    assert len(ds.rows(labelled=("votes", "log_ml"))) == 25
    with pytest.raises(DataError, match=r"train, val, test. Received: 'valid'"):
        ds.rows("valid")
    with pytest.raises(DataError, match=r"votes, log_ml. Received: 'mass'"):
        ds.rows(labelled="mass")


def test_no_labels_in_the_split_is_said(path):
    edit(path, log_ml_g=np.nan)
    ds = open_dataset(path)
    with pytest.raises(DataError, match=r"split 'train' of the dataset .* has no log_ml: none of its \d+ galaxies"):
        ds.require_rows("train", "log_ml")
    assert len(ds.require_rows("train", "votes"))


def test_pixels_are_decoded_once(path):
    ds = open_dataset(path)
    assert not (path / "cache").exists()
    first = ds.images()
    assert not (path / "cache").exists()  # only training, which comes back to them, keeps them decoded
    assert (ds.pixels[:] == first[..., 0]).all()
    (cache,) = (path / "cache").iterdir()
    assert cache.name == f"pixels-{ds.info['content_hash']}.npy"
    for image in (path / "images").iterdir():
        image.write_bytes(b"")
    assert (open_dataset(path).images() == first).all()
    cache.unlink()
    for read in (lambda ds: ds.pixels, lambda ds: ds.images()):
        with pytest.raises(
            DataError, match=r"images/\d+\.png' can not be used: the image can not be read: it is no PNG"
        ):
            read(open_dataset(path))
    assert not list((path / "cache").iterdir())


def test_a_directory_that_can_not_be_written_is_read_into_memory(path, monkeypatch):
    expected = open_dataset(path).images()
    monkeypatch.setattr(os, "access", lambda *_: False)
    ds = open_dataset(path)
    assert (ds.pixels == expected[..., 0]).all()
    assert (ds.images([3]) == expected[[3]]).all()
    assert not (path / "cache").exists()


def test_image_of_another_size(path):
    file = path / "images" / f"{FIRST + 4}.png"
    Image.fromarray(np.zeros((20, 20), dtype=np.uint8)).save(file)
    with pytest.raises(DataError, match=rf"{FIRST + 4}.png' can not be used: .* 20 x 20 pixels .* 16 x 16"):
        open_dataset(path).images()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "does not exist"),
        (lambda p: (p / "dataset.yaml").unlink(), r"has no dataset\.yaml"),
        (lambda p: (p / "dataset.yaml").write_text("[1, 2"), "is not a YAML file"),
        (lambda p: (p / "dataset.yaml").write_text("version: 7"), "has the version 7; this gzmass reads version 1"),
        (lambda p: (p / "catalog.parquet").unlink(), r"has no catalog\.parquet"),
        (lambda p: (p / "catalog.parquet").write_text("x"), "can not be read"),
        (lambda p: (p / "images" / f"{FIRST + 7}.png").unlink(), f"lacks the image 'images/{FIRST + 7}.png'"),
        (lambda p: edit(p, id=FIRST), f"The id {FIRST} stands twice"),
        (lambda p: edit(p, id=np.uint64(2**63) + np.arange(30, dtype=np.uint64)), rf"The id {2**63 + 29} .* too large"),
        (lambda p: edit(p, id=np.arange(30.0)), r"must hold integers or text. Received: 0\.0 \(float64\)"),
        (lambda p: edit(p, split="training"), "holds 'training'; allowed are train, val, test"),
    ],
)
def test_what_is_no_dataset_is_refused(path, damage, message):
    damage(path)
    with pytest.raises(DataError, match=message):
        open_dataset(path)


def test_whole_numbers_as_ids_are_of_one_width(path, tmp_path):
    table = make_table().assign(id=np.arange(30, dtype=np.uint16))
    write_dataset(tmp_path / "written", table, make_images(table), {"npix": 16}, TREE)
    assert pd.read_parquet(tmp_path / "written" / "catalog.parquet")["id"].dtype == np.int64
    edit(path, id=make_table()["id"].astype(np.uint64))
    assert open_dataset(path).table["id"].dtype == np.int64


def test_only_the_answers_of_the_tree_are_votes(tmp_path):
    table = make_table().assign(merger_votes="many", bar_votes=-1.0)
    ds = open_dataset(write_dataset(tmp_path / "ds", table, make_images(table), {"npix": 16}, TREE))
    assert ds.info["counts"]["all"]["votes"] == 15
    assert ds.votes().shape == (30, 37)
    assert set(ds.table["merger_votes"]) == {"many"}


def test_an_image_that_is_not_there_is_named_by_its_row(path):
    ds = open_dataset(path)
    for rows, wrong in (([3, -31], -31), ([2, 30, 4], 30)):
        with pytest.raises(IndexError, match=f"The 30 images have no row {wrong}"):
            ds.pixels[rows]


def test_an_unknown_column_is_named(path):
    with pytest.raises(DataError, match=r"no numerical column 'colour'; it has .*redshift"):
        open_dataset(path).metadata(["colour"])


def test_writing_goes_on_and_gives_the_same_bytes(template, tmp_path):
    table = make_table()

    def stops_after(n):
        yield from make_images(table)[:n]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path / "ds", table, stops_after(11), {"npix": 16}, TREE)
    assert len(list((tmp_path / "ds" / "images").iterdir())) == 11
    with pytest.raises(DataError, match="not a finished dataset"):
        open_dataset(tmp_path / "ds")
    (tmp_path / "ds" / "images" / ".1.99.partial.png").write_bytes(b"half")
    write_dataset(tmp_path / "ds", table, make_images(table)[11:], {"npix": 16}, TREE)
    for file in template.rglob("*.*"):
        if "cache" not in file.parts:
            assert (tmp_path / "ds" / file.relative_to(template)).read_bytes() == file.read_bytes()


def test_other_things_are_not_overwritten(path, tmp_path):
    table = make_table()
    with pytest.raises(ConfigError, match="dataset files made from another npix"):
        write_dataset(path, table, make_images(table, 20), {"npix": 20}, TREE)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("dear")
    with pytest.raises(ConfigError, match="holds no dataset files"):
        write_dataset(tmp_path / "letters", table, [], {"npix": 16}, TREE)


def test_what_can_not_be_written_is_refused(tmp_path):
    table = make_table()
    with pytest.raises(DataError, match=rf"galaxy {FIRST + 1} has -3 in the column '{TREE.stems[0]}_votes'"):
        write_dataset(
            tmp_path / "a", table.assign(**{f"{TREE.stems[0]}_votes": [0, -3.0] + [0] * 28}), [], {"npix": 16}, TREE
        )
    errors = [0.1, -99.0] + [np.nan] * 28
    with pytest.raises(DataError, match=rf"galaxy {FIRST + 1} has -99 in the column 'log_ml_g_err' .*errors are >= 0"):
        write_dataset(tmp_path / "a", table.assign(log_ml_g_err=errors), [], {"npix": 16}, TREE)
    with pytest.raises(
        DataError, match=rf"galaxy {FIRST} must be uint8 of shape \(16, 16\). Received: uint8 .*\(20, 20\)"
    ):
        write_dataset(tmp_path / "b", table, make_images(table, 20), {"npix": 16}, TREE)
    with pytest.raises(DataError, match="lacks the image"):
        write_dataset(tmp_path / "c", table, make_images(table)[:-1], {"npix": 16}, TREE)
    assert not (tmp_path / "c" / "dataset.yaml").exists()


def test_text_ids_that_are_no_file_names(tmp_path):
    table = pd.DataFrame({"id": ["J12/+3", "../up"], "split": "test"})
    images = [(i, np.full((8, 8), k, dtype=np.uint8)) for k, i in enumerate(table["id"])]
    ds = open_dataset(write_dataset(tmp_path / "ds", table, images, {"npix": 8}))
    assert ds.images()[:, 0, 0, 0].tolist() == [0, 1]
    assert ds.tree is None
    with pytest.raises(DataError, match="names no decision tree"):
        ds.votes()
    assert yaml.safe_load((tmp_path / "ds" / "dataset.yaml").read_text())["tree"] is None
