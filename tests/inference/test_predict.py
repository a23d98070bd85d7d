"""Predictions for a dataset, and the tables they are written to."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from gzmass import __version__
from gzmass.cli import main
from gzmass.config import FinetuneConfig
from gzmass.datasets import change_storage, open_dataset
from gzmass.errors import DataError
from gzmass.evaluation.measure import join_truth
from gzmass.inference import predict, write_predictions
from gzmass.inference import predict as predict_dataset
from gzmass.training import finetune_ml


@pytest.fixture(scope="module")
def run(galaxies, tmp_path_factory):
    config = FinetuneConfig(
        dataset=galaxies,
        out=tmp_path_factory.mktemp("runs") / "run",
        model={"hidden": 8},
        stages=[{"name": "all", "epochs": 1}],
        test_time_augmentation=1,
    )
    return finetune_ml(config)


@pytest.mark.parametrize("name", ["p.parquet", "p.csv", "p.ecsv", "p.fits", "p.vot"])
def test_every_format_keeps_ids_and_numbers(run, galaxies, tmp_path, name):
    dataset = open_dataset(galaxies)
    made = predict(run, dataset, "test", tmp_path / name)
    kind = {".parquet": pd.read_parquet, ".csv": pd.read_csv}.get((tmp_path / name).suffix)
    read = kind(tmp_path / name) if kind else Table.read(tmp_path / name)
    assert [int(i) for i in read["id"]] == dataset.table["id"].iloc[dataset.rows("test")].tolist()
    np.testing.assert_allclose(np.asarray(read["log_ml_g_p84"]), made["log_ml_g_p84"], rtol=1e-6)
    np.testing.assert_allclose(np.asarray(read["log_mstar"], dtype=float), made["log_mstar"], rtol=1e-6)
    assert [str(r) for r in np.asarray(read["in_domain"])] == [str(v) for v in made["in_domain"]]
    units = {"log_ml_g": "dex", "log_ml_g_p84": "dex", "log_mstar": "dex(solMass)", "log_mstar_sigma": "dex"}
    for column, unit in units.items() if not kind else ():
        if name == "p.ecsv":
            assert str(read[column].unit) == unit
        else:  # no unit of the standard
            assert read[column].unit is None
            assert read[column].description.endswith("[dex]")
    if kind:
        assert name == "p.csv" or read.attrs == made.attrs
        return
    assert all(read[column].description for column in read.colnames)
    assert read["log_ml_g_upper_95"].description == "upper end of the calibrated 95 % interval [dex]"
    if name == "p.vot":
        assert f"weights: {run.card['weights_hash']}" in read.meta["description"]
        return
    told = {key.lower(): value for key, value in read.meta.items()}
    assert told["weights"] == run.card["weights_hash"]
    assert told["gzmass"] == __version__
    assert told["band"] == "g"


def test_in_fits_what_is_not_ascii_is_spelled_out(run, galaxies, tmp_path):
    table = predict(run, open_dataset(galaxies), "test")
    table.attrs["dataset"] = "d\u00e9p\u00f4t"
    write_predictions(table, tmp_path / "p.fits")
    assert Table.read(tmp_path / "p.fits").meta["DATASET"] == r"d\xe9p\xf4t"


def test_a_file_that_is_no_table_of_predictions_is_not_replaced(run, galaxies, tmp_path):
    dataset = open_dataset(galaxies)
    for name in ("own.csv", "own.parquet", "own.fits", "noise.csv"):
        file = tmp_path / name
        if name == "noise.csv":
            file.write_bytes(b"\xff\x00")
        elif name == "own.fits":
            Table({"id": [1], "z": [0.1]}).write(file)
        else:
            getattr(pd.DataFrame({"id": [1], "z": [0.1]}), {".csv": "to_csv"}.get(file.suffix, "to_parquet"))(file)
        before = file.read_bytes()
        with pytest.raises(DataError, match=rf"{name}' is there and is no table of predictions"):
            predict(run, dataset, "test", file)
        assert file.read_bytes() == before
    predict(run, dataset, "test", tmp_path / "p.fits")
    before = (tmp_path / "p.fits").read_bytes()
    predict(run, dataset, "test", tmp_path / "p.fits")
    assert (tmp_path / "p.fits").read_bytes() == before


def test_positions_stand_beside_the_ids(run, make_dataset):
    def edit(table):
        table["ra"], table["dec"] = 10.0, 2.0

    dataset = open_dataset(make_dataset(n=10, edit=edit))
    made = predict(run, dataset)
    assert list(made)[:3] == ["id", "ra", "dec"]
    assert (made["ra"] == 10).all()


def test_labels_are_not_looked_at(run, galaxies, make_dataset):
    def edit(table):
        table[[name for name in table if name.endswith("_votes") or name.startswith("log_ml")]] = np.nan

    bare = predict(run, open_dataset(make_dataset(edit=edit)))
    assert bare["log_ml_g"].tolist() == predict(run, open_dataset(galaxies))["log_ml_g"].tolist()


def test_another_stretch_lies_outside(run, make_dataset):
    predictions = predict_dataset(run, open_dataset(make_dataset(n=10, stretch={"kind": "asinh"})))
    assert not predictions["in_domain"].any()
    assert predictions["out_of_domain_reason"].str.contains("asinh").all()


def test_a_galaxy_without_a_readable_image_stands_in_the_table(run, make_dataset, tmp_path):
    path = make_dataset(n=6)
    whole = predict(run, open_dataset(path))
    cut_short, folder = (path / "images" / f"{whole['id'][k]}.png" for k in (1, 4))
    cut_short.write_bytes(cut_short.read_bytes()[:60])
    folder.unlink()
    folder.mkdir()  # which root can not read either
    table = predict(run, open_dataset(path), out=tmp_path / "p.fits")
    assert table["status"].tolist() == ["ok", "failed", "ok", "ok", "failed", "ok"]
    assert all("can not be read" in table["status_reason"][k] for k in (1, 4))
    good = [0, 2, 3, 5]
    assert table["status_reason"][good].eq("").all()
    assert table.loc[[1, 4], ["log_ml_g", "log_ml_g_p84", "log_mstar", "domain_score"]].isna().all(axis=None)
    assert not table["in_domain"][[1, 4]].any()
    np.testing.assert_allclose(table["log_ml_g"][good], whole["log_ml_g"][good], rtol=1e-5)
    assert [str(status) for status in Table.read(tmp_path / "p.fits")["status"]] == table["status"].tolist()
    dataset = open_dataset(path)
    elsewhere = predict(run, replace(dataset, info={**dataset.info, "stretch": {"kind": "asinh"}}))
    assert elsewhere["out_of_domain_reason"].str.contains("asinh").tolist() == elsewhere["status"].eq("ok").tolist()
    assert join_truth(table, open_dataset(path))["id"].tolist() == sorted(table["id"][good])


def test_a_damaged_shard_fails_its_galaxies_only(run, make_dataset, tmp_path):
    path = make_dataset(n=6)
    change_storage(path, "shards")
    shard = path / "shards" / "part-00000.parquet"
    content = bytearray(shard.read_bytes())
    content[content.index(b"IDAT") + 20] ^= 255
    shard.write_bytes(content)
    table = predict(run, open_dataset(path))
    assert table["status"].eq("failed").all()
    assert table["status_reason"].str.contains("part-00000.parquet").all()
    assert table["log_ml_g"].isna().all()
    with pytest.raises(DataError, match=r"None of the galaxies could be predicted: The shard .*part-00000.parquet"):
        join_truth(table, open_dataset(path))
    assert main(["predict", str(run.path), str(path), "--out", str(tmp_path / "p.csv")]) == 3
    assert pd.read_csv(tmp_path / "p.csv")["status"].eq("failed").all()


def test_bad_requests(run, galaxies, make_dataset, tmp_path):
    with pytest.raises(DataError, match=r"takes images of 32 px, the galaxies of .* have 24 px"):
        predict(run, open_dataset(make_dataset(n=10, npix=24)))
    with pytest.raises(DataError, match=r"p.doc': allowed endings are .parquet, .csv"):
        predict(run, open_dataset(galaxies), out=tmp_path / "p.doc")
    with pytest.raises(DataError, match=r"allowed endings"):
        write_predictions(pd.DataFrame({"id": [1]}), tmp_path / "p")
    assert not list(tmp_path.iterdir())


def test_ids_that_fits_can_not_hold(tmp_path):
    with pytest.raises(DataError, match=r"FITS holds no 'M101-.'.*take .parquet"):
        write_predictions(pd.DataFrame({"id": ["M31", "M101-\u03b1"], "log_ml_g": [0.1, 0.2]}), tmp_path / "p.fits")
    assert not list(tmp_path.iterdir())


def test_galaxies_with_votes_of_another_tree_are_refused(run, galaxies):
    other = replace(run, card={**run.card, "tree": {"name": "bars"}, "tree_hash": "0123"})
    with pytest.raises(
        DataError, match=r"learnt votes of the tree 'bars' \(hash 0123\), the galaxies of .* of another"
    ):
        predict_dataset(other, open_dataset(galaxies))
