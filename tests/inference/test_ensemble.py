"""Several runs as one predictor."""

import dataclasses
import json
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import yaml

from gzmass.calibration import choose_calibration
from gzmass.calibration.conformal import interval_scores, sigma_scale
from gzmass.calibration.mixture import mixture_moments, mixture_quantile
from gzmass.cli import main
from gzmass.config import FinetuneConfig
from gzmass.datasets import open_dataset
from gzmass.errors import DataError
from gzmass.inference import load_ensemble, predict, predict_with_members, rows
from gzmass.inference.ensemble import refuse_different_cards
from gzmass.models import build_model, load_run, save_run
from gzmass.models.validation import read_validation, write_validation
from gzmass.training import finetune_ml

LEARNING = {"model": {"hidden": 8}, "stages": [{"name": "all", "epochs": 1}], "test_time_augmentation": 1}


@pytest.fixture(scope="module")
def runs(galaxies, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ensemble")
    first = FinetuneConfig(dataset=galaxies, out=folder / "a", vote_loss_weight=0.02, **LEARNING)
    second = FinetuneConfig(
        dataset=galaxies, out=folder / "b", seed=1, loss="huber", metadata=["distance_mpc"], **LEARNING
    )
    return [finetune_ml(first), finetune_ml(second)]


@pytest.mark.parametrize("block", [7, 20])
def test_neither_chunks_nor_blocks_change_the_tables(runs, galaxies, tmp_path, monkeypatch, block):
    shutil.copytree(galaxies, tmp_path / "data", ignore=shutil.ignore_patterns("cache"))
    ids = open_dataset(galaxies).table["id"]
    for i in ids.iloc[[*range(7), 30, 31, *range(63, len(ids))]]:  # whole chunks at both ends, and two galaxies
        (image,) = (tmp_path / "data").glob(f"images/**/{i}.png")
        image.write_bytes(b"no image")
    dataset, ensemble, done = open_dataset(tmp_path / "data"), load_ensemble(runs), []
    together, members = predict_with_members(ensemble, dataset)
    monkeypatch.setattr(sys.modules["gzmass.inference.predict"], "_CHUNK", 7)
    monkeypatch.setattr(rows, "_BLOCK", block)
    found, others = predict_with_members(ensemble, dataset, progress=lambda *numbers: done.append(numbers))
    assert done[-1] == (len(ids), len(ids))
    assert (found["status"] == "failed").sum() == 9 + len(ids) - 63
    for one, wanted in zip([found, *others], [together, *members], strict=True):
        pd.testing.assert_frame_equal(one, wanted, rtol=1e-4, atol=1e-5)


def changed(run, folder, **keys):
    """Copy a run with another card."""
    shutil.copytree(run.path, folder)
    card = {**run.card, **keys}
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    return folder


def test_the_mixture_of_runs_with_and_without_sigma(runs, galaxies):
    dataset = open_dataset(galaxies)
    ensemble = load_ensemble(runs)
    assert ensemble.n_common == 0  # 16 galaxies of validation are too few
    together, single = predict(ensemble, dataset, "test"), [predict(run, dataset, "test") for run in runs]
    means = np.stack([one["log_ml_g"] for one in single])
    sigmas = np.stack([one["log_ml_g_sigma"] for one in single])  # calibrated: the second run has no sigma of its own
    np.testing.assert_allclose(together["log_ml_g"], mixture_moments(means, sigmas)[0], rtol=1e-6)
    for column, score in (("log_ml_g_p16", -0.994458), ("log_ml_g_upper_95", 1.959964)):
        np.testing.assert_allclose(together[column], mixture_quantile(score, means, sigmas), rtol=1e-3)
    for column in together.filter(like="_fraction"):
        np.testing.assert_allclose(together[column], single[0][column], rtol=1e-6)  # the second has no votes
    for part in ("domain_noise", "domain_blur"):
        np.testing.assert_allclose(together[part], (single[0][part] + single[1][part]) / 2)
    mass = together["log_ml_g"] + np.log10(dataset.metadata(["luminosity_g"], "test")[:, 0])
    np.testing.assert_allclose(together["log_mstar"], mass, rtol=1e-6)


def test_the_members_beside_their_ensemble_cost_no_second_pass(runs, galaxies, monkeypatch):
    dataset, ensemble = open_dataset(galaxies), load_ensemble(runs)
    wanted = [predict(one, dataset, "test") for one in (ensemble, *runs)]
    passes, outputs = [], type(runs[0]).outputs
    monkeypatch.setattr(type(runs[0]), "outputs", lambda run, *a: passes.append(run.path) or outputs(run, *a))
    together, members = predict_with_members(ensemble, dataset, "test")
    assert passes == [run.path for run in runs]
    for got, one in zip([together, *members], wanted, strict=True):
        pd.testing.assert_frame_equal(got, one)
        assert got.attrs == one.attrs


def other_weights(run, folder):
    """Copy a run and change its weights a little: another member of an ensemble, without training it."""
    model = load_run(run.path).model
    rng = np.random.default_rng(0)
    model.set_weights([weight + rng.normal(0, 0.1, weight.shape) for weight in model.get_weights()])
    shutil.copytree(run.path, folder)
    return save_run(folder, model, run.card)


def test_votes_are_averaged_as_probabilities(runs, galaxies, tmp_path):
    dataset = open_dataset(galaxies)
    pair = [runs[0], other_weights(runs[0], tmp_path / "c")]
    together, single = predict(pair, dataset, "test"), [predict(run, dataset, "test") for run in pair]
    column = "t01_smooth_or_features_a01_smooth_fraction"
    assert not np.allclose(single[0][column], single[1][column], rtol=1e-3)
    np.testing.assert_allclose(together[column], (single[0][column] + single[1][column]) / 2, rtol=1e-6)
    np.testing.assert_allclose(together.filter(like="t01_").filter(like="_fraction").sum(axis=1), 1, rtol=1e-5)
    features = together["t01_smooth_or_features_a02_features_or_disk_fraction"]
    np.testing.assert_allclose(together["t02_edgeon_asked"], features, rtol=1e-6)


def test_it_is_calibrated_on_what_all_held_out(runs, galaxies, tmp_path):
    pair = [changed(runs[0], tmp_path / "a"), other_weights(runs[0], tmp_path / "b").path]
    rng = np.random.default_rng(0)
    true, error = rng.normal(0.2, 0.3, 500), rng.standard_t(3, 500)  # an error that the two share: more is not better
    for folder, ids in zip(pair, (np.arange(400), np.arange(150, 500)), strict=True):
        mean = true + 0.1 * error + rng.normal(0.05, 0.02, 500)
        write_validation(folder, ids, true[ids], mean[ids], np.full(len(ids), 0.1), {"log_ml_g": mean[ids]})
    ensemble = load_ensemble(pair)
    assert ensemble.n_common == 250
    tables = [read_validation(folder).set_index("id").loc[np.arange(150, 400)] for folder in pair]
    scale = sigma_scale({key: runs[0].card["calibration"][key] for key in ("percentiles", "intervals")})
    means, sigmas = np.stack([t["log_ml_g"] for t in tables]), scale * np.stack([t["sigma"] for t in tables])
    scores = interval_scores(ensemble.calibration, 250, {"log_ml_g": means.mean(axis=0)})
    bounds = [mixture_quantile(scores[f"log_ml_g_{side}_90"], means, sigmas) for side in ("lower", "upper")]
    inside = (true[150:400] >= bounds[0]) & (true[150:400] <= bounds[1])
    assert 0.896 <= inside.mean() <= 0.94  # in four groups of 62 as few as 2 are left out at either side
    dataset = open_dataset(galaxies)
    single = [predict(folder, dataset, "test") for folder in pair]
    means, sigmas = (np.stack([one[name] for one in single]) for name in ("log_ml_g", "log_ml_g_sigma"))
    scores = interval_scores(ensemble.calibration, len(means[0]), {"log_ml_g": means.mean(axis=0)})
    upper = mixture_quantile(scores["log_ml_g_upper_90"], means, sigmas)
    np.testing.assert_allclose(predict(ensemble, dataset, "test")["log_ml_g_upper_90"], upper, rtol=1e-5)
    (pair[1] / "validation.parquet").unlink()  # as an old run
    assert load_ensemble(pair).n_common == 0


def test_ways_to_calibrate_are_compared_in_dex_as_those_of_a_run(runs, tmp_path):
    pair = [changed(runs[0], tmp_path / "a"), other_weights(runs[0], tmp_path / "b").path]
    rng = np.random.default_rng(0)
    mean, sigma = rng.normal(0.2, 0.3, 400), rng.uniform(0.03, 0.4, 400)
    true = mean + 0.5 * sigma * rng.standard_t(4, 400)  # within the eight sigma that a mixture looks at
    for folder in pair:
        write_validation(folder, np.arange(400), true, mean, sigma, {"log_ml_g": mean})
    scale = sigma_scale({key: runs[0].card["calibration"][key] for key in ("percentiles", "intervals")})
    expected = choose_calibration(true, mean, scale * sigma, {"log_ml_g": mean})["choice"]
    found = load_ensemble(pair).calibration["choice"]
    for key in ("score", "gain"):
        assert [one.get(key, 0) for one in found] == pytest.approx([one.get(key, 0) for one in expected], rel=1e-3)


def test_one_run_is_itself(runs, galaxies):
    dataset = open_dataset(galaxies)
    assert predict([runs[0]], dataset, "test").equals(predict(runs[0], dataset, "test"))
    with pytest.raises(DataError, match=r"at least two runs. Received: 1"):
        load_ensemble(runs[:1])


@pytest.mark.parametrize(("key", "value"), [("imf", "Salpeter"), ("label_kind", "measured"), ("stretch", "asinh")])
def test_other_conventions_are_refused(runs, tmp_path, key, value):
    first = changed(runs[0], tmp_path / "first", dataset={**runs[0].card["dataset"], "imf": "Chabrier"})
    other = changed(runs[0], tmp_path / "other", dataset={**load_run(first).card["dataset"], key: value})
    with pytest.raises(
        DataError, match=f"can not be averaged: the {key} of the first is .*, that of the second '{value}'"
    ):
        load_ensemble([first, other])


def test_other_sizes_trees_and_outputs_are_refused(runs, galaxies, tmp_path):
    bigger = dataclasses.replace(runs[0], card={**runs[0].card, "npix": 40})
    with pytest.raises(DataError, match="the npix of the first is 32, that of the second 40"):
        load_ensemble([runs[0], bigger])
    graph = build_model(32, heads=("votes",), hidden=8)
    votes = save_run(tmp_path / "votes", graph, {**runs[0].card, "kind": "pretrain-gz2"})
    with pytest.raises(DataError, match="the output of M/L of the first is True, that of the second False"):
        load_ensemble([runs[0], votes])
    again = save_run(tmp_path / "again", graph, {**votes.card, "weights_hash": None})
    again = dataclasses.replace(again, card={**again.card, "weights_hash": "another"})
    only_votes = predict([votes, again], open_dataset(galaxies), "test")
    assert "log_ml_g" not in only_votes
    assert only_votes.equals(predict(votes, open_dataset(galaxies), "test"))


def test_trees_are_compared_with_the_first_run_that_has_one():
    card = {"npix": 32, "kind": "finetune-ml", "dataset": {}, "tree": None, "tree_hash": None}
    trees = [{**card, "tree": {"name": "t"}, "tree_hash": mark} for mark in ("one", "two")]
    refuse_different_cards(["a", "b", "c"], [card, trees[0], trees[0]])
    with pytest.raises(DataError, match="runs 'b' and 'c' can not be averaged: the tree of the first is 'one', that"):
        refuse_different_cards(["a", "b", "c"], [card, *trees])


def test_from_the_command_line(runs, galaxies, tmp_path, capsys):
    out = tmp_path / "p.csv"
    assert main(["predict", *(str(run.path) for run in runs), str(galaxies), "--out", str(out), "--split", "test"]) == 0
    assert "held out too few galaxies in common" in " ".join(capsys.readouterr().out.split())
    assert out.read_text().startswith("id,log_ml_g,log_ml_g_sigma")


def test_an_ensemble_is_evaluated_beside_its_runs(runs, galaxies, tmp_path, capsys):
    both, out = [str(run.path) for run in runs], tmp_path / "report"
    assert main(["evaluate", *both, str(galaxies), "--no-baselines"]) == 2
    assert "the report of an ensemble needs a folder, --out. Received: 2 runs" in " ".join(
        capsys.readouterr().err.lower().replace("received", "Received").split()
    )
    assert main(["evaluate", *both, str(galaxies), "--no-baselines", "--out", str(out)]) == 0
    numbers = json.loads((out / "metrics.json").read_text())
    table = numbers["mass_to_light"]["table"]
    assert [row["name"] for row in table][1:] == both
    together = predict(runs, open_dataset(galaxies), "test").set_index("id")
    true = open_dataset(galaxies).table.set_index("id")["log_ml_g"].reindex(together.index)
    rmse = np.sqrt(np.nanmean((together["log_ml_g"] - true) ** 2))
    assert table[0]["rmse_dex"] == pytest.approx(rmse)
    assert numbers["name"] == "2 runs together"
    assert "mean of 2 runs" in (out / "report.html").read_text()


def test_runs_without_scores_predict_as_before(runs, galaxies, tmp_path):
    old = changed(runs[0], tmp_path / "old")
    (old / "domain_score.npz").unlink()
    before, now = (predict(run, open_dataset(galaxies), "test") for run in (old, runs[0]))
    assert "domain_score" not in before
    numbers = before.select_dtypes("number").columns
    np.testing.assert_allclose(before[numbers], now[numbers], rtol=1e-4)
    other = changed(runs[1], tmp_path / "other")
    (other / "domain_score.npz").unlink()
    assert "domain_score" not in predict([old, other], open_dataset(galaxies), "test")


def test_a_run_counts_once(runs):
    with pytest.raises(DataError, match="have the same weights: to average them is to count one of them twice"):
        load_ensemble([runs[0], runs[1], runs[0]])
