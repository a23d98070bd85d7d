from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.cosmology import FlatLambdaCDM

from gzmass.catalogs.distances import distance_modulus, luminosity_distance
from gzmass.catalogs.photometry import (
    absolute_magnitude,
    colour_mass_to_light,
    deredden,
    log_luminosity,
    log_mass,
    log_mass_to_light,
    magnitude,
    solar_magnitude,
)
from gzmass.catalogs.rest_frame import rest_frame
from gzmass.errors import ConfigError

TABLE = Path(__file__).parents[2].parent / "shared" / "data" / "sdss_photometry" / "gst_10000_masses.csv"


@pytest.mark.parametrize(("hubble", "omega_m"), [(70, 0.3), (100, 1), (67.4, 0.315)])
def test_distances_are_those_of_astropy(hubble, omega_m):
    z = np.exp(np.random.default_rng(0).uniform(np.log(1e-5), np.log(20), 300))
    expected = FlatLambdaCDM(H0=hubble, Om0=omega_m).luminosity_distance(z).to_value(u.Mpc)
    np.testing.assert_allclose(luminosity_distance(z, hubble=hubble, omega_m=omega_m), expected, rtol=2e-8)


def test_a_distance_does_not_depend_on_what_stands_beside_it_and_is_missing_where_it_has_no_meaning():
    z = np.array([[0.1, 3.0], [np.nan, 0.0], [-0.1, 21.0]])
    distance = luminosity_distance(z)
    assert np.isfinite(distance).tolist() == [[True, True], [False, False], [False, False]]
    assert luminosity_distance(0.1) == distance[0, 0]
    assert np.isnan(distance_modulus([0.0, -1.0, np.nan])).all()
    assert distance_modulus(10 * u.pc) == pytest.approx(0)
    assert distance_modulus(1.0) == pytest.approx(25)


def test_the_errors_of_distances_follow_those_of_redshifts():
    rng = np.random.default_rng(1)
    for z in (0.02, 0.2, 1.0):
        distance, error = luminosity_distance(z, 0.01 * z)
        modulus, modulus_error = distance_modulus(distance, error)
        drawn = luminosity_distance(rng.normal(z, 0.01 * z, 40_000))
        assert error == pytest.approx(drawn.std(), rel=0.02)
        assert modulus_error == pytest.approx(distance_modulus(drawn).std(), rel=0.02)
        assert modulus == distance_modulus(distance)


def test_magnitudes():
    value, error = magnitude([1.0, 100.0, 0.0, -3.0, np.nan, 100.0], [0.1, 1.0, 1.0, 1.0, 1.0, -1.0])
    np.testing.assert_allclose(value, [22.5, 17.5, np.nan, np.nan, np.nan, 17.5])
    np.testing.assert_allclose(error, [0.10857362, 0.010857362, np.nan, np.nan, np.nan, np.nan])
    # a flux with a unit: 3.631 microJansky are a nanomaggy
    assert magnitude(1e-9 * u.mgy) == pytest.approx(22.5)
    with pytest.raises(u.UnitConversionError):
        magnitude(1 * u.m)
    np.testing.assert_allclose(deredden([18.0, 18.0, 18.0] * u.mag, [0.3, np.nan, -9999.0]), [17.7, np.nan, np.nan])


def test_absolute_magnitude_and_luminosity():
    value, error = absolute_magnitude(17.5, 38.3, 0.2, magnitude_err=0.03, modulus_err=0.04, k_err=0.12)
    assert value == pytest.approx(-21.0)
    assert error == pytest.approx(0.13)
    light, light_error = log_luminosity(value, "sdss_g", error)
    assert light == pytest.approx(0.4 * (5.11 + 21))
    assert light_error == pytest.approx(0.052)
    assert log_luminosity(5.11, "g") == pytest.approx(0)
    assert solar_magnitude("g") == 5.11
    with pytest.raises(ConfigError, match="no solar magnitude for the band 'vis'; there are u, g, r, i, z, ps1_g"):
        solar_magnitude("vis")


def test_mass_and_ratio_are_each_others_inverse_and_their_errors_know_the_covariance():
    rng = np.random.default_rng(2)
    covariance = np.array([[0.09**2, 0.003], [0.003, 0.06**2]])
    mass, light = rng.multivariate_normal([10.5, 10.1], covariance, 200_000).T
    ratio, error = log_mass_to_light(10.5, 10.1, 0.09, 0.06, 0.003)
    assert ratio == pytest.approx(0.4)
    assert error == pytest.approx((mass - light).std(), rel=0.01)
    assert log_mass_to_light(10.5, 10.1, 0.09, 0.06)[1] == pytest.approx(np.hypot(0.09, 0.06))
    # the way back: the ratio has the covariance cov(M, L) - var(L) with the luminosity
    back, back_error = log_mass(ratio, 10.1, error, 0.06, 0.003 - 0.06**2)
    assert back == pytest.approx(10.5)
    assert back_error == pytest.approx(0.09)
    assert log_mass_to_light(10.5, 10.1, 0.06, 0.06, 0.06**2)[1] == 0


def test_ratio_from_colour():
    np.testing.assert_allclose(colour_mass_to_light(1.0, 0.1), [0.234, 0.1431])


