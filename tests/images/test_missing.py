import numpy as np
import pytest

from gzmass.images.missing import has_missing


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_missing_pixel_is_told_and_what_overflows_is_none(dtype):
    pixels = np.random.default_rng(0).normal(size=(7, 9)).astype(dtype)
    assert not has_missing(pixels)
    pixels[0, 0], pixels[1, 1] = np.finfo(dtype).max, -np.finfo(dtype).max
    assert not has_missing(pixels)
    pixels[-1, -1] = np.nan
    assert has_missing(pixels)
    assert has_missing(pixels[::2, ::2])
    assert not has_missing(pixels[:-1])
