import numpy as np
import pytest
from astropy.visualization import AsinhStretch, LogStretch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gzmass.errors import DataError
from gzmass.images import SKY_GREY, log_stretch, sky_statistics, stretch


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


KINDS = ["log", "asinh"]


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 1000), unit=st.integers(-60, 60), sky=st.floats(-1e3, 1e3), peak=st.floats(5, 1e4))
@settings(max_examples=25, deadline=None)
def test_every_kind_is_monotone_and_keeps_the_sky(kind, seed, unit, sky, peak):
    image = galaxy(seed, peak=peak)
    grey, scale = stretch(image, kind)
    order = np.argsort(image, axis=None)
    assert (np.diff(grey.ravel()[order].astype(int)) >= 0).all()
    again, scale_again = stretch(image.copy(), kind)
    assert again.tobytes() == grey.tobytes()
    assert scale_again == scale
    assert (stretch(image * 2.0**unit, kind)[0] == grey).all()
    assert np.abs(stretch(image * 3.7e-9 + sky * 1e-9, kind)[0].astype(int) - grey).max() <= 1
    sky_level, _ = sky_statistics(image)
    assert np.abs(grey[np.abs(image - sky_level) < 0.02].astype(int) - SKY_GREY).max(initial=0) <= 2


@pytest.mark.parametrize("kind", KINDS)
def test_above_the_sky_it_is_the_stretch_of_astropy(kind):
    image = galaxy(noise=0.3)
    sky, _ = sky_statistics(image)
    scale, peak = 2.0, 80.0
    share = np.clip((image - sky) / peak, 0, 1)
    theirs = {"log": LogStretch(peak / scale), "asinh": AsinhStretch(scale / peak)}[kind](share)
    grey, used = stretch(image, kind, scale, peak)
    assert used == scale
    above = image > sky
    assert np.abs(grey[above] - (SKY_GREY + (255 - SKY_GREY) * theirs[above])).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_with_scale_and_peak_fixed_a_grey_level_is_a_surface_brightness(kind):
    disc, bright = galaxy(1, peak=60, noise=0.5), galaxy(1, peak=60, noise=0.5)
    bright[22:26, 22:26] += 5000  # a nucleus that would set the peak
    ring = np.s_[24, 28:34]
    assert (stretch(disc, kind)[0][ring] != stretch(bright, kind)[0][ring]).any()
    fixed = [stretch(image, kind, scale=3.0, peak=100.0)[0] for image in (disc, bright, disc + 700)]
    assert (fixed[0][ring] == fixed[1][ring]).all()
    assert np.abs(fixed[2].astype(int) - fixed[0]).max() <= 1
    assert fixed[1][24, 24] == 255
    # half the flux is darker, not stretched up again
    assert stretch(disc / 2, kind, scale=3.0, peak=100.0)[0][ring].max() < fixed[0][ring].max()


def test_kinds_scales_and_peaks_that_there_are_not():
    with pytest.raises(DataError, match=r"'log', 'asinh'\. Received: 'sqrt'"):
        stretch(galaxy(), "sqrt")
    for value in (0, -2.0, np.nan, np.inf):
        with pytest.raises(DataError, match="peak of the stretch must be a positive number"):
            stretch(galaxy(), peak=value)
        with pytest.raises(DataError, match="scale of the stretch must be a positive number"):
            stretch(galaxy(), scale=value)
    with pytest.raises(DataError, match="flat"):
        stretch(np.zeros((20, 20)), "asinh", scale=1.0, peak=1.0)


def test_sky_statistics_of_any_border():
    rng = np.random.default_rng(4)
    for shape in ((1, 7), (2, 2), (3, 40), (25, 10)):
        image = rng.normal(size=shape)
        level, sigma = sky_statistics(image)
        assert image.min() <= level <= image.max()
        assert sigma >= 0
    image = rng.normal(5, 1, size=(40, 40))
    image[4:-4, 4:-4] = 1e6  # only the frame counts, and not its missing pixels
    image[:2], image[2, 2] = np.nan, np.inf
    assert sky_statistics(image) == pytest.approx((5, 1), abs=0.2)


def test_the_noise_of_a_quantised_sky_is_not_lost():
    sky = np.random.default_rng(6).choice([0.0, 1.0, -1.0], p=[0.6, 0.2, 0.2], size=(60, 60))
    assert sky_statistics(sky) == (0, pytest.approx(1))


@given(values=st.lists(st.integers(-6, 6) | st.floats(-50, 50, width=32), min_size=81, max_size=100), odd=st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_sky_is_that_of_median_and_median_deviation_clipped_pixel_by_pixel(values, odd):
    image = np.resize(np.array(values, dtype=np.float32), (9, 9) if odd else (10, 8))
    assume(image.min() < image.max())
    border = np.ones(image.shape, dtype=bool)
    border[1:-1, 1:-1] = False
    pixels = image[border].astype(float)
    for _ in range(10):
        level = np.median(pixels)
        ordered, last = np.sort(pixels), pixels.size - 1
        sigma = 1.482602218505602 * np.median(np.abs(pixels - level))
        sigma = sigma or (ordered[int(0.84 * last)] - ordered[int(0.16 * last)]) / 2
        kept = pixels[np.abs(pixels - level) <= 3 * sigma]
        if kept.size == pixels.size:
            break
        pixels = kept
    assert sky_statistics(image) == (level, sigma)
    assert sky_statistics(image.astype(float)) == (level, sigma)
