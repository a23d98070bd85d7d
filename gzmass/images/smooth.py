"""Smoothing of an image with a Gaussian, as products of matrices, which BLAS computes faster than a convolution."""

from functools import lru_cache

import numpy as np

__all__ = ["smoothed"]

_TRUNCATE = 4.0  # standard deviations after which the Gaussian is cut off
_BLOCK = 64  # pixels that are computed by one product: wide enough for BLAS, and few zeros beside the diagonal


def smoothed(pixels, sigma):
    """Smooth an image with a Gaussian; at its edges the image is mirrored.

    Parameters
    ----------
    pixels : numpy.ndarray of float32
        Shape (ny, nx), finite.
    sigma : float
        Standard deviation of the Gaussian in pixels, > 0.

    Returns
    -------
    numpy.ndarray of float32
        Shape (ny, nx): what `scipy.ndimage.gaussian_filter` gives, to the precision of float32.
    """
    along_y, smooth = np.empty_like(pixels), np.empty_like(pixels)
    for new, old, weights in _blocks(pixels.shape[0], sigma):
        np.matmul(weights, pixels[old], out=along_y[new])
    for new, old, weights in _blocks(pixels.shape[1], sigma):
        np.matmul(along_y[:, old], weights.T, out=smooth[:, new])
    return smooth


@lru_cache(maxsize=16)  # images of one size share it
def _blocks(n, sigma):
    """For each block of new pixels along an axis: they, the old ones that they are made of, and the weights."""
    reach = int(_TRUNCATE * sigma + 0.5)
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    new = np.repeat(np.arange(n), len(offsets))
    old = (new + np.tile(offsets, n)) % (2 * n)
    old = np.minimum(old, 2 * n - 1 - old)  # mirrored at the outer edge of the last pixel
    weights = np.zeros((n, n))
    np.add.at(weights, (new, old), np.tile(kernel / kernel.sum(), n))
    blocks = []
    for start in range(0, n, _BLOCK):
        rows, columns = slice(start, start + _BLOCK), slice(max(0, start - reach), start + _BLOCK + reach)
        blocks.append((rows, columns, weights[rows, columns].astype(np.float32)))
    return blocks
