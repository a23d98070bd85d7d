from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sky import exponential_disc

from gzmass.errors import DataError
from gzmass.images import aperture_flux, fill_neighbours, read_image

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "sdss_g_mass"


def test_the_flux_of_a_disc_is_nearly_all_of_it_above_any_sky():
    for sky in (0.0, 500.0):
        flux = aperture_flux(exponential_disc(side=201, axis_ratio=1.0, noise=0.2) + sky)
        assert flux.value == pytest.approx(2 * np.pi * 40 * 10**2, rel=0.03)
        assert flux.complete
    # Petrosian radius of an exponential disc where the ring's mean is a fifth of that within: 3.7 scale lengths
    assert flux.radius == pytest.approx(2 * 37, rel=0.05)


def test_a_second_band_is_measured_in_the_radius_of_the_first():
    first = aperture_flux(exponential_disc(side=201, seed=1))
    second = aperture_flux(2.5 * exponential_disc(side=201, noise=0.4, seed=2), radius=first.radius)
    assert second.radius == first.radius
    assert second.value / first.value == pytest.approx(2.5, rel=0.03)


@pytest.mark.parametrize("rows", [0, 110])
def test_the_error_is_the_scatter_of_repeated_observations_also_with_little_sky(rows):
    fluxes = []
    for seed in range(120):
        image = exponential_disc(seed=seed)
        image[:rows, :12] = image[:rows, -12:] = image[: min(rows, 12)] = np.nan
        fluxes.append(aperture_flux(image, radius=30))
    scatter = np.std([flux.value for flux in fluxes])
    assert np.mean([flux.error for flux in fluxes]) == pytest.approx(scatter, rel=0.2)


def test_the_edge_of_the_image_limits_the_aperture_and_is_said():
    flux = aperture_flux(exponential_disc(side=61, axis_ratio=1.0, noise=0.1), x=28, y=30)
    assert not flux.complete
    assert flux.radius == pytest.approx(28.5)


def test_missing_pixels_count_as_their_ring():
    image = exponential_disc(side=201, axis_ratio=1.0, noise=0.2)
    whole = aperture_flux(image, radius=60)
    image[90:95, 100:112] = np.nan
    assert aperture_flux(image, radius=60).value == pytest.approx(whole.value, rel=0.02)


def test_what_can_not_be_measured_is_refused():
    image = exponential_disc()
    with pytest.raises(DataError, match=r"radius 70 around .* does not lie in the image of 121 x 121"):
        aperture_flux(image, radius=70)
    with pytest.raises(DataError, match="does not lie"):
        aperture_flux(image, radius=-1)
    with pytest.raises(DataError, match="does not lie"):
        aperture_flux(image, x=-40)
    with pytest.raises(DataError, match="No galaxy stands above the sky"):
        aperture_flux(-image)
    with pytest.raises(DataError, match="flat"):
        aperture_flux(np.ones((30, 30)))


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the data {DATA} are not beside the checkout")
def test_mass_to_light_of_real_galaxies_follows_their_colour():
    sample = pd.read_csv(DATA / "sample.csv", dtype={"SDSS_ID": "int64"})
    flux = {"g": [], "i": []}
    for name in sample["SDSS_ID"]:
        radius = None
        for band, values in flux.items():
            pixels, _ = fill_neighbours(read_image(DATA / f"{name}-{band}.fits"))
            measured = aperture_flux(pixels, radius=radius)
            radius = measured.radius
            values.append(measured.value)
    g, i = (22.5 - 2.5 * np.log10(values) for values in flux.values())
    log_luminosity = -0.4 * (g - 5 * np.log10(sample["Distance"] * 1e5) - 5.11)
    assert spearmanr(g - i, sample["logMstar"] - log_luminosity).statistic > 0.8
