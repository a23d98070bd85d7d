"""The mixture of several predictions: moments, scores and quantiles."""

import numpy as np
import pytest
from scipy.stats import norm

from gzmass.calibration.mixture import mixture_moments, mixture_quantile, mixture_score


def test_moments_and_quantiles_are_those_of_a_sample():
    means, sigmas = np.array([[0.0], [0.3], [1.0]]), np.array([[0.1], [0.2], [0.05]])
    rng = np.random.default_rng(0)
    sample = rng.normal(means, sigmas, (3, 200_000)).ravel()
    mean, sigma = mixture_moments(means, sigmas)
    assert (mean[0], sigma[0]) == (pytest.approx(sample.mean(), abs=3e-3), pytest.approx(sample.std(), abs=3e-3))
    for probability in (0.025, 0.16, 0.5, 0.84, 0.975):
        value = mixture_quantile(norm.ppf(probability), means, sigmas)[0]
        assert np.mean(sample < value) == pytest.approx(probability, abs=2e-3)


def test_one_part_is_a_gaussian():
    values, means, sigmas = np.array([0.1, 0.5, -3.0]), np.array([[0.2, 0.2, 0.2]]), np.array([[0.1, 0.2, 0.5]])
    np.testing.assert_allclose(mixture_score(values, means, sigmas), (values - means[0]) / sigmas[0], rtol=1e-9)
    np.testing.assert_allclose(mixture_quantile(-1.3, means, sigmas), means[0] - 1.3 * sigmas[0], rtol=1e-9)


def test_scores_and_quantiles_invert_each_other_far_into_both_tails():
    rng = np.random.default_rng(1)
    means, sigmas = rng.normal(size=(5, 50)), rng.uniform(0.05, 0.5, (5, 50))
    for score in (-7.5, -2.0, 0.0, 2.0, 7.5):
        np.testing.assert_allclose(
            mixture_score(mixture_quantile(score, means, sigmas), means, sigmas), score, atol=1e-6
        )
    assert mixture_score([1e6, -1e6], means[:, :2], sigmas[:, :2]).tolist() == [8.0, -8.0]
    assert np.isnan(mixture_quantile(0.5, np.array([[np.nan], [0.1]]), np.array([[0.1], [0.1]]))).all()
