"""What in the image of a galaxy is not the galaxy: sources found, and told from its own structure."""

from typing import NamedTuple

import numpy as np

from gzmass.images.compiled import compiled
from gzmass.images.detection import detection_image, enlarged_mask
from gzmass.images.flood import flood

__all__ = ["Ellipse", "find_foreign"]

_THRESHOLD = 2.0  # standard deviations of the smoothed sky above which pixels belong to a source ...
_N_PIXELS = 5  # ... of at least so many pixels
_CENTRE = 0.05  # of the side: a galaxy's peak is looked for so far from its position

# What is not the galaxy. Heights are above the sky, sigma is that of the smoothed sky, and radii are in units of the
# galaxy's ellipse.
_OUTSIDE, _OUTSIDE_PEAK = 1.5, 5.0  # outside of 1.5 ellipses a peak of 5 sigma is enough
_APART_RATIO, _APART_RISE = 4.0, 10.0  # nearer: a peak 4 times as high as its saddle and 10 sigma above it
_STAR = (1.4, 20.0, 12)  # on the galaxy: 1.4 times as high as its saddle and 20 sigma above it, with half of that ...
_AVERAGED_STAR = (1.2, 15.0, 4)  # ... rise on no more than 12 pixels (averaged pixels make a star less high), ...
_STAR_OF_CENTRE = 0.5  # ... and half as high as the galaxy's centre, which knots of star formation are not
_COUNTERPART = 0.5  # what has half its height on the opposite side is an arm, a bar, a ring
_CORE = 0.2  # nothing is taken away nearer to the centre
_EXCESS = 2.0  # sigma above its opposite side: what belongs to a source that lies on the galaxy

_MARGIN, _WIDE_MARGIN = 2, 6  # pixels added around a source, and around one that has far wings:
_WINGS_PEAK, _WINGS_PIXELS = 100.0, 400  # a peak of 100 sigma, or so many pixels


class Ellipse(NamedTuple):
    """The ellipse that has the second moments of a galaxy's isophote: about that isophote, for a smooth galaxy.

    Parameters
    ----------
    y, x : float
        Centre in pixels, whole or half: about such a one an image is rotated by 180 degrees without mixing pixels.
    yy, yx, xx : float
        Inverse of the matrix of its squared semi-axes: ``yy dy**2 + 2 yx dy dx + xx dx**2`` is 1 on the ellipse.
    """

    y: float
    x: float
    yy: float
    yx: float
    xx: float


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
    heights, sigma, step = detection_image(pixels)
    flooded = flood(heights, _THRESHOLD * sigma)
    at_y, at_x = (round((c + 0.5) / step - 0.5) for c in (y, x))
    centre = _highest_source(heights, flooded, at_y, at_x, step)
    if centre < 0:
        return np.zeros(pixels.shape, dtype=bool), None
    foreign, ellipse, centroid = _find_foreign(heights, flooded, centre, sigma, step)
    if step > 1:
        foreign = enlarged_mask(foreign, step, *pixels.shape)
        place = (_to_half((c + 0.5) * step - 0.5) for c in centroid)
        ellipse = Ellipse(*place, *(term / step**2 for term in ellipse[2:]))
    return foreign, ellipse


@compiled
def _highest_source(heights, flooded, y, x, step):
    """Rank of the brightest pixel near a position that belongs to a segment of enough pixels; -1 if there is none."""
    ny, nx = heights.shape
    n = len(flooded.place)
    reach = max(2, int(_CENTRE * min(ny, nx) + 0.5))
    number = _n_pixels(flooded.size, flooded.segment)
    highest = n
    for row in range(max(0, y - reach), min(ny, y + reach + 1)):
        for column in range(max(0, x - reach), min(nx, x + reach + 1)):
            rank = flooded.rank[(row + 1) * (nx + 2) + column + 1]
            if rank < highest and number[flooded.segment[flooded.basin[rank]]] * step**2 >= _N_PIXELS:
                highest = rank
    return highest if highest < n else -1


@compiled
def _centroid(heights, place):
    """Centroid of the pixels around one, of which none counts less than nothing."""
    ny, nx = heights.shape
    y, x = place // (nx + 2) - 1, place % (nx + 2) - 1
    total = moment_y = moment_x = 0.0
    for row in range(max(0, y - 1), min(ny, y + 2)):
        for column in range(max(0, x - 1), min(nx, x + 2)):
            weight = max(heights[row, column], np.float32(0))
            total += weight
            moment_y += weight * row
            moment_x += weight * column
    return moment_y / total, moment_x / total


