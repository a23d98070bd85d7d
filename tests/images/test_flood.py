import numpy as np
import pytest
from scipy import ndimage
from sky import exponential_disc

from gzmass.images.flood import flood


def basins(heights, level=0.0):
    """Basins as an image, -1 where nothing is flooded, and the saddles as (peak, peak, height)."""
    heights = np.asarray(heights, dtype=np.float32)
    flooded = flood(heights, level)
    ny, nx = heights.shape
    image = flooded.basin.reshape(ny + 2, nx + 2)
    assert (image[[0, -1]] == -1).all()
    assert (image[:, [0, -1]] == -1).all()
    height = np.pad(heights, 1).ravel()
    assert (np.diff(height[flooded.peak]) <= 0).all()
    saddles = [(*sorted((first, second)), float(height[place])) for first, second, place in flooded.saddles.tolist()]
    assert [saddle[2] for saddle in saddles] == sorted((saddle[2] for saddle in saddles), reverse=True)
    return image[1:-1, 1:-1], saddles, flooded, height


def test_basins_meet_at_saddles_from_the_highest_down():
    image, saddles, flooded, height = basins([[1, 5, 2, 4, 1, 9, 1]])
    assert image.tolist() == [[1, 1, 1, 2, 0, 0, 0]]  # peaks 9, 5, 4 are 0, 1, 2; the steeper way up counts
    assert saddles == [(1, 2, 2.0), (0, 2, 1.0)]
    assert height[flooded.peak].tolist() == [9, 5, 4]
    assert flooded.size.tolist() == [3, 3, 1]
    assert flooded.segment.tolist() == [0, 0, 0]


def test_what_is_not_above_the_level_belongs_to_nothing_and_parts_segments():
    image, saddles, flooded, _ = basins([[1, 5, 2, 4, 1, 9, 1]], level=1.5)
    assert image.tolist() == [[-1, 1, 1, 2, -1, 0, -1]]
    assert saddles == [(1, 2, 2.0)]
    assert flooded.segment.tolist() == [0, 1, 1]
    assert not flood(np.zeros((3, 4), np.float32), 1.0).peak.size


def test_pixels_are_connected_at_their_corners_and_a_plateau_is_one():
    _, _, flooded, _ = basins([[3, 0, 0], [0, 2, 0], [0, 0, 4]])
    assert flooded.segment.tolist() == [0, 0]
    _, saddles, flooded, _ = basins(np.ones((4, 5)))
    assert len(flooded.peak) == 1
    assert saddles == []


@pytest.mark.parametrize("level", [0.5, 3.0])
def test_segments_are_those_of_scipy_and_saddles_the_highest_ways(level):
    heights = exponential_disc(side=60, scale=6, noise=1.5).astype(np.float32)
    image, saddles, flooded, height = basins(heights, level)
    labels, n = ndimage.label(heights > level, structure=np.ones((3, 3)))
    assert len(np.unique(flooded.segment)) == n
    assert len(saddles) == len(flooded.peak) - n
    segments = np.append(flooded.segment, -1)[image]
    for segment in np.unique(flooded.segment):
        assert len(np.unique(labels[segments == segment])) == 1
    # just above a saddle its two peaks are apart, at its height they are connected
    for first, second, saddle in saddles[:: max(1, len(saddles) // 10)]:
        places = [divmod(flooded.peak[k], 62) for k in (first, second)]
        (y, x), (other_y, other_x) = [(y - 1, x - 1) for y, x in places]
        for mask, together in ((heights >= saddle, True), (heights > saddle, False)):
            parts, _ = ndimage.label(mask, structure=np.ones((3, 3)))
            assert (parts[y, x] == parts[other_y, other_x]) == together
    basin, flooded_heights = image[image >= 0], heights[image >= 0]
    assert (np.bincount(basin) == flooded.size).all()
    assert (height[flooded.peak][basin] >= flooded_heights).all()
