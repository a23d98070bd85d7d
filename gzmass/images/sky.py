"""Level and noise of the sky, from the border of an image."""

import numpy as np

from gzmass.images.compiled import compiled
from gzmass.images.sort import sorted_pixels

__all__ = ["border_statistics"]

_CLIP = 3.0  # in standard deviations
_MAX_CLIPS = 10
_MAD_TO_SIGMA = 1.482602218505602  # 1 / Phi^-1(3/4): standard deviation of a normal law from its median deviation


def border_statistics(image, width):
    """Level and standard deviation of the sky in the border of an image; `sky_statistics` describes how.

    Parameters
    ----------
    image : numpy.ndarray of float32 or float64
        Shape (ny, nx); pixels that are not finite are left out.
    width : int
        Width of the border in pixels; where it has no finite pixel, all others are taken.

    Returns
    -------
    tuple of float or None
        Level and standard deviation; None if the image has fewer than two different finite pixels.
    """
    pixels = _border(image, width)
    if not pixels.size:
        return None
    return _clipped(sorted_pixels(pixels) if pixels.dtype == np.float32 else np.sort(pixels))


@compiled
def _border(image, width):
    """Pixels in which the sky is measured; none if the image is flat."""
    if _is_flat(image):
        return np.empty(0, dtype=image.dtype)
    pixels = _finite(image, width)
    return pixels if len(pixels) else _finite(image, max(image.shape))


@compiled
def _is_flat(image):
    seen = np.nan
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            if np.isfinite(image[y, x]):
                if image[y, x] != seen and not np.isnan(seen):
                    return False
                seen = image[y, x]
    return True


@compiled
def _finite(image, width):
    """Finite pixels of the border, as they come."""
    ny, nx = image.shape
    pixels = np.empty(ny * nx, dtype=image.dtype)
    n = np.uint64(0)
    for y in range(ny):
        is_between = width <= y < ny - width
        left, right = (width, max(width, nx - width)) if is_between else (nx, nx)
        for x in range(left):
            pixels[n] = image[y, x]
            n += np.uint64(np.isfinite(image[y, x]))
        for x in range(right, nx):
            pixels[n] = image[y, x]
            n += np.uint64(np.isfinite(image[y, x]))
    return pixels[:n]


@compiled
def _clipped(pixels):
    """Level and standard deviation of sorted pixels, clipped; what is kept is always a run of them."""
    level = sigma = 0.0
    for _ in range(_MAX_CLIPS):
        last = len(pixels) - 1
        level = (np.float64(pixels[last // 2]) + np.float64(pixels[len(pixels) // 2])) / 2
        # where most pixels have the very same value (a quantised sky), the median says nothing of the others
        sigma = _MAD_TO_SIGMA * _median_deviation(pixels, level)
        if sigma == 0:
            sigma = (np.float64(pixels[int(0.84 * last)]) - np.float64(pixels[int(0.16 * last)])) / 2
        first, end = 0, len(pixels)
        while pixels[first] - level < -_CLIP * sigma:
            first += 1
        while pixels[end - 1] - level > _CLIP * sigma:
            end -= 1
        if end - first == len(pixels):
            break
        pixels = pixels[first:end]
    return level, sigma


@compiled
def _median_deviation(pixels, level):
    """Median absolute deviation of sorted pixels from their median: the half that is nearest to it is a run of them."""
    n = len(pixels) // 2 + 1
    first, end = 0, len(pixels) - n
    while first < end:  # the first run whose next pixel is not nearer than its first one
        middle = (first + end) // 2
        if pixels[middle + n] - level >= level - pixels[middle]:
            end = middle
        else:
            first = middle + 1
    below, above = level - pixels[first], pixels[first + n - 1] - level
    largest = max(below, above)
    if len(pixels) % 2:
        return largest
    second = max(level - pixels[first + 1], above) if below > above else max(below, pixels[first + n - 2] - level)
    return (largest + second) / 2
