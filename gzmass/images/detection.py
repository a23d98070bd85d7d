"""The image in which sources are looked for: above its sky, smoothed, and of few pixels."""

import numpy as np

from gzmass.images.compiled import compiled
from gzmass.images.smooth import smoothed
from gzmass.images.stretch import sky_statistics

__all__ = ["detection_image", "enlarged_mask"]

_GRID = 110  # pixels a side at most: those of a larger image are averaged
# Standard deviation of the Gaussian, in pixels and in averaged ones. Where squares of two pixels a side are averaged,
# both leave two fifths of the noise of a pixel.
_SMOOTHING, _AVERAGED_SMOOTHING = 0.7, 0.42
_LEAST_SIGMA = 1e-4  # of the brightest pixel: what counts as noise in an image without any


def detection_image(pixels):
    """Smooth an image, or average its pixels if it is large, and subtract its sky.

    Parameters
    ----------
    pixels : numpy.ndarray of float32
        Linear flux, shape (ny, nx), NaN where a pixel is missing.

    Returns
    -------
    heights : numpy.ndarray of float32
        Flux above the sky, shape (ny, nx) or less; 0 where nothing is known.
    sigma : float
        Standard deviation of the noise of the sky in it, > 0.
    step : int
        Side of the square of pixels that each of its pixels is the mean of.

    Raises
    ------
    DataError
        The image is flat.
    """
    step = -(-max(pixels.shape) // _GRID)
    if step > 1:
        pixels = _averaged(pixels, step)
    missing = np.isnan(pixels)
    if missing.any():
        pixels = np.where(missing, np.float32(sky_statistics(pixels)[0]), pixels)
    heights = smoothed(pixels, _SMOOTHING if step == 1 else _AVERAGED_SMOOTHING)
    level, sigma = sky_statistics(heights)
    heights -= np.float32(level)
    return heights, max(sigma, _LEAST_SIGMA * float(heights.max())), step


@compiled
def _averaged(pixels, step):
    """Mean of the pixels in squares of some a side that are not missing."""
    ny, nx = pixels.shape
    averaged = np.empty((-(-ny // step), -(-nx // step)), dtype=np.float32)
    for y in range(averaged.shape[0]):
        # along columns first, in loops that the compiler makes vector instructions of
        total, number = np.zeros(nx, dtype=np.float32), np.zeros(nx, dtype=np.float32)
        for row in range(y * step, min(ny, (y + 1) * step)):
            for x in range(nx):
                there = pixels[row, x] == pixels[row, x]
                total[x] += pixels[row, x] if there else np.float32(0)
                number[x] += np.float32(1) if there else np.float32(0)
        for x in range(averaged.shape[1]):
            flux = pixels_there = np.float32(0)
            for column in range(x * step, min(nx, (x + 1) * step)):
                flux += total[column]
                pixels_there += number[column]
            averaged[y, x] = flux / pixels_there  # NaN where there is none
    return averaged


@compiled
def enlarged_mask(mask, step, ny, nx):
    """Make the mask of an image from that of the squares of its pixels.

    Parameters
    ----------
    mask : numpy.ndarray of bool
        One element a square.
    step : int
        Side of a square in pixels.
    ny, nx : int
        Size of the image, whose last squares may be narrower.

    Returns
    -------
    numpy.ndarray of bool
        Shape (ny, nx).
    """
    enlarged = np.empty((ny, nx), dtype=np.bool_)
    for y in range(ny):
        if y % step:
            for x in range(nx):
                enlarged[y, x] = enlarged[y - 1, x]
            continue
        for x in range(mask.shape[1]):
            for column in range(x * step, min(nx, (x + 1) * step)):
                enlarged[y, column] = mask[y // step, x]
    return enlarged
