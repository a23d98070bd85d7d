"""The image in which sources are looked for: above its sky, smoothed, and of few pixels."""

import numpy as np

from gzmass.images.compiled import compiled
from gzmass.images.smooth import smoothed
from gzmass.images.stretch import sky_statistics

__all__ = ["detection_image"]

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
        Flux above the sky, shape (ny, nx) or less; where nothing is known, what the smoothing makes of nothing there.
    missing : numpy.ndarray of bool
        Where nothing is known, of the same shape.
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
    gaps = missing.any()
    if gaps:
        pixels = np.where(missing, np.float32(sky_statistics(pixels)[0]), pixels)
    heights = smoothed(pixels, _SMOOTHING if step == 1 else _AVERAGED_SMOOTHING)
    # gaps, which are all alike, have no noise: with them the noise of the sky would seem to be less, or none
    level, sigma = sky_statistics(np.where(missing, np.float32(np.nan), heights) if gaps else heights)
    return heights, missing, max(sigma, _LEAST_SIGMA * _lowered(heights, level)), step


@compiled
def _lowered(heights, level):
    """Subtract a level in place, and give the highest pixel, or 0."""
    highest = np.float32(0)
    for y in range(heights.shape[0]):
        for x in range(heights.shape[1]):
            heights[y, x] -= np.float32(level)
            highest = max(highest, heights[y, x])
    return highest


@compiled
def _averaged(pixels, step):
    """Mean of the pixels in squares of some a side that are not missing."""
    ny, nx = pixels.shape
    averaged = np.empty((-(-ny // step), -(-nx // step)), dtype=np.float32)
    total = np.empty(nx, dtype=np.float32)
    for y in range(averaged.shape[0]):
        first, end = y * step, min(ny, (y + 1) * step)
        # along columns first, in loops that the compiler makes vector instructions of
        for x in range(nx):
            total[x] = pixels[first, x]
        for row in range(first + 1, end):
            for x in range(nx):
                total[x] += pixels[row, x]
        for x in range(averaged.shape[1]):
            averaged[y, x] = total[x * step]
        for column in range(1, step):
            for x in range((nx - column + step - 1) // step):
                averaged[y, x] += total[x * step + column]
        for x in range(averaged.shape[1]):
            left, right = x * step, min(nx, (x + 1) * step)
            averaged[y, x] /= np.float32((end - first) * (right - left))
            if np.isnan(averaged[y, x]):
                averaged[y, x] = _mean(pixels[first:end, left:right])
    return averaged


@compiled
def _mean(pixels):
    """Mean of the pixels that are not missing; NaN where there is none."""
    flux = number = np.float32(0)
    for x in range(pixels.shape[1]):
        total = np.float32(0)
        for y in range(pixels.shape[0]):
            if not np.isnan(pixels[y, x]):
                total += pixels[y, x]
                number += np.float32(1)
        flux += total
    return flux / number
