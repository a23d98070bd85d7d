"""What every loss promises about missing labels, and each loss against scipy, its formula and float64 derivatives."""

import itertools
import math
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

from gzmass.errors import ConfigError, TreeError
from gzmass.losses import (
    DirichletMultinomialVotes,
    GaussianMassToLight,
    HuberMassToLight,
    LabelledMean,
    MultinomialVotes,
    SquaredErrorMassToLight,
    SquaredErrorVotes,
    VoteError,
)

sys.path.insert(0, str(Path(__file__).parent))
from loss_cases import LOSSES, MASS_LOSSES, TREE, VOTE_LOSSES, labels_and_predictions, value_and_gradient

every_loss = pytest.mark.parametrize("name", list(LOSSES))
OWN = [TREE.segment == q for q in range(TREE.n_questions)]


def run(loss, y_true, y_pred, weight=None):
    return value_and_gradient(lambda x: loss(y_true, x, weight), y_pred)


def values(loss, y_true, y_pred):
    value, labelled = map(keras.ops.convert_to_numpy, loss.per_galaxy(y_true, y_pred))
    return np.where(labelled, value, 0)


# ---- the contract ----------------------------------------------------------------------------------------------------


@every_loss
def test_no_label_gives_zero_and_zero_gradient(name):
    y_true, y_pred = labels_and_predictions(name)
    for weight in (None, np.ones(len(y_true), "float32"), np.full(len(y_true), np.nan, "float32")):
        value, gradient = run(LOSSES[name], np.full_like(y_true, np.nan), y_pred, weight)
        assert value == 0
        np.testing.assert_array_equal(gradient, 0)


