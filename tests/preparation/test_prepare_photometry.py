"""Luminosities and mass-to-light ratios from fluxes and magnitudes: units, distances, K-corrections, conventions."""

import sys

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS
from pydantic import ValidationError
from survey import IDS, MASSES, OF_IMAGES, N

from gzmass.catalogs import k_correction as k_correction_of
from gzmass.catalogs import k_correction_from_templates, luminosity_distance, solar_magnitude
from gzmass.catalogs.conventions import Convention
from gzmass.datasets import open_dataset
from gzmass.errors import ConfigError, DataError
from gzmass.preparation import prepare
from gzmass.preparation.photometry import add_photometry

# redshifts among which that of a distance is looked up
Z = np.linspace(0.05, 0.2, 3000)


def test_masses_and_fluxes_of_the_images_make_ratios(config):
    summary = prepare(config(mass_to_light={**MASSES, "imf": "Chabrier"}, photometry=OF_IMAGES))
    ds = open_dataset(summary.path)
    known = ds.table.dropna(subset=["log_ml_g"])
    assert len(known) == N - 1
    # the integral of the exponential disc, 2 pi flux h^2 in nanomaggies, at z = 0.05
    magnitude = 22.5 - 2.5 * np.log10(2 * np.pi * 50 * 1.5**2)
    log_light = -0.4 * (magnitude - 36.736 - 0.05 - 5.11)
    np.testing.assert_allclose(np.log10(known["luminosity_g"]), log_light, atol=0.06)
    np.testing.assert_allclose(known["log_ml_g"], known["log_mstar"] - np.log10(known["luminosity_g"]), atol=1e-9)
    assert (known["log_ml_g_err"] > 0.05).all()
    assert ds.info["imf"] == "Chabrier"
    assert ds.info["convention"]["hubble"] == 70
    quarantine = pd.read_csv(summary.path / "quarantine.csv", dtype=str)
    assert quarantine["id"].tolist() == [str(IDS[2])]
    assert quarantine["reason"].tolist() == ["log_mstar = -99, allowed are 2 to 14"]
    assert not {"flux", "colour_flux", "side", "reason", "file"} & set(ds.table)


def test_magnitudes_of_a_table_without_k_correction(config, folder):
    pd.DataFrame({"objid": IDS, "m": 17.0, "dm": 0.02, "A": 0.1}).to_csv(folder / "mags.csv", index=False)
    photometry = {
        "file": "mags.csv",
        "id": "objid",
        "columns": {"magnitude": "m", "magnitude_err": "dm", "extinction": "A"},
        "k_correction": "none",
    }
    table = open_dataset(prepare(config(mass_to_light=MASSES, photometry=photometry)).path).table
    np.testing.assert_allclose(np.log10(table["luminosity_g"].dropna()), -0.4 * (16.9 - 36.736 - 5.11), atol=0.002)
    np.testing.assert_allclose(table["log_luminosity_err"].dropna(), 0.4 * 0.02, rtol=1e-6)
    with pytest.raises(DataError, match="needs a redshift"):
        prepare(config(out=folder / "no_z", photometry=photometry))
    assert not (folder / "no_z").exists()


def test_luminosities_and_distances_of_another_unit_are_refused(config, folder):
    table = pd.read_csv(folder / "masses.csv").assign(logl=10.0, d_kpc=2.2e5)
    table.to_csv(folder / "units.csv", index=False)

    def made(**columns):
        metadata = {"file": "units.csv", "id": "objid", "columns": {"redshift": "z", **columns}}
        return prepare(config(out=folder / "units", metadata=metadata))

    with pytest.raises(DataError, match=r"luminosity_g.* have the median 10 solar .* has the unit 'dex\(Lsun\)'"):
        made(luminosity_g="logl")
    with pytest.raises(DataError, match=r"distance_mpc.* 990 times those that follow from the redshifts"):
        made(distance_mpc="d_kpc")
    light, distance = {"column": "logl", "unit": "dex(Lsun)"}, {"column": "d_kpc", "unit": "kpc"}
    table = open_dataset(made(luminosity_g=light, distance_mpc=distance).path).table
    assert table["luminosity_g"].tolist() == pytest.approx([1e10] * N)
    assert table["distance_mpc"].tolist() == pytest.approx([220] * N)


