"""Cutting a square out of an image and resampling it to the pixels of a network, the flux conserved."""

import operator
from functools import lru_cache
from numbers import Integral

import numpy as np

from gzmass.errors import DataError

__all__ = ["crop_centre", "cut_and_resample", "cut_square", "resample"]

_SLACK = 1e-6  # pixels by which a square may stand out of its image: rounding of its own coordinates


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
    elif isinstance(crop, Integral):
        side = int(crop)
    else:
        side = max(1, round(crop * shorter))
    if not 0 < side <= shorter:
        raise DataError(f"A square of {side} pixels does not fit into the image of {nx} x {ny} pixels.")
    top, left = (ny - side) // 2, (nx - side) // 2
    return image[top : top + side, left : left + side]


def cut_square(pixels, x, y, side):
    """Cut the whole pixels nearest to a square out of an image, without touching their values.

    `cut_and_resample` cuts the square exactly; this one serves what must see the pixels as they were observed.

    Parameters
    ----------
    pixels : numpy.ndarray
        Shape (ny, nx).
    x, y : float
        Centre of the square in pixels: 0 is the middle of the first pixel.
    side : float
        Side of the square in pixels, > 0; the cutout has this number rounded to a whole one, but at least one.

    Returns
    -------
    numpy.ndarray
        A view of the image, shape (n, n).

    Raises
    ------
    DataError
        The square does not lie within the image: the image is smaller than the cutout.
    """
    left, top = _corner(pixels, x, y, side)
    ny, nx = pixels.shape
    n = min(max(1, round(side)), ny, nx)
    # a square that fits may stand out by half a pixel after rounding
    left, top = (min(max(0, round(low + (side - n) / 2)), size - n) for low, size in ((left, nx), (top, ny)))
    return pixels[top : top + n, left : left + n]


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
    left, top = _corner(pixels, x, y, side)
    return _resampled(np.asarray(pixels, dtype=np.float32), left, top, side, side, (npix, npix))


def resample(image, npix):
    """Resample a whole image to another number of pixels, its surface brightness (flux per area) conserved.

    A smaller image is made by averaging over the area that each new pixel covers, which is anti-aliased and conserves
    the flux exactly; a larger one by linear interpolation.

    Parameters
    ----------
    image : numpy.ndarray of float
        Shape (ny, nx), a square as a rule. A new pixel is the average of the pixels under it that are not NaN.
    npix : int or tuple of int
        New side, or new shape (ny, nx).

    Returns
    -------
    numpy.ndarray of float32
        Shape (npix, npix), or the shape that was asked for; NaN where there is no pixel to average.
    """
    image = np.asarray(image, dtype=np.float32)
    shape = npix if isinstance(npix, tuple) else (npix, npix)
    if image.shape == shape:
        return image.copy()
    ny, nx = image.shape
    return _resampled(image, 0.0, 0.0, nx, ny, shape)


def _corner(pixels, x, y, side):
    """Edges (left, top) of a square, 0 being the edge of the image; an error if the square does not fit."""
    ny, nx = pixels.shape
    left, top = x + 0.5 - side / 2, y + 0.5 - side / 2
    inside = min(left, top, nx - left - side, ny - top - side) >= -_SLACK
    if not (side > 0 and inside):
        raise DataError(
            f"A square of {side:g} pixels around x = {x:g}, y = {y:g} does not fit: "
            f"the image of {nx} x {ny} pixels is smaller than the cutout."
        )
    return left, top


def _resampled(image, left, top, width, height, shape):
    ny, nx = map(operator.index, shape)
    rows = _weights(top, height, ny, image.shape[0])
    columns = _weights(left, width, nx, image.shape[1]).T

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
