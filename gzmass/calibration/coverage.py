"""How often intervals hold the true value: over all galaxies, and in the thirds of a quantity."""

import numpy as np

from gzmass.errors import DataError

__all__ = ["coverage", "coverage_in_thirds", "same_shape"]


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
    true, lower, upper = same_shape(true, lower, upper)
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
    quantity, true, lower, upper = same_shape(quantity, true, lower, upper)
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


def same_shape(*arrays):
    """Turn values into arrays of float of one shape; single numbers are repeated.

    Parameters
    ----------
    *arrays : array_like of float
        Arrays of the same shape, or single numbers.

    Returns
    -------
    list of numpy.ndarray of float
        As many as were given.

    Raises
    ------
    DataError
        The arrays have different shapes.
    """
    arrays = [np.asarray(array, dtype=float) for array in arrays]
    shapes = {array.shape for array in arrays if array.ndim}
    if len(shapes) > 1:
        raise DataError(f"All arrays must have the same shape. Received: shapes {sorted(shapes)}.")
    return [np.array(array) for array in np.broadcast_arrays(*arrays)]
