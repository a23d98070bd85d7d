import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gzmass.errors import DataError
from gzmass.images import crop_centre, resample


@given(side=st.integers(20, 200), npix=st.integers(8, 100), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_flux_is_conserved(side, npix, seed):
    image = np.random.default_rng(seed).normal(1, 1, (side, side)).astype(np.float32)
    small = resample(image, npix)
    assert small.shape == (npix, npix)
    if npix <= side:
        assert small.sum() * (side / npix) ** 2 == pytest.approx(image.sum(), rel=1e-3, abs=0.2)


def test_a_whole_factor_is_the_mean_of_blocks():
    image = np.arange(36.0 * 36).reshape(36, 36).astype(np.float32)
    assert np.allclose(resample(image, 12), image.reshape(12, 3, 12, 3).mean(axis=(1, 3)))


def test_stripes_finer_than_a_pixel_do_not_alias():
    stripes = np.tile([0.0, 1.0], (200, 100))
    assert np.ptp(resample(stripes, 69)) < 0.4  # sampling every third pixel gives 0 and 1
    assert resample(stripes, 69).mean() == pytest.approx(0.5, abs=1e-4)


def test_enlarging_keeps_the_surface_brightness():
    y, x = np.mgrid[:26, :26] - 12.5
    image = np.exp(-(x**2 + y**2) / 40)
    assert resample(image, 69).mean() == pytest.approx(image.mean(), rel=0.01)


def test_missing_pixels_are_left_out_of_the_mean():
    image = np.full((60, 60), 5.0)
    image[10:13, 10:14] = np.nan
    image[30:42, 30:42] = np.nan
    small = resample(image, 20)
    assert np.allclose(small[~np.isnan(small)], 5)
    assert np.isnan(small).sum() == 16  # only where all nine pixels are missing


@pytest.mark.parametrize(("crop", "side"), [(None, 40), (30, 30), (0.5, 20), (1.0, 40)])
def test_crop_is_the_centre(crop, side):
    image = np.zeros((40, 51))
    image[20, 25] = 1
    cut = crop_centre(image, crop)
    assert cut.shape == (side, side)
    assert np.abs(np.argwhere(cut == 1)[0] - side // 2).max() <= 1


def test_a_crop_larger_than_the_image_is_refused():
    with pytest.raises(DataError, match="square of 41 pixels does not fit into the image of 51 x 40"):
        crop_centre(np.zeros((40, 51)), 41)
