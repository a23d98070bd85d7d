import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.table import Table

from gzmass.catalogs import k_corrections
from gzmass.catalogs.distances import distance_modulus, luminosity_distance
from gzmass.catalogs.k_corrections import (
    k_correction,
    k_correction_from_templates,
    k_correction_slopes,
    k_polynomial,
    why_no_k_correction,
)
from gzmass.errors import ConfigError

TABLE = Path(__file__).parents[2].parent / "shared" / "data" / "sdss_photometry" / "gst_10000_masses.csv"
FLUXES = ("MODELFLUX", "PETROFLUX", "MODELFLUX_IVAR")
AB_OFFSETS = {"u": -0.036, "g": 0.012, "r": 0.010, "i": 0.028, "z": 0.040}  # kcorrect's, for SDSS
PAIRS = [(p.band, p.colour) for p in k_corrections._polynomials().values()]


@pytest.mark.parametrize(
    ("band", "colour_name", "z", "colour", "expected"),
    [
        # the sums written out with the numbers of the papers, apart from the table
        (
            "g",
            "g-r",
            0.1,
            0.8,
            0.1 * (-0.900332 + 3.97338 * 0.8 + 0.774394 * 0.64 - 1.09389 * 0.512)
            + 0.01 * (3.65877 - 8.04213 * 0.8 + 11.0321 * 0.64 + 0.781176 * 0.512)
            + 1e-3 * (-16.7457 - 31.1241 * 0.8 - 17.5553 * 0.64)
            + 1e-4 * (87.3565 + 71.5801 * 0.8)
            + 1e-5 * -123.671,
        ),
        (
            "r",
            "g-r",
            0.2,
            1.0,
            0.2 * (-1.61294 + 3.81378 - 3.56114 + 2.47133)
            + 0.04 * (9.13285 + 9.85141 - 5.1432 - 7.02213)
            + 0.008 * (-81.8341 - 30.3631 + 38.5052)
            + 0.0016 * (250.732 - 25.0159)
            + 0.00032 * -215.377,
        ),
        (
            "i",
            "g-i",
            0.1,
            1.0,
            0.1 * (-2.21853 + 3.94007 + 0.678402 - 1.24751)
            + 0.01 * (-15.7929 - 19.3587 + 15.0137 + 2.27779)
            + 1e-3 * (118.791 - 40.0709 - 30.6727)
            + 1e-4 * (-134.571 + 125.799)
            + 1e-5 * -55.4483,
        ),
    ],
)
def test_values(band, colour_name, z, colour, expected):
    assert k_correction(band, z, colour_name, colour) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("band", "colour_name"), PAIRS)
def test_every_polynomial_vanishes_at_no_redshift_and_is_of_a_plausible_size(band, colour_name):
    low, high = k_polynomial(band, colour_name).colour_range
    middle = np.linspace(low + 0.3 * (high - low), low + 0.6 * (high - low), 20)
    assert np.abs(k_correction(band, 1e-6, colour_name, middle)).max() < 1e-4
    z = np.linspace(0.01, 0.3, 30)[:, None]
    assert np.abs(k_correction(band, z, colour_name, middle)).max() < (1.4 if band == "u" else 1.1)


@pytest.mark.skipif(not TABLE.exists(), reason="../shared/data/sdss_photometry is not there")
@pytest.mark.parametrize(("band", "colour_name"), PAIRS)
def test_every_polynomial_differs_from_kcorrect_by_what_its_table_says(band, colour_name, sdss):
    z, magnitudes, k = sdss
    first, second = colour_name.split("-")
    difference = k_correction(band, z, colour_name, magnitudes[first] - magnitudes[second]) - k[band]
    assert np.isfinite(difference).sum() > 9850
    assert np.sqrt(np.nanmean(difference**2)) == pytest.approx(k_polynomial(band, colour_name).rms, abs=6e-4)


@pytest.fixture(scope="module")
def sdss():
    """Redshifts below 0.3, AB magnitudes as kcorrect was given them, and its K-corrections."""
    table = pd.read_csv(TABLE)
    table = table[(table["z"] < 0.3) & (table["absmag_u_z0"] > -90) & (table["absmag_z_z0"] > -90)]
    modulus = distance_modulus(luminosity_distance(table["z"]))
    scale = table["petromag_r"] - table["modelmag_r"]
    magnitudes = {b: table[f"modelmag_{b}"] + scale - table[f"extinction_{b}"] + AB_OFFSETS[b] for b in AB_OFFSETS}
    k = {b: magnitudes[b] - modulus - table[f"absmag_{b}_z0"] for b in AB_OFFSETS}
    return table["z"].to_numpy(), magnitudes, k


