"""What in the image of a galaxy is not the galaxy: sources found, and told from its own structure."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import ndimage

from gzmass.images.basins import divide_at_saddles
from gzmass.images.smooth import smoothed
from gzmass.images.stretch import sky_statistics

__all__ = ["Ellipse", "find_foreign", "opposite_side"]

_SMOOTHING = 0.7  # pixels, standard deviation of the Gaussian
_THRESHOLD = 2.0  # standard deviations of the smoothed sky above which pixels belong to a source ...
_N_PIXELS = 5  # ... of at least so many pixels
_EIGHT = np.ones((3, 3), dtype=bool)  # pixels are connected along their sides and at their corners
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
    segments, _ = ndimage.label(heights > _THRESHOLD * sigma, structure=_EIGHT)
    is_source = np.bincount(segments.ravel()) >= _N_PIXELS
    is_source[0] = False  # the sky
    peak = _peak_near(heights, segments, is_source, y, x)
    if peak is None:
        return np.zeros(pixels.shape, dtype=bool), None
    is_source[segments[peak]] = False
    galaxy = segments == segments[peak]
    ellipse = _fit_ellipse(galaxy, *_centroid(heights, peak))
    across = opposite_side(heights, ellipse, 0.0)
    height_of_centre = float(heights[peak])

    def stands_out(top, saddle):
        height = float(heights[top])
        rise = height - saddle
        bright = height >= max(_STAR_RATIO * saddle, _STAR_OF_CENTRE * height_of_centre) and rise >= _STAR_RISE * sigma
        if rise < _APART_RISE * sigma or not (bright or height >= _APART_RATIO * saddle):
            return False
        # one pixel of play: the sides of a real galaxy do not mirror each other to the pixel
        return ellipse.radius(*top) >= _CORE and across[_around(top, 1)].max() < _COUNTERPART * height

    def is_foreign(top, saddle):
        if not stands_out(top, saddle):
            return False
        half = (float(heights[top]) + saddle) / 2
        return heights[top] >= _APART_RATIO * saddle or _n_pixels_above(heights, top, half) <= _STAR_PIXELS

    found = [
        (top, part)
        for top, part in _other_segments(heights, segments, is_source, _OUTSIDE_PEAK * sigma)
        if ellipse.radius(*top) > _OUTSIDE or is_foreign(top, _THRESHOLD * sigma)
    ]
    possible = galaxy & (heights >= _APART_RISE * sigma) & (across < _COUNTERPART * heights)
    tops = _local_maxima(heights, np.flatnonzero(possible))
    # dividing the galaxy takes longest, and half of the galaxies have no peak in which something could stand out
    if any(stands_out(top, _saddle_at_least(heights, top, peak, _THRESHOLD * sigma)) for top in tops):
        parts = _other_parts(heights, galaxy, peak, is_foreign, _APART_RISE * sigma)
        found += [(top, _excess(heights, across, top, part, _EXCESS * sigma)) for top, part in parts]
    foreign = _grown(heights, found, _WINGS_PEAK * sigma)
    rows, columns = np.nonzero(foreign)
    foreign[rows, columns] = ellipse.radius(rows, columns) >= _CORE
    return foreign, ellipse


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
    smooth = smoothed(pixels, _SMOOTHING)
    level, sigma = sky_statistics(smooth)
    smooth -= np.float32(level)
    return smooth, max(sigma, _LEAST_SIGMA * float(smooth.max()))


def _peak_near(heights, segments, is_source, y, x):
    """Brightest pixel (y, x) of a source that is near a position; None if there is none."""
    reach = max(2, round(_CENTRE * min(heights.shape)))
    window = _around((round(y), round(x)), reach)
    near = np.where(is_source[segments[window]], heights[window], -np.inf)
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
    both = (galaxy & opposite_side(galaxy, Ellipse(y, x, np.eye(2)), outside=False)).astype(np.float32)
    dy, dx = (np.arange(size) - centre for size, centre in zip(both.shape, (y, x), strict=True))
    in_row, in_column = both @ np.ones_like(both[0]), np.ones_like(both[:, 0]) @ both
    yx = (both @ dx.astype(np.float32)) @ dy
    # a uniform ellipse has a quarter of the squared semi-axis as its variance; that of a pixel is 1/12
    moments = np.array([[in_row @ dy**2, yx], [yx, in_column @ dx**2]]) / max(1.0, in_row.sum()) + np.eye(2) / 12
    return Ellipse(y, x, np.linalg.inv(4 * moments))


def _around(position, reach):
    """Slices of the square around a pixel."""
    return tuple(slice(max(0, at - reach), at + reach + 1) for at in position)


def _n_pixels_above(heights, top, level):
    """Count the connected pixels around a peak that are higher than a level, as far as they are near."""
    window = _around(top, _STAR_PIXELS)
    labels, _ = ndimage.label(heights[window] > level)
    return np.count_nonzero(labels == labels[tuple(c - part.start for c, part in zip(top, window, strict=True))])


def _excess(heights, across, top, part, least):
    """Flat pixels of a part around its peak that exceed their opposite side; the galaxy goes on under the others."""
    part = part[heights.ravel()[part] - across.ravel()[part] > least]
    rows, columns = np.divmod(part, heights.shape[1])
    y, x = rows.min(initial=top[0]), columns.min(initial=top[1])
    exceeds = np.zeros((rows.max(initial=top[0]) - y + 1, columns.max(initial=top[1]) - x + 1), dtype=bool)
    exceeds[rows - y, columns - x] = True
    labels, _ = ndimage.label(exceeds)
    return part[labels[rows - y, columns - x] == labels[top[0] - y, top[1] - x]]


def _local_maxima(heights, pixels):
    """Those of some flat pixels, as (y, x), that are as high as each of their neighbours."""
    ny, nx = heights.shape
    padded = np.full((ny + 2, nx + 2), -np.inf, dtype=heights.dtype)
    padded[1:-1, 1:-1] = heights
    rows, columns = np.divmod(pixels, nx)
    around = (np.arange(3)[:, None] * (nx + 2) + np.arange(3)).ravel()
    highest = padded.ravel()[(rows * (nx + 2) + columns)[:, None] + around].max(axis=1)
    is_top = heights.ravel()[pixels] == highest
    return zip(rows[is_top].tolist(), columns[is_top].tolist(), strict=True)


def _saddle_at_least(heights, top, peak, floor):
    """Lowest height on the straight way between two peaks: the saddle between them is not lower."""
    steps = max(abs(top[0] - peak[0]), abs(top[1] - peak[1]), 1)
    share = np.arange(steps + 1) / steps
    way = (start + np.rint((end - start) * share).astype(int) for start, end in zip(top, peak, strict=True))
    return max(floor, float(heights[tuple(way)].min()))


def _other_segments(heights, segments, is_source, least):
    """Peak (y, x) and flat pixels of every segment that is a source with a peak of a least height."""
    bright = np.flatnonzero(heights >= least)
    labels = segments.ravel()[bright]
    wanted = np.zeros_like(is_source)
    wanted[labels[is_source[labels]]] = True
    if not wanted.any():
        return ()
    index = np.flatnonzero(wanted[segments])
    return _grouped(heights, index, segments.ravel()[index])


def _other_parts(heights, galaxy, peak, stands_apart, least_rise):
    """Peak (y, x) and flat pixels of every part of the galaxy's segment but the central one."""
    box = ndimage.find_objects(galaxy.astype(np.uint8))[0]
    corner = tuple(part.start for part in box)

    def apart(top, saddle):
        return stands_apart((top[0] + corner[0], top[1] + corner[1]), saddle)

    root = peak[0] - corner[0], peak[1] - corner[1]
    parts, root_peak = divide_at_saddles(heights[box], galaxy[box], root, apart, least_rise)
    rows, columns = np.nonzero((parts >= 0) & (parts != root_peak))
    index = (rows + corner[0]) * heights.shape[1] + columns + corner[1]
    return _grouped(heights, index, parts[rows, columns])


