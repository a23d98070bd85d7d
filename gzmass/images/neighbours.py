"""Neighbours and foreground stars, filled from the galaxy's own symmetric side or from its profile and the sky."""

import numpy as np

from gzmass.errors import DataError
from gzmass.images.fill import fill_pixels
from gzmass.images.sources import find_foreign

__all__ = ["fill_neighbours"]


def fill_neighbours(pixels, x=None, y=None, fill="symmetric"):
    """Take neighbours and foreground stars out of the image of a galaxy.

    Sources are segments of connected pixels above the sky in the smoothed image, as those that
    `photutils.segmentation.detect_sources` finds. The one at the centre is the galaxy, and is divided at its saddles
    into peaks. Images of more than 110 pixels a side are averaged down to fewer for this. A source is taken away if it
    is

    - outside of 1.5 times the galaxy's ellipse, with a peak of 5 standard deviations of the smoothed sky; or
    - nearer and apart: its peak is 4 times as high as the saddle to the galaxy, and 10 deviations above that; or
    - a star on the galaxy: its peak is 1.4 times as high as the saddle, 20 deviations above that and at least half as
      high as the galaxy's centre, and half of that rise is on no more than 12 connected pixels (of averaged ones: 1.2
      times, 15 deviations, 4);

    and, unless it is outside, has no counterpart of half its height on the opposite side of the galaxy, where the image
    has no missing pixel, and is not in the inner fifth of the ellipse. Arms, bars, rings and H II regions stay, at the
    price of companions and fainter stars on the disc, which one band does not tell from them. Without a source at the
    centre nothing is taken away.

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
    replaced, places, ellipse = find_foreign(filled, y, x)
    if places.size:
        fill_pixels(filled, replaced, places, ellipse, fill == "symmetric")
    return filled, replaced