def test_bands_and_colours_may_be_written_in_several_ways():
    plainly = k_correction("g", 0.1, "g-r", 0.8)
    assert k_correction("sdss_g", 0.1, "g - r", 0.8 * u.mag) == plainly
    for band, colour_name in (("g", "u-g"), ("ps1_g", "g-r"), ("y", "g-r")):
        with pytest.raises(
            ConfigError, match=f"no K-correction of '{band}' from '{colour_name}'; there are u from u-r"
        ):
            k_correction(band, 0.1, colour_name, 0.8)


def test_outside_of_the_range_it_is_missing_and_the_reason_is_said():
    z = np.array([0.1, 0.0, -0.1, 0.51, np.nan, 0.1, 0.1, 0.5])
    colour = np.array([0.8, 0.8, 0.8, 0.8, 2.0, 2.0, np.nan, 1.9])
    values = k_correction("g", z, "g-r", colour)
    assert np.isfinite(values).tolist() == [True, *[False] * 6, True]
    reasons = why_no_k_correction("g", z, "g-r", colour)
    assert reasons.tolist() == [
        "",
        *["redshift is missing or outside 0 to 0.5"] * 4,
        *["colour g-r is missing or outside 0.1 to 1.9"] * 2,
        "",
    ]


@pytest.mark.parametrize(("band", "colour_name"), PAIRS)
def test_slopes_are_the_derivatives(band, colour_name):
    low, high = k_polynomial(band, colour_name).colour_range
    z, colour, step = 0.17, 0.6 * low + 0.4 * high, 1e-5
    by_redshift, by_colour = k_correction_slopes(band, z, colour_name, colour)
    differences = [
        (k_correction(band, z + dz, colour_name, colour + dc) - k_correction(band, z - dz, colour_name, colour - dc))
        / (2 * step)
        for dz, dc in ((step, 0), (0, step))
    ]
    np.testing.assert_allclose([by_redshift, by_colour], differences, rtol=1e-5, atol=1e-6)


def test_without_the_package_templates_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "kcorrect.kcorrect", None)
    k_corrections._templates.cache_clear()
    with pytest.raises(ConfigError, match=r"pip install gzmass\[kcorrect\]"):
        k_correction_from_templates(np.ones((1, 5)), [0.1], 0.1 * np.ones((1, 5)))


@pytest.mark.usefixtures("kcorrect")
def test_templates_leave_out_what_is_missing():
    # the first galaxy of kcorrect's own documentation, then faults
    flux = np.array([27.26, 73.98, 132.56, 198.52, 238.05])
    fluxes = np.tile(flux, (5, 1))
    fluxes[1, 0] = np.nan
    fluxes[2] = np.nan
    z = np.array([0.0826, 0.0826, 0.0826, np.nan, -0.1])
    k = k_correction_from_templates(fluxes, z, np.full(fluxes.shape, 0.5))
    assert k.shape == (5, 5)
    assert np.isfinite(k).all(axis=1).tolist() == [True, True, False, False, False]
    np.testing.assert_allclose(k[0, 1:], k[1, 1:], atol=0.05)
    assert np.abs(k_correction_from_templates(flux[None], z[:1], np.full((1, 5), 0.5), to_ab=False) - k[0]).max() > 1e-3
    shifted = k_correction_from_templates(flux[None], [0.1], np.full((1, 5), 0.5), reference_redshift=0.1)
    # a band looked at from its own reference redshift: -2.5 log10(1 + z0) in every band
    np.testing.assert_allclose(shifted, -2.5 * np.log10(1.1), atol=0.01)


@pytest.mark.usefixtures("kcorrect")
@pytest.mark.skipif(not TABLE.exists(), reason="../shared/data/sdss_photometry is not there")
def test_templates_give_the_k_corrections_of_the_table():
    table, data = pd.read_csv(TABLE, nrows=200), Table.read(TABLE.with_name("gst_10000.fits"))[:200]
    model, petrosian, variance = (np.asarray(data[name], dtype=float) for name in FLUXES)
    factor = petrosian[:, 2:3] / model[:, 2:3] * 10 ** (0.4 * np.asarray(data["EXTINCTION"], dtype=float))
    k = k_correction_from_templates(factor * model, table["z"], factor / np.sqrt(variance))
    modulus = distance_modulus(luminosity_distance(table["z"]))
    for i, (band, offset) in enumerate(AB_OFFSETS.items()):
        magnitude = 22.5 - 2.5 * np.log10((factor * model)[:, i]) + offset
        expected = magnitude - modulus - table[f"absmag_{band}_z0"]
        np.testing.assert_allclose(np.median(np.abs(k[:, i] - expected)), 0, atol=1e-3)
        assert np.quantile(np.abs(k[:, i] - expected), 0.95) < 0.01