def test_fluxes_of_a_table_have_the_unit_that_it_tells_or_that_of_the_zero_point(config, folder):
    table = pd.DataFrame({"objid": IDS, "f": 3631.0, "z": 0.05})  # one nanomaggy
    QTable.from_pandas(table, units={"f": "nJy"}).write(folder / "flux.fits", overwrite=True)
    QTable.from_pandas(table.assign(f=1.0)).write(folder / "plain.fits", overwrite=True)
    metadata = {"file": "masses.csv", "id": "objid", "columns": {"redshift": "z"}}
    photometry = {"file": "flux.fits", "id": "objid", "columns": {"flux": "f"}, "k_correction": "none"}

    def luminosity(out, **keys):
        made = prepare(config(out=folder / out, metadata=metadata, photometry={**photometry, **keys}))
        return open_dataset(made.path).table["luminosity_g"].to_numpy()

    expected = luminosity("plain", file="plain.fits")
    assert luminosity("told") == pytest.approx(expected)
    assert luminosity("zero_point", zero_point=31.4) == pytest.approx(expected, rel=1e-3)
    masses = {**MASSES, "imf": "Chabrier"}
    with pytest.raises(DataError, match=r"all 5 are beyond 10\^\+-3, .*photometry.zero_point"):
        prepare(config(out=folder / "dark", mass_to_light=masses, photometry={**photometry, "zero_point": 12}))


def test_masses_of_another_hubble_constant_are_brought_to_that_of_the_luminosities(config, tmp_path):
    def made(out, **declared):
        part = {**MASSES, **declared}
        summary = prepare(config(out=tmp_path / out, mass_to_light=part, photometry=OF_IMAGES))
        return open_dataset(summary.path), summary.notes

    plain, notes = made("plain")
    assert "mass_to_light: the Hubble constant is not known, 70 assumed" in notes
    for name, declared, hubble in (("of_50", {"hubble": 50}, 50), ("of_h", {"h_scaling": -2}, 100)):
        ds, notes = made(name, **declared)
        shift = 2 * np.log10(hubble / 70)
        for column in ("log_mstar", "log_ml_g"):
            np.testing.assert_allclose(ds.table[column], plain.table[column] + shift, atol=1e-9)
        assert any("brought from" in note and "to H0 = 70" in note for note in notes)
        assert ds.info["cosmology"] == "H0 = 70 km/s/Mpc, Om = 0.3"
        assert ds.info["convention"]["hubble"] == 70
    with pytest.raises(DataError, match="density of matter is 1"):
        made("dense", hubble=70, omega_m=1)
    with pytest.raises(ValueError, match="give cosmology, which is words, or hubble"):
        config(mass_to_light={**MASSES, "hubble": 70, "cosmology": "H0 = 70"})
    gswlc = {"file": "gswlc.dat", "format": "gswlc", "match": {"by": "sky"}, "hubble": 50}
    with pytest.raises(DataError, match=r"Hubble constant is 70\.0 in the first and 50\.0"):
        prepare(config(out=tmp_path / "gswlc", mass_to_light=gswlc))


@pytest.mark.parametrize("k_correction", ["none", "chilingarian"])
def test_each_galaxy_takes_the_distance_it_has_and_the_redshift_for_its_k_correction(config, folder, k_correction):
    nan = np.nan
    rows = {"z": [0.05, 0.05, nan, -0.0003, nan, 0.05], "d": [500, nan, 500, 500, nan, -1], "m": 17, "c": 16.4}
    pd.DataFrame({"objid": IDS, **rows}).to_csv(folder / "distances.csv", index=False)
    photometry = {"file": "distances.csv", "id": "objid", "columns": {"magnitude": "m"}, "k_correction": k_correction}
    if k_correction != "none":
        photometry |= {"colour_band": "r", "columns": {"magnitude": "m", "colour_magnitude": "c"}}
    metadata = {"file": "distances.csv", "id": "objid", "columns": {"redshift": "z", "distance_mpc": "d"}}
    table = open_dataset(prepare(config(metadata=metadata, photometry=photometry)).path).table
    distance = luminosity_distance(0.05)
    np.testing.assert_allclose(table["distance_mpc"], [500, distance, 500, 500, nan, distance])
    redshift = np.array([0.05, 0.05, *[np.interp(500, luminosity_distance(Z), Z)] * 2, nan, 0.05])
    k = 0 if k_correction == "none" else k_correction_of("g", redshift, "g-r", np.full(N, 0.6))
    light = -0.4 * (17 - 5 * np.log10(table["distance_mpc"]) - 25 - k - 5.11)
    np.testing.assert_allclose(np.log10(table["luminosity_g"]), light, atol=1e-5)


