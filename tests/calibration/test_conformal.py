"""Conformal intervals, coverage and masses."""

import json

import numpy as np
import pytest
from scipy.stats import beta, kstest, norm

from gzmass.calibration import apply_calibration, calibrate_intervals, coverage, coverage_in_thirds, pit, stellar_mass
from gzmass.calibration.conformal import LEVELS, interval_columns, sigma_scale
from gzmass.errors import DataError


def heavy_tailed(n, seed, constant=False):
    rng = np.random.default_rng(seed)
    mean = rng.normal(0.3, 0.2, n)
    sigma = np.full(n, 1.0) if constant else rng.uniform(0.05, 0.2, n)
    scatter = 0.2 if constant else sigma
    noise = rng.standard_t(2.5, n) + rng.exponential(1, n)  # skewed as well
    return mean + scatter * noise, mean, sigma


@pytest.mark.parametrize("constant", [False, True])
def test_intervals_cover_their_level_on_heavy_tailed_skewed_residuals(constant):
    calibration = calibrate_intervals(*heavy_tailed(20_000, 0, constant=constant))
    true, mean, sigma = heavy_tailed(20_000, 1, constant=constant)
    table = apply_calibration(mean, sigma, calibration)
    for level in LEVELS:
        lower, upper = interval_columns(level)
        error = np.sqrt(2 * level * (1 - level) / 20_000)  # of the calibration and of the test
        assert np.mean((true >= table[lower]) & (true <= table[upper])) == pytest.approx(level, abs=3.5 * error)
        for tail in (true < table[lower], true > table[upper]):
            assert np.mean(tail) == pytest.approx((1 - level) / 2, abs=3.5 * error)
    assert np.mean(true < table["log_ml_g_p50"]) == pytest.approx(0.5, abs=0.02)
    np.testing.assert_allclose(table["log_ml_g_p16"], table["log_ml_g_lower_68"])
    np.testing.assert_allclose(table["log_ml_g_sigma"], (table["log_ml_g_p84"] - table["log_ml_g_p16"]) / 2)


def test_small_samples_cover_at_least_their_level():
    inside = []
    for seed in range(600):
        rng = np.random.default_rng(seed)
        scores = rng.standard_cauchy(41)
        interval = calibrate_intervals(scores[:40], 0.0, 1.0, levels=(0.9,))["intervals"][0]
        assert not interval["limited"]
        inside.append(interval["lower"] <= scores[40] <= interval["upper"])
    # ranks 2 and 39 of 40: 37 / 41 = 0.902
    assert np.mean(inside) == pytest.approx(37 / 41, abs=3.5 * np.sqrt(0.09 / 600))


def test_ranks_by_hand():
    interval = calibrate_intervals(np.arange(1.0, 20.0), 0.0, 1.0, levels=(0.9,))["intervals"][0]
    assert interval == {"level": 0.9, "lower": 1.0, "upper": 19.0, "limited": False}


@pytest.mark.parametrize("n", [24, 49, 99])
def test_a_rank_that_is_a_whole_number_but_for_its_rounding(n):
    interval = calibrate_intervals(np.arange(1.0, n + 1), 0.0, 1.0, levels=(0.68,))["intervals"][0]
    ranks = (16 * (n + 1) // 100, 84 * (n + 1) // 100)  # 0.84 * 25 is 21, in floating-point numbers it may be more
    assert (interval["lower"], interval["upper"]) == ranks


def test_a_level_that_needs_more_galaxies_is_widened_and_marked():
    intervals = calibrate_intervals([-3.0, 0.0, 1.0, 2.0, 0.5, 0.1, 0.2], 0.0, 1.0)["intervals"]
    assert [item["limited"] for item in intervals] == [False, True, True]
    assert (intervals[2]["lower"], intervals[2]["upper"]) == (-3.0, 2.0)


def test_calibration_is_plain_data_and_leaves_out_nan():
    true, mean, sigma = heavy_tailed(200, 3)
    calibration = calibrate_intervals(true, mean, sigma)
    assert json.loads(json.dumps(calibration)) == calibration
    true2 = np.concatenate([true, [np.nan, 0.1]])
    mean2, sigma2 = np.concatenate([mean, [0.1, np.nan]]), np.concatenate([sigma, [0.1, 0.1]])
    assert calibrate_intervals(true2, mean2, sigma2) == calibration
    table = apply_calibration([0.1, np.nan], [0.1, 0.1], calibration)
    assert table.iloc[1].isna().all()
    assert table.iloc[0].notna().all()
    assert apply_calibration([], 1.0, calibration).empty


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], [], []), r"at least 2 .* Received: 0"),
        (([1.0], [1.0], [1.0]), r"at least 2 .* Received: 1"),
        (([1.0, 2.0], [1.0, 2.0], [0.1, 0.0]), r"positive\. Received: 0\.0"),
        (([1.0, 2.0], [1.0, 2.0, 3.0], 1.0), "same shape"),
    ],
)
def test_what_can_not_be_calibrated_is_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        calibrate_intervals(*arguments)


