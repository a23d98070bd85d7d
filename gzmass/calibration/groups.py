"""Intervals calibrated in groups of galaxies (Mondrian), where held-out galaxies say that they cover better.

A plain calibration covers its level over all galaxies; it may cover too much at low redshift and too little at high. A
calibration of its own for each group covers in each of them, at the price of fewer galaxies to measure it on.
"""

import numpy as np

from gzmass.calibration.conformal import LEVELS, calibrate_intervals, interval_columns, interval_scores
from gzmass.calibration.coverage import same_shape
from gzmass.errors import DataError

__all__ = ["MAX_GROUPS", "MIN_PER_GROUP", "QUANTITIES", "calibrate_groups", "choose_calibration"]

#: What galaxies are grouped by, if it is known: the prediction, redshift, size, and apparent size (the cutout, and with
#: it its pixels, is as large as the galaxy appears).
QUANTITIES = ("log_ml_g", "redshift", "radius_kpc", "pixel_scale_arcsec")

MIN_PER_GROUP = 100  # the coverage of a 68 % interval that 100 galaxies give is uncertain by 5 points
MAX_GROUPS = 3

_FOLDS = 10
_REPEATS = 3  # of the cross-validation, with other folds


def calibrate_groups(true, mean, sigma, quantities, by, levels=LEVELS):
    """Calibrate the intervals in groups of equally many galaxies, and, for where none applies, over all galaxies.

    Parameters
    ----------
    true : array_like of float
        True log10 M/L of galaxies that the model was not trained on, shape (n,).
    mean : array_like of float
        Predicted log10 M/L [dex], shape (n,).
    sigma : array_like of float
        Predicted standard deviation [dex], > 0, shape (n,) or one number.
    quantities : mapping of str to array_like of float
        What galaxies can be grouped by, each of shape (n,), NaN where it is not known.
    by : str
        The quantity.
    levels : sequence of float, default (0.68, 0.90, 0.95)
        Levels of the intervals, between 0 and 1.

    Returns
    -------
    dict
        What `gzmass.calibration.calibrate_intervals` returns for all galaxies, and ``groups``: ``by``; ``edges``, the
        values between the groups (a galaxy on an edge belongs to the lower one); ``calibrations``, one of each group.

    Raises
    ------
    DataError
        The quantity is not there, or there are not enough galaxies for two groups of `MIN_PER_GROUP`.
    """
    true, mean, sigma = same_shape(true, mean, sigma)
    values = np.asarray(quantities.get(by, np.nan), dtype=float) + np.zeros(len(true))
    known = np.isfinite(true) & np.isfinite(mean) & np.isfinite(sigma) & np.isfinite(values)
    edges = _edges(values[known])
    if edges is None:
        raise DataError(
            f"Two groups by {by!r} need at least {2 * MIN_PER_GROUP} galaxies in which it is known and differs. "
            f"Received: {known.sum()}."
        )
    return _calibrate_between(edges, true, mean, sigma, values, by, levels)


def _calibrate_between(edges, true, mean, sigma, values, by, levels):
    """Calibrate the intervals in the groups between given edges, and over all galaxies."""
    result = calibrate_intervals(true, mean, sigma, levels)
    known = np.isfinite(true) & np.isfinite(mean) & np.isfinite(sigma) & np.isfinite(values)
    number = np.where(known, np.searchsorted(edges, values, side="left"), -1)
    result["groups"] = {
        "by": by,
        "edges": edges.tolist(),
        "calibrations": [
            calibrate_intervals(true[number == k], mean[number == k], sigma[number == k], levels)
            for k in range(len(edges) + 1)
        ],
    }
    return result


