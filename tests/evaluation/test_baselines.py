"""The table of baselines: what each is given, on the same galaxies, and the files it is written to."""

import numpy as np
import pandas as pd
import pytest

from gzmass.datasets import open_dataset
from gzmass.errors import DataError
from gzmass.evaluation import baseline_markdown, baseline_table, sample_rows, write_baselines
from gzmass.evaluation.baselines import _METHODS
from gzmass.evaluation.image_statistics import image_statistics

N = 300


@pytest.fixture(scope="module")
def dataset(make_dataset):
    """M/L follows the colour by the published relation, the luminosity by a line, and a feature exactly."""

    def edit(table):
        rng = np.random.default_rng(1)
        colour = rng.normal(1.0, 0.2, N)
        table["sim_g_minus_i"] = np.where(np.arange(N) % 10 == 0, np.nan, colour)
        table["log_ml_g"] = -1.197 + 1.431 * colour
        table["luminosity_g"] = 10 ** (10 + table["log_ml_g"])
        table.loc[::7, "luminosity_g"] = np.nan
        table.loc[::8, "log_ml_g"] = np.nan

    return open_dataset(make_dataset(n=N, edit=edit))


@pytest.fixture(scope="module")
def feature(dataset):
    """The label itself beside noise, of all galaxies."""
    rng = np.random.default_rng(2)
    label = 3 * dataset.log_ml()[:, 0]
    return np.stack([rng.normal(size=N), np.where(np.isfinite(label), label, rng.normal(size=N))], axis=1)


@pytest.fixture(scope="module")
def table(dataset, feature):
    train, test = dataset.rows("train"), dataset.rows("test")
    return baseline_table(dataset, train, test, {"a trunk": feature[[*train, *test]]})


def test_every_baseline_is_there_and_is_scored_on_the_same_galaxies(dataset, table):
    assert list(zip(table["inputs"], table["method"], table["n_inputs"], strict=True)) == [
        ("constant", "mean", 0),
        ("luminosity_g", "line", 1),
        ("luminosity_g", "boosting", 1),
        ("g-i colour", "Zibetti et al. 2009", 1),
        ("g-i colour", "line", 1),
        ("metadata", "boosting", 2),
        ("image statistics", "boosting", 15),
        ("image statistics + metadata", "boosting", 17),
        ("features of a trunk", "boosting, absolute error", 2),
        ("features of a trunk + metadata", "boosting, absolute error", 4),
    ]
    assert table.attrs == {"metadata": ["distance_mpc", "luminosity_g"], "colour": "sim_g_minus_i"}
    assert (table["n"] == np.isfinite(dataset.log_ml("test")[:, 0]).sum()).all()
    assert (table["n_train"] == len(dataset.rows("train", "log_ml"))).all()
    assert np.isfinite(table[["rmse_dex_error", "r2_dex_error", "rmse_linear_error", "r2_linear_error"]]).all(axis=None)


def test_what_carries_the_label_finds_it(table):
    r2 = table.set_index(["inputs", "method"])["r2_dex"]
    assert r2["constant", "mean"] == pytest.approx(0, abs=0.1)
    # only galaxies whose luminosity or colour is unknown, every seventh or tenth, are missed
    assert 0.7 < r2["luminosity_g", "line"] < 0.95
    assert 0.75 < r2["g-i colour", "Zibetti et al. 2009"] == pytest.approx(r2["g-i colour", "line"], abs=0.02)
    # galaxies without M/L among those given are left out of the features too: one row off, and nothing would be left
    assert r2["features of a trunk", "boosting, absolute error"] > 0.8


def test_the_published_relation_is_not_fitted():
    colour = np.array([[0.5], [1.5], [1.0], [np.nan]])
    published = _METHODS["Zibetti et al. 2009"](colour, np.array([5.0, 7.0]), 0)
    np.testing.assert_allclose(published, [0.234, 6.0])
    np.testing.assert_allclose(_METHODS["line"](colour, np.array([5.0, 7.0]), 0), [6.0, 6.0])


def test_features_are_boosted_with_the_absolute_error():
    values = np.repeat([[0.0], [1.0]], 60, axis=0)
    target = np.where(np.arange(120) % 60 < 20, 9.0, values[:, 0])  # a third of the labels is wild
    asked = np.concatenate([values, [[0.0], [1.0]]])
    np.testing.assert_allclose(_METHODS["boosting, absolute error"](asked, target, 0), [0, 1], atol=0.01)
    assert _METHODS["boosting"](asked, target, 0)[0] > 2


