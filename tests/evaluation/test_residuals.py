"""What residuals are looked at against, their running percentiles, and the groups of galaxies."""

import numpy as np
import pandas as pd
import pytest

from gzmass.datasets import open_dataset, write_dataset
from gzmass.evaluation.galleries import mass_to_light_galleries, most_out_of_domain
from gzmass.evaluation.measure import join_truth
from gzmass.evaluation.residuals import residual_groups, residual_quantities, running_percentiles
from gzmass.tree import load_tree

NPIX, N = 16, 300
TREE = load_tree({"name": "small", "questions": [{"name": "q", "answers": [{"name": "disc"}, {"name": "other"}]}]})


def make(path, columns, votes):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"id": np.arange(N), "split": "test", "log_ml_g": rng.normal(0.3, 0.2, N), **columns})
    table["q_disc_votes"], table["q_other_votes"] = votes, 40.0 - votes
    y, x = np.indices((NPIX, NPIX)) - (NPIX - 1) / 2
    images = [(200 * np.exp(-np.hypot(x, y / (0.3 + 0.7 * (k % 2))) / 3)).astype(np.uint8) for k in range(N)]
    write_dataset(path, table, zip(table["id"], images, strict=True), {"npix": NPIX}, tree=TREE)
    dataset = open_dataset(path)
    bias = np.where(votes > 20, 0.5, 0.0)
    predictions = pd.DataFrame({"id": table["id"], "log_ml_g": table["log_ml_g"] + bias})
    return dataset, join_truth(predictions, dataset, "test")


def values_of(quantities):
    return {quantity.name: quantity.values for quantity in quantities}  # noqa: PD011 -- no table


def test_quantities_come_from_columns_votes_and_else_from_the_images(tmp_path):
    rng = np.random.default_rng(1)
    votes = rng.uniform(0, 40, N)
    columns = {"redshift": rng.uniform(0.01, 0.2, N), "radius_kpc": 10 ** rng.uniform(0, 1, N)}
    dataset, joined = make(tmp_path / "columns", columns, votes)
    found = values_of(residual_quantities(joined, dataset))
    assert list(found) == ["M/L label", "predicted M/L", "redshift", "radius", "axis ratio", "q: disc"]
    np.testing.assert_allclose(found["radius"], np.log10(columns["radius_kpc"]))
    np.testing.assert_allclose(found["q: disc"], votes / 40, rtol=1e-6)
    measured = found["axis ratio"]
    assert np.isfinite(measured).all()
    assert measured[::2].max() < 0.7
    assert measured[1::2].min() > 0.95
    dataset, joined = make(tmp_path / "bare", {"sim_axis_ratio": np.linspace(0.1, 1, N)}, np.full(N, 3.0))
    joined["axis_ratio"] = np.nan
    found = values_of(residual_quantities(joined, dataset))
    assert list(found) == ["M/L label", "predicted M/L", "axis ratio", "size in the image", "q: disc"]
    np.testing.assert_allclose(found["axis ratio"], np.linspace(0.1, 1, N))


def test_groups_show_who_is_predicted_wrongly(tmp_path):
    votes = np.where(np.arange(N) % 3 == 0, 30.0, 10.0)
    dataset, joined = make(tmp_path / "data", {"redshift": np.linspace(0.01, 0.2, N)}, votes)
    groups = residual_groups(joined, dataset, residual_quantities(joined, dataset))
    found = {(group["quantity"], group["group"].split(" ")[0]): group for group in groups}
    assert found["q", "disc"]["n"] == 100
    assert found["q", "disc"]["bias_dex"] == pytest.approx(0.5)
    assert found["q", "other"]["rmse_dex"] == pytest.approx(0.0, abs=1e-6)
    assert [found["redshift", third]["n"] for third in ("lowest", "middle", "highest")] == [100, 100, 100]
    assert not any(quantity == "M/L label" for quantity, _ in found)


def test_running_percentiles_are_those_of_each_bin():
    x = np.random.default_rng(0).permutation(600) / 600
    running = running_percentiles(x, 2 * x + 1)
    assert len(running["x"]) == 15
    np.testing.assert_allclose(running["p50"], 2 * np.array(running["x"]) + 1)
    assert np.all(np.array(running["p84"]) - running["p16"] == pytest.approx(0.68 * 2 / 15, rel=0.05))
    few = running_percentiles([*np.arange(40.0), *[np.nan] * 60], np.zeros(100))
    assert few == {"x": [], "p16": [], "p50": [], "p84": []}


def test_galleries_choose_by_residual_and_by_distance_from_the_training_set():
    table = pd.DataFrame({"log_ml_g": [0.0, 0.5, 0.1, np.nan, 0.2], "true_log_ml_g": [0.0, 0.0, 0.0, 0.0, 0.0]})
    chosen = {name: places.tolist() for name, places in mass_to_light_galleries(table, 1).items()}
    assert chosen == {"best": [0], "median": [2], "worst": [1]}
    assert most_out_of_domain(table).tolist() == []
    table["in_domain"] = [True, False, True, False, True]
    table["out_of_domain_reason"] = ["", "sky 3 above 2", "", "sky 3 above 2; noise 2 above 1", None]
    assert most_out_of_domain(table).tolist() == [3, 1]
    table["domain_score"] = [1.0, 2.0, 9.0, 0.5, np.nan]
    assert most_out_of_domain(table, 2).tolist() == [1, 3]  # outside, whatever the score says
    assert most_out_of_domain(table.assign(in_domain=True), 2).tolist() == [2, 1]


def test_an_answer_needs_more_than_half_of_all_volunteers_not_of_those_who_were_asked(tmp_path):
    tree = load_tree(
        {
            "name": "two",
            "questions": [
                {"name": "q", "answers": [{"name": "disc"}, {"name": "other"}]},
                {"name": "bar", "parents": ["q_disc"], "answers": [{"name": "yes"}, {"name": "no"}]},
            ],
        }
    )
    table = pd.DataFrame({"id": np.arange(N), "split": "test", "log_ml_g": np.linspace(0, 1, N)})
    disc = np.where(np.arange(N) < 100, 36.0, 12.0)  # of 40, all of whom see a bar
    table = table.assign(q_disc_votes=disc, q_other_votes=40 - disc, bar_yes_votes=disc, bar_no_votes=0.0)
    images = ((k, np.full((NPIX, NPIX), k % 200, dtype=np.uint8)) for k in range(N))
    write_dataset(tmp_path / "data", table, images, {"npix": NPIX}, tree=tree)
    dataset = open_dataset(tmp_path / "data")
    joined = join_truth(table[["id", "log_ml_g"]], dataset, "test")
    groups = {(group["quantity"], group["group"]): group["n"] for group in residual_groups(joined, dataset, [])}
    assert groups == {("q", "disc"): 100, ("q", "other"): 200, ("bar", "yes"): 100}