@pytest.mark.usefixtures("kcorrect")
def test_k_corrections_from_templates_of_five_bands(config, folder):
    flux = np.array([27.26, 73.98, 132.56, 198.52, 238.05])  # kcorrect's own example, in nanomaggies
    extinction, zero_point = np.array([0.3, 0.2, 0.15, 0.1, 0.08]), 25.0
    given = flux * 10 ** (0.4 * (zero_point - 22.5)) * 10 ** (-0.4 * extinction)  # as observed, in another unit
    columns = {"flux": "F", "extinction": "A"}
    table = pd.DataFrame({"objid": IDS, "F": 90.0 * 10, "A": 0.2, "z": [0.0826, 0.0826, 0.2, 0.0826, -1, 0.0826]})
    for k, band in enumerate("ugriz"):
        columns |= {f"template_{what}_{band}": f"{what}_{band}" for what in ("flux", "flux_err", "extinction")}
        table = table.assign(
            **{f"flux_{band}": given[k], f"flux_err_{band}": 0.01 * given[k], f"extinction_{band}": extinction[k]}
        )
    table.loc[3, ["flux_u", "flux_z"]] = np.nan  # three bands do
    table.loc[5, [f"flux_{band}" for band in "ugriz"]] = np.nan
    table.to_csv(folder / "five.csv", index=False)
    part = {"file": "five.csv", "id": "objid", "columns": columns, "k_correction": "kcorrect", "zero_point": zero_point}
    metadata = {"file": "five.csv", "id": "objid", "columns": {"redshift": "z"}}
    summary = prepare(config(metadata=metadata, photometry=part))
    made = open_dataset(summary.path)
    k = k_correction_from_templates(np.tile(flux, (2, 1)), [0.0826, 0.2], 0.01 * np.tile(flux, (2, 1)))[:, 1]
    apparent = zero_point - 2.5 * np.log10(900) - 0.2
    light = -0.4 * (apparent - 5 * np.log10(luminosity_distance([0.0826, 0.2])) - 25 - k - solar_magnitude("g"))
    got = np.log10(made.table["luminosity_g"].to_numpy())
    np.testing.assert_allclose(got[[0, 1, 2]], light[[0, 0, 1]], atol=1e-4)
    assert got[3] == pytest.approx(light[0], abs=0.02)
    assert np.isnan(got[[4, 5]]).all()
    assert made.info["convention"]["kcorrection_redshift"] == 0
    assert not [name for name in made.table if name.startswith("template_")]


TEMPLATES = {f"template_{what}_{band}": f"{what}{band}" for what in ("flux", "flux_err") for band in "ugriz"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"columns": {"flux": "F"}}, "needs the columns .*; template_flux_u is missing"),
        ({"columns": {**TEMPLATES, "template_extinction_g": "A"}}, "go together; template_extinction_u is missing"),
        ({"colour_band": "r", "columns": {**TEMPLATES, "colour_flux": "R"}}, "takes five bands, and no colour_band"),
        ({"band": "ps1_g"}, r"for the bands u, g, r, i and z of SDSS, not for 'ps1_g'"),
        ({"band": "gr"}, r"for the bands u, g, r, i and z of SDSS, not for 'gr'"),
        ({"k_correction": "none"}, "the column template_flux_err_g is for k_correction kcorrect"),
        ({"k_correction": "chilingarian"}, "needs a colour: give colour_band, or another k_correction"),
    ],
)
def test_templates_need_five_bands(config, changes, message):
    part = {"file": "five.csv", "columns": TEMPLATES, "k_correction": "kcorrect", **changes}
    with pytest.raises(ValueError, match=message):
        config(band=part.get("band", "g"), photometry=part)


def test_without_the_package_for_templates_no_image_is_made(config, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "kcorrect.kcorrect", None)
    pd.DataFrame({"objid": IDS, "F": 9.0, "z": 0.1, **dict.fromkeys(TEMPLATES.values(), 9.0)}).to_csv(
        folder / "all.csv", index=False
    )
    part = {"file": "all.csv", "id": "objid", "columns": {"flux": "F", **TEMPLATES}, "k_correction": "kcorrect"}
    metadata = {"file": "all.csv", "id": "objid", "columns": {"redshift": "z"}}
    with pytest.raises(ConfigError, match=r"pip install gzmass\[kcorrect\]"):
        prepare(config(out=folder / "without", metadata=metadata, photometry=part))
    assert not (folder / "without").exists()


