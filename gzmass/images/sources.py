"""What in the image of a galaxy is not the galaxy: sources found, and told from its own structure."""

import warnings
from dataclasses import dataclass

import numpy as np
from photutils.segmentation import detect_sources
from photutils.utils.exceptions import NoDetectionsWarning
from scipy import ndimage

from gzmass.images.basins import divide_at_saddles
from gzmass.images.stretch import sky_statistics

__all__ = ["Ellipse", "find_foreign", "opposite_side"]

_SMOOTHING = 0.7  # pixels, standard deviation of the Gaussian
_THRESHOLD = 2.0  # standard deviations of the smoothed sky above which pixels belong to a source ...
_N_PIXELS = 5  # ... of at least so many pixels
_LEAST_SIGMA = 1e-4  # of the brightest pixel: what counts as noise in an image without any
_CENTRE = 0.05  # of the side: a galaxy's peak is looked for so far from its position

# What is not the galaxy. Heights are above the sky, sigma is that of the smoothed sky, and radii are in units of the
# galaxy's ellipse.
_OUTSIDE, _OUTSIDE_PEAK = 1.5, 5.0  # outside of 1.5 ellipses a peak of 5 sigma is enough
_APART_RATIO, _APART_RISE = 4.0, 10.0  # nearer: a peak 4 times as high as its saddle and 10 sigma above it
_STAR_RATIO, _STAR_RISE = 1.4, 20.0  # on the galaxy: 1.4 times as high as its saddle and 20 sigma above it, ...
_STAR_PIXELS = 12  # ... with half of that rise on no more pixels, ...
_STAR_OF_CENTRE = 0.5  # ... and half as high as the galaxy's centre, which knots of star formation are not
_COUNTERPART = 0.5  # what has half its height on the opposite side is an arm, a bar, a ring
_CORE = 0.2  # nothing is taken away nearer to the centre
_EXCESS = 2.0  # sigma above its opposite side: what belongs to a source that lies on the galaxy

_MARGIN, _WIDE_MARGIN = 2, 6  # pixels added around a source, and around one that has far wings:
_WINGS_PEAK, _WINGS_PIXELS = 100.0, 400  # a peak of 100 sigma, or so many pixels


@dataclass(frozen=True)
class Ellipse:
    """The ellipse that has the second moments of a galaxy's isophote: about that isophote, for a smooth galaxy.

    Parameters
    ----------
    y, x : float
        Centre in pixels, whole or half.
    inverse : numpy.ndarray of float
        Inverse of the matrix of its squared semi-axes, shape (2, 2), in (y, x).
    """

    y: float
    x: float
    inverse: np.ndarray

    def radius(self, y, x):
        """Elliptical radius of a position.

        Parameters
        ----------
        y, x : array_like of float
            Pixels.

        Returns
        -------
        numpy.ndarray of float
            0 at the centre, 1 on the ellipse.
        """
        dy, dx = np.asarray(y) - self.y, np.asarray(x) - self.x
        (yy, yx), (_, xx) = self.inverse
        return np.sqrt(yy * dy**2 + 2 * yx * dy * dx + xx * dx**2)


def find_foreign(pixels, y, x):
    """Find the pixels of an image that do not belong to the galaxy.

    The criteria are described in `fill_neighbours`.

    Parameters
    ----------
    pixels : numpy.ndarray of float32
        Linear flux, shape (ny, nx), NaN where a pixel is missing.
    y, x : float
        Position of the galaxy in pixels.

    Returns
    -------
    foreign : numpy.ndarray of bool
        Shape (ny, nx).
    ellipse : Ellipse or None
        The galaxy; None if there is no source at its position, and then nothing is foreign.
    """
    heights, sigma = _detection_image(pixels)
    segments = _segments(heights, sigma)
    nothing = np.zeros(pixels.shape, dtype=bool)
    peak = _peak_near(heights, segments > 0, y, x)
    if peak is None:
        return nothing, None
    galaxy = segments == segments[peak]
    ellipse = _fit_ellipse(galaxy, *_centroid(heights, peak))
    radius = ellipse.radius(*np.ogrid[: pixels.shape[0], : pixels.shape[1]])
    across = opposite_side(heights, ellipse, 0.0)

    def is_foreign(top, saddle):
        height = float(heights[top])
        rise = height - saddle
        if rise < _APART_RISE * sigma or radius[top] < _CORE:
            return False
        # one pixel of play: the sides of a real galaxy do not mirror each other to the pixel
        if across[_around(top, 1)].max() >= _COUNTERPART * height:
            return False
        if height >= _APART_RATIO * saddle:
            return True
        bright = height >= max(_STAR_RATIO * saddle, _STAR_OF_CENTRE * heights[peak]) and rise >= _STAR_RISE * sigma
        return bright and _n_pixels_above(heights, top, saddle + rise / 2) <= _STAR_PIXELS

    foreign, winged = nothing.copy(), nothing.copy()

    def add(top, part):
        wings = heights[top] >= _WINGS_PEAK * sigma or len(part) >= _WINGS_PIXELS
        (winged if wings else foreign).flat[part] = True

    for top, part in _other_segments(heights, segments, segments[peak]):
        outside = radius[top] > _OUTSIDE and heights[top] >= _OUTSIDE_PEAK * sigma
        if outside or is_foreign(top, _THRESHOLD * sigma):
            add(top, part)
    # what every source on the galaxy has; most galaxies have none and need not be divided
    possible = (heights >= _APART_RISE * sigma) & (across < _COUNTERPART * heights) & (radius >= _CORE) & galaxy
    for top, part in _other_parts(heights, galaxy, peak, is_foreign) if possible.any() else ():
        # the galaxy itself goes on under a source that lies on it
        excess = nothing.copy()
        excess.flat[part] = heights.flat[part] - across.flat[part] > _EXCESS * sigma
        labels, _ = ndimage.label(excess)
        add(top, np.flatnonzero(labels == labels[top]))
    foreign = _grow(foreign, _MARGIN) | _grow(winged, _WIDE_MARGIN)
    return foreign & (radius >= _CORE), ellipse


