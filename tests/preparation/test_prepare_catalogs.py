"""Catalogues as an astronomer has them: matched by id, through another table or by position; and what is refused."""

import numpy as np
import pandas as pd
import pytest
from survey import IDS, MASSES, OF_IMAGES, N

from gzmass.cli import main
from gzmass.config import load_config
from gzmass.datasets import open_dataset
from gzmass.errors import ConfigError, DataError
from gzmass.preparation import PrepareConfig, prepare
from gzmass.tree import load_tree


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


def test_a_redshift_that_the_list_of_galaxies_lacks_is_that_of_the_catalogue(config, folder):
    galaxies = pd.read_csv(folder / "galaxies.csv").assign(z=[0.1, 0.1, *[np.nan] * (N - 2)])
    galaxies.to_csv(folder / "some_redshifts.csv", index=False)
    columns = {"ra": "ra", "dec": "dec", "radius_arcsec": "r90", "redshift": "z"}
    listed = {"file": "some_redshifts.csv", "id": "objid", "columns": columns}
    gswlc = {"file": "gswlc.dat", "format": "gswlc", "match": {"by": "sky"}}
    summary = prepare(config(galaxies=listed, mass_to_light=gswlc))
    np.testing.assert_allclose(open_dataset(summary.path).table["redshift"], [0.1, 0.1, *[0.05] * (N - 2)])
    assert any(f"{N - 2} redshifts that were missing before are from this table" in note for note in summary.notes)


def test_a_column_that_the_table_calls_id_is_not_its_id(config, folder):
    masses = pd.read_csv(folder / "masses.csv")
    masses.insert(0, "id", np.arange(1, N + 1))
    votes = pd.DataFrame({f"{stem}_votes": 3.0 for stem in load_tree("gz2").stems}, index=masses.index)
    pd.concat([masses[["id", "objid", "z"]], votes], axis=1).to_csv(folder / "numbered.csv", index=False)
    part = {"file": "numbered.csv", "id": "objid"}
    ds = open_dataset(prepare(config(votes=part, metadata={**part, "columns": {"redshift": "z"}})).path)
    assert (ds.votes()[:, 0] == 3).all()
    # our name for a column may be that of their ids
    ds = open_dataset(prepare(config(out=folder / "ours", metadata={**part, "columns": {"objid": "z"}})).path)
    np.testing.assert_allclose(ds.table["objid"], 0.05)
    with pytest.raises(DataError, match=r"'id' of 'numbered.csv' can not be read beside the ids in its column 'objid'"):
        prepare(config(out=folder / "both", metadata={**part, "columns": {"number": "id"}}))


def test_positions_that_stand_for_missing_ones_are_missing(config, folder):
    table = pd.DataFrame({"objid": IDS, "ra": [-9999.0, *[150.0] * (N - 1)], "dec": [-9999.0, *[2.0] * (N - 1)]})
    table.to_csv(folder / "positions.csv", index=False)
    listed = {"file": "galaxies.csv", "id": "objid", "columns": {"radius_arcsec": "r90"}}
    metadata = {"file": "positions.csv", "id": "objid", "columns": {"ra": "ra", "dec": "dec"}}
    summary = prepare(config(galaxies=listed, metadata=metadata))
    table = open_dataset(summary.path).table.set_index("id").loc[IDS]
    assert table["ra"].isna().tolist() == table["dec"].isna().tolist() == [True, *[False] * (N - 1)]
    assert any("values of dec are taken as missing, the first -9999" in note for note in summary.notes)


def test_positions_to_match_by_are_converted(config, folder):
    ra, dec = 150 + 0.01 * np.arange(N), 2 + 0.02 * np.arange(N)
    table = pd.DataFrame({"name": [f"g{k}" for k in range(N)], "RA": ra / 15, "DEC": 60 * dec, "z": 0.1, "ml": 0.2})
    table.to_csv(folder / "in_hours.csv", index=False)
    match = {"by": "sky", "ra": {"column": "RA", "unit": "hourangle"}, "dec": {"column": "DEC", "unit": "arcmin"}}
    part = {"file": "in_hours.csv", "id": "name", "match": match}
    tables = {
        "metadata": {**part, "columns": {"redshift": "z"}},
        "mass_to_light": {**part, "columns": {"log_ml_g": "ml"}},
    }
    ds = open_dataset(prepare(config(**tables)).path)
    assert [row["n_matched"] for row in ds.info["matches"]] == [N, N]
    assert {row["median_separation_arcsec"] < 1e-3 for row in ds.info["matches"]} == {True}
    match["ra"]["unit"] = "Jy"
    with pytest.raises(ConfigError, match=r"'Jy'.*'ra'|'ra'.*'Jy'"):
        prepare(config(out=folder / "in_jansky", **tables))


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