@every_loss
def test_unlabelled_galaxies_change_nothing(name):
    y_true, y_pred = labels_and_predictions(name)
    half = len(y_true) // 2
    value, gradient = run(LOSSES[name], y_true, y_pred)
    alone, alone_gradient = run(LOSSES[name], y_true[:half], y_pred[:half])
    assert value == pytest.approx(alone, rel=1e-6)
    np.testing.assert_allclose(gradient[:half], alone_gradient, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(gradient[half:], 0)


@every_loss
def test_weight_zero_takes_a_galaxy_out(name):
    y_true, y_pred = labels_and_predictions(name)
    weight = np.array([1, 0, 2, 0, 1, 1, 0, 1, 0, 1, 0, 1], "float32")
    used = np.array([0, 2, 4, 5])
    value, gradient = run(LOSSES[name], y_true, y_pred, weight)
    alone, alone_gradient = run(LOSSES[name], y_true[used], y_pred[used], weight[used])
    assert value == pytest.approx(alone, rel=1e-6)
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(gradient[used], alone_gradient, rtol=1e-5, atol=1e-7)


@every_loss
def test_result_is_the_weighted_mean_of_the_galaxies(name):
    y_true, y_pred = labels_and_predictions(name, missing=False)
    weight = np.linspace(0.1, 3, len(y_true)).astype("float32")
    each = values(LOSSES[name], y_true, y_pred)
    assert run(LOSSES[name], y_true, y_pred, weight)[0] == pytest.approx(np.average(each, weights=weight), rel=1e-5)
    assert run(LOSSES[name], y_true, y_pred)[0] == pytest.approx(each.mean(), rel=1e-5)


@every_loss
def test_half_precision_predictions_are_computed_in_float32(name):
    y_true, y_pred = labels_and_predictions(name)
    half = y_pred.astype("float16")
    got = LOSSES[name](y_true, keras.ops.convert_to_tensor(half))
    assert keras.backend.standardize_dtype(got.dtype) == "float32"
    assert float(got) == pytest.approx(run(LOSSES[name], y_true, half.astype("float32"))[0], rel=1e-6)


@every_loss
def test_gradient_equals_a_numeric_derivative(name):
    y_true, y_pred = labels_and_predictions(name, n=4, missing=False)
    weight = np.array([1, 2, 3, 0], "float32")
    _, gradient = run(LOSSES[name], y_true, y_pred, weight)
    rng = np.random.default_rng(1)
    for _ in range(3):
        direction = rng.normal(size=y_pred.shape).astype("float32")
        step = 2e-2 if name in VOTE_LOSSES else 5e-3
        up, down = (run(LOSSES[name], y_true, y_pred + s * step * direction, weight)[0] for s in (1, -1))
        expected = (up - down) / (2 * step)
        if name == "gaussian_beta":  # the weight is a constant for the gradient
            continue
        assert (gradient * direction).sum() == pytest.approx(expected, rel=0.02, abs=2e-3)


@every_loss
def test_configuration_round_trip(name):
    loss = LOSSES[name]
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert again.get_config() == loss.get_config()
    y_true, y_pred = labels_and_predictions(name)
    assert run(again, y_true, y_pred)[0] == run(loss, y_true, y_pred)[0]


@every_loss
def test_metric_is_the_mean_over_all_batches(name):
    y_true, y_pred = labels_and_predictions(name)
    metric = LabelledMean(LOSSES[name])
    metric = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    for rows in (slice(0, 5), slice(5, 9), slice(9, 12)):  # the last batch has no labels
        metric.update_state(y_true[rows], y_pred[rows])
    assert float(metric.result()) == pytest.approx(run(LOSSES[name], y_true, y_pred)[0], rel=1e-5)


# ---- votes -----------------------------------------------------------------------------------------------------------


def whole_votes(seed=0, n=40, most=60):
    rng = np.random.default_rng(seed)
    _, log_p = labels_and_predictions("multinomial", n=n, seed=seed)
    p = np.exp(log_p.astype(float))
    votes = rng.integers(0, most, size=p.shape).astype("float32")
    votes[rng.random(p.shape) < 0.3] = 0
    return votes, log_p, p / TREE.question_sums(p)[:, TREE.segment]


def test_multinomial_equals_scipy():
    votes, log_p, p = whole_votes()
    expected = -sum(stats.multinomial.logpmf(votes[:, own], votes[:, own].sum(axis=1), p[:, own]) for own in OWN)
    np.testing.assert_allclose(values(MultinomialVotes(TREE), votes, log_p), expected, rtol=2e-6, atol=5e-4)


@pytest.mark.parametrize("concentration", [1e-3, 0.1, 1.0, 30.0, 1e3, 1e5, 1e8])
def test_dirichlet_multinomial_equals_scipy(concentration):
    votes, log_p, p = whole_votes(most=200)
    counts = votes.astype(int)
    expected = -sum(
        stats.dirichlet_multinomial.logpmf(counts[:, own], concentration * p[:, own], counts[:, own].sum(axis=1))
        for own in OWN
    )
    fixed = values(DirichletMultinomialVotes(TREE, concentration), votes, log_p)
    # float32 sums of terms as large as 1e4, for up to 1,400 votes on a question
    np.testing.assert_allclose(fixed, expected, rtol=1e-5, atol=2e-3)
    log_c = np.full((len(votes), TREE.n_questions), np.log(concentration), "float32")
    predicted = values(DirichletMultinomialVotes(TREE), votes, np.concatenate([log_p, log_c], axis=1))
    np.testing.assert_allclose(predicted, fixed, rtol=1e-5, atol=2e-3)


def reference(votes, log_p, log_c):
    """Dirichlet-multinomial in float64, by log-gammas, for any weights of votes."""
    total, n_total = 0.0, TREE.question_sums(votes)
    a = np.exp(log_p + log_c[:, TREE.segment])
    c = np.exp(log_c)
    total -= (gammaln(n_total + 1) + gammaln(c) - gammaln(c + n_total)).sum(axis=1)
    return total - (gammaln(a + votes) - gammaln(a) - gammaln(votes + 1)).sum(axis=1)


@pytest.mark.parametrize("concentration", [1e-3, 1.0, 1e3, 1e6])
def test_dirichlet_multinomial_gradient_equals_float64(concentration):
    votes, log_p, _ = whole_votes(seed=2, n=3)
    votes *= 0.7  # no whole votes
    log_c = np.full((3, TREE.n_questions), np.log(concentration), "float32")
    y_pred = np.concatenate([log_p, log_c], axis=1)
    _, gradient = run(DirichletMultinomialVotes(TREE), votes, y_pred)
    h = 1e-4
    for column in range(y_pred.shape[1]):
        up, down = y_pred.astype(float), y_pred.astype(float)
        up[:, column] += h
        down[:, column] -= h
        n = TREE.n_answers
        slope = (reference(votes, up[:, :n], up[:, n:]) - reference(votes, down[:, :n], down[:, n:])) / (2 * h)
        np.testing.assert_allclose(gradient[:, column] * 3, slope, rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize("log_c", [-100.0, -6.9, 0.0, 18.4, 100.0])
def test_dirichlet_multinomial_is_finite_everywhere(log_c):
    votes, log_p, _ = whole_votes(n=4)
    log_p = log_p * 1000  # probabilities as small as exp(-1e4)
    y_pred = np.concatenate([log_p, np.full((4, TREE.n_questions), log_c, "float32")], axis=1)
    value, gradient = run(DirichletMultinomialVotes(TREE), votes, y_pred)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_dirichlet_multinomial_goes_to_multinomial():
    votes, log_p, _ = whole_votes()
    multinomial = values(MultinomialVotes(TREE), votes, log_p)
    gaps = [
        np.abs(values(DirichletMultinomialVotes(TREE, c), votes, log_p) - multinomial).max()
        for c in (1e3, 1e5, 1e7, 1e12)
    ]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 2e-3


@pytest.mark.parametrize("name", ["multinomial", "dirichlet_number", "dirichlet_predicted"])
def test_weights_of_votes_are_not_truncated(name):
    y_true, y_pred = labels_and_predictions(name, missing=False)
    slightly = run(LOSSES[name], y_true * 1.01, y_pred)[0]
    assert slightly != run(LOSSES[name], np.trunc(y_true), y_pred)[0]
    assert slightly != pytest.approx(run(LOSSES[name], y_true, y_pred)[0], rel=1e-3)
    small = np.zeros((1, TREE.n_answers), "float32")
    small[0, 0] = 0.4
    assert run(LOSSES[name], small, y_pred[:1])[0] != 0


@pytest.mark.parametrize("name", list(VOTE_LOSSES))
@pytest.mark.parametrize("missing", ["no votes", "all missing", "one missing"])
def test_question_without_votes_contributes_nothing(name, missing):
    y_true, y_pred = labels_and_predictions(name, missing=False)
    question = 7  # nothing hangs on it
    y_true[:, 13] = 5.0  # a question that nobody can have been asked has the joint probability 0: that is known
    own = np.flatnonzero(OWN[question])
    if missing == "no votes":
        y_true[:, own] = 0
    else:
        y_true[:, own if missing == "all missing" else own[:1]] = np.nan
    value, gradient = run(LOSSES[name], y_true, y_pred)
    other = y_pred.copy()
    other[:, own] -= 3.0
    assert run(LOSSES[name], y_true, other)[0] == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(gradient[:, own], 0, atol=1e-7)


@pytest.mark.parametrize("probability", ["joint", "conditional"])
def test_squared_error_equals_the_tree(probability):
    votes, log_p, p = whole_votes(most=8)
    votes[0, 13] = np.nan
    votes[1:5, :3] = np.nan
    votes[5:9, 1] = 0
    fraction = TREE.conditional(votes)
    compare = TREE.joint if probability == "joint" else np.asarray
    with np.errstate(invalid="ignore"):
        square = (compare(p) - compare(fraction)) ** 2
    labelled = np.isfinite(square).any(axis=1)
    expected = np.zeros(len(votes))
    expected[labelled] = np.nanmean(square[labelled], axis=1)
    np.testing.assert_allclose(values(SquaredErrorVotes(TREE, probability), votes, log_p), expected, atol=1e-6)


def test_vote_error_is_the_same_in_any_batches():
    votes, log_p, p = whole_votes(most=8)
    votes[3, 4] = np.nan
    fraction, n = TREE.conditional(votes), TREE.question_sums(votes)
    expected = []
    for q, own in enumerate(OWN):
        weight = np.nan_to_num(n[:, q])
        square = np.nan_to_num((p - fraction)[:, own] ** 2).mean(axis=1)
        expected.append(np.sqrt(np.average(square, weights=weight)))
    for edges in ([0, 40], [0, 1, 17, 40]):
        pooled = VoteError(TREE)
        spiral = VoteError(TREE, "t04_spiral")
        for a, b in itertools.pairwise(edges):
            pooled.update_state(votes[a:b], log_p[a:b])
            spiral.update_state(votes[a:b], np.pad(log_p[a:b], ((0, 0), (0, TREE.n_questions))))
        np.testing.assert_allclose(keras.ops.convert_to_numpy(pooled.per_question()), expected, rtol=1e-4)
        assert float(pooled.result()) == pytest.approx(np.mean(expected), rel=1e-4)
        assert float(spiral.result()) == pytest.approx(expected[3], rel=1e-4)
    assert spiral.name == "vote_error_t04_spiral"
    assert VoteError.from_config(spiral.get_config()).get_config() == spiral.get_config()


def test_vote_error_weighs_and_leaves_out():
    votes, log_p, _ = whole_votes(n=4)
    votes[2:] = np.nan
    alone, weighted = VoteError(TREE), VoteError(TREE)
    alone.update_state(votes[:1], log_p[:1])
    weighted.update_state(votes, log_p, np.array([2, 0, 1, np.nan], "float32"))
    assert float(weighted.result()) == pytest.approx(float(alone.result()), rel=1e-6)


# ---- mass-to-light ---------------------------------------------------------------------------------------------------


def test_gaussian_equals_scipy_with_the_error_in_quadrature():
    y_true, y_pred = labels_and_predictions("gaussian", missing=False)
    sigma = np.hypot(np.exp(y_pred[:, 1]), y_true[:, 1])
    expected = -stats.norm.logpdf(y_true[:, 0], y_pred[:, 0], sigma)
    np.testing.assert_allclose(values(GaussianMassToLight(), y_true, y_pred), expected, rtol=1e-4, atol=1e-5)
    beta = values(GaussianMassToLight(beta=0.5), y_true, y_pred)
    np.testing.assert_allclose(beta, expected * sigma, rtol=1e-4, atol=1e-5)


def test_beta_one_gives_the_mean_the_gradient_of_the_squared_error():
    y_true, y_pred = labels_and_predictions("gaussian", missing=False)
    _, gradient = run(GaussianMassToLight(beta=1.0), y_true, y_pred)
    np.testing.assert_allclose(gradient[:, 0], (y_pred - y_true)[:, 0] / len(y_true), rtol=1e-4)


def test_missing_error_is_none():
    y_true, y_pred = labels_and_predictions("gaussian", missing=False)
    without = values(GaussianMassToLight(), y_true[:, 0], y_pred)
    np.testing.assert_array_equal(values(GaussianMassToLight(), y_true[:, :1], y_pred), without)
    for missing in (np.nan, -99.0, -1e20):
        y_true[:, 1] = missing
        np.testing.assert_array_equal(values(GaussianMassToLight(), y_true, y_pred), without)


@pytest.mark.parametrize("target", ["log", "linear"])
def test_huber_and_squared_error_compare_what_they_are_told(target):
    y_true, y_pred = labels_and_predictions("huber_log", missing=False)
    y, p = y_true[:, 0].astype(float), y_pred[:, 0].astype(float)
    r = np.abs(10**p - 10**y if target == "linear" else p - y)
    squared = SquaredErrorMassToLight(target)
    np.testing.assert_allclose(values(squared, y_true, y_pred), r**2, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(values(squared, y_true[:, 0], y_pred[:, :1]), values(squared, y_true, y_pred))
    expected = np.where(r <= 0.3, 0.5 * r**2, 0.3 * (r - 0.15))
    assert 0 < (r <= 0.3).mean() < 1
    np.testing.assert_allclose(values(HuberMassToLight(0.3, target), y_true, y_pred), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", list(MASS_LOSSES))
def test_extreme_predictions_give_finite_gradients(name):
    y_true = np.zeros((4, 2), "float32")
    y_pred = np.array([[60, 60], [-60, -60], [9, -30], [0, 0]], "float32")
    value, gradient = run(LOSSES[name], y_true, y_pred)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


# ---- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: DirichletMultinomialVotes("gz2", 0.0), ConfigError, "concentration must be from 1e-06.*0.0"),
        (lambda: DirichletMultinomialVotes("gz2", [1, 2]), ConfigError, r"each of the 11 questions.*\[1, 2\]"),
        (lambda: SquaredErrorVotes("gz2", "cumulative"), ConfigError, "'joint' or 'conditional'.*'cumulative'"),
        (lambda: GaussianMassToLight(beta=2), ConfigError, "beta must be from 0 to 1.*2"),
        (lambda: HuberMassToLight(delta=0), ConfigError, "delta must be > 0.*0"),
        (lambda: SquaredErrorMassToLight("dex"), ConfigError, "'log' or 'linear'.*'dex'"),
        (lambda: VoteError("gz2", "t12"), TreeError, "no question 't12'"),
        (
            lambda: MultinomialVotes(TREE)(np.ones((2, 36)), np.ones((2, 37))),
            TreeError,
            r"y_true.*\(b, 37\).*\(2, 36\)",
        ),
        (lambda: DirichletMultinomialVotes(TREE)(np.ones((2, 37)), np.ones((2, 37))), TreeError, r"y_pred.*\(b, 48\)"),
        (lambda: GaussianMassToLight()(np.ones(2), np.ones((2, 1))), ConfigError, r"\(b, 2\).*\(2, 1\)"),
        (lambda: HuberMassToLight()(np.ones((2, 3)), np.ones((2, 1))), ConfigError, r"Labels.*\(2, 3\)"),
        (lambda: HuberMassToLight()(np.ones(2), np.ones((2, 3))), ConfigError, r"Predictions.*\(2, 3\)"),
    ],
)
def test_mistakes_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_an_infinite_error_is_that_of_a_label_that_says_nothing():
    predictions = np.float32([[0.0, -1.0]])
    losses = [
        float(GaussianMassToLight()(np.float32([[1.0, error]]), predictions)) for error in (0.0, 1e3, 1e20, np.inf)
    ]
    assert losses[1:] == [pytest.approx(math.log(1e3 * math.sqrt(2 * math.pi)), rel=1e-5)] * 3


def test_labels_of_other_galaxies_are_refused():
    for loss in (GaussianMassToLight(), HuberMassToLight()):
        with pytest.raises(ConfigError, match=r"must be of the same galaxies\. Received: 1 and 6"):
            loss.per_galaxy(keras.ops.zeros((1, 1)), keras.ops.zeros((6, 2)))


@pytest.mark.parametrize("bad", [np.inf, -5.0])
@pytest.mark.parametrize("name", VOTE_LOSSES)
def test_votes_that_can_not_be_are_missing(name, bad):
    votes, predictions = labels_and_predictions(name)
    missing = votes.copy()
    missing[0, 0], votes[0, 0] = np.nan, bad
    assert float(LOSSES[name](votes, predictions)) == pytest.approx(float(LOSSES[name](missing, predictions)))


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has no float64 unless it is told to")
def test_vote_error_works_where_keras_computes_in_float64():
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        metric = VoteError(TREE)
        metric.update_state(np.ones((2, TREE.n_answers)), np.zeros((2, TREE.n_answers)))
        assert np.isfinite(float(metric.result()))
    finally:
        keras.config.set_floatx(before)
