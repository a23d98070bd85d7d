"""What in the image of a galaxy is not the galaxy: sources found, and told from its own structure."""

from typing import NamedTuple

import numpy as np

from gzmass.images.compiled import compiled
from gzmass.images.detection import detection_image
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
    places : numpy.ndarray of int
        Indices of these pixels in the flattened image, ascending, shape (n,).
    ellipse : Ellipse or None
        The galaxy; None if there is no source at its position, and then nothing is foreign.
    """
    heights, missing, sigma, step = detection_image(pixels)
    flooded = flood(heights, _THRESHOLD * sigma)
    at_y, at_x = round((y + 0.5) / step - 0.5), round((x + 0.5) / step - 0.5)
    is_there, foreign, places, ellipse = _find_foreign(heights, missing, flooded, at_y, at_x, sigma, step, pixels)
    return foreign, places, ellipse if is_there else None


@compiled
def _highest_source(heights, flooded, y, x, step):
    """Place of the brightest pixel near a position that belongs to a segment of enough pixels; -1 if there is none."""
    ny, nx = heights.shape
    reach = max(2, int(_CENTRE * min(ny, nx) + 0.5))
    number = _n_pixels(flooded.size, flooded.segment)
    highest, height = -1, np.float32(0)
    for row in range(max(0, y - reach), min(ny, y + reach + 1)):
        for column in range(max(0, x - reach), min(nx, x + reach + 1)):
            place = (row + 1) * (nx + 2) + column + 1
            basin = flooded.basin[place]
            # of two equal pixels the later one counts as the brighter, as in the flood
            if basin < 0 or heights[row, column] < height:
                continue
            if number[flooded.segment[basin]] * step**2 >= _N_PIXELS:
                highest, height = place, heights[row, column]
    return highest


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
    width, n_peaks = nx + 2, len(flooded.segment)
    is_part = np.zeros(n_peaks + 1, dtype=np.int32)  # of each basin, after what is in none
    for k in range(n_peaks):
        is_part[k + 1] = flooded.segment[k] == segment
    part = np.empty((ny + 2, width), dtype=np.int32)
    flat = part.ravel()
    for place in range(flat.size):
        flat[place] = is_part[np.uint32(flooded.basin[place] + 1)]
    twice_y, twice_x = int(2 * y), int(2 * x)
    left, right = max(0, twice_x - nx + 1), min(nx, twice_x + 1)
    # sums over each column, in whole numbers, as twice a distance is one
    n, first, second = np.zeros(nx, dtype=np.int32), np.zeros(nx, dtype=np.int32), np.zeros(nx, dtype=np.int32)
    for row in range(max(0, twice_y - ny + 1), twice_y // 2 + 1):  # the other half is as this one
        weight, distance = np.int32(1 if 2 * row == twice_y else 2), np.int32(2 * row - twice_y)
        one, other = part[row + 1, 1:-1], part[twice_y - row + 1, 1:-1]
        for column in range(left, right):
            both = weight * one[column] * other[twice_x - column]
            n[column] += both
            first[column] += both * distance
            second[column] += both * distance * distance
    number, yy, yx, xx = 0, 0.0, 0.0, 0.0
    for column in range(left, right):
        distance = column - x
        number += n[column]
        yy += second[column] / 4
        yx += first[column] / 2 * distance
        xx += n[column] * distance**2
    # a uniform ellipse has a quarter of the squared semi-axis as its variance; that of a pixel is 1/12
    number = max(1, number)
    yy, yx, xx = 4 * (yy / number + 1 / 12), 4 * yx / number, 4 * (xx / number + 1 / 12)
    determinant = yy * xx - yx**2
    return Ellipse(y, x, xx / determinant, -yx / determinant, yy / determinant)


@compiled
def _find_foreign(heights, missing, flooded, y, x, sigma, step, pixels):
    """Whether there is a galaxy; mask and places of what is not the galaxy, with margins; its ellipse in pixels."""
    ny, nx = heights.shape
    centre = _highest_source(heights, flooded, y, x, step)
    if centre < 0:
        nothing = np.zeros(pixels.shape, dtype=np.bool_), np.empty(0, dtype=np.int32)
        return False, *nothing, Ellipse(0.0, 0.0, 0.0, 0.0, 0.0)
    centroid = _centroid(heights, centre)
    galaxy = flooded.segment[flooded.basin[centre]]
    ellipse = _fit_ellipse(flooded, ny, nx, galaxy, _to_half(centroid[0]), _to_half(centroid[1]))
    part, foreign = _divide(heights, missing, flooded, centre, ellipse, sigma, step)
    mask = _mask(heights, flooded, part, foreign, galaxy, ellipse, sigma, step)
    if step > 1:
        whole_y, whole_x = (centroid[0] + 0.5) * step - 0.5, (centroid[1] + 0.5) * step - 0.5
        terms = ellipse.yy / step**2, ellipse.yx / step**2, ellipse.xx / step**2
        ellipse = Ellipse(_to_half(whole_y), _to_half(whole_x), *terms)
    enlarged, places = _enlarged(mask, step, pixels)
    return True, enlarged, places, ellipse


@compiled
def _enlarged(mask, step, pixels):
    """Mask of an image from that of the squares of its pixels, without missing ones, and the places of its pixels."""
    ny, nx = pixels.shape
    enlarged = np.zeros((ny, nx), dtype=np.bool_)
    places = np.empty(ny * nx, dtype=np.int32)
    n = 0
    for y in range(mask.shape[0]):
        if not mask[y].any():
            continue
        for row in range(y * step, min(ny, (y + 1) * step)):
            for x in range(mask.shape[1]):
                if not mask[y, x]:
                    continue
                for column in range(x * step, min(nx, (x + 1) * step)):
                    if not np.isnan(pixels[row, column]):
                        enlarged[row, column] = True
                        places[n] = row * nx + column
                        n += 1
    return enlarged, places[:n]


@compiled
def _mask(heights, flooded, part, foreign, galaxy, ellipse, sigma, step):
    """Mask of the parts that are foreign, with their margins, but for the core of the galaxy."""
    ny, nx = heights.shape
    width = nx + 2
    mask = np.zeros((ny, nx), dtype=np.bool_)
    number = _n_pixels(flooded.size, part)
    margin, wide_margin = -(-_MARGIN // step), -(-_WIDE_MARGIN // step)
    # how many pixels further the mask goes from here, and one more; with the frame of the flood
    reach = np.zeros((ny + 2, width), dtype=np.int8)
    reached = reach.ravel()
    waiting = np.empty(reached.size, dtype=np.int32)
    first, last = reached.size, -1
    for k in range(len(foreign)):
        if not foreign[k]:
            continue
        top = flooded.peak[k]
        winged = _at(heights, top) >= _WINGS_PEAK * sigma or number[k] * step**2 >= _WINGS_PIXELS
        waiting[0], n_waiting = top, 1
        reached[top] = own = 1 + (wide_margin if winged else margin)
        first, last = min(first, top), max(last, top)
        while n_waiting:
            n_waiting -= 1
            for place in _around(waiting[n_waiting], width):
                basin = flooded.basin[place]
                if basin < 0 or part[basin] != k or reached[place]:
                    continue
                # under a source that lies on the galaxy the galaxy goes on
                if flooded.segment[k] == galaxy and _excess(heights, ellipse, place) <= _EXCESS * sigma:
                    continue
                reached[place] = own
                first, last = min(first, place), max(last, place)
                waiting[n_waiting] = place
                n_waiting += 1
    rows = range(max(0, first // width - 1 - wide_margin), min(ny, last // width + wide_margin))
    for _ in range(wide_margin):
        reach = _grown(reach, rows)
    for row in rows:
        for column in range(nx):
            mask[row, column] = reach[row + 1, column + 1] > 0 and _radius(ellipse, row, column) >= _CORE
    return mask


@compiled
def _divide(heights, missing, flooded, centre, ellipse, sigma, step):
    """Merge basins from the highest saddle down, but for parts that are not the galaxy; give parts and which these are.

    A part has the number of its highest peak, but the galaxy that of its central one.
    """
    n_peaks = len(flooded.peak)
    part, foreign = np.arange(n_peaks), np.zeros(n_peaks, dtype=np.bool_)
    central = flooded.basin[centre]
    height_of_centre = _at(heights, centre)
    for first, second, place in flooded.saddles:
        higher, lower = _top(part, first), _top(part, second)
        if higher != central and (lower < higher or lower == central):
            higher, lower = lower, higher
        top, saddle = flooded.peak[lower], _at(heights, place)
        if flooded.segment[central] == flooded.segment[lower] and _stands_apart(
            heights, missing, ellipse, top, saddle, height_of_centre, sigma, step
        ):
            foreign[lower] = True
        else:
            part[lower] = higher
    number = _n_pixels(flooded.size, flooded.segment)
    for k in range(n_peaks):
        part[k] = _top(part, k)
        top = flooded.peak[k]
        if part[k] != k or flooded.segment[central] == flooded.segment[k]:
            continue
        if _at(heights, top) < _OUTSIDE_PEAK * sigma or number[k] * step**2 < _N_PIXELS:
            continue
        y, x = _position(top, heights)
        foreign[k] = _radius(ellipse, y, x) > _OUTSIDE or _stands_apart(
            heights, missing, ellipse, top, _THRESHOLD * sigma, height_of_centre, sigma, step
        )
    return part, foreign


@compiled
def _stands_apart(heights, missing, ellipse, top, saddle, height_of_centre, sigma, step):
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
    # what stands opposite is not known where that is missing: it may be the other arm
    if _opposite(missing, ellipse, y, x):
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
def _grown(reach, rows):
    """Let pixels of some rows reach one further along rows and columns, each neighbour one less far."""
    grown = reach.copy()
    one = np.int8(1)
    n = reach.shape[1] - 2
    for y in range(rows.start + 1, rows.stop + 1):
        above, here, below = reach[y - 1, 1:-1], reach[y], reach[y + 1, 1:-1]
        middle, left, right = here[1:-1], here[:-2], here[2:]
        for x in range(n):
            around = max(above[x], below[x], left[x], right[x])
            grown[y, x + 1] = max(middle[x], np.int8(around - one))
    return grown


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
def _opposite(values, ellipse, y, x):
    """Give the value on the opposite side of the galaxy, such as a height; 0 where that lies outside of the image."""
    ny, nx = values.shape
    y, x = int(2 * ellipse.y) - y, int(2 * ellipse.x) - x
    return values[y, x] if 0 <= y < ny and 0 <= x < nx else values.dtype.type(0)


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