def opposite_side(values, ellipse, outside):
    """Rotate an image by 180 degrees about the centre of the galaxy, pixel by pixel.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (ny, nx).
    ellipse : Ellipse
        The galaxy.
    outside : float or bool
        Value of a pixel whose opposite one lies outside of the image.

    Returns
    -------
    numpy.ndarray
        Shape (ny, nx), of the same type.
    """
    rotated = np.full_like(values, outside)
    here, there = [], []
    for size, centre in zip(values.shape, (ellipse.y, ellipse.x), strict=True):
        twice = round(2 * centre)
        first, last = max(0, twice - size + 1), min(size - 1, twice)
        here.append(slice(first, last + 1))
        there.append(slice(twice - last, twice - first + 1))
    rotated[tuple(here)] = values[tuple(there)][::-1, ::-1]
    return rotated


def _detection_image(pixels):
    """Smoothed flux above the sky, and the standard deviation of its noise."""
    missing = np.isnan(pixels)
    if missing.any():
        pixels = np.where(missing, np.float32(sky_statistics(pixels)[0]), pixels)
    smooth = ndimage.gaussian_filter(pixels, _SMOOTHING)
    level, sigma = sky_statistics(smooth)
    smooth -= np.float32(level)
    return smooth, max(sigma, _LEAST_SIGMA * float(smooth.max()))


def _segments(heights, sigma):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)
        found = detect_sources(heights, _THRESHOLD * sigma, n_pixels=_N_PIXELS)
    return np.zeros(heights.shape, dtype=int) if found is None else found.data


def _peak_near(heights, inside, y, x):
    """Brightest pixel (y, x) of a source that is near a position; None if there is none."""
    reach = max(2, round(_CENTRE * min(heights.shape)))
    window = _around((round(y), round(x)), reach)
    near = np.where(inside[window], heights[window], -np.inf)
    row, column = np.unravel_index(np.argmax(near), near.shape)
    if not np.isfinite(near[row, column]):
        return None
    return window[0].start + int(row), window[1].start + int(column)


def _centroid(heights, peak):
    """Centroid of the pixels around a peak, rounded to half pixels: about these an image is rotated without mixing."""
    window = _around(peak, 1)
    weights = np.clip(heights[window], 0, None)
    return tuple(
        round(2 * float(part.start + (weights * offset).sum() / weights.sum())) / 2
        for part, offset in zip(window, np.indices(weights.shape), strict=True)
    )


def _fit_ellipse(galaxy, y, x):
    """Ellipse with the second moments of that part of a segment which is also there on its opposite side."""
    circle = Ellipse(y, x, np.eye(2))
    rows, columns = np.nonzero(galaxy & opposite_side(galaxy, circle, outside=False))
    dy, dx = rows - y, columns - x
    # a uniform ellipse has a quarter of the squared semi-axis as its variance; that of a pixel is 1/12
    moments = np.array([[dy @ dy, dy @ dx], [dy @ dx, dx @ dx]]) / max(1, len(dy)) + np.eye(2) / 12
    return Ellipse(y, x, np.linalg.inv(4 * moments))


def _around(position, reach):
    """Slices of the square around a pixel."""
    return tuple(slice(max(0, at - reach), at + reach + 1) for at in position)


def _n_pixels_above(heights, top, level):
    """Count the connected pixels around a peak that are higher than a level, as far as they are near."""
    window = _around(top, _STAR_PIXELS)
    labels, _ = ndimage.label(heights[window] > level)
    return np.count_nonzero(labels == labels[tuple(c - part.start for c, part in zip(top, window, strict=True))])


def _other_segments(heights, segments, galaxy):
    """Peak (y, x) and flat pixels of every segment but the galaxy's."""
    index = np.flatnonzero(segments)
    index = index[segments.flat[index] != galaxy]
    return _grouped(heights, index, segments.flat[index])


def _other_parts(heights, galaxy, peak, stands_apart):
    """Peak (y, x) and flat pixels of every part of the galaxy's segment but the central one."""
    box = ndimage.find_objects(galaxy.astype(np.uint8))[0]
    corner = tuple(part.start for part in box)

    def apart(top, saddle):
        return stands_apart((top[0] + corner[0], top[1] + corner[1]), saddle)

    root = peak[0] - corner[0], peak[1] - corner[1]
    parts, root_peak = divide_at_saddles(heights[box], galaxy[box], root, apart)
    rows, columns = np.nonzero((parts >= 0) & (parts != root_peak))
    index = (rows + corner[0]) * heights.shape[1] + columns + corner[1]
    return _grouped(heights, index, parts[rows, columns])


def _grouped(heights, index, labels):
    """Peak (y, x) and flat pixels of each label."""
    order = np.lexsort((heights.flat[index], labels))
    index, labels = index[order], labels[order]
    for part in np.split(index, np.flatnonzero(np.diff(labels)) + 1):
        if part.size:
            yield divmod(int(part[-1]), heights.shape[1]), part


def _grow(mask, margin):
    """Add pixels to a mask, one on each of the four sides at a time."""
    for _ in range(margin if mask.any() else 0):
        before = mask.copy()
        mask[1:] |= before[:-1]
        mask[:-1] |= before[1:]
        mask[:, 1:] |= before[:, :-1]
        mask[:, :-1] |= before[:, 1:]
    return mask
