"""Features of a trunk: dead neurons, orientations, files in bounded memory, weights that have seen no galaxies."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table
from pyarrow import parquet

from gzmass.cli import main
from gzmass.config import FinetuneConfig
from gzmass.datasets import Dataset, open_dataset
from gzmass.errors import DataError
from gzmass.inference import features, write_features
from gzmass.models import save_run
from gzmass.training import finetune_ml

DEAD = (7, 20)  # filters of the last convolution of cnn5
N_AVERAGE = 192  # its features: average pooling, then maximum pooling


@pytest.fixture(scope="module")
def run(galaxies, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    stages = [{"name": "all", "steps": 2}]
    run = finetune_ml(FinetuneConfig(dataset=galaxies, out=out, model={"hidden": 8}, stages=stages))
    convolution = run.model.get_layer("trunk").get_layer("block5_conv")
    kernel, bias = convolution.get_weights()
    kernel[..., DEAD] = 0
    bias[[*DEAD]] = [-1, 2]  # always zero; and always the same
    convolution.set_weights([kernel, bias])
    return save_run(out, run.model, run.card)


@pytest.fixture
def counted(monkeypatch):
    """How many images are asked for at once."""
    numbers, read = [], Dataset.images

    def images(dataset, rows=None):
        found = read(dataset, rows)
        numbers.append(len(found))
        return found

    monkeypatch.setattr(Dataset, "images", images)
    return numbers


def test_features_are_those_of_the_trunk_whichever_way_the_image_is_turned(run, galaxies):
    dataset = open_dataset(galaxies)
    rows = dataset.rows("test")[::-1]
    table = features(run, dataset, rows, keep_constant=True)
    assert table["id"].tolist() == dataset.table["id"].iloc[rows].tolist()
    assert list(table.columns[1:3]) == ["feature_000", "feature_001"]
    trunk = run.model.get_layer("trunk")
    turned = [np.rot90(dataset.images(rows), k, axes=(1, 2)) for k in range(4)]
    expected = np.mean([trunk.predict(np.ascontiguousarray(images), verbose=0) for images in turned], axis=0)
    np.testing.assert_allclose(table.drop(columns="id"), expected, rtol=1e-4, atol=1e-5)
    assert table.attrs["dropped"] == []
    assert table.attrs["n_orientations"] == 4


def test_neurons_that_say_nothing_are_dropped_and_recorded_the_same_for_all_rows(run, galaxies):
    dataset = open_dataset(galaxies)
    table = features(run.path, dataset)
    record = table.attrs
    assert {*DEAD, *(N_AVERAGE + k for k in DEAD)} <= set(record["dropped"])
    assert record["n_neurons"] == 384
    assert record["n_judged"] == len(dataset.rows("train"))
    assert record["weights_hash"] == run.card["weights_hash"]
    numbers = [int(name.removeprefix("feature_")) for name in table.columns[1:]]
    assert sorted(numbers + record["dropped"]) == list(range(384))
    train = table.iloc[dataset.rows("train")].drop(columns="id")
    assert (train.max() > train.min()).all()
    # a neuron that is dead in training says nothing, though it may fire for a galaxy that is tested
    assert features(run, dataset, "test").columns.tolist() == table.columns.tolist()


@pytest.mark.parametrize("name", ["f.parquet", "f.csv", "f.fits"])
def test_files_hold_the_features_and_memory_is_bounded(run, galaxies, tmp_path, monkeypatch, counted, name):
    monkeypatch.setattr(sys.modules["gzmass.inference.features"], "_CHUNK", 24)
    dataset = open_dataset(galaxies)
    record = write_features(run, dataset, tmp_path / "new" / name)
    assert max(counted) == 24
    made = features(run, dataset)
    kind = {".parquet": pd.read_parquet, ".csv": pd.read_csv}.get((tmp_path / name).suffix)
    file = tmp_path / "new" / name
    read = kind(file) if kind else Table.read(file)
    assert list(read.columns) == list(made.columns)
    assert [int(i) for i in read["id"]] == dataset.table["id"].tolist()
    np.testing.assert_allclose(np.stack([read[c] for c in made.columns[1:]], axis=1), made.iloc[:, 1:], rtol=1e-6)
    assert record == {"n_galaxies": 80, **made.attrs}
    assert [path.name for path in file.parent.iterdir()] == [name]
    if name == "f.parquet":
        written = parquet.ParquetFile(file)
        assert [written.metadata.row_group(k).num_rows for k in range(4)] == [24, 24, 24, 8]
        assert json.loads(written.schema_arrow.metadata[b"gzmass"]) == made.attrs
    if name == "f.fits":
        assert f"weights_hash: {run.card['weights_hash']}" in read.meta["comments"]


def test_ids_of_text(run, make_dataset, tmp_path):
    dataset = open_dataset(make_dataset(n=10, edit=lambda t: t.__setitem__("id", [f"M{k}" for k in range(9, 19)])))
    for name in ("f.fits", "f.parquet"):
        write_features(run, dataset, tmp_path / name)
    ids = dataset.table["id"].tolist()
    assert Table.read(tmp_path / "f.fits")["id"].tolist() == ids
    assert pd.read_parquet(tmp_path / "f.parquet")["id"].tolist() == ids
    dataset.table.loc[0, "id"] = "M\u03b1"
    with pytest.raises(DataError, match=r"FITS holds no 'M\u03b1'.*take .parquet"):
        write_features(run, dataset, tmp_path / "g.fits")
    assert {path.name for path in tmp_path.iterdir()} == {"f.fits", "f.parquet"}


def test_bad_requests(run, galaxies, make_dataset, tmp_path):
    dataset = open_dataset(galaxies)
    with pytest.raises(DataError, match=r"f.txt': allowed endings are .parquet, .fits, .csv"):
        write_features(run, dataset, tmp_path / "f.txt")
    with pytest.raises(DataError, match=r"takes images of 32 px, the galaxies of .* have 24 px"):
        features(run, open_dataset(make_dataset(n=10, npix=24)))
    with pytest.raises(DataError, match=r"trained on images with the stretch .*asinh"):
        features(run, open_dataset(make_dataset(n=10, stretch={"kind": "asinh"})))
    assert len(features(run, open_dataset(make_dataset(n=10, stretch=None)), [0])) == 1  # which it has is not known
    for rows in ([], [3, 3]):
        with pytest.raises(DataError, match=rf"Received: {len(rows)} rows"):
            features(run, dataset, rows)
    with pytest.raises(DataError, match=r"'resnet34' does not exist"):
        features("resnet34", dataset)
    dark = open_dataset(make_dataset(n=10))
    dark.__dict__["pixels"] = np.zeros_like(dark.pixels)
    with pytest.raises(DataError, match=r"gives all 6 galaxies .* the same 384 features"):
        features(run, dark)


def test_a_table_of_something_else_is_not_replaced(run, galaxies, tmp_path):
    file = tmp_path / "catalogue.csv"
    file.write_text("id,z\n1,0.1\n")
    with pytest.raises(DataError, match=r"catalogue.csv' is there and is no table of features"):
        write_features(run, open_dataset(galaxies), file)
    assert file.read_text() == "id,z\n1,0.1\n"
    write_features(run, open_dataset(galaxies), tmp_path / "f.csv")
    write_features(run, open_dataset(galaxies), tmp_path / "f.csv")


def test_weights_that_have_seen_no_galaxies(make_dataset, monkeypatch):
    pytest.importorskip("keras_hub", reason="keras-hub is not installed")
    loaded = []
    monkeypatch.setattr("gzmass.models.multitask.load_imagenet", lambda _, weights: loaded.append(weights))
    dataset, source = open_dataset(make_dataset(n=10, npix=32)), "resnet34:hf://timm/resnet34.a1_in1k"
    table = features(source, dataset, "test", keep_constant=True)
    assert loaded == ["hf://timm/resnet34.a1_in1k"]
    assert table.shape == (2, 1025)
    assert table.columns[1] == "feature_0000"
    assert np.isfinite(table.drop(columns="id")).all(axis=None)
    assert table.attrs["trunk"] == source


def test_more_features_than_fits_has_columns(run, galaxies, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["gzmass.inference.features"], "MOST_IN_FITS", 383)
    with pytest.raises(DataError, match=r"has 384 neurons, and a FITS table holds at most 383"):
        write_features(run, open_dataset(galaxies), tmp_path / "f.fits")


def test_the_commands(run, galaxies, make_dataset, tmp_path, capsys):
    assert main(["features", str(run.path), str(galaxies), "--out", str(tmp_path / "f.parquet"), "--split", "val"]) == 0
    assert "neurons have one value for all of 48 galaxies and are left out" in capsys.readouterr().out
    assert len(pd.read_parquet(tmp_path / "f.parquet")) == 16
    out = tmp_path / "table.csv"
    command = ["baselines", str(galaxies), "--features", str(run.path), "--n-labels", "30", "--out", str(out)]
    assert main([*command, "--metadata", "luminosity_g"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[-2:] == [f"-> {tmp_path / 'table.md'}", f"-> {out}"]
    assert "30 galaxies to learn from" in shown
    table = pd.read_csv(out)
    assert table["inputs"].tolist()[-2:] == [f"features of {run.path}", f"features of {run.path} + metadata"]
    assert (table["n_train"] == 30).all()

    # what is asked for wrongly is refused before anything is computed
    assert main(["baselines", str(galaxies), "--out", str(tmp_path / "t.txt")]) == 2
    assert main(["baselines", str(galaxies), "--metadata", "luminosty"]) == 2
    same = make_dataset(split=["test"] * 40 + ["train"] * 40)  # the same ids, split in another way
    capsys.readouterr()
    assert main(["baselines", str(same), "--features", str(run.path)]) == 2
    assert "needs galaxies that it has not seen" in capsys.readouterr().err
