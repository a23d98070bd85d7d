"""Intervals for M/L that cover what they say (split-conformal), their coverage, and masses with errors."""

import numpy as np
import pandas as pd
from scipy.special import ndtr

from gzmass.errors import DataError

__all__ = [
    "LEVELS",
    "apply_calibration",
    "calibrate_intervals",
    "coverage",
    "coverage_in_thirds",
    "interval_columns",
    "pit",
    "sigma_scale",
    "stellar_mass",
]

LEVELS = (0.68, 0.90, 0.95)
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
    true, mean, sigma = _broadcast(true, mean, sigma)
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


def apply_calibration(mean, sigma, calibration):
    """Turn the output of a model into the M/L columns of the predictions table.

    Parameters
    ----------
    mean : array_like of float
        Predicted log10 M/L, shape (n,), NaN where there is none.
    sigma : array_like of float
        Predicted standard deviation before calibration [dex], shape (n,) or one number.
    calibration : dict
        What `calibrate_intervals` returned.

    Returns
    -------
    pandas.DataFrame
        ``log_ml_g`` (the mean, unchanged), ``log_ml_g_sigma`` (half the distance between the percentiles
        16 and 84), ``log_ml_g_p16``, ``_p50``, ``_p84``, and for each level the bounds
        ``log_ml_g_lower_68``, ``log_ml_g_upper_68`` [dex].
    """
    mean, sigma = _broadcast(mean, sigma)
    sigma = np.where(np.isfinite(mean), sigma, np.nan)
    scores = calibration["percentiles"]
    columns = {
        "log_ml_g": mean,
        "log_ml_g_sigma": sigma * sigma_scale(calibration),
        **{f"log_ml_g_{name}": mean + scores[name] * sigma for name in ("p16", "p50", "p84")},
    }
    for interval in calibration["intervals"]:
        lower, upper = interval_columns(interval["level"])
        columns[lower] = mean + interval["lower"] * sigma
        columns[upper] = mean + interval["upper"] * sigma
    return pd.DataFrame(columns)


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


def coverage(true, lower, upper):
    """Share of the true values that lie in their intervals.

    Parameters
    ----------
    true : array_like of float
        True values, shape (n,).
    lower : array_like of float
        Lower bounds, which belong to the interval, shape (n,).
    upper : array_like of float
        Upper bounds, which belong to the interval, shape (n,). A galaxy with NaN in any of the three is
        left out.

    Returns
    -------
    dict of str to float
        ``n``, ``coverage``, ``error`` (binomial: the standard deviation of the Beta distribution with k +
        1 and n - k + 1, which is not 0 when all or none lie inside) and ``width``, the median width. NaN
        without galaxies.
    """
    true, lower, upper = _broadcast(true, lower, upper)
    known = np.isfinite(true) & np.isfinite(lower) & np.isfinite(upper)
    true, lower, upper = true[known], lower[known], upper[known]
    n = len(true)
    if n == 0:
        return {"n": 0, "coverage": np.nan, "error": np.nan, "width": np.nan}
    inside = int(np.sum((true >= lower) & (true <= upper)))
    mean = (inside + 1) / (n + 2)
    return {
        "n": n,
        "coverage": inside / n,
        "error": float(np.sqrt(mean * (1 - mean) / (n + 3))),
        "width": float(np.median(upper - lower)),
    }


def coverage_in_thirds(quantity, true, lower, upper):
    """Coverage in the lowest, middle and highest third of a quantity.

    Parameters
    ----------
    quantity : array_like of float
        What the galaxies are ordered by, shape (n,); a galaxy where it is NaN is left out.
    true : array_like of float
        True values, shape (n,).
    lower : array_like of float
        Lower bounds, shape (n,).
    upper : array_like of float
        Upper bounds, shape (n,).

    Returns
    -------
    list of dict
        Three times what `coverage` returns, with ``from`` and ``to``, the range of the quantity.
    """
    quantity, true, lower, upper = _broadcast(quantity, true, lower, upper)
    known = np.isfinite(quantity) & np.isfinite(true) & np.isfinite(lower) & np.isfinite(upper)
    quantity, true, lower, upper = quantity[known], true[known], lower[known], upper[known]
    if len(quantity) == 0:
        return [{"from": np.nan, "to": np.nan, **coverage([], [], [])} for _ in range(3)]
    edges = np.quantile(quantity, [0, 1 / 3, 2 / 3, 1])
    third = np.searchsorted(edges[1:3], quantity, side="left")
    return [
        {
            "from": float(edges[i]),
            "to": float(edges[i + 1]),
            **coverage(true[third == i], lower[third == i], upper[third == i]),
        }
        for i in range(3)
    ]


def pit(true, mean, sigma, calibration=None):
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
        What `calibrate_intervals` returned; None means a Gaussian.

    Returns
    -------
    numpy.ndarray of float
        Shape (n,), between 0 and 1, NaN where an input is NaN.
    """
    true, mean, sigma = _broadcast(true, mean, sigma)
    score = (true - mean) / sigma
    if calibration is None:
        return ndtr(score)
    quantiles = calibration["quantiles"]
    return np.interp(score, quantiles["score"], quantiles["probability"])


def stellar_mass(log_ml, log_ml_sigma, luminosity, luminosity_err=None):
    """Stellar mass from M/L and luminosity in the same band: log M* = log M/L + log L.

    Parameters
    ----------
    log_ml : array_like of float
        Log10 M/L [M_sun / L_sun of the band], shape (n,).
    log_ml_sigma : array_like of float
        Its error [dex], shape (n,).
    luminosity : array_like of float
        Luminosity [L_sun of the band], shape (n,).
    luminosity_err : array_like of float or None, default None
        Its error in the same unit, added in quadrature as err / (L ln 10) dex; None is no error.

    Returns
    -------
    log_mstar : numpy.ndarray of float
        Log10 of the stellar mass [M_sun], shape (n,), NaN where the luminosity is missing or not positive.
    log_mstar_sigma : numpy.ndarray of float
        Its error [dex], shape (n,).
    """
    error = 0.0 if luminosity_err is None else luminosity_err
    log_ml, log_ml_sigma, luminosity, error = _broadcast(log_ml, log_ml_sigma, luminosity, error)
    luminosity = np.where(luminosity > 0, luminosity, np.nan)
    log_mstar = log_ml + np.log10(luminosity)
    sigma = np.hypot(log_ml_sigma, error / (luminosity * np.log(10)))
    return log_mstar, np.where(np.isfinite(log_mstar), sigma, np.nan)


def sigma_scale(calibration):
    """Calibrated sigma in units of the model's own: half the distance between the scores 16 and 84.

    Parameters
    ----------
    calibration : dict
        What `calibrate_intervals` returned.

    Returns
    -------
    float
        The factor.
    """
    return (calibration["percentiles"]["p84"] - calibration["percentiles"]["p16"]) / 2


def _lower_score(score, tail):
    rank = int(np.floor((len(score) + 1) * tail + 1e-9))  # 1e-9: (1 - 0.9) / 2 is a little less than 0.05
    return float(score[max(rank, 1) - 1]), rank < 1


def _upper_score(score, tail):
    rank = int(np.ceil((len(score) + 1) * tail - 1e-9))
    return float(score[min(rank, len(score)) - 1]), rank > len(score)


def _broadcast(*arrays):
    arrays = [np.asarray(array, dtype=float) for array in arrays]
    shapes = {array.shape for array in arrays if array.ndim}
    if len(shapes) > 1:
        raise DataError(f"All arrays must have the same shape. Received: shapes {sorted(shapes)}.")
    return [np.array(array) for array in np.broadcast_arrays(*arrays)]
