"""Intervals calibrated in groups: chosen where they help, not where they do not, and plain where none applies."""

import json

import numpy as np
import pytest
from scipy.stats import kstest, norm

from gzmass.calibration import apply_calibration, calibrate_intervals, choose_calibration, coverage_in_thirds, pit
from gzmass.calibration.conformal import group_numbers, interval_columns, sigma_scale
from gzmass.calibration.groups import MIN_PER_GROUP, _interval_score, calibrate_groups
from gzmass.errors import DataError


def galaxies(n, seed, trend=1.0):
    """Galaxies of which those at high redshift scatter more, and lie higher, than the model says."""
    rng = np.random.default_rng(seed)
    redshift, radius, mean = rng.uniform(0, 1, n), rng.uniform(1, 9, n), rng.normal(0.3, 0.2, n)
    sigma = rng.uniform(0.05, 0.2, n)
    noise = rng.normal(size=n) * (1 + 2 * trend * redshift) + trend * redshift
    return mean + sigma * noise, mean, sigma, {"log_ml_g": mean, "redshift": redshift, "radius_kpc": radius}


def thirds(galaxies, calibration, level=0.9):
    true, mean, sigma, quantities = galaxies
    table = apply_calibration(mean, sigma, calibration, quantities)
    return [
        t["coverage"]
        for t in coverage_in_thirds(quantities["redshift"], true, *table[[*interval_columns(level)]].T.to_numpy())
    ]


def test_groups_are_taken_where_coverage_depends_on_a_quantity():
    calibration = choose_calibration(*galaxies(1500, 0))
    assert calibration["groups"]["by"] == "redshift"
    assert [one["by"] for one in calibration["choice"]] == [None, "log_ml_g", "redshift", "radius_kpc"]
    assert json.loads(json.dumps(calibration)) == calibration
    plain = thirds(galaxies(20_000, 1), calibrate_intervals(*galaxies(1500, 0)[:3]))
    assert max(abs(c - 0.9) for c in plain) > 0.07
    assert thirds(galaxies(20_000, 1), calibration) == pytest.approx([0.9] * 3, abs=0.035)


def test_the_plain_calibration_stays_where_groups_do_not_help():
    chosen = [choose_calibration(*galaxies(400, seed, trend=0.0)) for seed in range(12)]
    assert sum("groups" in one for one in chosen) <= 3  # a gain of one standard error happens by chance
    plain = next(one for one in chosen if "groups" not in one)
    assert plain["choice"][0]["by"] is None


@pytest.mark.parametrize("n", [2 * MIN_PER_GROUP, 3 * MIN_PER_GROUP])
def test_the_fewest_galaxies_that_make_groups_are_judged_in_these(n):
    calibration = choose_calibration(*galaxies(n, 1, trend=3.0))
    assert calibration["groups"]["by"] == "redshift"
    assert len(calibration["groups"]["calibrations"]) == n // MIN_PER_GROUP
    assert all(one["gain"] != 0 for one in calibration["choice"][1:])


def test_few_galaxies_are_not_grouped():
    n = 2 * MIN_PER_GROUP - 1
    assert choose_calibration(*galaxies(n, 0)) == calibrate_intervals(*galaxies(n, 0)[:3])
    with pytest.raises(
        DataError, match=rf"Two groups by 'redshift' need at least {2 * MIN_PER_GROUP} .* Received: {n}"
    ):
        calibrate_groups(*galaxies(n, 0), "redshift")
    true, mean, sigma, _ = galaxies(500, 0)
    with pytest.raises(DataError, match="by 'radius_kpc'"):
        calibrate_groups(true, mean, sigma, {"radius_kpc": np.full(500, 3.0)}, "radius_kpc")
    assert "groups" not in choose_calibration(true, mean, sigma, {"redshift": np.full(500, np.nan)})


@pytest.mark.parametrize("n", [300, 330, 360])
def test_where_many_values_are_equal_fewer_groups_are_tried(n):
    true, mean, sigma, quantities = galaxies(n, 0)
    redshift = np.repeat([0.1, 0.2, 0.3], [n // 3 + 20, n // 3 - 40, n - 2 * (n // 3) + 20])
    calibration = calibrate_groups(true, mean, sigma, {**quantities, "redshift": redshift}, "redshift")
    assert len(calibration["groups"]["edges"]) == 1


def test_each_group_has_its_own_calibration_and_the_others_the_plain_one():
    true, mean, sigma, quantities = galaxies(600, 2)
    calibration = calibrate_groups(true, mean, sigma, quantities, "redshift")
    edges = calibration["groups"]["edges"]
    assert len(edges) == 2
    number = np.searchsorted(edges, quantities["redshift"])
    for k, one in enumerate(calibration["groups"]["calibrations"]):
        assert one == calibrate_intervals(true[number == k], mean[number == k], sigma[number == k])
    assert group_numbers(calibration, 4, {"redshift": [0.01, edges[0], 5.0, np.nan]}).tolist() == [0, 0, 2, -1]
    plain = calibrate_intervals(true, mean, sigma)
    for unknown in (None, {}, {"redshift": [np.nan, np.nan]}):
        assert apply_calibration([0.1, 0.2], 0.1, calibration, unknown).equals(
            apply_calibration([0.1, 0.2], 0.1, plain)
        )
    one = apply_calibration([0.1], 0.1, calibration, {"redshift": [0.99]})
    assert one.equals(apply_calibration([0.1], 0.1, calibration["groups"]["calibrations"][2]))


def test_the_prediction_itself_can_be_the_group():
    true, mean, sigma, _ = galaxies(600, 3)
    calibration = calibrate_groups(true, mean, sigma, {"log_ml_g": mean}, "log_ml_g")
    table = apply_calibration(mean, sigma, calibration)
    label = apply_calibration(mean, sigma, calibration, {"log_ml_g": true})  # not to be taken for the prediction
    assert table.equals(label)
    scale = sigma_scale(calibration, len(mean), {"log_ml_g": mean})
    np.testing.assert_allclose(table["log_ml_g_sigma"], scale * sigma)


def test_pit_is_uniform_in_every_group():
    calibration = choose_calibration(*galaxies(6000, 4))
    true, mean, sigma, quantities = galaxies(6000, 5)
    values = pit(true, mean, sigma, calibration, quantities)
    far = quantities["redshift"] > 0.7
    assert kstest(values[far][:500], "uniform").pvalue > 0.01
    assert kstest(pit(true, mean, sigma, calibration)[far][:500], "uniform").pvalue < 1e-4


def test_the_score_of_intervals_is_least_for_the_true_quantiles():
    values, level = np.random.default_rng(0).normal(size=200_000), 0.9
    names, half = interval_columns(level), norm.ppf((1 + level) / 2)
    scores = [
        np.mean(_interval_score(values, dict(zip(names, (-scale * half, scale * half), strict=True)), [level]))
        for scale in (0.8, 0.95, 1.0, 1.05, 1.25)
    ]
    assert np.argmin(scores) == 2


@pytest.mark.parametrize(("gain", "grouped"), [(0.5, False), (1.5, True)])
def test_groups_need_a_gain_beyond_its_standard_error(monkeypatch, gain, grouped):
    noise = np.random.default_rng(0).normal(size=400)
    noise -= noise.mean()
    error = np.std(noise, ddof=1) / 20

    def scores(galaxies, by, levels):  # noqa: ARG001
        return np.full(400, 5.0) if by is None else 5.0 - gain * error - noise

    monkeypatch.setattr("gzmass.calibration.groups._held_out_scores", scores)
    assert ("groups" in choose_calibration(*galaxies(400, 0))) == grouped
