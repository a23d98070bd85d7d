"""Metrics against sklearn, scipy and closed forms."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import linregress, median_abs_deviation
from sklearn.metrics import r2_score, root_mean_squared_error

from gzmass.errors import DataError
from gzmass.evaluation import joint_truth, mass_to_light_metrics, rmse_difference, vote_metrics
from gzmass.evaluation.metrics import N_BLOCKS, bootstrap_errors, reliability
from gzmass.tree import DecisionTree, load_tree

KAGGLE = Path(__file__).parents[2].parent / "shared" / "data" / "galaxy_zoo_2" / "training_solutions_17.csv"


@pytest.fixture
def sample():
    rng = np.random.default_rng(1)
    true = rng.normal(0.3, 0.26, 800)
    return true, 0.6 * true + 0.15 + rng.normal(0, 0.15, 800)


@pytest.fixture
def tree():
    answers = [{"name": "a"}, {"name": "b"}]
    questions = [
        {"name": "q1", "answers": answers},
        {"name": "q2", "answers": [*answers, {"name": "c"}], "parents": ["q1_a"]},
    ]
    return DecisionTree.from_dict({"name": "small", "questions": questions})


@pytest.mark.parametrize("unit", ["dex", "linear"])
def test_mass_to_light_numbers_agree_with_sklearn_and_scipy(sample, unit):
    numbers = mass_to_light_metrics(*sample)
    true, predicted = sample if unit == "dex" else (10.0 ** sample[0], 10.0 ** sample[1])
    assert numbers["n"] == 800
    assert numbers[f"rmse_{unit}"] == pytest.approx(root_mean_squared_error(true, predicted), rel=1e-12)
    assert numbers[f"r2_{unit}"] == pytest.approx(r2_score(true, predicted), rel=1e-9)
    assert numbers[f"bias_{unit}"] == pytest.approx(np.mean(predicted - true), rel=1e-9)
    assert numbers[f"slope_{unit}"] == pytest.approx(linregress(true, predicted).slope, rel=1e-9)
    assert numbers[f"inverse_slope_{unit}"] == pytest.approx(linregress(predicted, true).slope, rel=1e-9)
    nmad = 1.4826 * median_abs_deviation(predicted - true)
    assert numbers[f"nmad_{unit}"] == pytest.approx(nmad, rel=1e-12)


def test_bootstrap_error_of_the_bias_is_the_standard_error_of_the_mean(sample):
    true, predicted = sample
    expected = np.std(predicted - true, ddof=1) / np.sqrt(len(true))
    assert mass_to_light_metrics(*sample, n_resamples=4000)["bias_dex_error"] == pytest.approx(expected, rel=0.05)


def test_bootstrap_in_blocks_gives_the_same_error():
    rng = np.random.default_rng(0)
    values = rng.exponential(size=5 * N_BLOCKS + 7)
    sums = np.stack([np.ones_like(values), values], axis=1)
    error = bootstrap_errors(sums, lambda total: {"mean": total[:, 1] / total[:, 0]}, n_resamples=4000)["mean"]
    assert error == pytest.approx(values.std() / np.sqrt(len(values)), rel=0.08)


def test_missing_labels_and_missing_predictions_are_left_out(sample):
    true, predicted = (array.copy() for array in sample)
    true[::7], predicted[::5] = np.nan, np.nan
    known = np.isfinite(true) & np.isfinite(predicted)
    assert mass_to_light_metrics(true, predicted) == mass_to_light_metrics(true[known], predicted[known])


def test_tables_with_no_galaxy_one_galaxy_and_one_value():
    empty = mass_to_light_metrics([], [])
    assert empty["n"] == 0
    assert all(np.isnan(value) for name, value in empty.items() if name != "n")
    one = mass_to_light_metrics([0.3], [0.5])
    assert one["rmse_dex"] == pytest.approx(0.2)
    assert np.isnan(one["r2_dex"])
    assert np.isnan(one["rmse_dex_error"])
    same = mass_to_light_metrics([0.25, 0.25, 0.25], [0.2, 0.3, 0.4])
    assert np.isnan(same["r2_dex"])
    assert np.isfinite(same["rmse_dex"])
    constant = mass_to_light_metrics([0.1, 0.2, 0.5], [0.3, 0.3, 0.3])
    assert constant["slope_dex"] == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(constant["inverse_slope_dex"])


def test_shapes_that_differ_are_named():
    with pytest.raises(DataError, match=r"\(3,\) and \(2,\)"):
        mass_to_light_metrics([1, 2, 3], [1, 2])


def test_difference_of_two_runs_is_paired(sample):
    true, predicted = sample
    other = predicted + 0.05 * np.sin(np.arange(len(true)))
    result = rmse_difference(true, predicted, other)
    rmse = [root_mean_squared_error(true, values) for values in (predicted, other)]
    assert result["difference"] == pytest.approx(rmse[1] - rmse[0], rel=1e-9)
    single = mass_to_light_metrics(true, other)["rmse_dex_error"]
    assert 0 < result["difference_error"] < 0.7 * single


def test_question_rmse_is_weighted_by_votes(tree):
    votes = np.array([[30.0, 10, 15, 10, 5], [2.0, 2, 1, 1, 0], [0.0, 8, 0, 0, 0]])
    fractions = np.array([[0.6, 0.4, 0.4, 0.4, 0.2], [0.9, 0.1, 0.2, 0.2, 0.6], [0.5, 0.5, 0.2, 0.3, 0.5]])
    first, second = vote_metrics(votes, fractions, tree)["questions"]
    expected = (40 * 0.15**2 + 4 * 0.4**2 + 8 * 0.5**2) / 52
    assert first["rmse"] == pytest.approx(np.sqrt(expected))
    assert (first["n"], first["votes"], second["n"], second["votes"]) == (3, 52, 2, 32)
    errors = 30 * np.sum((np.array([15, 10, 5]) / 30 - fractions[0, 2:]) ** 2)
    errors += 2 * np.sum((np.array([0.5, 0.5, 0]) - fractions[1, 2:]) ** 2)
    assert second["rmse"] == pytest.approx(np.sqrt(errors / 3 / 32))
    mean = np.array([16, 11, 5]) / 32
    errors = 30 * np.sum((np.array([15, 10, 5]) / 30 - mean) ** 2)
    errors += 2 * np.sum((np.array([0.5, 0.5, 0]) - mean) ** 2)
    assert second["rmse_mean"] == pytest.approx(np.sqrt(errors / 3 / 32))


def test_predicting_the_votes_themselves_has_no_error(tree):
    votes = np.random.default_rng(2).integers(1, 20, (50, 5)).astype(float)
    votes[:, :2] *= votes[:, 2:].sum(axis=1, keepdims=True) / votes[:, :1]  # as many on q2 as said q1_a
    result = vote_metrics(votes, tree.conditional(votes), tree)
    assert result["joint"]["rmse"] == pytest.approx(0, abs=1e-12)
    assert all(q["rmse"] == 0 for q in result["questions"])
    assert all(q["calibration_error"] < 0.06 for q in result["questions"])


def test_unlabelled_galaxies_and_unknown_questions_change_nothing(tree):
    rng = np.random.default_rng(3)
    votes = rng.integers(1, 20, (40, 5)).astype(np.float32)
    fractions = tree.conditional(rng.uniform(size=(40, 5)))
    before = vote_metrics(votes, fractions, tree, votes)
    more = np.concatenate([votes, np.full((10, 5), np.nan, np.float32)])
    after = vote_metrics(more, np.concatenate([fractions, fractions[:10]]), tree, more)
    assert after["joint"] == before["joint"]
    assert after["questions"] == before["questions"]
    votes[:, 2:] = np.nan
    unknown = vote_metrics(votes, fractions, tree)
    assert unknown["questions"][1]["n"] == 0
    assert np.isnan(unknown["questions"][1]["rmse"])
    assert unknown["questions"][1]["reliability"] == [[], [], []]
    assert unknown["joint"]["n_answers"] == 2
    empty = vote_metrics(np.zeros((0, 5)), np.zeros((0, 5)), tree)
    assert empty["joint"]["n"] == 0
    assert np.isnan(empty["joint"]["rmse"])


def test_a_question_that_was_not_learnt_counts_nowhere(tree):
    rng = np.random.default_rng(5)
    votes = tree.joint(tree.conditional(rng.uniform(size=(40, 5)))) * 30
    fractions = tree.conditional(rng.uniform(size=(40, 5)))
    expected = vote_metrics(np.where(np.arange(5) < 2, votes, np.nan), fractions, tree, votes)
    found = vote_metrics(votes, np.where(np.arange(5) < 2, fractions, np.nan), tree, votes)
    assert found["questions"][1]["n"] == 0
    assert found["joint"]["n_answers"] == 2
    assert found["joint"]["rmse"] == expected["joint"]["rmse"]
    assert found["questions"][0] == expected["questions"][0]


def test_joint_truth_of_a_whole_table_is_the_product_down_the_tree():
    tree = load_tree("gz2")
    rng = np.random.default_rng(4)
    conditional = tree.conditional(rng.uniform(0.1, 1, (20, 37)))
    votes = 44 * tree.joint(conditional)
    np.testing.assert_allclose(joint_truth(votes, tree), tree.joint(tree.conditional(votes)), rtol=1e-12)


def test_votes_of_another_tree_are_refused(tree):
    with pytest.raises(DataError, match=r"5 answers.*\(2, 37\)"):
        vote_metrics(np.ones((2, 37)), np.ones((2, 37)), tree)


def test_reliability_by_hand():
    curve = reliability([[3.0, 1.0], [1.0, 1.0]], [[0.75, 0.25], [0.95, 0.05]], n_bins=2)
    (high,), (low,) = curve["answers"]
    assert low == {
        "predicted": pytest.approx((4 * 0.25 + 2 * 0.05) / 6),
        "voted": pytest.approx(2 / 6),
        "weight": 1.0,
    }
    assert high["predicted"] == pytest.approx((4 * 0.75 + 2 * 0.95) / 6)
    assert high["voted"] == pytest.approx(4 / 6)
    assert curve["calibration_error"] == pytest.approx(0.15)


def test_too_many_votes_for_one_answer_are_not_made_up_for_by_too_few_for_the_other():
    votes = np.tile([[8.0, 2.0], [2.0, 8.0]], (50, 1))
    too_many = np.tile([[0.94, 0.06], [0.34, 0.66]], (50, 1))
    assert reliability(votes, too_many)["calibration_error"] == pytest.approx(0.14)
    assert reliability(votes, np.full((100, 2), 0.5))["calibration_error"] == pytest.approx(0, abs=1e-12)
    assert reliability(votes[::2], np.full((50, 2), 0.5))["calibration_error"] == pytest.approx(0.3)


def test_rmse_over_the_kaggle_file_is_that_of_the_kaggle_metric():
    if not KAGGLE.is_file():
        pytest.skip(f"{KAGGLE} is not beside the checkout")
    tree, table = load_tree("gz2"), pd.read_csv(KAGGLE)
    columns = [answer.columns["kaggle"] for answer in tree.answers]
    votes = 44 * table.reindex(columns=columns).to_numpy()
    fractions = np.full(votes.shape, 0.5)
    result = vote_metrics(votes, fractions, tree, votes)["joint"]
    known = table.drop(columns="GalaxyID").to_numpy()
    assert (result["n"], result["n_answers"]) == (len(table), 17)
    assert result["rmse_mean"] == pytest.approx(np.sqrt(np.mean((known - known.mean(axis=0)) ** 2)), abs=1e-6)
    assert result["rmse_mean"] == pytest.approx(0.1803, abs=5e-5)