def test_a_red_band_takes_its_k_correction_from_a_bluer_one(config, folder):
    pd.DataFrame({"objid": IDS, "g": 17.6, "r": 17.0, "z": 0.1}).to_csv(folder / "red.csv", index=False)
    photometry = {
        "file": "red.csv",
        "id": "objid",
        "band": "r",
        "colour_band": "g",
        "columns": {"magnitude": "r", "colour_magnitude": "g"},
    }
    metadata = {"file": "red.csv", "id": "objid", "columns": {"redshift": "z"}}
    table = open_dataset(prepare(config(band="r", metadata=metadata, photometry=photometry)).path).table
    modulus = 5 * np.log10(luminosity_distance(0.1)) + 25
    light = -0.4 * (17 - modulus - k_correction_of("r", 0.1, "g-r", 0.6) - solar_magnitude("r"))
    np.testing.assert_allclose(np.log10(table["luminosity_g"]), light)
    photometry["colour_band"] = "ps1_g"
    with pytest.raises(ConfigError, match="no K-correction of 'r' from 'r-ps1_g'"):
        prepare(config(out=folder / "ps1", band="r", metadata=metadata, photometry=photometry))


def test_the_band_of_the_luminosities_is_that_of_the_images(config):
    assert config(band="sdss_g", photometry=OF_IMAGES).band == "sdss_g"
    with pytest.raises(ValueError, match=r"photometry\.band is 'g' and band 'r'; luminosity and M/L are those of"):
        config(band="r", photometry=OF_IMAGES)


def test_luminosities_beside_ratios_leave_the_unit_of_h(config, folder):
    pd.DataFrame({"objid": IDS, "ml": 0.3, "l": 1e9, "d": 100.0, "m": 9.3}).to_csv(folder / "of_h.csv", index=False)
    columns = {"log_ml_g": "ml", "luminosity_g": "l", "distance_mpc": "d", "log_mstar": "m"}
    part = {"file": "of_h.csv", "id": "objid", "columns": columns, "h_scaling": -2}
    ds = open_dataset(prepare(config(mass_to_light=part)).path)
    np.testing.assert_allclose(ds.table["luminosity_g"], 1e9 / 0.7**2)
    np.testing.assert_allclose(ds.table["log_mstar"], 9.3 - 2 * np.log10(0.7))
    np.testing.assert_allclose(ds.table["distance_mpc"], 100 / 0.7)
    assert ds.table["log_ml_g"].tolist() == [0.3] * N
    assert ds.info["cosmology"] == "H0 = 70 km/s/Mpc"


def test_magnitudes_that_stand_for_a_missing_value_make_no_luminosity(config, folder):
    magnitudes = [-9999, 99, 17, 17, 17, 17]
    table = pd.DataFrame({"objid": IDS, "m": magnitudes, "A": [0.1] * 5 + [-99], "z": 0.05})
    table.to_csv(folder / "no_magnitude.csv", index=False)
    photometry = {
        "file": "no_magnitude.csv",
        "id": "objid",
        "columns": {"magnitude": "m", "extinction": "A"},
        "k_correction": "none",
    }
    redshift = {"file": "no_magnitude.csv", "id": "objid", "columns": {"redshift": "z"}}
    summary = prepare(config(metadata=redshift, photometry=photometry))
    light = open_dataset(summary.path).table["luminosity_g"]
    assert light.isna().tolist() == [True, True, False, False, False, True]
    assert "photometry: 3 of 6 galaxies get no luminosity" in summary.notes
    measured = pd.DataFrame({"id": IDS, "flux": [np.inf, *[50.0] * 5], "redshift": 0.05})
    settings = config(photometry={"band": "g", "k_correction": "none"})
    light = add_photometry(settings, measured, Convention())[0]["luminosity_g"]
    assert light.isna().tolist() == [True, *[False] * 5]


def test_extinctions_come_from_the_photometry_and_for_both_bands(config, folder):
    fluxes = {"flux": "g", "colour_flux": "i", "extinction": "A"}
    with pytest.raises(ValidationError, match="extinction and colour_extinction go together"):
        config(photometry={"band": "g", "colour_band": "i", "file": "f.csv", "columns": fluxes})
    pd.DataFrame({"id": IDS, "z": 0.05, "A": 0.5}).to_csv(folder / "plain.csv", index=False)
    metadata = {"file": "plain.csv", "columns": {"redshift": "z", "extinction": "A"}}
    with pytest.raises(ConfigError, match=r"metadata.columns can not hold 'extinction' beside the key photometry"):
        prepare(config(metadata=metadata, photometry={**OF_IMAGES}))
    assert "extinction" in open_dataset(prepare(config(metadata=metadata)).path).table


