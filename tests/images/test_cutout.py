import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator

from gzmass.errors import DataError
from gzmass.images import corner_of_square, crop_centre, cut_and_resample, resample


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


@pytest.mark.parametrize("side", [26, 40])
def test_enlarging_moves_nothing(side):
    y, x = np.mgrid[:side, :side]
    enlarged = resample(2.0 * x + 3.0 * y, 69)
    # a slope is reproduced: the middle of a new pixel lies at (k + 0.5) * side / 69 - 0.5 of the old ones
    y, x = (np.mgrid[:69, :69] + 0.5) * side / 69 - 0.5
    inside = np.s_[5:-5, 5:-5]
    np.testing.assert_allclose(enlarged[inside], (2 * x + 3 * y)[inside], atol=1e-3 * side)


def test_missing_pixels_are_left_out_of_the_mean():
    image = np.full((60, 60), 5.0)
    image[10:13, 10:14] = np.nan
    image[30:42, 30:42] = np.nan
    small = resample(image, 20)
    assert np.allclose(small[~np.isnan(small)], 5)
    assert np.isnan(small).sum() == 16  # only where all nine pixels are missing


@pytest.mark.parametrize("shape", [(40, 51), (51, 40), (40, 40)])
def test_crop_is_the_centre(shape):
    image = np.zeros(shape)
    image[shape[0] // 2, shape[1] // 2] = 1
    cut = crop_centre(image)
    assert cut.shape == (40, 40)
    assert np.abs(np.argwhere(cut == 1)[0] - 20).max() <= 1
    assert np.shares_memory(cut, image)


@given(
    x=st.floats(20, 60), y=st.floats(20, 50), half=st.floats(4, 20.4), npix=st.integers(1, 40), seed=st.integers(0, 99)
)
@settings(max_examples=60, deadline=None)
def test_a_fractional_square_is_cut_exactly(x, y, half, npix, seed):
    pixels = np.random.default_rng(seed).normal(1, 1, (72, 82)).astype(np.float32)
    side = 2 * half
    npix = min(npix, int(side))
    small = cut_and_resample(pixels, x, y, side, npix)
    # the integral over the square from the definite integral of the pixels, which is bilinear between their corners
    total = np.pad(pixels.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    corner_y, corner_x = ([c + 0.5 - half, c + 0.5 + half] for c in (y, x))
    at = RegularGridInterpolator((np.arange(73), np.arange(83)), total)
    low, high = ([at((v, u)) for u in corner_x] for v in corner_y)
    integral = high[1] - high[0] - low[1] + low[0]
    assert small.sum(dtype=float) * (side / npix) ** 2 == pytest.approx(integral, rel=1e-4, abs=0.02)


def test_whole_squares_are_cut_as_they_are():
    pixels = np.arange(72.0 * 82).reshape(72, 82).astype(np.float32)
    assert corner_of_square(pixels, 40, 30, 21) == (30, 20)
    assert (cut_and_resample(pixels, 40, 30, 21, 21) == pixels[20:41, 30:51]).all()
    assert (cut_and_resample(pixels, 40.5, 30.5, 20, 20) == pixels[21:41, 31:51]).all()


def test_a_shift_by_a_fraction_moves_the_light_by_it():
    y, x = np.mgrid[:80, :80]
    image = np.exp(-((x - 40.3) ** 2 + (y - 39.1) ** 2) / 50)
    cut = cut_and_resample(image, 40.3, 39.1, 51.7, 47)
    place = np.arange(47) - 23
    assert (cut.sum(axis=0) @ place / cut.sum(), cut.sum(axis=1) @ place / cut.sum()) == pytest.approx((0, 0), abs=0.01)
    beside = cut_and_resample(image, 41.4, 39.1, 51.7, 47)
    assert beside.sum(axis=0) @ place / beside.sum() == pytest.approx(-1.1 * 47 / 51.7, abs=0.01)
    coarse, fine = (cut_and_resample(image, 40.3, 39.1, 30.5, npix).mean() for npix in (30, 90))
    assert fine == pytest.approx(coarse, rel=2e-3)


def test_missing_pixels_under_a_fractional_square():
    image = np.full((40, 40), 3.0)
    image[19:23, 19:23] = np.nan
    cut = cut_and_resample(image, 20.2, 20.2, 30.5, 15)
    assert np.allclose(cut[~np.isnan(cut)], 3)
    assert np.isnan(cut).sum() <= 4


@pytest.mark.parametrize("cut", [corner_of_square, lambda *where: cut_and_resample(*where, 10)])
@pytest.mark.parametrize(("x", "y", "side"), [(5, 20, 12), (20, 35, 12), (20, 20, 41), (20, 20, 0), (20, 20, np.nan)])
def test_a_square_that_does_not_fit_is_refused(cut, x, y, side):
    with pytest.raises(DataError, match="the image of 51 x 40 pixels is smaller than the cutout"):
        cut(np.zeros((40, 51)), x, y, side)


def test_resample_of_an_image_that_is_no_square():
    image = np.arange(24.0 * 36).reshape(24, 36)
    assert np.allclose(resample(image, 12), image.reshape(12, 2, 12, 3).mean(axis=(1, 3)))
