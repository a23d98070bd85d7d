"""Baselines, plots and the report on a small dataset of drawn galaxies."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gzmass.calibration import apply_calibration, calibrate_intervals
from gzmass.calibration.groups import calibrate_groups
from gzmass.datasets import open_dataset, write_dataset
from gzmass.errors import ConfigError, DataError
from gzmass.evaluation import evaluate, mass_to_light_metrics
from gzmass.evaluation.baselines import mass_to_light_baselines, metadata_columns
from gzmass.evaluation.image_statistics import image_statistics
from gzmass.evaluation.measure import (
    join_truth,
    measure_mass_to_light,
    measure_stellar_mass,
    measure_votes,
    pit_values,
)
from gzmass.evaluation.plots import _short, log_ml_label, pit_histogram, predicted_against_true
from gzmass.evaluation.report import _file_name
from gzmass.evaluation.wording import label_band
from gzmass.pages import image_png, to_png
from gzmass.tree import load_tree

NPIX, N = 24, 240
TREE = load_tree("gz2")


def blob(size=0.12, ratio=1.0, sky=30.0, shift=0.0):
    y, x = np.indices((NPIX, NPIX)) - (NPIX - 1) / 2
    profile = np.exp(-np.hypot((x - shift) / ratio, y) / (size * NPIX))
    return np.clip(sky + 180.0 * profile, 0, 255).astype(np.uint8)


def make_dataset(path, *, labels=True, votes=True, luminosity=True, info=None):
    rng = np.random.default_rng(0)
    size, redshift = rng.uniform(0.06, 0.25, N), rng.uniform(0.01, 0.2, N)
    log_ml = 0.8 - 3 * size + 2 * redshift + rng.normal(0, 0.05, N)
    table = pd.DataFrame({"id": np.arange(10**17, 10**17 + N), "redshift": redshift})
    table["split"] = np.repeat(["train", "val", "test"], N // 3)
    if labels:
        table["log_ml_g"] = np.where(np.arange(N) % 20 == 0, np.nan, log_ml)
    if luminosity:
        table["luminosity_g"] = 10 ** rng.uniform(9, 11, N)
    if votes:
        counts = TREE.joint(TREE.conditional(rng.dirichlet(np.ones(37), N))) * 40
        counts[:, TREE.starts[2] : TREE.starts[3]] = np.nan
        for k, stem in enumerate(TREE.stems):
            table[f"{stem}_votes"] = counts[:, k]
    images = zip(table["id"], (blob(s) for s in size), strict=True)
    write_dataset(path, table, images, {"npix": NPIX, **(info or {})}, tree=TREE if votes else None)
    return open_dataset(path)


def make_predictions(dataset):
    rng = np.random.default_rng(1)
    true = dataset.log_ml()[:, 0].astype(float)
    mean = np.where(np.isfinite(true), true, 0.3) + rng.normal(0, 0.1, N)
    val = dataset.rows("val")
    try:
        calibration = calibrate_intervals(true[val], mean[val], 1.0)
    except DataError:
        calibration = calibrate_intervals([0.0, 0.2], [0.1, 0.1], 1.0)
    table = apply_calibration(mean, 1.0, calibration)
    table.insert(0, "id", dataset.table["id"].to_numpy())
    fractions = TREE.conditional(rng.dirichlet(np.ones(37), N))
    table = pd.concat([table, pd.DataFrame(fractions, columns=[f"{s}_fraction" for s in TREE.stems])], axis=1)
    table["in_domain"] = np.arange(N) % 10 != 0
    table["out_of_domain_reason"] = np.where(table["in_domain"], "", "sky <brighter> than in training")
    return table, calibration


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    info = {"label_kind": "proxy", "explainable_r2": {"image_and_luminosity": 0.9}, "name": "drawn & small"}
    return make_dataset(tmp_path_factory.mktemp("proxy") / "data", info=info)


@pytest.fixture(scope="module")
def predictions(dataset):
    return make_predictions(dataset)


def arguments(dataset, shuffled, table, calibration):
    worse = table.assign(log_ml_g=table["log_ml_g"] + 0.3).iloc[::-1]
    card = {"name": "<b>run</b>", "seed": 3, "config": {"trunk": "cnn5"}, "calibration": calibration}
    return {"predictions": shuffled, "dataset": dataset, "card": card, "compare": [("a & b <i>", worse)]}


@pytest.fixture(scope="module")
def evaluated(dataset, predictions, tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluation") / "new" / "folder"
    table, calibration = predictions
    return out, evaluate(**arguments(dataset, table, table, calibration), out=out)


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.references, self.words, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.references += [value for name, value in attrs if name in {"src", "href"}]
        if tag not in {"meta", "img", "br", "wbr"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_numbers_are_those_of_the_test_split(dataset, predictions, evaluated):
    _, numbers = evaluated
    rows = dataset.rows("test")
    expected = mass_to_light_metrics(dataset.log_ml(rows)[:, 0], predictions[0]["log_ml_g"].to_numpy()[rows])
    run = numbers["mass_to_light"]["table"][0]
    assert run["n"] == numbers["n_labelled"] == 76
    assert run["rmse_dex"] == pytest.approx(expected["rmse_dex"], rel=1e-6)
    ml = numbers["mass_to_light"]
    assert ml["explainable"] == {"image_and_luminosity": {"r2": 0.9, "fraction": pytest.approx(run["r2_dex"] / 0.9)}}
    names = [item["name"] for item in ml["table"]]
    assert names == ["this run", "constant", "metadata", "image statistics", "image statistics + metadata", "a & b <i>"]
    assert ml["table"][-1]["versus_run"]["difference"] > 0.15
    assert ml["in_domain"]["n"] < run["n"]
    assert [item["level"] for item in ml["coverage"]] == [0.68, 0.9, 0.95]
    assert {"M/L label", "predicted M/L", "predicted error", "redshift"} == set(ml["coverage"][0]["thirds"])
    assert numbers["votes"]["unknown"] == ["t03_bar"]
    assert numbers["votes"]["joint"]["n_answers"] == 35
    assert numbers["stellar_mass"]["rmse_dex"] == pytest.approx(run["rmse_dex"], rel=1e-3)
    assert ml["table"][0]["slope_dex"] == pytest.approx(expected["slope_dex"], rel=1e-6)
    residuals = ml["residuals"]
    assert {"M/L label", "predicted M/L", "redshift", "luminosity", "axis ratio"} < set(residuals)
    assert len(residuals["redshift"]["p50"]) == 5
    assert {"redshift", "axis ratio"} < {group["quantity"] for group in ml["groups"]}
    first, other = numbers["compared"]
    assert (first["name"], other["name"]) == ("this run", "a & b <i>")
    assert first["mass_to_light"]["rmse_dex"] == run["rmse_dex"]
    assert other["mass_to_light"] == ml["table"][-1]
    assert first["coverage"][0]["coverage"] == other["coverage"][0]["coverage"]  # of the same columns
    assert other["votes"] == numbers["votes"]["joint"]
    assert "errors are those of M/L" in numbers["stellar_mass"]["truth"]
    assert numbers["out_of_domain"] == {"n": 8, "reasons": {"sky <brighter> than in training": 8}}


def test_files_are_written_and_agree(dataset, evaluated):
    out, numbers = evaluated
    assert not list(out.rglob("*partial*"))
    saved = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert saved["mass_to_light"]["table"][0]["rmse_dex"] == numbers["mass_to_light"]["table"][0]["rmse_dex"]
    joined = pd.read_parquet(out / "predictions.parquet")
    assert joined["id"].tolist() == sorted(dataset.table["id"].to_numpy()[dataset.rows("test")])
    assert joined["id"].dtype == np.int64
    assert np.isfinite(joined["true_log_ml_g"]).sum() == 76
    for path in (out / "plots").glob("*.png"):
        with Image.open(path) as image:
            assert image.width > 300
    assert (out / "plots" / "reliability_t07_rounded.png").is_file()


def test_the_report_needs_nothing_but_itself(evaluated):
    text = (evaluated[0] / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not page.open
    assert page.tags.count("script") == 1  # the one that sorts the tables
    assert "src=" not in text[text.index("<script>") :]
    assert "link" not in page.tags
    assert all(ref.startswith(("data:image/png;base64,", "#")) for ref in page.references)
    assert not re.search(r"https?:|url\(|@import|file:", text)
    assert {ref[1:] for ref in page.references if ref[0] == "#"} <= set(re.findall(r'id="(\w+)"', text))


def test_the_report_has_its_sections_escapes_names_and_says_proxy(evaluated):
    text = (evaluated[0] / "report.html").read_text(encoding="utf-8")
    heads = re.findall(r"<h2[^>]*>(.*?)</h2>", text)
    assert heads == [
        "Mass-to-light ratio",
        "Runs side by side",
        "Residuals",
        "Intervals",
        "Galaxies",
        "Stellar mass",
        "Votes",
        "Decision trees",
        "How it was made",
    ]
    assert re.findall(r"<h3>(\w+) (?:predictions|out)", text) == ["Best", "Median", "Worst", "Most"]
    for name in (
        "&lt;b&gt;run&lt;/b&gt;",
        "drawn &amp; small",
        "a &amp; b &lt;i&gt;",
        "sky &lt;brighter&gt;",
    ):
        assert name in text
    assert "<b>run" not in text
    assert "labels of this dataset are a proxy" in text
    assert text.count("(proxy labels)") >= 12
    assert "R² reachable from image and luminosity (0.900)" in text
    assert "seed: 3" in text
    assert "quantiles" not in text
    galleries = re.findall(r'alt="galaxy (\d+)"', text)
    assert len(galleries) == 24 + 8 + 3
    assert len(text) < 3e6


def test_the_order_of_the_rows_does_not_matter(dataset, predictions, evaluated, tmp_path):
    table, calibration = predictions
    evaluate(**arguments(dataset, table.sample(frac=1, random_state=0), table, calibration), out=tmp_path)
    for name in ("report.html", "metrics.json", "predictions.parquet", "plots/rmse.png"):
        assert (tmp_path / name).read_bytes() == (evaluated[0] / name).read_bytes()


def test_what_is_absent_is_said(tmp_path):
    bare = make_dataset(tmp_path / "data", votes=False, luminosity=False)
    table, _ = make_predictions(bare)
    columns = ["id", "log_ml_g"]
    numbers = evaluate(table[columns], bare, "test", tmp_path / "out", baselines=False)
    assert numbers["votes"] is None
    assert numbers["stellar_mass"] is None
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "proxy labels" not in text
    assert "are a proxy" not in text
    said = ("no decision tree", "no galaxy has a luminosity", "hold no intervals", "run has no card", "band not stated")
    for reason in said:
        assert reason in text


def test_a_question_that_the_run_has_not_learnt_is_told_from_one_without_votes(dataset, predictions, tmp_path):
    table, names = predictions[0].copy(), [question.name for question in TREE.questions]
    answers = [f"{stem}_fraction" for stem in TREE.stems]
    table[answers[TREE.starts[1] : TREE.starts[2]]] = np.nan
    short = predictions[0].iloc[dataset.rows("test")[5:]]
    votes = evaluate(table, dataset, "test", tmp_path, baselines=False, compare=[("b", short)])["votes"]
    assert (votes["unlearnt"], votes["unknown"]) == ([names[1]], [names[2]])
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"Not learnt by the run: {names[1]}." in text
    assert f"Without votes in this dataset: {names[2]}." in text
    # of the run what hangs on that question is unknown, too; of the other one only what nobody had voted on
    assert [f"({n} answers)" in text for n in (15, 37 - 2)] == [True, True]
    assert "On the galaxies that each has, 72 to 76" in text


def test_of_an_earlier_report_nothing_is_left(dataset, predictions, tmp_path):
    table, calibration = predictions
    card = {"calibration": calibration}
    evaluate(table, dataset, "test", tmp_path, card=card, baselines=False)
    assert {"pit.png", "votes_rmse.png"} <= {file.name for file in (tmp_path / "plots").iterdir()}
    # the table of a mixture of runs has not the distribution that a PIT needs
    columns = [name for name in table if "fraction" not in name]
    evaluate(table[columns], dataset, "test", tmp_path, card={**card, "ensemble": ["a", "b"]}, baselines=False)
    left = {file.name for file in (tmp_path / "plots").iterdir()}
    assert not left & {"pit.png", "votes_rmse.png"}
    assert "coverage.png" in left


def test_a_damaged_image_costs_the_baselines_and_not_the_report(tmp_path):
    own = make_dataset(tmp_path / "data")
    (own.path / "images" / f"{own.table['id'][own.rows('train')[1]]}.png").write_bytes(b"")
    own = open_dataset(own.path)
    numbers = evaluate(make_predictions(own)[0], own, "test", tmp_path / "out")
    assert "can not be used: the image can not be read" in numbers["mass_to_light"]["baselines"]
    assert numbers["mass_to_light"]["n"] == 76


def test_a_folder_with_something_else_is_refused(dataset, predictions, tmp_path):
    (tmp_path / "galaxy.fits").write_text("precious")
    with pytest.raises(ConfigError, match=r"holds something else than a report \('galaxy.fits'\)"):
        evaluate(predictions[0], dataset, "test", tmp_path, baselines=False)
    with pytest.raises(ConfigError, match=r"galaxy\.fits' is a file"):
        evaluate(predictions[0], dataset, "test", tmp_path / "galaxy.fits", baselines=False)
    assert [path.name for path in tmp_path.iterdir()] == ["galaxy.fits"]


def test_votes_alone_are_enough_and_nothing_is_not(tmp_path):
    only_votes = make_dataset(tmp_path / "votes", labels=False, luminosity=False)
    table, _ = make_predictions(only_votes)
    numbers = evaluate(table, only_votes, "test", tmp_path / "out")
    assert numbers["mass_to_light"] is None
    assert "no galaxy of the split 'test' has an M/L label" in numbers["absent"]["mass_to_light"]
    nothing = make_dataset(tmp_path / "nothing", labels=False, votes=False)
    with pytest.raises(DataError, match=r"nothing to evaluate: .*has an M/L label.*no decision tree"):
        evaluate(table, nothing, "test", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_one_galaxy_can_be_evaluated(dataset, predictions, tmp_path):
    row = dataset.rows("test")[1]
    numbers = evaluate(predictions[0].iloc[[row]], dataset, "test", tmp_path, baselines=False)
    assert numbers["mass_to_light"]["n"] == 1
    assert json.loads((tmp_path / "metrics.json").read_text())["mass_to_light"]["table"][0]["r2_dex"] is None
    assert "79 galaxies of the split have no prediction" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_predictions_that_do_not_fit_are_refused(dataset, predictions):
    table = predictions[0]
    with pytest.raises(DataError, match="need a column 'id'"):
        join_truth(table.drop(columns="id"), dataset)
    with pytest.raises(DataError, match=f"the id {table['id'].iloc[0]} twice"):
        join_truth(pd.concat([table, table.iloc[:1]]), dataset)
    with pytest.raises(DataError, match="none of the 80 galaxies of the split 'test'"):
        join_truth(table.iloc[dataset.rows("train")], dataset, "test")
    joined = join_truth(table, dataset, "test")
    with pytest.raises(DataError, match="predictions of 'other' need a column 'id' with each id once"):
        measure_mass_to_light(joined, dataset, "test", baselines=False, compare=[("other", table[["log_ml_g"]])])
    with pytest.raises(DataError, match="both be whole numbers or both be text"):
        join_truth(table.assign(id=table["id"].astype(str)), dataset)
    with pytest.raises(DataError, match=r"of type float64.* both be whole numbers or both be text"):
        join_truth(table.assign(id=table["id"].astype(float)), dataset)
    with pytest.raises(DataError, match="none of the 240 galaxies of the split 'all'"):
        join_truth(table.assign(id=np.arange(len(table))), dataset)


def test_a_column_of_the_dataset_never_stands_for_a_prediction(predictions, tmp_path):
    table, _ = predictions
    plain = make_dataset(tmp_path / "plain")
    before = evaluate(table, plain, "test", tmp_path / "a", baselines=False)
    names = {"row": 1.0, "true_log_ml_g": 0.0, "true_log_mstar": 1.0, "in_domain": 1.0, "log_ml_g_lower_68": -9.0}
    voted = pd.DataFrame(TREE.conditional(plain.votes()), columns=[f"{stem}_fraction" for stem in TREE.stems])
    catalogue = pd.concat([plain.table.assign(**names), voted], axis=1)
    images = zip(catalogue["id"], plain.images(np.arange(N))[..., 0], strict=True)
    write_dataset(tmp_path / "named_alike", catalogue, images, {"npix": NPIX}, tree=TREE)
    after = evaluate(table, open_dataset(tmp_path / "named_alike"), "test", tmp_path / "b", baselines=False)
    for key in ("mass_to_light", "votes", "stellar_mass", "out_of_domain"):
        assert json.dumps(after[key]).replace("proxy", "") == json.dumps(before[key]).replace("proxy", "")


def test_only_the_galaxies_in_domain_are_measured_apart(dataset, predictions):
    joined = join_truth(predictions[0], dataset, "test")
    inside = joined[joined["in_domain"]]
    found = measure_mass_to_light(joined, dataset, "test", baselines=False)["in_domain"]
    wanted = mass_to_light_metrics(inside["true_log_ml_g"], inside["log_ml_g"])
    assert (found["n"], found["rmse_dex"]) == (wanted["n"], pytest.approx(wanted["rmse_dex"], rel=1e-9))
    assert found["rmse_dex"] != measure_mass_to_light(joined, dataset, "test", baselines=False)["table"][0]["rmse_dex"]


def test_baselines_learn_from_the_rows_of_the_run_and_from_none_that_is_scored(dataset, predictions):
    joined = join_truth(predictions[0], dataset, "test")
    labelled = np.flatnonzero(np.isfinite(dataset.log_ml()[:, 0]))
    rows = np.concatenate([labelled[:50], np.intersect1d(labelled, dataset.rows("test"))])
    learnt = measure_mass_to_light(joined, dataset, "test", train_rows=rows)
    alone = measure_mass_to_light(joined, dataset, "test", train_rows=labelled[:50])
    assert learnt["baselines"]["n_train"] == 50
    assert [row["rmse_dex"] for row in learnt["table"]] == [row["rmse_dex"] for row in alone["table"]]


def test_masses_are_measured_against_those_of_the_dataset(predictions, tmp_path):
    plain = make_dataset(tmp_path / "plain")
    table = predictions[0].assign(log_ml_g_sigma=0.1)
    own = measure_stellar_mass(join_truth(table, plain, "test"))
    assert own["truth"].startswith("the M/L label times the luminosity")
    assert own["percentiles"] == sorted(own["percentiles"])
    assert own["median_sigma"] == pytest.approx(0.1)
    joined = join_truth(table, plain, "test")
    joined["true_log_mstar"] = joined["true_log_ml_g"] + np.log10(joined["luminosity_g"]) + 0.2
    given = measure_stellar_mass(joined)
    assert given["truth"] == "the masses of the dataset (log_mstar)"
    assert given["bias_dex"] == pytest.approx(own["bias_dex"] - 0.2)


def test_the_mean_that_votes_are_measured_against_is_that_of_training(tmp_path, predictions):
    data = make_dataset(tmp_path / "data")
    votes = data.votes().copy()
    votes[data.rows("train"), 0] += 300  # nearly all smooth in training, not in the test split
    table = data.table.copy()
    table[[f"{stem}_votes" for stem in TREE.stems]] = votes
    images = zip(table["id"], data.images(np.arange(N))[..., 0], strict=True)
    write_dataset(tmp_path / "smooth", table, images, {"npix": NPIX}, tree=TREE)
    smooth = open_dataset(tmp_path / "smooth")
    joined = join_truth(predictions[0], smooth, "test")
    found, before = (measure_votes(joined, one, "test") for one in (smooth, data))
    assert (found["mean_from"], before["mean_from"]) == ("train", "train")
    assert found["joint"]["rmse"] == pytest.approx(before["joint"]["rmse"])
    assert found["joint"]["rmse_mean"] > 1.5 * before["joint"]["rmse_mean"]


def test_a_run_of_votes_alone_stands_beside_one_of_mass_to_light(dataset, predictions, tmp_path):
    table, _ = predictions
    votes_alone = table[["id", *(f"{stem}_fraction" for stem in TREE.stems)]]
    half = table[np.arange(N) % 2 == 0]
    others = [("votes", votes_alone), ("other", table.assign(log_ml_g=table["log_ml_g"] + 0.5))]
    numbers = evaluate(half, dataset, "test", tmp_path, baselines=False, compare=others)
    first, second, third = numbers["compared"]
    assert (second["name"], second["mass_to_light"]) == ("votes", None)
    assert second["votes"]["rmse"] == pytest.approx(first["votes"]["rmse"])
    assert third["mass_to_light"]["name"] == "other"
    assert third["mass_to_light"]["bias_dex"] == pytest.approx(first["mass_to_light"]["bias_dex"] + 0.5)
    assert third["mass_to_light"]["n"] == first["mass_to_light"]["n"] < 60


def test_figures_have_names_of_their_own_that_a_file_system_takes():
    taken = {}
    for text in ("a/b c", "a_b_c", "é" * 300, "é" * 300):
        taken[_file_name(text, taken)] = text
    assert list(taken)[:2] == ["a_b_c", "a_b_c_1"]
    assert len(taken) == 4
    assert all(len(f"{name}.png".encode()) < 255 for name in taken)


def test_intervals_come_from_the_card_when_the_table_has_none(dataset, predictions):
    table, calibration = predictions
    short = table[[name for name in table.columns if "lower" not in name and "upper" not in name]]

    def measured(table, card):
        joined = join_truth(table, dataset, "test")
        return measure_mass_to_light(joined, dataset, "test", card=card, baselines=False)

    whole, again = measured(table, None), measured(short, {"calibration": calibration})
    for one, other in zip(again["coverage"], whole["coverage"], strict=True):
        assert one["overall"] == pytest.approx(other["overall"], rel=1e-9)
        assert one["thirds"]["redshift"][2] == pytest.approx(other["thirds"]["redshift"][2], rel=1e-9)
    assert again["interval_source"] == "calibration in the card of the run"
    assert [item["level"] for item in measured(short, None)["coverage"]] == [0.68]


def test_pit_of_a_table_is_that_of_the_models_own_output(dataset, predictions):
    table, calibration = predictions
    joined = join_truth(table, dataset, "val")
    values = pit_values(joined, calibration)
    known = np.isfinite(values)
    assert known.sum() == 76
    assert np.mean(values[known] < 0.25) == pytest.approx(0.25, abs=0.02)


def test_baselines_learn_what_there_is_and_never_see_the_test_labels(dataset):
    train, test = dataset.rows("train"), dataset.rows("test")
    result = mass_to_light_baselines(dataset, train, test)
    assert (result["n_train"], result["metadata"]) == (76, ["redshift", "luminosity_g"])
    true = dataset.log_ml(test)[:, 0]
    rmse = {k: mass_to_light_metrics(true, v)["rmse_dex"] for k, v in result["predictions"].items()}
    assert result["predictions"]["constant"][0] == pytest.approx(np.nanmean(dataset.log_ml(train)[:, 0]))
    assert rmse["image statistics + metadata"] < rmse["image statistics"] < 0.9 * rmse["constant"]
    again = mass_to_light_baselines(dataset, train, test)["predictions"]
    for name, predicted in result["predictions"].items():
        np.testing.assert_array_equal(again[name], predicted)
    assert metadata_columns(dataset, train[:1]) == []
    with pytest.raises(DataError, match="no galaxy with log_ml_g"):
        mass_to_light_baselines(dataset, [], test)


def test_image_statistics_measure_what_they_say():
    images = np.stack([blob(), blob(size=0.2), blob(ratio=0.5), blob(shift=4), blob(sky=60)])
    table = image_statistics(images)
    plain, large, flat, shifted, bright = (table.iloc[i] for i in range(5))
    assert large["r50"] > 1.15 * plain["r50"]
    assert large["concentration"] < plain["concentration"]
    assert flat["axis_ratio"] < 0.7
    assert plain["axis_ratio"] > 0.95
    assert plain["asymmetry"] == pytest.approx(0, abs=1e-6)
    assert shifted["asymmetry"] > 0.2
    assert bright["sky"] - plain["sky"] == pytest.approx(30, abs=2)
    assert plain["gini"] > large["gini"]
    empty = image_statistics(np.full((1, NPIX, NPIX, 1), 7, np.uint8)).iloc[0]
    assert (empty["sky"], empty["sky_noise"], empty["total"]) == (7, 0, 0)
    assert np.isnan(empty["r50"])
    assert image_statistics(np.zeros((0, NPIX, NPIX), np.uint8)).empty


def test_gini_of_the_brightest_pixels_is_the_mean_difference():
    image = blob()
    row = image_statistics(image[None]).iloc[0]
    y, x = np.indices((NPIX, NPIX)) - (NPIX - 1) / 2
    radius = np.hypot(x, y) / NPIX
    light = np.where(radius <= 0.5, np.maximum(image - row["sky"], 0), 0)[radius <= 2 * row["r50"]]
    pairs = np.abs(light[:, None] - light[None, :]).sum() / (len(light) * (len(light) - 1))
    assert row["gini"] == pytest.approx(pairs / (2 * light.mean()), rel=1e-4)


def test_plots_are_reproducible_and_draw_nothing_from_nothing():
    rng = np.random.default_rng(0)
    true = rng.normal(size=5000)
    pictures = [to_png(predicted_against_true(true, 0.5 * true), dpi=60) for _ in range(2)]
    assert pictures[0] == pictures[1]
    assert to_png(predicted_against_true([], []), dpi=60) != pictures[0]
    assert image_png(np.zeros((5, 5, 1), np.uint8)).startswith(b"\x89PNG")


def test_a_run_is_held_against_what_its_own_inputs_allow(predictions, tmp_path):
    bounds = {"image": 0.8, "image_and_luminosity": 0.9}
    dataset = make_dataset(tmp_path / "ds", info={"explainable_r2": bounds})
    joined = join_truth(predictions[0], dataset, "test")

    def measure(**card):
        return measure_mass_to_light(joined, dataset, "test", card=card or None)

    assert set(measure()["explainable"]) == set(bounds)
    with_light = measure(metadata=["luminosity_g"])
    assert list(with_light["explainable"]) == ["image_and_luminosity"]
    assert with_light["baselines"]["metadata"] == ["luminosity_g"]
    without = measure(metadata=[])
    assert list(without["explainable"]) == ["image"]
    assert without["baselines"]["metadata"] == ["redshift", "luminosity_g"]


def test_galaxies_that_the_run_was_made_with_and_few_for_calibration_are_said(dataset, predictions, tmp_path):
    calibration = calibrate_intervals(np.linspace(-1, 1, 12), np.zeros(12), np.ones(12))
    card = {"calibration": calibration}
    numbers = evaluate(predictions[0], dataset, "test", tmp_path, card=card, baselines=False, n_seen=7)
    page = (tmp_path / "report.html").read_text()
    assert numbers["n_seen"] == 7
    assert "The run was made with 7 of these galaxies" in page
    assert "Calibrated on 12 galaxies, which leaves the levels themselves uncertain by 12.5, 8.0, 5.8 points" in page
    assert "They are too few for 90 % and 95 %" in page
    evaluate(predictions[0], dataset, "test", tmp_path, baselines=False)
    page = (tmp_path / "report.html").read_text()
    assert "The run was made with" not in page
    assert "Calibrated on" not in page


def test_intervals_in_groups_are_said_with_what_and_how_many(dataset, predictions, tmp_path):
    rng = np.random.default_rng(0)
    quantities = {"redshift": rng.uniform(0, 0.2, 300)}
    card = {"calibration": calibrate_groups(rng.normal(size=300), np.zeros(300), 1.0, quantities, "redshift")}
    numbers = evaluate(predictions[0], dataset, "test", tmp_path, card=card, baselines=False)
    groups = numbers["mass_to_light"]["calibrated_on"]["groups"]
    edges = np.quantile(quantities["redshift"], np.arange(1, len(groups["n"])) / len(groups["n"]))
    assert groups["edges"] == pytest.approx(edges)
    assert sum(groups["n"]) == 300
    page = (tmp_path / "report.html").read_text()
    assert "Calibrated on 300 galaxies in groups of the redshift, divided at" in page
    assert f"in a group by {np.sqrt(len(groups['n'])):.1f} times that" in page


def test_calibrated_galaxies_stay_in_the_band_of_the_histogram():
    rng, outside, bins = np.random.default_rng(0), 0, 0
    for _ in range(40):
        learnt = np.sort(rng.uniform(size=400))
        values = np.interp(rng.uniform(size=800), learnt, np.arange(1, 401) / 401)
        axes = pit_histogram(values, 400).axes[0]
        (band,) = axes.patches[:1]
        heights = axes.patches[-1].get_data()[0]
        outside += np.sum(np.abs(heights - 1) > band.get_height() / 2)
        bins += len(heights)
    assert outside / bins == pytest.approx(0.05, abs=0.02)


def test_the_band_of_the_labels_is_not_that_of_the_images():
    assert label_band({"band": "VIS", "convention": {"band": "g"}}) == "g"
    assert label_band({"band": "SDSS g (simulated)"}) == "g"
    assert label_band({"band": "VIS"}) == "VIS"
    assert label_band({}) == "g"
    assert log_ml_label("true", "VIS") == (
        r"true $\log_{10}\,M_\star/L_{\mathrm{VIS}}$ [$M_\odot/L_{\odot,\mathrm{VIS}}$]"
    )


def test_points_beyond_the_axes_are_counted():
    true = np.append(np.random.default_rng(0).normal(size=2000), 40.0)
    axes = predicted_against_true(true, true).axes[0]
    low, high = axes.get_xlim()
    assert high < 10
    assert [text.get_text() for text in axes.texts] == [f"{np.sum((true < low) | (true > high))} outside"]


def test_of_long_names_the_end_tells_runs_apart():
    assert _short("runs/trunks_simulated/cnn5-seed-0-9a2c25b5", end=True).endswith("cnn5-seed-0-9a2c25b5")
    assert len(_short("x" * 40, end=True)) == len(_short("x" * 40)) == 27
    assert _short("image statistics + metadata", end=True) == "image statistics + metadata"