def _grouped(heights, index, labels):
    """Peak (y, x) and flat pixels of each label."""
    order = np.argsort(labels, kind="stable")
    index, labels = index[order], labels[order]
    height = heights.ravel()[index]
    begins = np.flatnonzero(np.diff(labels, prepend=-1)).tolist()
    for begin, end in pairwise([*begins, len(index)]):
        highest = begin + int(height[begin:end].argmax())
        yield divmod(int(index[highest]), heights.shape[1]), index[begin:end]


def _grown(heights, found, winged):
    """Mask of the flat pixels of some sources with a margin, a wider one around those with wings."""
    narrow, wide = np.zeros(heights.shape, dtype=bool), np.zeros(heights.shape, dtype=bool)
    for top, part in found:
        has_wings = heights[top] >= winged or len(part) >= _WINGS_PIXELS
        (wide if has_wings else narrow).ravel()[part] = True
    return _grow(narrow, _MARGIN) | _grow(wide, _WIDE_MARGIN)


def _grow(mask, margin):
    """Add pixels to a mask, one on each of the four sides at a time."""
    if not mask.any():
        return mask
    box = tuple(
        slice(max(0, hit[0] - margin), hit[-1] + margin + 1)
        for hit in (np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0)))
    )
    part = mask[box]
    for _ in range(margin):
        before = part.copy()
        part[1:] |= before[:-1]
        part[:-1] |= before[1:]
        part[:, 1:] |= before[:, :-1]
        part[:, :-1] |= before[:, 1:]
    return mask
