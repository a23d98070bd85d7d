"""Cutting a square out of an image and resampling it to the pixels of a network, the flux conserved."""

import operator
from functools import lru_cache

import numpy as np

from gzmass.errors import DataError

__all__ = ["corner_of_square", "crop_centre", "cut_and_resample", "resample"]

_SLACK = 1e-6  # pixels by which a square may stand out of its image: rounding of its own coordinates


def crop_centre(image):
    """Cut the largest square out of the middle of an image.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (ny, nx).

    Returns
    -------
    numpy.ndarray
        A view of the image, shape (side, side), side = min(ny, nx).
    """
    ny, nx = image.shape
    side = min(ny, nx)
    top, left = (ny - side) // 2, (nx - side) // 2
    return image[top : top + side, left : left + side]


def corner_of_square(pixels, x, y, side):
    """Find the corner of a square in an image, and refuse one that does not fit.

    Parameters
    ----------
    pixels : numpy.ndarray
        Shape (ny, nx).
    x, y : float
        Centre of the square in pixels: 0 is the middle of the first pixel.
    side : float
        Side of the square in pixels, > 0.

    Returns
    -------
    left, top : float
        Its edges in pixels, 0 being the edge of the image.

    Raises
    ------
    DataError
        The square does not lie within the image: the image is smaller than the cutout.
    """
    ny, nx = pixels.shape
    left, top = x + 0.5 - side / 2, y + 0.5 - side / 2
    inside = min(left, top, nx - left - side, ny - top - side) >= -_SLACK
    if not (side > 0 and inside):
        raise DataError(
            f"A square of {side:g} pixels around x = {x:g}, y = {y:g} does not fit: "
            f"the image of {nx} x {ny} pixels is smaller than the cutout."
        )
    return left, top


def cut_and_resample(pixels, x, y, side, npix):
    """Cut an exact square out of an image and resample it, in one operation and with the flux conserved.

    Each new pixel is the mean surface brightness (flux per native pixel) of the area that it covers, pixels on its
    edges counting with their share: the integral over the square, ``new.sum() * (side / npix) ** 2``, is that of the
    old pixels, exactly, and stripes finer than a new pixel are averaged, not aliased. With more new pixels than old
    ones (``npix > side``) the surface brightness is interpolated linearly instead, and the integral kept approximately.

    Parameters
    ----------
    pixels : numpy.ndarray of float
        Shape (ny, nx); NaN where a pixel is missing. A new pixel is the mean of what is under it and not missing.
    x, y : float
        Centre of the square in pixels, 0 is the middle of the first pixel; fractions count.
    side : float
        Side of the square in pixels, > 0; fractions count.
    npix : int
        New side, >= 1.

    Returns
    -------
    numpy.ndarray of float32
        Shape (npix, npix), in the unit of `pixels`; NaN where there is no pixel to average.

    Raises
    ------
    DataError
        The square does not lie within the image: the image is smaller than the cutout.
    """
    left, top = corner_of_square(pixels, x, y, side)
    return _resampled(np.asarray(pixels, dtype=np.float32), left, top, side, side, npix)


def resample(image, npix):
    """Resample a whole image to another number of pixels, its surface brightness (flux per area) conserved.

    A smaller image is made by averaging over the area that each new pixel covers, which is anti-aliased and conserves
    the flux exactly; a larger one by linear interpolation.

    Parameters
    ----------
    image : numpy.ndarray of float
        Shape (ny, nx), a square as a rule. A new pixel is the average of the pixels under it that are not NaN.
    npix : int
        New side, >= 1.

    Returns
    -------
    numpy.ndarray of float32
        Shape (npix, npix); NaN where there is no pixel to average.
    """
    image = np.asarray(image, dtype=np.float32)
    ny, nx = image.shape
    return image.copy() if ny == nx == npix else _resampled(image, 0.0, 0.0, nx, ny, npix)


def _resampled(image, left, top, width, height, npix):
    npix = operator.index(npix)
    rows = _weights(top, height, npix, image.shape[0])
    columns = _weights(left, width, npix, image.shape[1]).T

    def average(values):
        return rows @ values @ columns

    missing = np.isnan(image)
    if not missing.any():
        return average(image)
    weight = average((~missing).astype(np.float32))
    covered = weight > 1e-6
    flux = average(np.where(missing, np.float32(0), image))
    return np.divide(flux, weight, out=np.full_like(flux, np.nan), where=covered)


@lru_cache(maxsize=16)  # the images of a survey are often all of one size, and so are the cutouts
def _weights(start, length, n_new, n_old):
    """Weight of each old pixel in each new one along an axis, shape (n_new, n_old); the rows sum to 1.

    The new pixels divide the interval from `start` to ``start + length``; 0 is the edge of the first old pixel.
    """
    edges = start + np.arange(n_new + 1) * (length / n_new)
    old = np.arange(n_old)
    if n_new <= length:
        weights = np.minimum(edges[1:, None], old + 1) - np.maximum(edges[:-1, None], old)
        weights = np.clip(weights, 0, None) * (n_new / length)
    else:
        centres = np.clip((edges[1:] + edges[:-1]) / 2 - 0.5, 0, n_old - 1)
        weights = np.clip(1 - np.abs(centres[:, None] - old), 0, None)
    weights = weights.astype(np.float32)
    weights.flags.writeable = False
    return weights
