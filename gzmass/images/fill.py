"""Filling of pixels in the image of a galaxy: from its opposite side, or from its profile with the noise of the sky."""

from functools import lru_cache

import numpy as np

from gzmass.images.compiled import compiled
from gzmass.images.sort import sorted_pixels

__all__ = ["fill_pixels"]

_RING = 2.0  # pixels, width of the rings of the profile along the major axis
_MIN_IN_RING = 8
_SKY_FROM = 1.5  # ellipses from the centre
_CLIP = 3.0  # standard deviations: a pixel that deviates more is not sky
_SEED, _N_LOTS = 0, 4096  # the same image gives the same bytes


def fill_pixels(pixels, replaced, places, ellipse, symmetric):
    """Replace pixels in place; `fill_neighbours` describes by what.

    Parameters
    ----------
    pixels : numpy.ndarray of float32
        The image, shape (ny, nx), NaN where a pixel is missing.
    replaced : numpy.ndarray of bool
        The pixels to be replaced, shape (ny, nx); none of them is missing.
    places : numpy.ndarray of int
        Their indices in the flattened image, ascending, shape (n,).
    ellipse : gzmass.images.sources.Ellipse
        The galaxy.
    symmetric : bool
        Whether the opposite side is taken where it is at hand.
    """
    if symmetric:
        places = _fill_from_opposite_side(pixels, replaced, places, ellipse)
    if not places.size:
        return
    # every second pixel of every second row tells profile and noise as well as all, unless nearly all are missing
    for stride in (2, 1):
        number, total, sky = _measure(pixels, replaced, ellipse, stride)
        if number.any():
            break
    _fill_from_profile(pixels, places, ellipse, number, total, sorted_pixels(sky), _drawn())


@lru_cache
def _drawn():
    return np.random.default_rng(_SEED).random(_N_LOTS)


@compiled
def _fill_from_opposite_side(pixels, replaced, places, ellipse):
    """Fill the pixels whose opposite one is at hand, and give the places of the others."""
    ny, nx = pixels.shape
    others = np.empty_like(places)
    n = 0
    for place in places:
        y, x = place // nx, place % nx
        there_y, there_x = int(2 * ellipse.y) - y, int(2 * ellipse.x) - x
        inside = 0 <= there_y < ny and 0 <= there_x < nx
        if inside and not replaced[there_y, there_x] and not np.isnan(pixels[there_y, there_x]):
            pixels[y, x] = pixels[there_y, there_x]
        else:
            others[n] = place
            n += 1
    return others[:n]


@compiled
def _measure(pixels, replaced, ellipse, stride):
    """Count and sum the good pixels in each ring, and list those that are sky."""
    ny, nx = pixels.shape
    per_radius = _rings_a_radius(ellipse)
    farthest = 0.0
    for y in (0, ny - 1):
        for x in (0, nx - 1):
            farthest = max(farthest, _radius(ellipse, y, x))
    n_rings = int(farthest * per_radius) + 1
    number, total = np.zeros(n_rings, dtype=np.int32), np.zeros(n_rings)
    n_columns = -(-nx // stride)
    sky = np.empty(-(-ny // stride) * n_columns, dtype=np.float32)
    n_sky = 0
    radius, ring = np.empty(n_columns), np.empty(n_columns, dtype=np.int32)
    for y in range(0, ny, stride):
        for k in range(n_columns):  # by itself: the compiler makes vector instructions of it
            radius[k] = _radius(ellipse, y, k * stride)
            ring[k] = int(radius[k] * per_radius)
        for k in range(n_columns):
            pixel = pixels[y, k * stride]
            if replaced[y, k * stride] or np.isnan(pixel):
                continue
            number[ring[k]] += 1
            total[ring[k]] += pixel
            if radius[k] > _SKY_FROM:
                sky[n_sky] = pixel
                n_sky += 1
    return number, total, sky[:n_sky]


@compiled
def _fill_from_profile(pixels, places, ellipse, number, total, sky, lots):
    """Fill pixels with the mean of their ring and the deviation of a pixel of the sky, which is sorted."""
    nx = pixels.shape[1]
    rings = np.flatnonzero(number >= min(_MIN_IN_RING, number.max()))
    per_radius = _rings_a_radius(ellipse)
    at = np.empty(len(places))
    for i in range(len(places)):
        at[i] = _radius(ellipse, places[i] // nx, places[i] % nx) * per_radius
    values = np.interp(at, rings + 0.5, total[rings] / number[rings])
    if len(sky):
        last = len(sky) - 1
        level = sky[last // 2]
        reach = np.float32(_CLIP) * np.float32((sky[int(0.84 * last)] - sky[int(0.16 * last)]) / 2)
        first = np.searchsorted(sky, level - reach)
        n_good = np.searchsorted(sky, level + reach, side="right") - first
        for i in range(len(places)):
            values[i] += sky[first + int(lots[i % len(lots)] * n_good)] - level
    for i in range(len(places)):
        pixels[places[i] // nx, places[i] % nx] = values[i]


@compiled
def _rings_a_radius(ellipse):
    # the smaller eigenvalue of the matrix is that of the major axis
    mean, half = (ellipse.yy + ellipse.xx) / 2, np.hypot((ellipse.yy - ellipse.xx) / 2, ellipse.yx)
    return 1 / (_RING * np.sqrt(mean - half))


@compiled
def _radius(ellipse, y, x):
    dy, dx = y - ellipse.y, x - ellipse.x
    return np.sqrt(ellipse.yy * dy**2 + 2 * ellipse.yx * dy * dx + ellipse.xx * dx**2)
