"""Flooding of an image from its brightest pixel down: the basins of its peaks, and the saddles where they meet."""

from typing import NamedTuple

import numpy as np

from gzmass.images.compiled import compiled

__all__ = ["Flood", "flood"]


class Flood(NamedTuple):
    """The pixels above a level, ranked from the brightest down, and the basins that they form.

    Pixels that touch along a side or at a corner are connected. Peaks, and so their basins, are numbered from the
    highest down.

    Parameters
    ----------
    place : numpy.ndarray of int
        Index of the pixel of each rank in the flattened image with a frame of one pixel, shape (n,).
    rank : numpy.ndarray of int
        Rank of each pixel of the image with its frame, flattened, shape ((ny + 2) * (nx + 2),); n where it is not above
        the level.
    basin : numpy.ndarray of int
        Number of the peak to which the steepest way up leads from each pixel, by rank, shape (n,).
    peak : numpy.ndarray of int
        Rank of each peak, shape (n_peaks,).
    size : numpy.ndarray of int
        Number of pixels in the basin of each peak, shape (n_peaks,).
    segment : numpy.ndarray of int
        Number of the highest peak that is connected with each peak, shape (n_peaks,).
    saddles : numpy.ndarray of int
        Numbers of two basins that meet, and the rank of the pixel where they do, shape (n_saddles, 3), the highest
        first. Only saddles between parts that were not connected further up: the way between two peaks that goes down
        the least leads over these.
    """

    place: np.ndarray
    rank: np.ndarray
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
    ny, nx = heights.shape
    keys = _keys(heights, heights.view(np.int32), np.float32(level))
    keys.sort()
    return Flood(*_flood(keys[::-1], ny, nx))


@compiled
def _keys(heights, bits, level):
    """One integer a pixel that has the order of the heights, as the bits of positive floats have, and of the places."""
    ny, nx = heights.shape
    keys = np.empty(ny * nx, dtype=np.int64)
    n = 0
    for y in range(ny):
        for x in range(nx):
            if heights[y, x] > level:
                keys[n] = np.int64(bits[y, x]) << 32 | ((y + 1) * (nx + 2) + x + 1)
                n += 1
    return keys[:n]


@compiled
def _flood(keys, ny, nx):
    n, width = len(keys), nx + 2
    place = np.empty(n, dtype=np.int32)
    rank = np.full((ny + 2) * width, n, dtype=np.int32)
    basin = np.empty(n + 1, dtype=np.int32)
    peak, size, above = np.empty(n, dtype=np.int32), np.zeros(n, dtype=np.int32), np.empty(n, dtype=np.int32)
    saddles = np.empty((n, 3), dtype=np.int32)
    n_peaks = n_saddles = 0
    # the eight neighbours, from the first of them on; unsigned, as numba asks of other indices whether they are < 0
    around = (
        *(np.uint64(0), np.uint64(1), np.uint64(2)),
        *(np.uint64(width), np.uint64(width + 2)),
        *(np.uint64(2 * width), np.uint64(2 * width + 1), np.uint64(2 * width + 2)),
    )
    for i in range(n):
        place[i] = keys[i] & 0xFFFFFFFF
        first = np.uint64(place[i] - width - 1)
        rank[place[i]] = i
        brightest = n
        for step in around:
            brightest = min(brightest, rank[first + step])
        if brightest == n:
            peak[n_peaks] = i
            above[n_peaks] = n_peaks
            basin[i] = n_peaks
            size[n_peaks] = 1
            n_peaks += 1
            continue
        mine = basin[brightest]
        size[mine] += 1
        basin[i] = basin[n] = mine  # a neighbour that is not flooded, of rank n, counts as one of the same basin
        meets = False
        for step in around:
            meets |= basin[np.uint64(rank[first + step])] != mine
        if not meets:
            continue
        for step in around:
            other = basin[rank[first + step]]
            if other == mine:
                continue
            one, two = _top(above, mine), _top(above, other)
            if one != two:
                saddles[n_saddles, 0], saddles[n_saddles, 1], saddles[n_saddles, 2] = mine, other, i
                n_saddles += 1
                above[max(one, two)] = min(one, two)
    segment = np.empty(n_peaks, dtype=np.int32)
    for k in range(n_peaks):
        segment[k] = _top(above, k)
    return place, rank, basin[:n], peak[:n_peaks], size[:n_peaks], segment, saddles[:n_saddles]


@compiled
def _top(above, part):
    """Follow a part to the one that it has become part of, and shorten the way for the next time."""
    while above[part] != part:
        above[part] = above[above[part]]
        part = above[part]
    return part
