"""Peaks of a smoothed image, to a fraction of a pixel."""

import numpy as np

from gzmass.images.compiled import compiled

__all__ = ["cut_above", "find_peaks"]


@compiled
def cut_above(image, rows, columns, level):
    """Cut a part out of an image, and subtract the sky.

    Parameters
    ----------
    image : numpy.ndarray of float32
        Shape (ny, nx).
    rows, columns : tuple of int
        The first one, and the one after the last; it may lie beyond the image.
    level : float
        Of the sky.

    Returns
    -------
    numpy.ndarray of float32
        0 where a pixel is not finite.
    """
    part = image[rows[0] : rows[1], columns[0] : columns[1]]
    ny, nx = part.shape
    above = np.empty((ny, nx), dtype=np.float32)
    for y in range(ny):
        for x in range(nx):
            flux = part[y, x] - np.float32(level)
            above[y, x] = flux if np.isfinite(flux) else np.float32(0)
    return above


@compiled
def find_peaks(smooth, least):
    """Find the local maxima of an image, and where the parabolas through them and their neighbours have theirs.

    Parameters
    ----------
    smooth : numpy.ndarray of float32
        Shape (ny, nx), finite. A pixel at the rim can not be told to be a maximum.
    least : float
        Least height of a peak, >= 0; 0 is none.

    Returns
    -------
    numpy.ndarray of float
        Height, x and y of each peak, in pixels, shape (n, 3).
    """
    ny, nx = smooth.shape
    peaks = np.empty((ny * nx, 3))
    n = 0
    for y in range(1, ny - 1):
        for x in range(1, nx - 1):
            height = smooth[y, x]
            if height <= 0 or height < least:
                continue
            if not _is_highest(smooth, y, x):
                continue
            peaks[n, 0] = height
            peaks[n, 1] = x + _vertex(smooth[y, x - 1], height, smooth[y, x + 1])
            peaks[n, 2] = y + _vertex(smooth[y - 1, x], height, smooth[y + 1, x])
            n += 1
    return peaks[:n]


@compiled
def _is_highest(smooth, y, x):
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if smooth[y + dy, x + dx] > smooth[y, x]:
                return False
    return True


@compiled
def _vertex(before, at, after):
    """Place of the vertex of the parabola through three points, as seen from the middle one, which is the highest."""
    curvature = 2 * at - before - after
    return 0.5 * (after - before) / curvature if curvature > 0 else 0.0
