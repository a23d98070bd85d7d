"""Cutting the centre out of an image and resampling it to the pixels of a network."""

from functools import lru_cache

import numpy as np
from PIL import Image

from gzmass.errors import DataError

__all__ = ["crop_centre", "resample"]


def crop_centre(image, crop=None):
    """Cut the central square out of an image.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (ny, nx).
    crop : int or float, optional
        Side of the square: an int in pixels, a float in (0, 1] as a fraction of the shorter side. By default the
        largest square there is.

    Returns
    -------
    numpy.ndarray
        A view of the image, shape (side, side).

    Raises
    ------
    DataError
        The image is smaller than the square.
    """
    ny, nx = image.shape
    shorter = min(ny, nx)
    if crop is None:
        side = shorter
    elif isinstance(crop, int):
        side = crop
    else:
        side = max(1, round(crop * shorter))
    if not 0 < side <= shorter:
        raise DataError(f"A square of {side} pixels does not fit into the image of {nx} x {ny} pixels.")
    top, left = (ny - side) // 2, (nx - side) // 2
    return image[top : top + side, left : left + side]


def resample(image, npix):
    """Resample a square image to another number of pixels, its surface brightness (flux per area) conserved.

    A smaller image is made by averaging over the area that each new pixel covers, which is anti-aliased and conserves
    the flux exactly; a larger one by bilinear interpolation.

    Parameters
    ----------
    image : numpy.ndarray of float
        Shape (side, side). A new pixel is the average of the pixels under it that are not NaN.
    npix : int
        New side.

    Returns
    -------
    numpy.ndarray of float32
        Shape (npix, npix); NaN where there is no pixel to average.
    """
    image = np.asarray(image, dtype=np.float32)
    side = len(image)
    if side == npix:
        return image.copy()
    enlarge = npix > side

    def average(values):
        if enlarge:
            return np.asarray(Image.fromarray(values).resize((npix, npix), Image.Resampling.BILINEAR))
        overlap = _overlap(side, npix)
        return overlap @ values @ overlap.T

    missing = np.isnan(image)
    if not missing.any():
        return average(image)
    weight = average((~missing).astype(np.float32))
    covered = weight > 1e-6
    flux = average(np.where(missing, np.float32(0), image))
    return np.divide(flux, weight, out=np.full_like(flux, np.nan), where=covered)


@lru_cache(maxsize=64)
def _overlap(side, npix):
    """Fraction of each new pixel that each old one covers, shape (npix, side); the rows sum to 1."""
    edges = np.arange(npix + 1) * (side / npix)
    old = np.arange(side)
    covered = np.minimum(edges[1:, None], old + 1) - np.maximum(edges[:-1, None], old)
    return (np.clip(covered, 0, None) * (npix / side)).astype(np.float32)