def test_a_level_outside_zero_and_one_is_refused():
    with pytest.raises(DataError, match=r"between 0 and 1\. Received: 68"):
        calibrate_intervals([1.0, 2.0], 0.0, 1.0, levels=(68,))


def test_coverage_and_its_error():
    result = coverage([0.0, 1.0, 2.0, np.nan, 5.0], [0, 0, 0, 0, 0], [1, 1, 1, 1, np.nan])
    assert (result["n"], result["coverage"], result["width"]) == (3, pytest.approx(2 / 3), 1.0)
    assert result["error"] == pytest.approx(beta(3, 2).std())
    assert coverage([], [], [])["n"] == 0
    assert np.isnan(coverage([], [], [])["coverage"])


def test_thirds_hold_equally_many_galaxies_whatever_their_order():
    rng = np.random.default_rng(5)
    quantity, true = rng.exponential(size=999), rng.normal(size=999)
    thirds = coverage_in_thirds(quantity, true, -quantity, quantity)
    assert [third["n"] for third in thirds] == [333, 333, 333]
    low, middle, high = (third["coverage"] for third in thirds)
    assert low < middle < high
    order = rng.permutation(999)
    assert coverage_in_thirds(quantity[order], true[order], -quantity[order], quantity[order]) == thirds
    assert [t["n"] for t in coverage_in_thirds([np.nan], [0.0], [0.0], [1.0])] == [0, 0, 0]
    assert sum(t["n"] for t in coverage_in_thirds([1.0] * 5, [0.0] * 5, 0.0, 1.0)) == 5


def test_pit_is_uniform_after_calibration_and_gaussian_without():
    calibration = calibrate_intervals(*heavy_tailed(20_000, 6))
    values = pit(*heavy_tailed(4000, 7), calibration)
    assert kstest(values, "uniform").pvalue > 0.01
    assert kstest(pit(*heavy_tailed(4000, 7)), "uniform").pvalue < 1e-6
    np.testing.assert_allclose(pit([0.1, 0.5], 0.2, 0.1), norm.cdf([-1, 3]))
    assert np.isnan(pit([np.nan], 0.2, 0.1, calibration)).all()


def test_stellar_mass_and_its_error():
    mass, sigma = stellar_mass([0.3, 0.3, 0.3, 0.3], 0.15, [1e10, np.nan, -1.0, 0.0], 1e9)
    assert mass[0] == pytest.approx(10.3)
    samples = 10 ** np.random.default_rng(8).normal(0.3, 0.15, 200_000)
    samples *= np.random.default_rng(9).normal(1e10, 1e9, 200_000)
    assert sigma[0] == pytest.approx(np.std(np.log10(samples)), rel=0.01)
    assert np.isnan(mass[1:]).all()
    assert np.isnan(sigma[1:]).all()
    assert stellar_mass(0.3, 0.15, 1e10)[1] == pytest.approx(0.15)


def test_predictions_that_were_all_right_leave_something_to_divide_by():
    calibration = calibrate_intervals(np.zeros(10), np.zeros(10), 1.0)
    assert sigma_scale(calibration)[0] > 0


def test_the_width_of_intervals_is_the_median_one():
    assert coverage(np.zeros(3), [-1.0, -1.0, -1.0], [1.0, 2.0, 99.0])["width"] == 3.0
