"""Neighbours and foreground stars, filled from the galaxy's own symmetric side or from its profile and the sky."""

import numpy as np

from gzmass.errors import DataError
from gzmass.images.cutout import resample
from gzmass.images.sources import Ellipse, find_foreign, opposite_side

__all__ = ["fill_neighbours"]

_GRID = 256  # pixels a side in which sources are looked for, at most: a larger image is averaged down to it
_RING = 2.0  # pixels, width of the rings of the profile along the major axis
_MIN_IN_RING = 8
_CLIP = 4.5  # median absolute deviations (3 standard deviations): a pixel that deviates more is not sky
_SKY_FROM = 1.5  # ellipses from the centre
_SEED = 0  # the same image gives the same bytes


def fill_neighbours(pixels, x=None, y=None, fill="symmetric"):
    """Take neighbours and foreground stars out of the image of a galaxy.

    Sources are segments of connected pixels above the sky in the smoothed image, as those that
    `photutils.segmentation.detect_sources` finds. The one at the centre is the galaxy, and is divided at its saddles
    into peaks. A source is taken away if it is

    - outside of 1.5 times the galaxy's ellipse, with a peak of 5 standard deviations of the smoothed sky; or
    - nearer and apart: its peak is 4 times as high as the saddle to the galaxy, and 10 deviations above that; or
    - a star on the galaxy: its peak is 1.4 times as high as the saddle, 20 deviations above that and at least half as
      high as the galaxy's centre, and half of that rise is on no more than 12 connected pixels;

    and, unless it is outside, has no counterpart of half its height on the opposite side of the galaxy, and is not in
    the inner fifth of the ellipse. Arms, bars, rings and H II regions stay, at the price of companions and fainter
    stars on the disc, which one band does not tell from them. Without a source at the centre nothing is taken away.

    Parameters
    ----------
    pixels : array_like of float
        Linear flux, shape (ny, nx), any unit, with or without its sky; missing pixels (NaN) stay missing.
    x, y : float, optional
        Position of the galaxy in pixels, 0 is the middle of the first pixel. By default the middle of the image.
    fill : {"symmetric", "sky"}, default "symmetric"
        What replaces a pixel. "symmetric": the pixel on the opposite side of the galaxy (rotated by 180 degrees), with
        the noise that it has; where that is not at hand either, and with "sky" everywhere, the galaxy's mean profile
        in elliptical rings, which becomes the sky further out, with the deviation of one of the image's own sky pixels.

    Returns
    -------
    filled : numpy.ndarray of float32
        The image without neighbours, shape (ny, nx). The same image gives the same bytes.
    replaced : numpy.ndarray of bool
        True for a pixel that was replaced, shape (ny, nx).

    Raises
    ------
    DataError
        The image is not two-dimensional or is flat, the position lies outside of it, or `fill` is unknown.
    """
    if fill not in {"symmetric", "sky"}:
        raise DataError(f"Neighbours are filled by 'symmetric' or 'sky'. Received: {fill!r}.")
    filled = np.array(pixels, dtype=np.float32)
    if filled.ndim != 2:
        raise DataError(f"An image has two axes. Received: an array of shape {filled.shape}.")
    ny, nx = filled.shape
    x, y = (nx - 1) / 2 if x is None else x, (ny - 1) / 2 if y is None else y
    if not (-0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5):
        raise DataError(f"The position x = {x:g}, y = {y:g} does not lie in the image of {nx} x {ny} pixels.")
    replaced, ellipse = _find_at_grid(filled, y, x)
    replaced &= ~np.isnan(filled)
    if replaced.any():
        if fill == "symmetric":
            source = opposite_side(np.where(replaced, np.float32(np.nan), filled), ellipse, np.nan)
            rest = replaced & np.isnan(source)
            values = source[replaced & ~rest]
        else:
            rest, values = replaced, filled[:0, 0]
        drawn = _profile_and_noise(filled, replaced, rest, ellipse) if rest.any() else filled[:0, 0]
        filled[replaced & ~rest] = values
        filled[rest] = drawn
    return filled, replaced


def _find_at_grid(pixels, y, x):
    """Find what is foreign, in an image of at most `_GRID` pixels a side; mask and ellipse in pixels of the image."""
    ny, nx = pixels.shape
    if max(ny, nx) <= _GRID:
        return find_foreign(pixels, y, x)
    shape = tuple(max(1, round(size * _GRID / max(ny, nx))) for size in (ny, nx))
    step = np.array([ny / shape[0], nx / shape[1]])
    foreign, ellipse = find_foreign(resample(pixels, shape), *((np.array([y, x]) + 0.5) / step - 0.5))
    rows, columns = (((np.arange(size) + 0.5) / f).astype(int) for size, f in zip((ny, nx), step, strict=True))
    if ellipse is not None:
        # to whole or half pixels again, about which an image is rotated without mixing
        centre = np.rint(2 * ((np.array([ellipse.y, ellipse.x]) + 0.5) * step - 0.5)) / 2
        ellipse = Ellipse(*centre, ellipse.inverse / np.outer(step, step))
    return foreign[np.ix_(rows, columns)], ellipse


def _profile_and_noise(pixels, replaced, wanted, ellipse):
    """Mean of the ring that each wanted pixel lies in, with the deviation of a sky pixel drawn by lot."""
    # a quarter of the pixels tells profile and noise as well, in a quarter of the time
    good = (~replaced & ~np.isnan(pixels))[::2, ::2]
    seen = pixels[::2, ::2][good]
    radius = ellipse.radius(*np.ogrid[: pixels.shape[0] : 2, : pixels.shape[1] : 2])[good]
    rings_a_radius = np.sqrt(1 / np.linalg.eigvalsh(ellipse.inverse)[0]) / _RING
    ring = (radius * rings_a_radius).astype(int)
    number = np.bincount(ring)
    enough = number >= _MIN_IN_RING
    mean = np.bincount(ring, weights=seen)[enough] / number[enough]
    profile = np.interp(ellipse.radius(*np.nonzero(wanted)) * rings_a_radius, np.flatnonzero(enough) + 0.5, mean)
    sky = seen[radius > _SKY_FROM]
    if not sky.size:
        return profile
    sky = sky - np.median(sky)
    sky = sky[np.abs(sky) <= _CLIP * np.median(np.abs(sky))]
    return profile + np.random.default_rng(_SEED).choice(sky, size=profile.size)