@pytest.mark.parametrize(("band", "colour_name"), [("g", "g-r"), ("i", "g-i"), ("r", "u-r"), ("g", "g-i")])
def test_the_error_of_the_recipe_is_the_spread_of_repeated_measurements(band, colour_name):
    rng, n, z = np.random.default_rng(3), 100_000, 0.12
    fluxes = {"u": 15.0, "g": 60.0, "r": 120.0, "i": 170.0}
    errors = {"u": 0.5, "g": 1.5, "r": 2.0, "i": 4.0}
    first, second = colour_name.split("-")
    names = {band, first, second}
    once = rest_frame({b: fluxes[b] for b in names}, z, band, colour_name, errors, redshift_err=0.004)
    drawn = {b: rng.normal(fluxes[b], errors[b], n) for b in names}
    again = rest_frame(drawn, rng.normal(z, 0.004, n), band, colour_name)
    model = rest_frame({b: fluxes[b] for b in names}, z, band, colour_name).log_luminosity_err
    assert np.hypot(again.log_luminosity.std(), model) == pytest.approx(float(once.log_luminosity_err), rel=0.03)
    assert again.log_luminosity.mean() == pytest.approx(float(once.log_luminosity), abs=0.003)


def test_the_recipe_is_its_steps():
    fluxes, extinctions = {"sdss_g": [100.0, 50.0], "r": [190.0, 120.0]}, {"g": [0.2, 0.1], "r": [0.14, 0.07]}
    z = np.array([0.1, 0.2])
    got = rest_frame(fluxes, z, extinctions=extinctions, hubble=100, solar=5.45)
    m_g = 22.5 - 2.5 * np.log10(fluxes["sdss_g"]) - extinctions["g"]
    distance = FlatLambdaCDM(H0=100, Om0=0.3).luminosity_distance(z).to_value(u.Mpc)
    expected = m_g - (5 * np.log10(distance) + 25) - got.k_correction
    np.testing.assert_allclose(got.absolute_magnitude, expected, atol=1e-6)
    np.testing.assert_allclose(got.log_luminosity, -0.4 * (expected - 5.45), atol=1e-6)
    np.testing.assert_allclose(got.distance_mpc, distance, rtol=1e-7)
    assert (got.k_correction > 0.1).all()
    convention = got.convention
    assert (convention.band, convention.hubble, convention.solar_magnitude) == ("g", 100, 5.45)
    assert (convention.kcorrection_redshift, convention.imf) == (0, None)


def test_a_galaxy_without_a_usable_flux_is_missing_alone():
    got = rest_frame({"g": [100.0, -1.0, 100.0, np.nan], "r": [190.0, 190.0, 1.0, 190.0]}, [0.1] * 4)
    assert np.isfinite(got.log_luminosity).tolist() == [True, False, False, False]
    assert np.isfinite(got.log_luminosity_err).tolist() == [True, False, False, False]
    with pytest.raises(ConfigError, match="flux in 'r' is needed for 'g' from 'g-r'"):
        rest_frame({"g": [1.0]}, 0.1)
    with pytest.raises(ConfigError, match="extinction in 'r' is needed"):
        rest_frame({"g": [1.0], "r": [1.0]}, 0.1, extinctions={"g": 0.1})


@pytest.mark.skipif(not TABLE.exists(), reason="../shared/data/sdss_photometry is not there")
def test_luminosities_and_ratios_of_sdss_galaxies_are_those_of_kcorrect():
    table = pd.read_csv(TABLE)
    # the table's fluxes: model colours, scaled to the Petrosian flux in r; its solar magnitude of kcorrect is 5.124
    scale = 0.4 * (table["modelmag_r"] - table["petromag_r"])
    fluxes = {b: 10 ** (scale + 0.4 * (22.5 - table[f"modelmag_{b}"])) for b in "gr"}
    ours = rest_frame(fluxes, table["z"], extinctions={b: table[f"extinction_{b}"] for b in "gr"})
    near = table["z"] < 0.3
    assert near.sum() == 9931
    assert np.isfinite(ours.log_luminosity[near]).sum() > 9900
    light = ours.log_luminosity - log_luminosity(table["absmag_g_z0"], "g")
    ratio = log_mass_to_light(table["log_mstar_kcorrect"], ours.log_luminosity) - np.log10(table["mtol_g"])
    for difference in (light, ratio):
        assert abs(np.nanmedian(difference[near])) < 0.02
        assert np.nanstd(difference[near]) < 0.05


def test_a_distance_that_is_known_counts_and_has_no_error_of_the_redshift():
    fluxes = {"g": np.full(2, 74.0), "r": np.full(2, 132.6)}
    z = np.full(2, 0.083)
    given = rest_frame(fluxes, z, redshift_err=0.01, distance_mpc=[500.0, np.nan])
    plain = rest_frame(fluxes, z, redshift_err=0.01)
    distance = luminosity_distance(0.083)
    np.testing.assert_allclose(given.distance_mpc, [500, distance])
    np.testing.assert_allclose(
        given.log_luminosity - plain.log_luminosity, [2 * np.log10(500 / distance), 0], atol=1e-12
    )
    np.testing.assert_array_equal(given.k_correction, plain.k_correction)
    assert given.log_luminosity_err[0] < 0.5 * given.log_luminosity_err[1] == 0.5 * plain.log_luminosity_err[1]
