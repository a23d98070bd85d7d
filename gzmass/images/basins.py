"""Basins of the peaks of a brightness map, and the saddles between them: what deblending is made of."""

import numpy as np

__all__ = ["divide_at_saddles", "find_basins"]

_FORWARD = ((0, 1), (1, -1), (1, 0), (1, 1))  # half of the eight neighbours: every pair of pixels once


def find_basins(heights, inside):
    """Assign each pixel to the peak that the steepest way up leads to.

    Parameters
    ----------
    heights : numpy.ndarray of float
        Shape (ny, nx), finite. Of two equal pixels the later one counts as the higher.
    inside : numpy.ndarray of bool
        The pixels that belong to the map, shape (ny, nx).

    Returns
    -------
    numpy.ndarray of int
        Index of the peak in the flattened map, shape (ny, nx); a pixel that is not inside has its own.
    """
    ny, nx = heights.shape
    padded = np.full((ny + 2, nx + 2), -np.inf, dtype=heights.dtype)
    padded[1:-1, 1:-1] = np.where(inside, heights, -np.inf)
    own = np.arange(ny * nx).reshape(ny, nx)
    best, uphill = np.full_like(heights, -np.inf), own.copy()
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            height = padded[1 + dy : 1 + dy + ny, 1 + dx : 1 + dx + nx]
            higher = height >= best
            np.copyto(best, height, where=higher)
            np.copyto(uphill, own + (dy * nx + dx), where=higher)
    peak = np.where(inside, uphill, own).ravel()
    while True:
        further = peak[peak]
        if (further == peak).all():
            return peak.reshape(ny, nx)
        peak = further


def divide_at_saddles(heights, inside, root, stands_apart):
    """Merge the basins of a map from the highest saddle down, except for peaks that stand apart.

    Parameters
    ----------
    heights : numpy.ndarray of float
        Shape (ny, nx), finite.
    inside : numpy.ndarray of bool
        The pixels that belong to the map, shape (ny, nx).
    root : tuple of int
        A pixel (y, x) of the map; the part that its basin belongs to counts as higher than all others.
    stands_apart : callable
        Called with the peak (y, x) of the lower one of two parts and the height of the saddle between them; tells
        whether the parts remain two.

    Returns
    -------
    parts : numpy.ndarray of int
        Index of the highest peak of the part that each pixel belongs to in the flattened map, shape (ny, nx); -1 for
        pixels that are not inside.
    root_peak : int
        The index that stands for the part of the root.
    """
    basins = find_basins(heights, inside)
    flat, root_peak = heights.ravel(), int(basins[root])
    merged = {}

    def top(peak):
        while (above := merged.get(peak, peak)) != peak:
            peak = above
        return peak

    for first, second, saddle in _saddles(heights, inside, basins):
        lower, higher = sorted((top(first), top(second)), key=lambda peak: (peak == root_peak, flat[peak], peak))
        if lower != higher and not stands_apart(divmod(lower, heights.shape[1]), saddle):
            merged[lower] = higher
    peaks, number = np.unique(basins[inside], return_inverse=True)
    parts = np.full(heights.shape, -1)
    parts[inside] = np.array([top(int(peak)) for peak in peaks])[number]
    return parts, root_peak


def _saddles(heights, inside, basins):
    """Pairs of adjacent basins with the height of the saddle between them, the highest first."""
    ny, nx = heights.shape
    found = []
    for dy, dx in _FORWARD:
        here = slice(0, ny - dy), slice(max(0, -dx), nx - max(0, dx))
        there = slice(dy, ny), slice(max(0, dx), nx - max(0, -dx))
        border = inside[here] & inside[there] & (basins[here] != basins[there])
        height = np.minimum(heights[here][border], heights[there][border])
        found.append((basins[here][border], basins[there][border], height))
    first, second, height = (np.concatenate(part) for part in zip(*found, strict=True))
    first, second = np.minimum(first, second), np.maximum(first, second)
    order = np.lexsort((second, first, -height))
    # of the many pixels between two basins only the highest, which comes first, is their saddle
    _, unique = np.unique(first[order] * heights.size + second[order], return_index=True)
    order = order[np.sort(unique)]
    return zip(first[order].tolist(), second[order].tolist(), height[order].tolist(), strict=True)
