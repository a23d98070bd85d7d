"""Filling of pixels in the image of a galaxy: from its opposite side, or from its profile with the noise of the sky."""

from functools import lru_cache

import numpy as np

from gzmass.images.compiled import compiled

__all__ = ["fill_pixels"]

_RING = 2.0  # pixels, width of the rings of the profile along the major axis
_MIN_IN_RING = 8
_SKY_FROM = 1.5  # ellipses from the centre
_CLIP = 3.0  # standard deviations: a pixel that deviates more is not sky
_SEED, _N_LOTS = 0, 4096  # the same image gives the same bytes


def fill_pixels(pixels, replaced, ellipse, symmetric):
    """Replace pixels in place; `fill_neighbours` describes by what.

    Parameters
    ----------
    pixels : numpy.ndarray of float32
        The image, shape (ny, nx), NaN where a pixel is missing.
    replaced : numpy.ndarray of bool
        The pixels to be replaced, shape (ny, nx); none of them is missing.
    ellipse : gzmass.images.sources.Ellipse
        The galaxy.
    symmetric : bool
        Whether the opposite side is taken where it is at hand.
    """
    y, x = _fill_from_opposite_side(pixels, replaced, ellipse, symmetric)
    if not y.size:
        return
    # every second pixel of every second row tells profile and noise as well as all, unless nearly all are missing
    for stride in (2, 1):
        number, total, sky = _measure(pixels, replaced, ellipse, stride)
        rings = np.flatnonzero(number >= min(_MIN_IN_RING, number.max()))
        if number.any():
            break
    values = np.interp(_rings(y, x, ellipse), rings + 0.5, total[rings] / number[rings])
    if sky.size:
        sky.sort()
        last = sky.size - 1
        level, sigma = sky[last // 2], (sky[int(0.84 * last)] - sky[int(0.16 * last)]) / 2
        first = np.searchsorted(sky, level - _CLIP * sigma, side="left")
        end = np.searchsorted(sky, level + _CLIP * sigma, side="right")
        values += sky[first:end][(_lots(y.size) * (end - first)).astype(int)] - level
    pixels[y, x] = values


def _lots(n):
    return np.resize(_drawn(), n)


@lru_cache
def _drawn():
    return np.random.default_rng(_SEED).random(_N_LOTS)


@compiled
def _fill_from_opposite_side(pixels, replaced, ellipse, symmetric):
    """Fill the pixels whose opposite one is at hand, and give the places of the others."""
    ny, nx = pixels.shape
    ys, xs = np.empty(ny * nx, dtype=np.int32), np.empty(ny * nx, dtype=np.int32)
    n = 0
    for y in range(ny):
        for x in range(nx):
            if not replaced[y, x]:
                continue
            there_y, there_x = int(2 * ellipse.y) - y, int(2 * ellipse.x) - x
            inside = symmetric and 0 <= there_y < ny and 0 <= there_x < nx
            if inside and not replaced[there_y, there_x] and not np.isnan(pixels[there_y, there_x]):
                pixels[y, x] = pixels[there_y, there_x]
            else:
                ys[n], xs[n] = y, x
                n += 1
    return ys[:n], xs[:n]


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
    sky = np.empty(ny * nx, dtype=np.float32)
    n_sky = 0
    for y in range(0, ny, stride):
        for x in range(0, nx, stride):
            if replaced[y, x] or np.isnan(pixels[y, x]):
                continue
            radius = _radius(ellipse, y, x)
            ring = int(radius * per_radius)
            number[ring] += 1
            total[ring] += pixels[y, x]
            if radius > _SKY_FROM:
                sky[n_sky] = pixels[y, x]
                n_sky += 1
    return number, total, sky[:n_sky]


@compiled
def _rings(ys, xs, ellipse):
    """Place of pixels among the rings: 0 in the centre, 1 where the second one begins."""
    rings = np.empty(len(ys))
    for i in range(len(ys)):
        rings[i] = _radius(ellipse, ys[i], xs[i]) * _rings_a_radius(ellipse)
    return rings


@compiled
def _rings_a_radius(ellipse):
    # the smaller eigenvalue of the matrix is that of the major axis
    mean, half = (ellipse.yy + ellipse.xx) / 2, np.hypot((ellipse.yy - ellipse.xx) / 2, ellipse.yx)
    return 1 / (_RING * np.sqrt(mean - half))


@compiled
def _radius(ellipse, y, x):
    dy, dx = y - ellipse.y, x - ellipse.x
    return np.sqrt(ellipse.yy * dy**2 + 2 * ellipse.yx * dy * dx + ellipse.xx * dx**2)
