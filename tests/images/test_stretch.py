import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gzmass.errors import DataError
from gzmass.images import SKY_GREY, log_stretch, sky_statistics


def galaxy(seed=0, side=48, peak=100.0, noise=1.0):
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    image = peak * np.exp(-np.hypot(x, 1.5 * y) / (side / 12))
    return image + noise * np.random.default_rng(seed).normal(size=image.shape)


@given(seed=st.integers(0, 1000), peak=st.floats(5, 1e4))
@settings(max_examples=40, deadline=None)
def test_stretch_is_monotone_and_repeats(seed, peak):
    image = galaxy(seed, peak=peak)
    grey, scale = log_stretch(image)
    order = np.argsort(image, axis=None)
    assert (np.diff(grey.ravel()[order].astype(int)) >= 0).all()
    again, scale_again = log_stretch(image.copy())
    assert (again == grey).all()
    assert scale_again == scale


@given(seed=st.integers(0, 1000), unit=st.integers(-60, 60), sky=st.floats(-1e3, 1e3))
@settings(max_examples=40, deadline=None)
def test_flux_unit_and_constant_sky_do_not_count(seed, unit, sky):
    image = galaxy(seed)
    grey, scale = log_stretch(image)
    # a power of two changes no digit
    other, other_scale = log_stretch(image * 2.0**unit)
    assert (other == grey).all()
    assert other_scale == pytest.approx(scale * 2.0**unit)
    shifted, shifted_scale = log_stretch(image + sky)
    assert np.abs(shifted.astype(int) - grey).max() <= 1
    assert shifted_scale == pytest.approx(scale, rel=1e-6)


def test_sky_is_at_its_grey_level_and_noise_keeps_its_contrast():
    deep, shallow = (log_stretch(galaxy(noise=noise))[0] for noise in (0.5, 5.0))
    for grey in (deep, shallow):
        assert abs(np.median(grey[:6]) - SKY_GREY) <= 2
        assert grey[20:28, 20:28].max() == 255
    assert shallow[:6].std() > 2 * deep[:6].std()
    assert (shallow[:6] < SKY_GREY).mean() > 0.3  # negative sky pixels are not cut off


def test_statistics_are_those_of_the_sky_beside_stars_and_galaxy():
    image = galaxy(noise=2.0) + 70.0
    image[1:5, 3:7] += 5000
    level, sigma = sky_statistics(image)
    assert level == pytest.approx(70, abs=0.5)
    assert sigma == pytest.approx(2, rel=0.2)
    # a star in the corner leaves the galaxy as bright as before
    assert log_stretch(image)[0][20:28, 20:28].max() == 255


def test_fixed_scale_and_missing_pixels_and_no_noise():
    image = galaxy()
    image[10:14, 3:9] = np.nan
    grey, scale = log_stretch(image, scale=7.5)
    assert scale == 7.5
    assert (grey[10:14, 3:9] == SKY_GREY).all()
    assert (grey != log_stretch(image)[0]).any()
    clean, scale = log_stretch(np.where(galaxy(noise=0) > 1, galaxy(noise=0), 0))
    assert scale == pytest.approx(1e-3 * galaxy(noise=0).max())
    assert clean[0, 0] == SKY_GREY


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((9, 9), 3.0), "flat"),
        (np.full((9, 9), np.nan), "flat"),
        (np.zeros((3, 9, 9)), "two axes"),
        (np.pad(np.full((5, 5), -1.0), 2), "above its sky"),
    ],
)
def test_what_can_not_be_stretched_is_refused(image, message):
    with pytest.raises(DataError, match=message):
        log_stretch(image)


def test_scale_must_be_positive():
    with pytest.raises(DataError, match=r"positive number\. Received: -1"):
        log_stretch(galaxy(), scale=-1)
