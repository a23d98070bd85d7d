"""Several predictions of one galaxy as one distribution: the mixture of their Gaussians."""

import numpy as np
from scipy.special import ndtr, ndtri

__all__ = ["mixture_moments", "mixture_quantile", "mixture_score"]

_LARGEST_SCORE = 8.0  # beyond it the probability of the tail is lost in the rounding of 1 - p
_HALVINGS = 40  # of an interval of 16 of the largest sigma: to 1e-11 of it


def mixture_moments(means, sigmas):
    """Mean and standard deviation of the mixture, all parts weighted alike.

    The variance is the mean variance plus the variance of the means [1]_: what each part does not know, and how far
    they disagree.

    Parameters
    ----------
    means : array_like of float
        Mean of each part, shape (k, n).
    sigmas : array_like of float
        Standard deviation of each part, > 0, shape (k, n).

    Returns
    -------
    mean : numpy.ndarray of float
        Shape (n,).
    sigma : numpy.ndarray of float
        Shape (n,).

    References
    ----------
    .. [1] Lakshminarayanan et al. 2017, NeurIPS, arXiv:1612.01474
    """
    means, sigmas = np.asarray(means, dtype=float), np.asarray(sigmas, dtype=float)
    return means.mean(axis=0), np.sqrt(np.mean(sigmas**2, axis=0) + means.var(axis=0))


def mixture_score(values, means, sigmas):
    """Where a value lies in the mixture, as the score of a standard Gaussian with the same probability below it.

    For one part it is (value - mean) / sigma.

    Parameters
    ----------
    values : array_like of float
        Shape (n,).
    means : array_like of float
        Mean of each part, shape (k, n).
    sigmas : array_like of float
        Standard deviation of each part, > 0, shape (k, n).

    Returns
    -------
    numpy.ndarray of float
        From -8 to 8, shape (n,), NaN where an input is NaN.
    """
    z = (np.asarray(values, dtype=float) - np.asarray(means, dtype=float)) / np.asarray(sigmas, dtype=float)
    # the upper tail from its own side, where the probabilities are small and exact
    below, above = np.mean(ndtr(z), axis=0), np.mean(ndtr(-z), axis=0)
    score = np.where(below < above, ndtri(np.minimum(below, 0.5)), -ndtri(np.minimum(above, 0.5)))
    return np.clip(score, -_LARGEST_SCORE, _LARGEST_SCORE)


def mixture_quantile(scores, means, sigmas):
    """Value of the mixture that has a given score: the inverse of `mixture_score`, by bisection.

    Parameters
    ----------
    scores : array_like of float
        Scores of a standard Gaussian, -8 to 8, shape (n,) or one number.
    means : array_like of float
        Mean of each part, shape (k, n).
    sigmas : array_like of float
        Standard deviation of each part, > 0, shape (k, n).

    Returns
    -------
    numpy.ndarray of float
        Shape (n,), NaN where an input is NaN.
    """
    means, sigmas = np.asarray(means, dtype=float), np.asarray(sigmas, dtype=float)
    scores = np.broadcast_to(np.asarray(scores, dtype=float), means.shape[1:])
    # a quantile of the mixture lies between those of its parts
    parts = means + scores * sigmas
    low, high = parts.min(axis=0), parts.max(axis=0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = mixture_score(middle, means, sigmas) > scores
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return (low + high) / 2