def choose_calibration(true, mean, sigma, quantities, levels=LEVELS):
    """Calibrate the intervals plainly or in groups: in the way that does best on galaxies that it was not made with.

    Tenfold cross-validation within the galaxies given, by the interval score [1]_: the width of an interval plus 2 /
    (1 - level) times the distance to a label outside of it, here times (1 - level) / 2 and summed over the levels. It
    is least for the true quantiles. Coverage in the groups themselves would not do: it is close to the level by
    construction and does not tell what the small number of galaxies in each costs. Groups are taken if their score is
    smaller than that of the plain calibration by more than the standard error of the difference.

    Parameters
    ----------
    true : array_like of float
        True log10 M/L of galaxies that the model was not trained on, shape (n,).
    mean : array_like of float
        Predicted log10 M/L [dex], shape (n,).
    sigma : array_like of float
        Predicted standard deviation [dex], > 0, shape (n,) or one number.
    quantities : mapping of str to array_like of float
        What galaxies can be grouped by (`QUANTITIES`), each of shape (n,), NaN where it is not known.
    levels : sequence of float, default (0.68, 0.90, 0.95)
        Levels of the intervals, between 0 and 1.

    Returns
    -------
    dict
        What `gzmass.calibration.calibrate_intervals` or `calibrate_groups` returns, and ``choice``, one dict for each
        way that was tried: ``by`` (None is plain), ``score`` [dex], and its ``gain`` over the plain one with
        ``gain_error``. There is no ``choice`` where there are too few galaxies for groups.

    References
    ----------
    .. [1] Gneiting & Raftery 2007, Journal of the American Statistical Association 102, 359
    """
    true, mean, sigma = same_shape(true, mean, sigma)
    known = np.isfinite(true) & np.isfinite(mean) & np.isfinite(sigma)
    true, mean, sigma = true[known], mean[known], sigma[known]
    quantities = {name: np.asarray(quantities[name], dtype=float)[known] for name in QUANTITIES if name in quantities}
    plain = calibrate_intervals(true, mean, sigma, levels)
    usable = [name for name, values in quantities.items() if _edges(values[np.isfinite(values)]) is not None]
    if not usable:
        return plain
    galaxies = true, mean, sigma, quantities
    plain_scores = _held_out_scores(galaxies, None, levels)
    choice = [{"by": None, "score": float(np.mean(plain_scores))}]
    for by in usable:
        scores = _held_out_scores(galaxies, by, levels)
        gain = plain_scores - scores
        error = float(np.std(gain, ddof=1) / np.sqrt(len(gain)))
        choice.append({"by": by, "score": float(np.mean(scores)), "gain": float(np.mean(gain)), "gain_error": error})
    best = min(choice, key=lambda one: one["score"])
    if best["by"] is None or best["gain"] <= best["gain_error"]:
        return plain | {"choice": choice}
    return calibrate_groups(true, mean, sigma, quantities, best["by"], levels) | {"choice": choice}


def _edges(values):
    """Values between groups of equally many galaxies; None if there are too few, or the values do not differ."""
    for n_groups in range(min(MAX_GROUPS, len(values) // MIN_PER_GROUP), 1, -1):
        edges = np.quantile(values, np.arange(1, n_groups) / n_groups)
        sizes = np.bincount(np.searchsorted(edges, values, side="left"), minlength=n_groups)
        if sizes.min() >= MIN_PER_GROUP:  # where many values are equal, fewer groups may still do
            return edges
    return None


def _held_out_scores(galaxies, by, levels):
    """Interval score of each galaxy [dex], with intervals that were made without it.

    The edges between the groups are those of all galaxies, since no label decides them: with those of the galaxies that
    are left in a fold, which are a tenth fewer, there would be fewer groups to judge than there are to be.
    """
    true, mean, sigma, quantities = galaxies
    values = None if by is None else quantities[by]
    edges = None if by is None else _edges(values[np.isfinite(values)])
    scores = np.zeros(len(true))
    for repeat in range(_REPEATS):
        fold = np.random.default_rng(repeat).permutation(len(true)) % _FOLDS
        for k in range(min(_FOLDS, len(true))):
            here, rest = fold == k, fold != k
            learnt = true[rest], mean[rest], sigma[rest]
            if by is None:
                calibration = calibrate_intervals(*learnt, levels)
            else:
                calibration = _calibrate_between(edges, *learnt, values[rest], by, levels)
            bounds = interval_scores(calibration, here.sum(), {name: v[here] for name, v in quantities.items()})
            score = (true[here] - mean[here]) / sigma[here]
            scores[here] += sigma[here] * _interval_score(score, bounds, levels) / _REPEATS
    return scores


def _interval_score(values, bounds, levels):
    total = 0.0
    for level in levels:
        lower, upper = (bounds[name] for name in interval_columns(level))
        outside = np.maximum(lower - values, 0) + np.maximum(values - upper, 0)
        total = total + (1 - level) / 2 * (upper - lower) + outside
    return total