def test_ids_of_a_mapping_keep_all_their_digits(config, folder):
    """Zeros in front, and a missing id beside others."""
    ours = IDS.astype(str)
    theirs = [f"000{k}" for k in range(N)]
    for name, last in (("all", theirs[-1]), ("some", "")):
        pd.DataFrame({"galaxy": ours, "name": [*theirs[:-1], last]}).to_csv(folder / f"{name}.csv", index=False)
    pd.DataFrame({"name": theirs, "z": 0.01 * np.arange(N)}).to_csv(folder / "z.csv", index=False)
    for name, n in (("all", N), ("some", N - 1)):
        match = {"through": {"file": f"{name}.csv", "galaxy": "galaxy", "catalogue": "name"}}
        metadata = {"file": "z.csv", "id": "name", "columns": {"redshift": "z"}, "match": match}
        ds = open_dataset(prepare(config(out=folder / f"by {name}", metadata=metadata)).path)
        np.testing.assert_allclose(ds.table["redshift"][:n], 0.01 * np.arange(n))
        assert ds.table["redshift"].notna().sum() == n


def test_another_id_of_a_catalogue_is_asked_for_by_its_name(config, folder):
    lines = [line.split(" ") for line in (folder / "gswlc.dat").read_text().splitlines()]
    for line, galaxy in zip(lines, IDS, strict=True):
        line[1] = str(galaxy)
    (folder / "galex.dat").write_text("\n".join(" ".join(line) for line in lines) + "\n")
    part = {"file": "galex.dat", "format": "gswlc"}
    for name in ("galex_id", "GLXID"):
        ds = open_dataset(prepare(config(out=folder / name, mass_to_light={**part, "id": name})).path)
        assert ds.table["log_mstar"].notna().sum() == N - 1
    with pytest.raises(
        ConfigError, match=r"mass_to_light.id has the value 'GLX'; the ids of the format 'gswlc' are obj"
    ):
        prepare(config(mass_to_light={**part, "id": "GLX"}))
    with pytest.raises(DataError, match=f"whose first id is {lines[0][0]}"):
        prepare(config(mass_to_light={**part, "id": "objid"}))


def test_a_good_row_of_a_galaxy_comes_before_a_better_measured_one(config, folder):
    line = (folder / "gswlc.dat").read_text().splitlines()[0].split(" ")
    line[0], line[19] = str(IDS[0]), "0"
    other = [*line[:9], "11.5", "0.01", *line[11:19], "1", *line[20:]]
    (folder / "twice.dat").write_text("\n".join(" ".join(one) for one in (other, line)) + "\n")
    for where in (None, {"flag_sed": [0]}):
        part = {"file": "twice.dat", "format": "gswlc", "where": where}
        summary = prepare(config(out=folder / f"where {where}", mass_to_light=part))
        assert open_dataset(summary.path).table["log_mstar"][0] == 10.0
        assert summary.set_aside["mass_to_light"] == 1
    summary = prepare(config(out=folder / "bad", mass_to_light={**part, "where": {"flag_sed": [1]}}))
    assert open_dataset(summary.path).table["log_mstar"][0] == 11.5


def test_a_galaxy_with_its_own_image_needs_no_position(config, folder):
    table = pd.read_csv(folder / "galaxies.csv", dtype={"objid": str})
    table.loc[1, "ra"] = np.nan
    table.to_csv(folder / "nowhere.csv", index=False)
    galaxies = {"file": "nowhere.csv", "id": "objid", "columns": {"ra": "ra", "dec": "dec"}}
    summary = prepare(config(galaxies=galaxies))
    assert summary.counts["all"]["galaxies"] == N
    assert "galaxies: 1 of 6 have no position in degrees" in summary.notes
    assert np.isnan(open_dataset(summary.path).table["ra"][1])


def test_a_bad_mass_leaves_the_ratio_beside_it(config):
    columns = {"log_ml_g": "ml", "log_mstar": "mass"}
    summary = prepare(config(mass_to_light={"file": "ratios.csv", "id": "objid", "columns": columns}))
    table = open_dataset(summary.path).table
    assert table["log_ml_g"].tolist() == [0.3] * N
    assert np.isnan(table["log_mstar"][2])
    assert summary.set_aside == {"mass_to_light, masses": 1}


def test_scales_of_pixels_that_can_not_be_are_missing(config, folder):
    table = pd.read_csv(folder / "galaxies.csv", dtype={"objid": str}).assign(scale=[0.4, 0, 0.4, -9999, 0.4, 0.4])
    table.to_csv(folder / "scales.csv", index=False)
    galaxies = {"file": "scales.csv", "id": "objid", "columns": {"pixel_scale_arcsec": "scale"}}
    summary = prepare(config(galaxies=galaxies, pixel_scale_arcsec=None, cutout={"arcsec": 6}))
    assert summary.counts["all"]["galaxies"] == N - 2
    assert summary.set_aside == {"images": 2}