def test_three_quantities_that_are_not_all_metadata_have_a_row(make_dataset):
    def edit(table):
        table["radius_kpc"] = np.random.default_rng(0).uniform(1, 30, len(table))
        table["redshift"] = table["radius_kpc"] / 200

    dataset = open_dataset(make_dataset(edit=edit))
    train, test = dataset.rows("train"), dataset.rows("test")
    three = "luminosity_g, distance_mpc, radius_kpc"
    assert three in baseline_table(dataset, train, test, n_resamples=2)["inputs"].tolist()
    chosen = baseline_table(dataset, train, test, metadata=three.split(", "), n_resamples=2)
    assert three not in chosen["inputs"].tolist()
    assert chosen["n_inputs"].max() == 18


def test_nothing_but_images(make_dataset):
    dataset = open_dataset(make_dataset(edit=lambda table: table.pop("luminosity_g")))
    table = baseline_table(dataset, dataset.rows("train"), dataset.rows("test"), metadata=[], n_resamples=2)
    assert table["inputs"].tolist() == ["constant", "image statistics"]
    assert table.attrs == {"metadata": [], "colour": None}


def test_bad_requests(dataset, feature):
    train, test = dataset.rows("train"), dataset.rows("test")
    with pytest.raises(DataError, match=r"60 galaxies are to be learnt from and to be scored"):
        baseline_table(dataset, np.append(train, test), test)
    with pytest.raises(DataError, match=r"must have a row for each of the 240 galaxies.*shape \(300, 2\)"):
        baseline_table(dataset, train, test, {"a trunk": feature})
    with pytest.raises(DataError, match=r"'sim_g_minus_i', which the label could be read from"):
        baseline_table(dataset, train, test, metadata=["sim_g_minus_i"])
    with pytest.raises(DataError, match=r"no galaxy with log_ml_g to score"):
        baseline_table(dataset, train, [0] if 0 not in train else test[:0])


def test_files(table, tmp_path):
    assert write_baselines(table, tmp_path / "t.csv") == [tmp_path / "t.md", tmp_path / "t.csv"]
    read = pd.read_csv(tmp_path / "t.csv")
    assert read["rmse_dex"].tolist() == pytest.approx(table["rmse_dex"].tolist())
    lines = (tmp_path / "t.md").read_text(encoding="utf-8").splitlines()
    assert lines[: len(table) + 2] == baseline_markdown(table)
    assert len({line.count("|") for line in baseline_markdown(table)}) == 1
    first = table.iloc[0]
    assert f"{first['rmse_dex']:.3f} ± {first['rmse_dex_error']:.3f}" in lines[2]
    assert lines[-2:] == ["Metadata: distance_mpc, luminosity_g.", "g-i colour: sim_g_minus_i."]
    write_baselines(table, tmp_path / "t.md")  # once more
    with pytest.raises(DataError, match=r"allowed endings are .md, .csv"):
        write_baselines(table, tmp_path / "t.parquet")
    (tmp_path / "notes.md").write_text("# My galaxies")
    with pytest.raises(DataError, match=r"notes.md' is there and is no table of baselines"):
        write_baselines(table, tmp_path / "notes.csv")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["notes.md", "t.csv", "t.md"]


def test_more_galaxies_than_baselines_need(monkeypatch):
    assert sample_rows(range(5)).tolist() == [0, 1, 2, 3, 4]
    monkeypatch.setattr("gzmass.evaluation.baselines._MAX_ROWS", 4)
    chosen = sample_rows(range(10, 100), seed=3)
    assert len(set(chosen)) == 4
    assert (np.diff(chosen) > 0).all()
    assert chosen.tolist() == sample_rows(range(10, 100), seed=3).tolist()


def test_metadata_below_zero_and_few_labels_count(make_dataset):
    def edit(table):
        rng = np.random.default_rng(4)
        table["colour"] = rng.normal(0, 1, N)
        table["log_ml_g"] = 0.1 * table["colour"]

    dataset = open_dataset(make_dataset(n=N, edit=edit))
    train, test = dataset.rows("train"), dataset.rows("test")

    def r2(rows):
        table = baseline_table(dataset, rows, test, metadata=["colour"], n_resamples=2)
        return table.set_index("inputs").loc["metadata", "r2_dex"]

    assert r2(train) > 0.9  # of the logarithm half of the values would be missing
    assert r2(train[:30]) > 0.3


def test_concentration_and_m20_of_a_gaussian_are_the_known_ones():
    y, x = np.indices((65, 65)) - 32
    row = image_statistics((250 * np.exp(-(x**2 + y**2) / (2 * 8.0**2)))[None].round().astype(np.uint8)).iloc[0]
    assert row["concentration"] == pytest.approx(2.5 * np.log10(np.log(0.2) / np.log(0.8)), abs=0.1)
    # of the light within 2 r50, which is 15/16 of all: the brightest fifth of it, and its moment
    inner = 15 / 16
    u, whole = -np.log(1 - 0.2 * inner), -np.log(1 - inner)
    moment = [1 - (1 + edge) * np.exp(-edge) for edge in (u, whole)]
    assert row["m20"] == pytest.approx(np.log10(moment[0] / moment[1]), abs=0.05)
