"""Basins of the peaks of a brightness map, and the saddles between them: what deblending is made of."""

import numpy as np

__all__ = ["divide_at_saddles", "find_basins"]


def find_basins(heights, inside):
    """Assign each pixel to the peak that the steepest way up leads to.

    Parameters
    ----------
    heights : numpy.ndarray of float32
        Shape (ny, nx), > 0 inside of the map. Of two equal pixels the later one counts as the higher.
    inside : numpy.ndarray of bool
        The pixels that belong to the map, shape (ny, nx).

    Returns
    -------
    numpy.ndarray of int
        Index of the peak in the flattened map, shape (ny, nx); a pixel that is not inside has its own.
    """
    ny, nx = heights.shape
    own = np.arange(ny * nx)
    # one integer that has the order of the heights (the bits of positive floats have it), and of the places where two
    # are equal
    bits = np.ascontiguousarray(heights, dtype=np.float32).view(np.int32)
    padded = np.zeros((ny + 2, nx + 2), dtype=np.int64)
    np.copyto(padded[1:-1, 1:-1], bits, where=inside)
    padded <<= 32
    padded[1:-1, 1:-1] |= own.reshape(ny, nx)
    highest = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
    highest = np.maximum(np.maximum(highest[:, :-2], highest[:, 1:-1]), highest[:, 2:])
    pixels = np.flatnonzero(inside)
    number = np.empty(ny * nx, dtype=int)
    number[pixels] = np.arange(len(pixels))
    uphill = number[highest.ravel()[pixels] & 0xFFFFFFFF]
    while ((further := uphill[uphill]) != uphill).any():
        uphill = further
    own[pixels] = pixels[uphill]
    return own.reshape(ny, nx)


def divide_at_saddles(heights, inside, root, stands_apart, least_rise=0.0):
    """Merge the basins of a map from the highest saddle down, except for peaks that stand apart.

    Parameters
    ----------
    heights : numpy.ndarray of float32
        Shape (ny, nx), > 0 inside of the map.
    inside : numpy.ndarray of bool
        The pixels that belong to the map, shape (ny, nx).
    root : tuple of int
        A pixel (y, x) of the map; the part that its basin belongs to counts as higher than all others.
    stands_apart : callable
        Called with the peak (y, x) of the lower one of two parts and the height of the saddle between them; tells
        whether the parts remain two.
    least_rise : float, default 0
        A part whose peak rises less above the saddle is merged without a question.

    Returns
    -------
    parts : numpy.ndarray of int
        Index of the highest peak of the part that each pixel belongs to in the flattened map, shape (ny, nx); -1 for
        pixels that are not inside.
    root_peak : int
        The index that stands for the part of the root.
    """
    basins, flat = find_basins(heights, inside), heights.ravel()
    root_peak = int(basins[root])
    is_peak = np.zeros(heights.size, dtype=bool)
    is_peak[basins[inside]] = True
    peaks = np.flatnonzero(is_peak)
    # numbered from the lowest to the highest, the root last
    peaks = peaks[np.lexsort((peaks, flat[peaks], peaks == root_peak))]
    number = np.zeros(heights.size, dtype=int)
    number[peaks] = np.arange(len(peaks))
    above, number_of = list(range(len(peaks))), dict(zip(peaks.tolist(), range(len(peaks)), strict=True))

    def top(part):
        while (higher := above[part]) != part:
            above[part] = part = above[higher]
        return part

    tops = flat[peaks].tolist()
    for first, second, saddle in _saddles(heights, inside, basins):
        lower, higher = top(number_of[first]), top(number_of[second])
        if lower > higher:
            lower, higher = higher, lower
        if lower == higher:
            continue
        rises = tops[lower] - saddle >= least_rise
        if not (rises and stands_apart(divmod(int(peaks[lower]), heights.shape[1]), saddle)):
            above[lower] = higher
    parts = np.full(heights.shape, -1)
    parts[inside] = peaks[[top(part) for part in range(len(peaks))]][number[basins[inside]]]
    return parts, root_peak


def _saddles(heights, inside, basins):
    """Pairs of adjacent basins with the height of the saddle between them, the highest first."""
    # with a free column between the end of a row and the begin of the next, a neighbour is a step in the flat map
    ny, nx = heights.shape
    width = nx + 1
    basin = np.full((ny, width), -1, dtype=np.int32)
    basin[:, :nx][inside] = basins[inside]
    level = np.zeros((ny, width), dtype=heights.dtype)
    level[:, :nx] = heights
    basin, level = basin.ravel(), level.ravel()
    found = []
    for step in (1, width - 1, width, width + 1):  # half of the eight neighbours: every pair of pixels once
        here = basin[:-step]
        border = np.flatnonzero((here != basin[step:]) & (np.minimum(here, basin[step:]) >= 0))
        found.append((basin[border], basin[border + step], np.minimum(level[border], level[border + step])))
    first, second, height = (np.concatenate(part) for part in zip(*found, strict=True))
    if not height.size:
        return ()
    pair = np.minimum(first, second).astype(np.int64) * heights.size + np.maximum(first, second)
    order = np.argsort(pair)
    pair, height = pair[order], height[order]
    # of the many pixels between two basins only the highest is their saddle
    begins = np.flatnonzero(np.diff(pair, prepend=-1))
    pair, height = pair[begins], np.maximum.reduceat(height, begins)
    order = np.argsort(-height, kind="stable")
    first, second = np.divmod(pair[order], heights.size)
    return zip(first.tolist(), second.tolist(), height[order].tolist(), strict=True)
