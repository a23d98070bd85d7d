"""Intervals for M/L that cover what they say (split-conformal)."""

import numpy as np
import pandas as pd
from scipy.special import ndtr

from gzmass.calibration.coverage import same_shape
from gzmass.errors import DataError

__all__ = [
    "LEVELS",
    "apply_calibration",
    "calibrate_intervals",
    "group_numbers",
    "interval_columns",
    "interval_scores",
    "pit",
    "sigma_scale",
]

LEVELS = (0.68, 0.90, 0.95)
SMALLEST_SCALE = 1e-6  # where all predictions were right to the last digit, so that nothing is divided by 0
GRID = (0.005, 0.01, 0.025, *(p / 20 for p in range(1, 20)), 0.975, 0.99, 0.995)


def calibrate_intervals(true, mean, sigma, levels=LEVELS):
    """Measure on held-out galaxies how far the truth lies from the prediction, in units of its sigma.

    Split-conformal prediction [1]_ with the signed score z = (true - mean) / sigma and equal tails: of n
    scores, an interval of level c runs from the floor((n + 1) (1 - c) / 2)-th to the ceil((n + 1) (1 + c)
    / 2)-th smallest. It then holds at least c of further galaxies of the same kind, whatever the
    distribution of the scores. Where the ranks fall outside 1..n the smallest and the largest score are
    taken, and the result says so.

    Parameters
    ----------
    true : array_like of float
        True log10 M/L of galaxies that the model was not trained on, shape (n,).
    mean : array_like of float
        Predicted log10 M/L [dex], shape (n,).
    sigma : array_like of float
        Predicted standard deviation [dex], > 0, shape (n,) or one number: a model that predicts none has
        sigma 1. A galaxy with NaN in any of the three is left out.
    levels : sequence of float, default (0.68, 0.90, 0.95)
        Levels of the intervals, between 0 and 1.

    Returns
    -------
    dict
        Plain numbers and lists, for the card of a run: ``n``; ``intervals``, a list of dicts ``level``,
        ``lower``, ``upper`` (scores) and ``limited`` (True: there were too few galaxies for this level);
        ``percentiles``, the scores ``p16``, ``p50``, ``p84`` (the outer two with the same correction);
        ``quantiles``, two lists ``probability`` and ``score`` for `pit`.

    Raises
    ------
    DataError
        Fewer than two galaxies, a sigma that is not positive, or a level outside (0, 1).

    References
    ----------
    .. [1] Lei et al. 2018, Journal of the American Statistical Association 113, 1094
    """
    for level in levels:
        if not 0 < level < 1:
            raise DataError(f"The level of an interval must lie between 0 and 1. Received: {level!r}.")
    true, mean, sigma = same_shape(true, mean, sigma)
    known = np.isfinite(true) & np.isfinite(mean) & np.isfinite(sigma)
    if known.sum() < 2:
        raise DataError(
            f"Intervals are calibrated on at least 2 labelled galaxies held out from training. Received: {known.sum()}."
        )
    if (sigma[known] <= 0).any():
        raise DataError(f"The predicted sigma must be positive. Received: {sigma[known].min()}.")
    score = np.sort((true[known] - mean[known]) / sigma[known])
    intervals = []
    for level in levels:
        lower, short_below = _lower_score(score, (1 - level) / 2)
        upper, short_above = _upper_score(score, (1 + level) / 2)
        limited = bool(short_below or short_above)
        intervals.append({"level": float(level), "lower": lower, "upper": upper, "limited": limited})
    return {
        "n": len(score),
        "intervals": intervals,
        "percentiles": {
            "p16": _lower_score(score, 0.16)[0],
            "p50": float(np.median(score)),
            "p84": _upper_score(score, 0.84)[0],
        },
        "quantiles": {
            "probability": [0.0, *GRID, 1.0],
            "score": [float(score[0]), *np.quantile(score, GRID).tolist(), float(score[-1])],
        },
    }


def apply_calibration(mean, sigma, calibration, quantities=None):
    """Turn the output of a model into the M/L columns of the predictions table.

    Parameters
    ----------
    mean : array_like of float
        Predicted log10 M/L, shape (n,), NaN where there is none.
    sigma : array_like of float
        Predicted standard deviation before calibration [dex], shape (n,) or one number.
    calibration : dict
        What `calibrate_intervals` or `gzmass.calibration.choose_calibration` returned.
    quantities : mapping of str to array_like of float, optional
        What galaxies are grouped by, if they are, each of shape (n,); ``log_ml_g`` is `mean`.

    Returns
    -------
    pandas.DataFrame
        ``log_ml_g`` (the mean, unchanged), ``log_ml_g_sigma`` (half the distance between the percentiles
        16 and 84), ``log_ml_g_p16``, ``_p50``, ``_p84``, and for each level the bounds
        ``log_ml_g_lower_68``, ``log_ml_g_upper_68`` [dex].
    """
    mean, sigma = same_shape(mean, sigma)
    sigma = np.where(np.isfinite(mean), sigma, np.nan)
    scores = interval_scores(calibration, len(mean), _with_prediction(quantities, mean))
    columns = {name: mean + score * sigma for name, score in scores.items()}
    width = (columns["log_ml_g_p84"] - columns["log_ml_g_p16"]) / 2
    return pd.DataFrame({"log_ml_g": mean, "log_ml_g_sigma": width, **columns})


