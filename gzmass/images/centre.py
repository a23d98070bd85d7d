"""The centre of a galaxy, checked against the brightest source near its position."""

from dataclasses import dataclass
from math import hypot

import numpy as np

from gzmass.errors import DataError
from gzmass.images.peaks import cut_above, find_peaks
from gzmass.images.smooth import smoothed
from gzmass.images.stretch import sky_statistics

__all__ = ["Centre", "find_centre"]

_MAX_OFFSET = 0.1  # of the shorter side
_TOLERANCE = 0.02  # of the shorter side, but at least so many pixels:
_LEAST_TOLERANCE = 2.0
_SMOOTHING = 0.01  # of the shorter side, but at least so many pixels:
_LEAST_SMOOTHING = 1.0
_SKY_SIDE = 30  # pixels a side, about, of the grid in which the sky is measured
_SIGNIFICANT = 5.0  # standard deviations of the smoothed sky
_RIVAL = 1.5  # times as bright as the source at the position: then it is not clear which of the two is meant


@dataclass(frozen=True)
class Centre:
    """Centre of a galaxy in an image.

    Parameters
    ----------
    x, y : float
        Position in pixels, 0 is the middle of the first pixel: of the source for "ok" and "corrected", and what was
        given for "uncertain".
    offset : float
        Distance of the brightest source that was found from the position that was given, in pixels; NaN if there is
        none.
    status : {"ok", "corrected", "uncertain"}
        "ok": the source is where it should be. "corrected": it is beside, and nothing is where it should be.
        "uncertain": no source is near enough, or a brighter one stands beside one at the position.
    """

    x: float
    y: float
    offset: float
    status: str


def find_centre(pixels, near=None, max_offset=None):
    """Check the position of a galaxy against the peaks of the smoothed image around it.

    A peak is a local maximum 5 standard deviations above the sky after smoothing with a Gaussian of 1 % of the side,
    in which a nucleus outshines knots and noise. One within 2 % of the side (at least 2 pixels) of the position is the
    galaxy's. Only if there is none, the brightest one within `max_offset` is taken instead; a brighter source beside a
    galaxy, such as a star, makes the centre uncertain and does not move it.

    Parameters
    ----------
    pixels : array_like of float
        Linear flux, shape (ny, nx), with or without its sky; NaN where a pixel is missing.
    near : tuple of float, optional
        Position (x, y) in pixels, 0 is the middle of the first pixel. By default the middle of the image.
    max_offset : float, optional
        Largest distance that the centre may be moved, in pixels. By default a tenth of the shorter side.

    Returns
    -------
    Centre
        Position, offset and status.

    Raises
    ------
    DataError
        The image is not two-dimensional or flat, the position lies outside of it, or the offset is not positive.
    """
    image = np.asarray(pixels, dtype=np.float32)
    step = max(1, round(min(image.shape) / _SKY_SIDE))  # enough pixels to tell what stands out
    level, sigma = sky_statistics(image[::step, ::step])
    ny, nx = image.shape
    x, y = ((nx - 1) / 2, (ny - 1) / 2) if near is None else near
    if not (-0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5):
        raise DataError(f"The position x = {x:g}, y = {y:g} does not lie in the image of {nx} x {ny} pixels.")
    max_offset = _MAX_OFFSET * min(ny, nx) if max_offset is None else max_offset
    if not max_offset > 0:
        raise DataError(f"The largest offset of a centre must be positive. Received: {max_offset!r}.")
    tolerance = min(max(_LEAST_TOLERANCE, _TOLERANCE * min(ny, nx)), max_offset)
    peaks = _peaks(image, level, sigma, x, y, max_offset)
    if not peaks:
        return Centre(float(x), float(y), np.nan, "uncertain")
    brightest = max(peaks)
    at_position = [peak for peak in peaks if _distance(peak, x, y) <= tolerance]
    own = max(at_position, default=None)
    offset = _distance(brightest, x, y)
    if own is None:
        return Centre(brightest[1], brightest[2], offset, "corrected")
    if brightest[0] > _RIVAL * own[0]:
        return Centre(float(x), float(y), offset, "uncertain")
    return Centre(own[1], own[2], _distance(own, x, y), "ok")


def _peaks(image, level, sigma, x, y, max_offset):
    """Significant local maxima (height, x, y) of the smoothed image within a distance of a position."""
    smoothing = max(_LEAST_SMOOTHING, _SMOOTHING * min(image.shape))
    margin = int(np.ceil(max_offset + 4 * smoothing)) + 2
    top, left = max(0, round(y) - margin), max(0, round(x) - margin)
    flux = cut_above(image, (top, round(y) + margin + 1), (left, round(x) + margin + 1), level)
    # noise that is independent from pixel to pixel falls by this factor
    sigma = sigma / (2 * np.sqrt(np.pi) * smoothing)
    found = find_peaks(smoothed(flux, smoothing), _SIGNIFICANT * sigma)
    peaks = ((height, left + peak_x, top + peak_y) for height, peak_x, peak_y in found.tolist())
    return [peak for peak in peaks if _distance(peak, x, y) <= max_offset]


def _distance(peak, x, y):
    return hypot(peak[1] - x, peak[2] - y)