@compiled
def _fit_ellipse(flooded, ny, nx, segment, y, x):
    """Ellipse with the second moments of that part of a segment which is also there on its opposite side."""
    width, n = nx + 2, len(flooded.place)
    number, yy, yx, xx = 0, 0.0, 0.0, 0.0
    twice_y, twice_x = int(2 * y), int(2 * x)
    for row in range(max(0, twice_y - ny + 1), twice_y // 2 + 1):  # the other half is as this one
        weight = 1 if 2 * row == twice_y else 2
        for column in range(max(0, twice_x - nx + 1), min(nx, twice_x + 1)):
            one = flooded.rank[(row + 1) * width + column + 1]
            if one == n or flooded.segment[flooded.basin[one]] != segment:
                continue
            other = flooded.rank[(twice_y - row + 1) * width + twice_x - column + 1]
            if other < n and flooded.segment[flooded.basin[other]] == segment:
                number += weight
                yy += weight * (row - y) ** 2
                yx += weight * (row - y) * (column - x)
                xx += weight * (column - x) ** 2
    # a uniform ellipse has a quarter of the squared semi-axis as its variance; that of a pixel is 1/12
    number = max(1, number)
    yy, yx, xx = 4 * (yy / number + 1 / 12), 4 * yx / number, 4 * (xx / number + 1 / 12)
    determinant = yy * xx - yx**2
    return Ellipse(y, x, xx / determinant, -yx / determinant, yy / determinant)


@compiled
def _find_foreign(heights, flooded, centre, sigma, step):
    """Mask of all that is not the galaxy, with its margins; the galaxy's ellipse, and its centre as it is."""
    ny, nx = heights.shape
    width, n = nx + 2, len(flooded.place)
    centroid = _centroid(heights, flooded.place[centre])
    galaxy = flooded.segment[flooded.basin[centre]]
    ellipse = _fit_ellipse(flooded, ny, nx, galaxy, _to_half(centroid[0]), _to_half(centroid[1]))
    part, foreign = _divide(heights, flooded, centre, ellipse, sigma, step)
    mask = np.zeros((ny, nx), dtype=np.bool_)
    if not foreign.any():
        return mask, ellipse, centroid
    number = _n_pixels(flooded.size, part)
    margin, wide_margin = -(-_MARGIN // step), -(-_WIDE_MARGIN // step)
    # how many pixels further the mask goes from here, and one more; with the frame of the flood
    reach = np.zeros((ny + 2) * width, dtype=np.int8)
    waiting = np.empty(n, dtype=np.int32)
    for k in np.flatnonzero(foreign):
        top = flooded.place[flooded.peak[k]]
        winged = _at(heights, top) >= _WINGS_PEAK * sigma or number[k] * step**2 >= _WINGS_PIXELS
        waiting[0], n_waiting = top, 1
        reach[top] = own = 1 + (wide_margin if winged else margin)
        while n_waiting:
            n_waiting -= 1
            for place in _around(waiting[n_waiting], width):
                rank = flooded.rank[place]
                if rank == n or part[flooded.basin[rank]] != k or reach[place]:
                    continue
                # under a source that lies on the galaxy the galaxy goes on
                if flooded.segment[k] == galaxy and _excess(heights, ellipse, place) <= _EXCESS * sigma:
                    continue
                reach[place] = own
                waiting[n_waiting] = place
                n_waiting += 1
    _grow(reach.reshape(ny + 2, width)[1:-1, 1:-1])
    for y in range(ny):
        for x in range(nx):
            mask[y, x] = reach[(y + 1) * width + x + 1] > 0 and _radius(ellipse, y, x) >= _CORE
    return mask, ellipse, centroid


@compiled
def _divide(heights, flooded, centre, ellipse, sigma, step):
    """Merge basins from the highest saddle down, but for parts that are not the galaxy; give parts and which these are.

    A part has the number of its highest peak, but the galaxy that of its central one.
    """
    n_peaks = len(flooded.peak)
    part, foreign = np.arange(n_peaks), np.zeros(n_peaks, dtype=np.bool_)
    central = flooded.basin[centre]
    height_of_centre = _at(heights, flooded.place[centre])
    for first, second, rank in flooded.saddles:
        higher, lower = _top(part, first), _top(part, second)
        if higher != central and (lower < higher or lower == central):
            higher, lower = lower, higher
        top, saddle = flooded.place[flooded.peak[lower]], _at(heights, flooded.place[rank])
        if flooded.segment[central] == flooded.segment[lower] and _stands_apart(
            heights, ellipse, top, saddle, height_of_centre, sigma, step
        ):
            foreign[lower] = True
        else:
            part[lower] = higher
    number = _n_pixels(flooded.size, flooded.segment)
    for k in range(n_peaks):
        part[k] = _top(part, k)
        top = flooded.place[flooded.peak[k]]
        if part[k] != k or flooded.segment[central] == flooded.segment[k]:
            continue
        if _at(heights, top) < _OUTSIDE_PEAK * sigma or number[k] * step**2 < _N_PIXELS:
            continue
        y, x = _position(top, heights)
        foreign[k] = _radius(ellipse, y, x) > _OUTSIDE or _stands_apart(
            heights, ellipse, top, _THRESHOLD * sigma, height_of_centre, sigma, step
        )
    return part, foreign


@compiled
def _stands_apart(heights, ellipse, top, saddle, height_of_centre, sigma, step):
    """Tell whether a peak is another source than the galaxy to which a saddle joins it."""
    height = _at(heights, top)
    rise = height - saddle
    if rise < _APART_RISE * sigma:
        return False
    ratio, least_rise, most_pixels = _STAR if step == 1 else _AVERAGED_STAR
    apart = height >= _APART_RATIO * saddle
    star = height >= max(ratio * saddle, _STAR_OF_CENTRE * height_of_centre) and rise >= least_rise * sigma
    y, x = _position(top, heights)
    if not (apart or star) or _radius(ellipse, y, x) < _CORE:
        return False
    # a pixel of play: the sides of a real galaxy do not mirror each other to the pixel
    play = 1 // step
    for row in range(y - play, y + play + 1):
        for column in range(x - play, x + play + 1):
            if _opposite(heights, ellipse, row, column) >= _COUNTERPART * height:
                return False
    return apart or _n_pixels_above(heights, y, x, (height + saddle) / 2, most_pixels + 1) <= most_pixels


@compiled
def _n_pixels_above(heights, y, x, level, enough):
    """Count the connected pixels around a peak that are higher than a level, until there are enough."""
    ny, nx = heights.shape
    ys, xs = np.empty(enough + 8, dtype=np.int32), np.empty(enough + 8, dtype=np.int32)
    ys[0], xs[0], number = y, x, 1
    for i in range(enough):
        if i == number:
            break
        for row in range(max(0, ys[i] - 1), min(ny, ys[i] + 2)):
            for column in range(max(0, xs[i] - 1), min(nx, xs[i] + 2)):
                known = False
                for j in range(number):
                    known |= ys[j] == row and xs[j] == column
                if heights[row, column] > level and not known:
                    ys[number], xs[number] = row, column
                    number += 1
        if number >= enough:
            break
    return number


@compiled
def _grow(reach):
    """Let pixels reach as far along rows and columns as they say: each neighbour one less far."""
    ny, nx = reach.shape
    for y in range(ny):
        for x in range(nx):
            if y:
                reach[y, x] = max(reach[y, x], reach[y - 1, x] - 1)
            if x:
                reach[y, x] = max(reach[y, x], reach[y, x - 1] - 1)
    for y in range(ny - 1, -1, -1):
        for x in range(nx - 1, -1, -1):
            if y < ny - 1:
                reach[y, x] = max(reach[y, x], reach[y + 1, x] - 1)
            if x < nx - 1:
                reach[y, x] = max(reach[y, x], reach[y, x + 1] - 1)


@compiled
def _n_pixels(size, part):
    """Count the pixels in the basins of each part."""
    number = np.zeros(len(part), dtype=np.int32)
    for k in range(len(part)):
        number[part[k]] += size[k]
    return number


@compiled
def _to_half(value):
    return np.rint(2 * value) / 2


@compiled
def _radius(ellipse, y, x):
    dy, dx = y - ellipse.y, x - ellipse.x
    return np.sqrt(ellipse.yy * dy**2 + 2 * ellipse.yx * dy * dx + ellipse.xx * dx**2)


@compiled
def _opposite(heights, ellipse, y, x):
    """Height on the opposite side of the galaxy; nothing where that lies outside of the image."""
    ny, nx = heights.shape
    y, x = int(2 * ellipse.y) - y, int(2 * ellipse.x) - x
    return heights[y, x] if 0 <= y < ny and 0 <= x < nx else np.float32(0)


@compiled
def _position(place, heights):
    width = heights.shape[1] + 2
    return place // width - 1, place % width - 1


@compiled
def _at(heights, place):
    y, x = _position(place, heights)
    return heights[y, x]


@compiled
def _excess(heights, ellipse, place):
    y, x = _position(place, heights)
    return heights[y, x] - _opposite(heights, ellipse, y, x)


@compiled
def _around(place, width):
    """Places of the eight neighbours of a pixel in a flattened image of some width."""
    above, below = place - width, place + width
    return above - 1, above, above + 1, place - 1, place + 1, below - 1, below, below + 1


@compiled
def _top(part, k):
    """Follow a part to the one that it has become part of, and shorten the way for the next time."""
    while part[k] != k:
        part[k] = part[part[k]]
        k = part[k]
    return k