def interval_scores(calibration, n, quantities=None):
    """Give the calibrated scores of each galaxy, in the columns of the predictions table.

    Parameters
    ----------
    calibration : dict
        What `calibrate_intervals` or `gzmass.calibration.choose_calibration` returned.
    n : int
        Number of galaxies.
    quantities : mapping of str to array_like of float, optional
        What galaxies are grouped by, if they are, each of shape (n,).

    Returns
    -------
    dict of str to numpy.ndarray of float
        Shape (n,) each: ``log_ml_g_p16``, ``_p50``, ``_p84``, and for each level ``log_ml_g_lower_68`` and
        ``log_ml_g_upper_68``, in units of sigma from the mean.
    """
    numbers = group_numbers(calibration, n, quantities)
    tables = [_score_table(one) for one in _calibrations(calibration)]
    return {name: np.array([table[name] for table in tables])[numbers] for name in tables[0]}


def group_numbers(calibration, n, quantities=None):
    """Find the group that each galaxy is calibrated with.

    Parameters
    ----------
    calibration : dict
        What `calibrate_intervals` or `gzmass.calibration.choose_calibration` returned.
    n : int
        Number of galaxies.
    quantities : mapping of str to array_like of float, optional
        What galaxies are grouped by, each of shape (n,).

    Returns
    -------
    numpy.ndarray of int
        Shape (n,), from 0 in the order of the groups; -1 where all galaxies count as one: there are no groups, or the
        quantity is not known.
    """
    groups = calibration.get("groups")
    values = None if groups is None or quantities is None else quantities.get(groups["by"])
    if values is None:
        return np.full(n, -1)
    values = np.asarray(values, dtype=float)
    return np.where(np.isfinite(values), np.searchsorted(groups["edges"], values, side="left"), -1)


def _with_prediction(quantities, mean):
    return {**({} if quantities is None else dict(quantities)), "log_ml_g": mean}


def _calibrations(calibration):
    """Those of the groups, and last, where the number -1 finds it, that of all galaxies."""
    groups = calibration.get("groups")
    return [*(groups["calibrations"] if groups else ()), calibration]


def _score_table(calibration):
    table = {f"log_ml_g_{name}": calibration["percentiles"][name] for name in ("p16", "p50", "p84")}
    for interval in calibration["intervals"]:
        lower, upper = interval_columns(interval["level"])
        table |= {lower: interval["lower"], upper: interval["upper"]}
    return table


def interval_columns(level):
    """Name the two columns that hold the bounds of an interval.

    Parameters
    ----------
    level : float
        Level between 0 and 1.

    Returns
    -------
    tuple of str
        For 0.68: ``("log_ml_g_lower_68", "log_ml_g_upper_68")``.
    """
    percent = f"{100 * level:.6g}"
    return f"log_ml_g_lower_{percent}", f"log_ml_g_upper_{percent}"


def pit(true, mean, sigma, calibration=None, quantities=None):
    """Probability integral transform: the predicted probability of a value below the true one.

    Uniform between 0 and 1 if the predictions are calibrated; heaped at both ends if they are
    overconfident.

    Parameters
    ----------
    true : array_like of float
        True log10 M/L, shape (n,).
    mean : array_like of float
        Predicted log10 M/L, shape (n,).
    sigma : array_like of float
        Predicted standard deviation before calibration [dex], shape (n,) or one number.
    calibration : dict or None, default None
        What `calibrate_intervals` or `gzmass.calibration.choose_calibration` returned; None means a Gaussian.
    quantities : mapping of str to array_like of float, optional
        What galaxies are grouped by, if they are, each of shape (n,); ``log_ml_g`` is `mean`.

    Returns
    -------
    numpy.ndarray of float
        Shape (n,), between 0 and 1, NaN where an input is NaN.
    """
    true, mean, sigma = same_shape(true, mean, sigma)
    score = (true - mean) / sigma
    if calibration is None:
        return ndtr(score)
    numbers = group_numbers(calibration, len(score), _with_prediction(quantities, mean))
    result = np.full(len(score), np.nan)
    for number, one in enumerate(_calibrations(calibration)):
        here = numbers % len(_calibrations(calibration)) == number
        result[here] = np.interp(score[here], one["quantiles"]["score"], one["quantiles"]["probability"])
    return result


def sigma_scale(calibration, n=1, quantities=None):
    """Calibrated sigma in units of the model's own: half the distance between the scores 16 and 84.

    Parameters
    ----------
    calibration : dict
        What `calibrate_intervals` or `gzmass.calibration.choose_calibration` returned.
    n : int, default 1
        Number of galaxies.
    quantities : mapping of str to array_like of float, optional
        What galaxies are grouped by, if they are, each of shape (n,).

    Returns
    -------
    numpy.ndarray of float
        The factor of each galaxy, shape (n,).
    """
    scores = interval_scores(calibration, n, quantities)
    return np.maximum((scores["log_ml_g_p84"] - scores["log_ml_g_p16"]) / 2, SMALLEST_SCALE)


def _lower_score(score, tail):
    rank = int(np.floor((len(score) + 1) * tail + 1e-9))  # 1e-9: (1 - 0.9) / 2 is a little less than 0.05
    return float(score[max(rank, 1) - 1]), rank < 1


def _upper_score(score, tail):
    rank = int(np.ceil((len(score) + 1) * tail - 1e-9))
    return float(score[min(rank, len(score)) - 1]), rank > len(score)
