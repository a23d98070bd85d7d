"""Flooding of an image from its brightest pixel down: the basins of its peaks, and the saddles where they meet."""

from typing import NamedTuple

import numpy as np

from gzmass.images.compiled import compiled
from gzmass.images.sort import sorted_keys

__all__ = ["Flood", "flood"]


class Flood(NamedTuple):
    """The basins that the pixels above a level form.

    Pixels that touch along a side or at a corner are connected. Peaks, and so their basins, are numbered from the
    highest down. The place of a pixel is its index in the flattened image with a frame of one pixel.

    Parameters
    ----------
    basin : numpy.ndarray of int
        Number of the peak to which the steepest way up leads from each pixel of the image with its frame, flattened,
        shape ((ny + 2) * (nx + 2),); -1 where it is not above the level.
    peak : numpy.ndarray of int
        Place of each peak, shape (n_peaks,).
    size : numpy.ndarray of int
        Number of pixels in the basin of each peak, shape (n_peaks,).
    segment : numpy.ndarray of int
        Number of the highest peak that is connected with each peak, shape (n_peaks,).
    saddles : numpy.ndarray of int
        Numbers of two basins that meet, and the place of the pixel where they do, shape (n_saddles, 3), the highest
        first. Only saddles between parts that were not connected further up: the way between two peaks that goes down
        the least leads over these.
    """

    basin: np.ndarray
    peak: np.ndarray
    size: np.ndarray
    segment: np.ndarray
    saddles: np.ndarray


def flood(heights, level):
    """Flood an image from its brightest pixel down to a level.

    Parameters
    ----------
    heights : numpy.ndarray of float32
        Shape (ny, nx), finite.
    level : float
        Only pixels above it are flooded, >= 0.

    Returns
    -------
    Flood
        Basins and saddles. Of two equal pixels the later one counts as the brighter.
    """
    framed, keys = _keys(heights, np.float32(level))
    return Flood(*_flood(framed, sorted_keys(keys, 32)))


@compiled
def _keys(heights, level):
    """Put a frame around the image; and make one integer of each pixel above the level.

    This is its place, and in front of it the bits of its height, which have the order of the heights as these are > 0.
    """
    ny, nx = heights.shape
    framed = np.full((ny + 2, nx + 2), np.float32(-np.inf))
    bits = framed.view(np.uint32)
    keys = np.empty(framed.size, dtype=np.uint64)
    n = np.uint64(0)
    for y in range(1, ny + 1):
        here = framed[y, 1:-1]
        here[:] = heights[y - 1]
        bits_here, first = bits[y, 1:-1], y * (nx + 2) + 1
        for x in range(nx):  # without a branch, which would often be guessed wrong
            keys[n] = np.uint64(bits_here[x]) << np.uint64(32) | np.uint64(first + x)
            n += np.uint64(here[x] > level)
    return framed, keys[:n]


@compiled
def _flood(framed, keys):
    heights, width, n = framed.ravel(), framed.shape[1], len(keys)
    way = _ways_up(framed).ravel()
    basin = np.full(heights.size, -1, dtype=np.int32)
    peak, size = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32)
    n_peaks = 0
    for key in keys[::-1]:
        place = np.uint32(key)
        if way[place] == 0:
            basin[place], peak[n_peaks], size[n_peaks] = n_peaks, place, 1
            n_peaks += 1
        else:
            basin[place] = basin[np.uint32(place + way[place])]
            size[basin[place]] += 1
    # what is connected is a chain, from its highest peak to the last one
    segment, following, last = np.arange(n_peaks), np.full(n_peaks, -1), np.arange(n_peaks)
    saddles = np.empty((n_peaks, 3), dtype=np.int32)
    n_saddles = 0
    meets = _meets(framed, basin.reshape(framed.shape)).ravel()
    for key in keys[::-1]:
        place = np.uint32(key)
        if meets[place] == 0 or not _connects(heights, basin, segment, place, width):
            continue
        mine = basin[place]
        for row in range(np.int64(place) - width, place + width + 1, width):
            for other in range(row - 1, row + 2):
                one, two = segment[mine], segment[basin[other]]
                if one == two or not _is_brighter(heights, other, place):
                    continue
                saddles[n_saddles, 0], saddles[n_saddles, 1], saddles[n_saddles, 2] = mine, basin[other], place
                n_saddles += 1
                _join(segment, following, last, min(one, two), max(one, two))
    return basin, peak[:n_peaks], size[:n_peaks], segment, saddles[:n_saddles]


@compiled
def _join(segment, following, last, higher, lower):
    """Append the chain of the lower of two peaks to that of the higher one."""
    following[last[higher]], last[higher] = lower, last[lower]
    while lower >= 0:
        segment[lower] = higher
        lower = following[lower]


@compiled
def _is_brighter(heights, one, other):
    return (heights[one] > heights[other]) | ((heights[one] == heights[other]) & (one > other))


@compiled
def _connects(heights, basin, segment, place, width):
    """Tell, without a branch, whether brighter neighbours of a pixel belong to another segment than it does."""
    # unsigned, as numba asks of other indices whether they are < 0
    place, width, one = np.uint64(place), np.uint64(width), np.uint64(1)
    above, below = place - width, place + width
    mine, height, connects = segment[basin[place]], heights[place], False
    for before in (above - one, above, above + one, place - one):
        connects |= (heights[before] > height) & (segment[basin[before]] != mine)
    for after in (place + one, below - one, below, below + one):
        connects |= (heights[after] >= height) & (segment[basin[after]] != mine)
    return connects


@compiled
def _ways_up(framed):
    """Step from the place of each pixel to that of the brightest of its neighbours, 0 on a peak."""
    ny, width = framed.shape
    n = width - 2
    way = np.zeros((ny, width), dtype=np.int32)
    highest = np.empty(n, dtype=np.float32)
    for y in range(1, ny - 1):
        ways = way[y, 1:-1]
        highest[:] = -np.inf
        for dy in range(-1, 2):
            left, middle, right = framed[y + dy, :n], framed[y + dy, 1 : n + 1], framed[y + dy, 2:]
            step = np.int32(dy * width)
            to_left, to_right = step - np.int32(1), step + np.int32(1)
            for x in range(n):  # without a branch: the compiler makes vector instructions of it
                height = highest[x]
                up = to_left if left[x] >= height else ways[x]
                height = max(left[x], height)
                up = step if middle[x] >= height else up
                height = max(middle[x], height)
                ways[x] = to_right if right[x] >= height else up
                highest[x] = max(right[x], height)
    return way


@compiled
def _meets(framed, basin):
    """Count the neighbours of each pixel that are as bright or brighter and in another basin."""
    ny, width = framed.shape
    n = width - 2
    meets = np.zeros((ny, width), dtype=np.int32)
    one, none = np.int32(1), np.int32(0)
    for y in range(1, ny - 1):
        here, mine, found = framed[y, 1:-1], basin[y, 1:-1], meets[y, 1:-1]
        for row in range(y - 1, y + 2):
            left, middle, right = framed[row, :n], framed[row, 1 : n + 1], framed[row, 2:]
            on_left, between, on_right = basin[row, :n], basin[row, 1 : n + 1], basin[row, 2:]
            for x in range(n):
                found[x] += (
                    (one if (left[x] >= here[x]) & (on_left[x] != mine[x]) else none)
                    + (one if (middle[x] >= here[x]) & (between[x] != mine[x]) else none)
                    + (one if (right[x] >= here[x]) & (on_right[x] != mine[x]) else none)
                )
    return meets