def test_fluxes_without_errors_leave_the_error_of_the_mass(config, folder):
    pd.DataFrame({"id": IDS, "g": 50.0}).to_csv(folder / "fluxes.csv", index=False)
    photometry = {"band": "g", "file": "fluxes.csv", "columns": {"flux": "g"}, "k_correction": "none"}
    ds = open_dataset(prepare(config(mass_to_light=MASSES, photometry=photometry)).path)
    known = ds.table["log_ml_g"].notna()
    np.testing.assert_allclose(ds.table["log_ml_g_err"][known], 0.05)
    assert ds.table["log_luminosity_err"].isna().all()


def test_errors_of_fluxes_have_the_unit_of_the_fluxes(config, folder):
    pd.DataFrame({"objid": IDS, "z": 0.05, "f": 2e5, "df": 4e3}).to_csv(folder / "njy.csv", index=False)
    columns = {"flux": "f", "flux_err": "df"}
    photometry = {"file": "njy.csv", "id": "objid", "columns": columns, "zero_point": 31.4, "k_correction": "none"}
    metadata = {"file": "njy.csv", "id": "objid", "columns": {"redshift": "z"}}
    table = open_dataset(prepare(config(metadata=metadata, photometry=photometry)).path).table
    np.testing.assert_allclose(table["log_luminosity_err"], 0.02 / np.log(10), rtol=1e-6)
    magnitude = 31.4 - 2.5 * np.log10(2e5)
    np.testing.assert_allclose(np.log10(table["luminosity_g"]), -0.4 * (magnitude - 36.736 - 5.11), atol=2e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"columns": {"magnitude": "m", "flux_err": "f"}}, "flux_err is the error of flux, which is missing"),
        ({"columns": {"flux": "f", "magnitude_err": "m"}}, "magnitude_err is the error of magnitude, which is"),
        ({"columns": {"magnitude_err": "m"}}, "magnitude_err is the error of magnitude, which is missing"),
        ({"columns": {"flux": "f", "colour_extinction": "A"}}, "colour_extinction needs colour_band"),
        ({"columns": {"magnitude": "m"}, "zero_point": 25}, "zero_point is that of fluxes, and columns gives magn"),
    ],
)
def test_columns_that_would_do_nothing_are_refused(config, changes, message):
    with pytest.raises(ValidationError, match=message):
        config(photometry={"file": "any.csv", "k_correction": "none", **changes})


def test_a_second_band_of_another_place_is_refused(config, tmp_path):
    (tmp_path / "fits").mkdir()
    y, x = np.mgrid[:32, :32] - 15.5
    moved, coarser = (3.0, 0.4), (0.0, 0.5)
    for k, galaxy in enumerate(IDS):
        for band in "gi":
            shift, scale = (moved, coarser, *[(0.0, 0.4)] * N)[k] if band == "i" else (0.0, 0.4)
            light = {"g": 50, "i": 120}[band] * np.exp(-np.hypot(x, y) / 1.5)
            hdu = fits.PrimaryHDU(light.astype(np.float32))
            wcs = WCS(naxis=2)
            wcs.wcs.ctype, wcs.wcs.cunit = ["RA---TAN", "DEC--TAN"], ["deg", "deg"]
            wcs.wcs.crval, wcs.wcs.crpix = [150 + 0.01 * k, 2 + 0.02 * k], [16.5 + shift, 16.5]
            wcs.wcs.cdelt = [-scale / 3600, scale / 3600]
            hdu.header.update(wcs.to_header())
            hdu.header["BUNIT"] = "nanomaggy"
            hdu.writeto(tmp_path / "fits" / f"{galaxy}-{band}.fits")
    images = {"folder": tmp_path / "fits", "pattern": "{id}-g.fits"}
    summary = prepare(config(images=images, mass_to_light=MASSES, photometry=OF_IMAGES))
    reasons = pd.read_csv(summary.path / "quarantine.csv", dtype=str).set_index("id")["reason"]
    assert "puts the galaxy 3.0 pixels off" in reasons[str(IDS[0])]
    assert "puts the galaxy 0.0 pixels off, and the corners 4." in reasons[str(IDS[1])]
    assert len(open_dataset(summary.path).table) == N - 2
