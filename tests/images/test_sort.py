import numpy as np
import pytest

from gzmass.images.sort import sorted_keys, sorted_pixels


@pytest.mark.parametrize("n", [0, 1, 7, 5000])
def test_pixels_are_sorted_as_numpy_does(n):
    rng = np.random.default_rng(n)
    pixels = (rng.normal(size=n) * 10 ** rng.uniform(-30, 30, n)).astype(np.float32)
    pixels[: n // 3] = np.round(pixels[: n // 3])  # many are equal, or zero
    pixels[-n // 7 :] = 1000 + pixels[-n // 7 :]
    assert np.array_equal(sorted_pixels(pixels), np.sort(pixels))


def test_equal_keys_keep_their_order_and_other_bits_do_not_count():
    keys = np.random.default_rng(0).integers(0, 2**64, 3000, dtype=np.uint64) & np.uint64(0x00000007FFFFFFFF)
    order = np.argsort(keys >> np.uint64(32), kind="stable")
    assert np.array_equal(sorted_keys(keys, 32), keys[order])
