"""Catalogues as an astronomer has them: matched by id, through another table or by position; and what is refused."""

import sys

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import QTable

from gzmass.catalogs import k_correction as k_correction_of
from gzmass.catalogs import k_correction_from_templates, luminosity_distance, solar_magnitude
from gzmass.catalogs.conventions import Convention
from gzmass.cli import main
from gzmass.config import load_config
from gzmass.datasets import open_dataset
from gzmass.errors import ConfigError, DataError
from gzmass.preparation import PrepareConfig, prepare
from gzmass.preparation.photometry import add_photometry
from gzmass.tree import load_tree

FIRST = 1237648721789256091
N = 6
IDS = FIRST + np.arange(N)
GSWLC = 24
# redshifts among which that of a distance is looked up
Z = np.linspace(0.05, 0.2, 3000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six images of 24 px, a list of their galaxies, and tables that belong to them in every way there is."""
    path = tmp_path_factory.mktemp("survey")
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:24, :24] - 11.5
    (path / "fits").mkdir()
    for i in IDS:
        for band, flux in {"g": 50.0, "i": 120.0}.items():
            image = flux * np.exp(-np.hypot(x, y) / 1.5) + rng.normal(0, 0.2, x.shape)
            hdu = fits.PrimaryHDU(image.astype(np.float32))
            hdu.header["BUNIT"] = "nanomaggy"
            hdu.writeto(path / "fits" / f"{i}-{band}.fits")
    ra, dec = 150 + 0.01 * np.arange(N), 2 + 0.02 * np.arange(N)
    galaxies = pd.DataFrame({"objid": IDS, "ra": ra, "dec": dec, "r90": 3.0, "dr8": IDS + 1000})
    galaxies.to_csv(path / "galaxies.csv", index=False)
    galaxies[["objid", "dr8"]].to_csv(path / "names.csv", index=False)
    masses = pd.DataFrame({"objid": IDS, "mass": 10.0 + 0.1 * np.arange(N), "err": 0.05, "z": 0.05})
    masses.loc[2, "mass"] = -99
    masses.to_csv(path / "masses.csv", index=False)
    masses.assign(ml=0.3).to_csv(path / "ratios.csv", index=False)
    rows = np.full((N, GSWLC), -99.0)
    rows[:, 5], rows[:, 6], rows[:, 7] = ra + 0.3 / 3600, dec, 0.05
    rows[:, 9], rows[:, 10] = 10 + 0.1 * np.arange(N), 0.03
    rows[4, 9] = -99
    lines = [f"{objid} {' '.join(f'{v:.10g}' for v in row[1:])}" for objid, row in zip(IDS + 7, rows, strict=True)]
    (path / "gswlc.dat").write_text("\n".join(lines) + "\n")
    stems = load_tree("gz2").stems
    votes = pd.DataFrame({"dr7objid": IDS + 1000, "ra": ra, "dec": dec, "total_classifications": 40})
    votes = pd.concat([votes, pd.DataFrame({f"{stem}_count": 5.0 for stem in stems}, index=votes.index)], axis=1)
    votes.to_csv(path / "gz2.csv", index=False)
    return path


@pytest.fixture
def config(folder, tmp_path, monkeypatch):
    """Configurations of the survey, in its folder."""
    monkeypatch.chdir(folder)

    def make(**changes):
        values = {
            "out": tmp_path / "ds",
            "images": {"folder": "fits", "pattern": "{id}-g.fits"},
            "galaxies": {
                "file": "galaxies.csv",
                "id": "objid",
                "columns": {"ra": "ra", "dec": "dec", "radius_arcsec": "r90"},
            },
            "npix": 16,
            "pixel_scale_arcsec": 0.4,
        }
        return PrepareConfig(**{**values, **changes})

    return make


MASSES = {
    "file": "masses.csv",
    "id": "objid",
    "columns": {"log_mstar": "mass", "log_mstar_err": "err", "redshift": "z"},
}
OF_IMAGES = {"band": "g", "colour_band": "i", "colour_pattern": "{id}-i.fits"}


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


def test_a_catalogue_matched_by_position(config):
    part = {"file": "gswlc.dat", "format": "gswlc", "match": {"by": "sky", "radius_arcsec": 1}}
    summary = prepare(config(mass_to_light=part))
    ds = open_dataset(summary.path)
    assert ds.table["id"].tolist() == IDS.tolist()
    np.testing.assert_allclose(ds.table["log_mstar"], np.where(np.arange(N) == 4, np.nan, 10 + 0.1 * np.arange(N)))
    (match,) = ds.info["matches"]
    assert match["median_separation_arcsec"] == pytest.approx(0.3, abs=0.01)
    assert match["n_matched"] >= N - 1
    assert ds.info["imf"] == "chabrier"
    assert ds.table["objid"].tolist() == (IDS + 7).tolist()
    assert ds.metadata(["flag_sed"]).shape == (N, 1)
    # its own ids are others
    with pytest.raises(DataError, match=r"None of the galaxies .* mass_to_light"):
        prepare(config(out=summary.path.parent / "by_id", mass_to_light={**part, "match": {"by": "id"}}))


def test_tables_of_columns_matched_by_position(config, folder):
    ra, dec = 150 + 0.01 * np.arange(N) + 0.3 / 3600, 2 + 0.02 * np.arange(N)
    stems = load_tree("gz2").stems
    table = pd.DataFrame({"name": [f"g{k}" for k in range(N)], "RA": ra, "DEC": dec})
    table = table.assign(m=9 + 0.2 * np.arange(N), z=0.05, mag=17.0, ml=0.1 * np.arange(N), radius=7.0)
    votes = pd.DataFrame({f"{stem}_votes": 3.0 + np.arange(N) for stem in stems})
    table = pd.concat([table, votes], axis=1)[::-1]
    table.to_csv(folder / "by_position.csv", index=False)
    match = {"by": "sky", "ra": "RA", "dec": "DEC"}
    part = {"file": "by_position.csv", "id": "name", "match": match}
    settings = {
        "votes": part,
        "metadata": {**part, "columns": {"redshift": "z", "radius_kpc": "radius"}},
        "mass_to_light": {**part, "columns": {"log_mstar": "m"}},
        "photometry": {**part, "columns": {"magnitude": "mag"}, "k_correction": "none"},
    }
    ds = open_dataset(prepare(config(**settings)).path)
    np.testing.assert_array_equal(ds.votes()[:, 0], 3.0 + np.arange(N))
    np.testing.assert_allclose(ds.table["log_mstar"], 9 + 0.2 * np.arange(N))
    np.testing.assert_allclose(ds.table["ra"], 150 + 0.01 * np.arange(N))
    assert not {"RA", "DEC", "name"} & set(ds.table)
    assert {row["median_separation_arcsec"] < 0.4 for row in ds.info["matches"]} == {True}
    ratios = {**part, "columns": {"log_ml_g": "ml"}}
    table = open_dataset(prepare(config(out=folder / "ratios_by_sky", mass_to_light=ratios)).path).table
    np.testing.assert_allclose(table["log_ml_g"], 0.1 * np.arange(N))
    with pytest.raises(DataError, match="no column 'ra'"):
        prepare(config(out=folder / "no_ra", mass_to_light={**ratios, "match": {"by": "sky"}}))
    with pytest.raises(ConfigError, match=r"the column to match by is mass_to_light\.match\.dec"):
        prepare(config(out=folder / "no_ra", mass_to_light={**ratios, "columns": {"log_ml_g": "ml", "dec": "DEC"}}))
    with pytest.raises(ValueError, match="ra belongs to a match by sky, not by id"):
        config(metadata={**part, "columns": {"redshift": "z"}, "match": {"ra": "RA"}})
    with pytest.raises(ValueError, match="those of the format 'gswlc' are known"):
        config(mass_to_light={"file": "gswlc.dat", "format": "gswlc", "match": match})


def test_votes_through_a_table_of_names(config, folder):
    through = {"file": "names.csv", "galaxy": "objid", "catalogue": "dr8"}
    votes = {"file": "gz2.csv", "format": "galaxy_zoo_2", "statistic": "count", "match": {"through": through}}
    ds = open_dataset(prepare(config(votes=votes)).path)
    assert (ds.votes() == 5).all()
    with pytest.raises(DataError, match=r"ids of another kind are translated by match\.through"):
        prepare(config(out=folder / "other", votes={**votes, "match": {}}))
    twice = {"file": "names.csv", "galaxy": "objid", "catalogue": "objid"}
    with pytest.raises(ConfigError, match="same column 'objid'"):
        prepare(config(out=folder / "other", votes={**votes, "match": {"through": twice}}))
    assert not (folder / "other").exists()


def test_galaxies_without_an_image_are_set_aside(config, folder):
    table = pd.read_csv(folder / "galaxies.csv", dtype={"objid": str})
    more = pd.concat([table.iloc[1:], table.iloc[:1].assign(objid="7")])
    more.to_csv(folder / "more.csv", index=False)
    summary = prepare(config(galaxies={"file": "more.csv", "id": "objid"}))
    assert summary.counts["all"]["galaxies"] == N - 1
    assert summary.set_aside == {"galaxies without an image": 1}
    assert "images: 1 of 6 are not of a galaxy in the list" in summary.notes


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


def test_right_ascensions_that_may_be_hours_are_asked_about(config, folder):
    table = pd.read_csv(folder / "galaxies.csv", dtype={"objid": str})
    notes = {}
    for ra in (30.0, 3.0):
        table.assign(ra_deg=ra + 0.01 * np.arange(len(table)), dec_deg=1.0).to_csv(folder / "placed.csv", index=False)
        columns = {"ra": "ra_deg", "dec": "dec_deg"}
        galaxies = {"file": "placed.csv", "id": "objid", "columns": columns}
        notes[ra] = prepare(config(out=folder / f"ds{ra}", galaxies=galaxies)).notes
    assert [any("are they hours?" in note for note in notes[ra]) for ra in (30.0, 3.0)] == [False, True]


def test_a_second_catalogue_fills_the_galaxies_that_the_first_does_not_know(config, folder):
    ratios = pd.read_csv(folder / "ratios.csv")
    ratios.iloc[:3].assign(ml=0.5).to_csv(folder / "few.csv", index=False)
    columns = {"log_ml_g": "ml"}
    parts = [{"file": f, "id": "objid", "columns": columns, "imf": "Chabrier"} for f in ("few.csv", "ratios.csv")]
    table = open_dataset(prepare(config(mass_to_light=parts)).path).table
    assert table["log_ml_g"].tolist() == [0.5] * 3 + [0.3] * 3
    parts[1]["imf"] = "Salpeter"
    with pytest.raises(DataError, match=r"(?i)initial mass function.*chabrier.*salpeter"):
        prepare(config(out=folder / "two_imfs", mass_to_light=parts))


def test_a_second_catalogue_that_does_not_say_its_initial_mass_function_is_refused(config, folder):
    part = {"file": "ratios.csv", "id": "objid", "columns": {"log_ml_g": "ml"}}
    parts = [{**part, "imf": "Chabrier", "source": "A"}, {**part, "source": "B"}]
    for pair, silent in ((parts, "mass_to_light 2"), (parts[::-1], "mass_to_light 1")):
        with pytest.raises(DataError, match=rf"key imf of {silent}, or leave one out"):
            prepare(config(out=folder / "unknown_imf", mass_to_light=pair))
    parts[1] |= {"imf": "chabrier", "solar_magnitude": 5.11}
    with pytest.raises(DataError, match="key solar_magnitude of mass_to_light 1"):
        prepare(config(out=folder / "unknown_sun", mass_to_light=parts))
    parts[0]["solar_magnitude"] = 5.11
    assert open_dataset(prepare(config(mass_to_light=parts)).path).info["label_source"] == "A; B"


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


def test_values_that_no_galaxy_has_are_missing_and_counted(config, folder):
    columns = {"z": [-9999, -0.0003, 0.05, 0.05, 21, 0.05], "l": [-99, 1e9, 0, 1e9, 1e9, 7], "r": [1, 2, 3, 4, 5, -1]}
    pd.DataFrame({"objid": IDS, **columns}).to_csv(folder / "sentinels.csv", index=False)
    part = {"file": "sentinels.csv", "id": "objid"}
    named = {"redshift": "z", "luminosity_g": {"column": "l", "missing": [7]}, "radius_kpc": "r"}
    summary = prepare(config(metadata={**part, "columns": named}))
    table = open_dataset(summary.path).table
    assert table["redshift"].isna().tolist() == [True, False, False, False, True, False]
    assert table["luminosity_g"].isna().tolist() == [True, False, True, False, False, True]
    for column, first, allowed in (("redshift", -9999, "-0.01 to 20"), ("luminosity_g", -99, "values above 0")):
        counted = f"metadata: 2 of 6 values of {column} are taken as missing, the first {first}; allowed are {allowed}"
        assert counted in summary.notes
    pd.DataFrame({"objid": IDS, "d": -99}).to_csv(folder / "minus.csv", index=False)
    settings = config(out=folder / "minus", metadata={**part, "file": "minus.csv", "columns": {"distance_mpc": "d"}})
    with pytest.raises(
        DataError, match=r"No value of distance_mpc of 'minus\.csv' can be used: allowed are values above"
    ):
        prepare(settings)


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


BAD = [
    ({"votes": {"file": "masses.csv", "id": "name"}}, "no column 'name'"),
    ({"mass_to_light": {**MASSES, "file": "floats.csv"}, "photometry": OF_IMAGES}, "floating-point"),
    ({"mass_to_light": {**MASSES, "file": "twice.csv"}, "photometry": OF_IMAGES}, "more than once"),
    ({"mass_to_light": {**MASSES, "file": "nothing.csv"}, "photometry": OF_IMAGES}, "allowed are 2 to 14"),
    ({"galaxies": {"file": "seconds.csv", "id": "objid"}}, "has a position: ra must be -180 to 360"),
    ({"images": {"frames": "no/*.fits"}, "cutout": {"arcsec": 9}}, "No file matches images.frames"),
    (
        {"mass_to_light": {**MASSES, "columns": {"log_mstar": "mass", "ra": "err"}}, "photometry": OF_IMAGES},
        "'ra' is given twice",
    ),
    (
        {"metadata": {"file": "masses.csv", "id": "objid", "columns": {"redshift": "mass", "filled_fraction": "err"}}},
        "can not hold 'filled_fraction'",
    ),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=lambda value: value if isinstance(value, str) else "")
def test_a_bad_table_is_one_sentence_and_nothing_is_written(config, folder, changes, message):
    masses = pd.read_csv(folder / "masses.csv")
    masses.assign(objid=masses["objid"].astype(float)).to_csv(folder / "floats.csv", index=False)
    pd.concat([masses, masses.iloc[:1]]).to_csv(folder / "twice.csv", index=False)
    masses.assign(mass=-99).to_csv(folder / "nothing.csv", index=False)
    galaxies = pd.read_csv(folder / "galaxies.csv")
    galaxies.assign(ra=galaxies["ra"] * 3600).to_csv(folder / "seconds.csv", index=False)
    settings = config(**changes)
    with pytest.raises((DataError, ConfigError), match=message):
        prepare(settings)
    assert not settings.out.exists()


def test_right_ascensions_in_hours_are_refused_or_converted(config, folder):
    table = pd.read_csv(folder / "galaxies.csv")
    table.assign(ra=table["ra"] / 15).to_csv(folder / "hours.csv", index=False)
    part = {"file": "gswlc.dat", "format": "gswlc", "match": {"by": "sky"}}
    columns = {"ra": {"column": "ra", "unit": "hourangle"}, "dec": "dec"}
    good = prepare(config(galaxies={"file": "hours.csv", "id": "objid", "columns": columns}, mass_to_light=part))
    assert good.matches[0]["n_matched"] >= N - 1
    with pytest.raises(DataError, match="seems to be in hours"):
        prepare(config(out=folder / "hours", galaxies={"file": "hours.csv", "id": "objid"}, mass_to_light=part))


def test_the_command_ends_with_exit_code_2_for_two_initial_mass_functions(config, folder, capsys):
    part = {"file": "ratios.csv", "id": "objid", "columns": {"log_ml_g": "ml"}}
    settings = config(mass_to_light=[{**part, "imf": "Chabrier"}, {**part, "imf": "Kroupa"}])
    from gzmass.config import save_config

    save_config(settings, folder / "imf.yaml")
    assert load_config(PrepareConfig, folder / "imf.yaml") == settings
    assert main(["prepare", str(folder / "imf.yaml")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_second_table_of_masses_takes_nothing_from_galaxies_that_it_does_not_know(config, folder):
    galaxies = pd.read_csv(folder / "galaxies.csv").assign(z=0.05)
    galaxies.to_csv(folder / "with_z.csv", index=False)
    # the first table knows the galaxies 0, 1, 3, 4 and 5 (2 is -99), the second one has a label of 2 alone
    pd.DataFrame({"objid": IDS[:2], "ml": [0.4, np.nan], "flag": [1.0, 5.0]}).to_csv(folder / "one.csv", index=False)
    pd.DataFrame({"objid": IDS[1:4], "ml": [np.nan, 0.5, np.nan], "flag": [6.0, 7.0, 8.0]}).to_csv(
        folder / "two.csv", index=False
    )
    tables = [
        {"file": name, "id": "objid", "imf": "chabrier", "columns": {"log_ml_g": "ml", "flag": "flag"}}
        for name in ("one.csv", "two.csv")
    ]
    listed = {"file": "with_z.csv", "id": "objid", "columns": {"ra": "ra", "dec": "dec", "redshift": "z"}}
    table = open_dataset(prepare(config(galaxies=listed, mass_to_light=tables)).path).table
    np.testing.assert_array_equal(table["redshift"], np.full(N, 0.05))
    np.testing.assert_array_equal(table["log_ml_g"], [0.4, np.nan, 0.5, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(table["flag"], [1, 5, 7, 8, np.nan, np.nan])
    again = [tables[0], {**tables[1], "columns": {"log_ml_g": "ml", "redshift": "flag"}}]
    with pytest.raises(ConfigError, match="column 'redshift' is given twice; the key mass_to_light 2"):
        prepare(config(out=folder / "twice", galaxies=listed, mass_to_light=again))


def test_labels_and_luminosities_come_from_one_section_each(config, folder):
    other = {"file": "masses.csv", "id": "objid"}
    with pytest.raises(ConfigError, match=r"metadata\.columns can not hold 'log_mstar': the key mass_to_light"):
        prepare(config(out=folder / "a", metadata={**other, "columns": {"log_mstar": "mass"}}))
    with pytest.raises(ConfigError, match=r"photometry computes 'luminosity_g', which metadata\.columns already gives"):
        prepare(
            config(
                out=folder / "a",
                metadata={**other, "columns": {"luminosity_g": "mass"}},
                mass_to_light=MASSES,
                photometry=OF_IMAGES,
            )
        )
    assert not (folder / "a").exists()


def test_rows_that_the_authors_do_not_hold_for_good_are_counted_or_left_out(config, folder):
    lines = (folder / "gswlc.dat").read_text().splitlines()
    rows = [line.split() for line in lines]
    for row, flag in zip(rows, (0, 0, 2, 5, 0, 0), strict=True):
        row[19] = str(flag)
    (folder / "flags.dat").write_text("\n".join(" ".join(row) for row in rows))
    part = {"file": "flags.dat", "format": "gswlc", "match": {"by": "sky"}}
    summary = prepare(config(mass_to_light=part))
    assert "mass_to_light: 2 rows have a flag_sed other than 0; where: {flag_sed: [0]} leaves them out" in summary.notes
    chosen = prepare(config(out=folder / "good", mass_to_light={**part, "where": {"flag_sed": [0]}}))
    known = open_dataset(chosen.path).table["log_mstar"].notna()
    assert known.tolist() == [True, True, False, False, False, True]
    assert "mass_to_light: 2 rows left out by where" in chosen.notes
    with pytest.raises(ConfigError, match="where names a column 'flag' that the format 'gswlc' has not"):
        prepare(config(out=folder / "bad", mass_to_light={**part, "where": {"flag": [0]}}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"votes": {"file": "v.csv", "statistic": "count"}}, "statistic belongs to the format 'galaxy_zoo_2'"),
        ({"votes": {"file": "v.csv", "format": "kaggle", "columns": "{stem}"}}, "columns belongs to the format 'col"),
        ({"split": {"file": "s.csv", "salt": "mine"}}, "salt belongs to a split by a hash"),
        ({"split": {"column": "part"}}, "column belongs to a split by a table"),
        ({"images": {"folder": "fits", "file": "name"}}, "file belongs to images.table"),
        ({"images": {"table": "t.csv", "pattern": "{id}.png"}}, "pattern belongs to images.folder"),
        ({"mass_to_light": {**MASSES, "match": {"mode": "best"}}}, "mode belongs to a match by sky"),
        ({"mass_to_light": {**MASSES, "where": {"flag_sed": [0]}}}, "where is a column of true and false"),
        (
            {"images": {"frames": "f/*.fits"}, "galaxies": {"file": "g.csv", "columns": {"radius_arcsec": "r"}}},
            "images.frames needs galaxies.columns with ra and dec; dec is missing",
        ),
    ],
)
def test_a_key_that_would_do_nothing_is_refused(config, changes, message):
    with pytest.raises(ValueError, match=message):
        config(**changes)


def test_names_of_splits_are_looked_at_before_any_image(config, folder):
    pd.DataFrame({"id": IDS, "split": ["train"] * (N - 1) + ["validation"]}).to_csv(folder / "splits.csv", index=False)
    with pytest.raises(DataError, match=r"column 'split' of 'splits.csv' holds 'validation'; allowed are train, val"):
        prepare(config(out=folder / "not_made", split={"file": "splits.csv"}))
    assert not (folder / "not_made").exists()
