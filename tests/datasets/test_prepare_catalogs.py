"""Catalogues as an astronomer has them: matched by id, through another table or by position; and what is refused."""

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from gzmass.cli import main
from gzmass.config import load_config
from gzmass.datasets import PrepareConfig, open_dataset, prepare
from gzmass.errors import ConfigError, DataError
from gzmass.tree import load_tree

FIRST = 1237648721789256091
N = 6
IDS = FIRST + np.arange(N)
GSWLC = 24


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
