import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from gzmass.catalogs import clean_ids, named_columns, read_table
from gzmass.errors import ConfigError, DataError

IDS = [1237648721789256091, 1237648721789256092, 1237648721789256093]


def write(path, table):
    name = path.name
    if name.endswith((".csv", ".csv.gz")):
        table.to_csv(path, index=False)
    elif name.endswith(".parquet"):
        table.to_parquet(path, index=False)
    else:
        kind = {"fits": "fits", "ecsv": "ascii.ecsv", "vot": "votable"}[path.suffix[1:]]
        Table.from_pandas(table).write(path, format=kind)
    return path


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet", "fits", "ecsv", "vot"])
def test_ids_keep_all_digits_beside_a_missing_value(tmp_path, ending):
    table = pd.DataFrame({"objid": IDS, "z": [0.1, np.nan, 0.3], "name": ["a", "b", "c"]})
    path = write(tmp_path / f"t.{ending}", table)
    got, set_aside = read_table(path, "objid", ["z"])
    assert got["id"].tolist() == IDS
    assert got["id"].dtype == np.int64
    assert list(got.columns) == ["id", "z"]
    assert got["z"].isna().tolist() == [False, True, False]
    assert set_aside.empty


def test_a_row_without_an_id_is_set_aside_and_the_others_keep_their_digits(tmp_path):
    (tmp_path / "t.csv").write_text(f"objid,z\n{IDS[0]},1\n,2\n{IDS[1]},3\n")
    table = pd.DataFrame({"objid": pd.array([IDS[0], None, IDS[1]], dtype="Int64"), "z": [1, 2, 3]})
    table.to_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        got, set_aside = read_table(tmp_path / name, "objid")
        assert got["id"].tolist() == IDS[:2]
        assert got["z"].tolist() == [1, 3]
        assert set_aside["reason"].tolist() == [f"row 1 of {name} has no id"]


def test_ids_that_went_through_float_are_refused(tmp_path):
    table = pd.DataFrame({"objid": np.array(IDS, dtype=float)})
    for ending in ("csv", "parquet", "fits"):
        path = write(tmp_path / f"t.{ending}", table)
        with pytest.raises(DataError, match=r"column 'objid' of .*floating-point numbers.*Received: 1\.23764872178"):
            read_table(path, "objid")


def test_text_stays_text():
    assert clean_ids(pd.Series(["007", "008"]), "x").tolist() == ["007", "008"]
    assert clean_ids(pd.Series(["7", "J1200"]), "x").tolist() == ["7", "J1200"]
    assert clean_ids(pd.Series(np.array([2**63 + 1], dtype=np.uint64)), "x").tolist() == [str(2**63 + 1)]


def test_what_can_not_be_used_is_named(tmp_path):
    path = write(tmp_path / "t.csv", pd.DataFrame({"objid": [1, 2, 2], "z": ["a", "0.5", "1"]}))
    with pytest.raises(DataError, match="The id 2 stands more than once in the column 'objid'"):
        read_table(path, "objid")
    with pytest.raises(DataError, match=r"no column 'ra'; it has objid, z\."):
        read_table(path, "objid", ["ra"])
    with pytest.raises(DataError, match="no column 'dr7objid'"):
        read_table(path, "dr7objid")
    with pytest.raises(DataError, match="does not exist"):
        read_table(tmp_path / "absent.csv", "objid")
    (tmp_path / "t.xlsx").write_text("")
    with pytest.raises(DataError, match=r"one of the endings \.csv"):
        read_table(tmp_path / "t.xlsx", "objid")
    (tmp_path / "t.parquet").write_text("nothing")
    with pytest.raises(DataError, match=r"t.parquet' can not be read"):
        read_table(tmp_path / "t.parquet", "objid")


def test_named_columns_have_the_units_of_the_dataset():
    table = pd.DataFrame({"id": [1, 2], "D": [1500.0, np.inf], "L": [2.0, 3.0], "t": ["a", "b"]})
    got = named_columns(
        table,
        {"distance_mpc": {"column": "D", "unit": "kpc"}, "luminosity_g": {"column": "L", "scale": 1e9}},
        "t.csv",
    )
    assert got["distance_mpc"].iloc[0] == pytest.approx(1.5)
    assert np.isnan(got["distance_mpc"].iloc[1])
    assert got["luminosity_g"].tolist() == [2e9, 3e9]
    with pytest.raises(DataError, match=r"column 't' of 't.csv' must hold numbers. Received: a"):
        named_columns(table, {"redshift": "t"}, "t.csv")
    with pytest.raises(ConfigError, match=r"converts to Mpc. Received: 'kg'"):
        named_columns(table, {"distance_mpc": {"column": "D", "unit": "kg"}}, "t.csv")


@pytest.mark.parametrize("ending", ["fits", "vot", "ecsv"])
def test_units_that_the_file_tells_count(tmp_path, ending):
    file, kind = tmp_path / f"t.{ending}", {"fits": "fits", "vot": "votable", "ecsv": "ascii.ecsv"}[ending]
    columns = {"id": [1, 2], "d": [2e5, np.nan], "R": [0.5, 1.0], "z": [0.1, 0.2], "f": [3.631, 7.262]}
    Table(columns, units={"d": "kpc", "R": "arcmin", "f": "uJy"}).write(file, format=kind)
    table, _ = read_table(file, "id")
    mapping = {"distance_mpc": "d", "radius_arcsec": "R", "redshift": "z", "flux": "f"}
    got = named_columns(table, mapping, str(file))
    assert got["distance_mpc"].tolist() == [pytest.approx(200), pytest.approx(np.nan, nan_ok=True)]
    assert got["radius_arcsec"].tolist() == pytest.approx([30, 60])
    assert got["flux"].tolist() == pytest.approx([1, 2])
    assert got["redshift"].tolist() == [0.1, 0.2]
    asked = {"distance_mpc": {"column": "d", "unit": "Mpc"}, "radius_arcsec": {"column": "R", "scale": 1.0}}
    got = named_columns(table, asked, str(file))
    assert got["distance_mpc"][0] == 2e5
    assert got["radius_arcsec"].tolist() == [0.5, 1.0]
    with pytest.raises(DataError, match=r"column 'd' of '.*' is in 'kpc', and 'luminosity_g' in Lsun: give the unit"):
        named_columns(table, {"luminosity_g": "d"}, str(file))


@pytest.mark.parametrize("ending", ["fits", "vot"])
def test_an_element_of_a_column_of_vectors_has_its_unit(tmp_path, ending):
    file, kind = tmp_path / f"t.{ending}", {"fits": "fits", "vot": "votable"}[ending]
    Table({"id": [1, 2], "r": [[1.0, 2.0], [3.0, 4.0]]}, units={"r": "arcmin"}).write(file, format=kind)
    table, _ = read_table(file, "id", ["r[1]"])
    assert named_columns(table, {"radius_arcsec": "r[1]"}, str(file))["radius_arcsec"].tolist() == [120, 240]


def test_integers_that_would_lose_digits_are_refused():
    table = pd.DataFrame({"id": [1, 2], "nsa_id": [10**17 + 1, 10**17 + 2], "n": [2**53, 7]})
    assert named_columns(table, {"n": "n"}, "t.csv")["n"].tolist() == [2**53, 7]
    with pytest.raises(DataError, match=r"column 'nsa_id' of 't.csv' holds integers above 2\*\*53"):
        named_columns(table, {"nsa_id": "nsa_id"}, "t.csv")


def test_a_text_without_names_takes_those_that_are_given(tmp_path):
    (tmp_path / "t.dat").write_text("1 0.1\n2 0.2\n")
    table, _ = read_table(tmp_path / "t.dat", "id", names=["id", "z"])
    assert table["z"].tolist() == [0.1, 0.2]


@pytest.mark.parametrize("unit", ["dex(Lsun)", "dex(solLum)", "[solLum]", "log(Lsun)"])
def test_a_logarithm_is_taken_for_one(unit):
    table = pd.DataFrame({"id": [1, 2], "L": [10.0, np.nan]})
    got = named_columns(table, {"luminosity_g": {"column": "L", "unit": unit}}, "t.csv")
    assert got["luminosity_g"].tolist() == [pytest.approx(1e10), pytest.approx(np.nan, nan_ok=True)]


def test_a_missing_value_list(tmp_path):
    table = pd.DataFrame({"objid": IDS, "mass": [10.5, -99.0, -9999.0], "flag": [0, -99, 1]})
    got, _ = read_table(write(tmp_path / "t.csv", table), "objid", missing=[-99, -9999])
    assert got["mass"].isna().tolist() == [False, True, True]
    assert got["flag"].isna().tolist() == [False, True, False]
    raw, _ = read_table(tmp_path / "t.csv", "objid")
    named = named_columns(raw, {"log_mstar": {"column": "mass", "missing": [-99]}}, "t.csv")
    assert named["log_mstar"].isna().tolist() == [False, True, False]


def test_ids_of_which_only_some_look_like_floating_point_numbers(tmp_path):
    (tmp_path / "t.csv").write_text(f"objid,z\n{IDS[0]},1\n1.2376487217892561e+18,2\n")
    with pytest.raises(DataError, match=r"Received: 1\.2376487217892561e\+18"):
        read_table(tmp_path / "t.csv", "objid")
    assert clean_ids(pd.Series(["1.5", "J1200"]), "x").tolist() == ["1.5", "J1200"]


def test_sexagesimal_text_is_in_degrees_whatever_unit_is_named():
    table = pd.DataFrame({"id": [1, 2], "RA": ["01:00:00", "12:00:00"], "DEC": ["-01:30:00", "02:00:00"]})
    named = {"ra": {"column": "RA", "unit": "hourangle"}, "dec": {"column": "DEC", "unit": "deg"}}
    columns = named_columns(table, named, "t.csv")
    np.testing.assert_allclose(columns["ra"], [15, 180])
    np.testing.assert_allclose(columns["dec"], [-1.5, 2])
    mixed = table.assign(RA=["150.5", "10:00:00"])
    with pytest.raises(DataError, match=r"either degrees or sexagesimal .* Received: '150.5' beside '10:00:00'"):
        named_columns(mixed, named, "t.csv")


def test_a_number_that_stands_for_a_missing_value_is_known_in_single_precision(tmp_path):
    values = pd.Series([0.9, -99.9], dtype=np.float32)
    table = pd.DataFrame({"id": [1, 2], "c": values})
    named = named_columns(table, {"g_minus_i": {"column": "c", "missing": [-99.9]}}, "t.fits")
    assert named["g_minus_i"].isna().tolist() == [False, True]
    table.to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", "id", missing=[-99.9])[0]["c"].isna().tolist() == [False, True]


def test_a_blank_is_no_id(tmp_path):
    pd.DataFrame({"name": ["a", "  ", "c"], "z": [0.1, 0.2, 0.3]}).to_parquet(tmp_path / "t.parquet")
    table, set_aside = read_table(tmp_path / "t.parquet", "name", ["z"])
    assert table["id"].tolist() == ["a", "c"]
    assert set_aside["reason"].tolist() == ["row 1 of t.parquet has no id"]


def test_ids_must_be_text_that_can_be_read(tmp_path):
    pd.DataFrame({"name": [b"a", b"\xff\xfe"], "z": [0.1, 0.2]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"column 'name' of .* must be text in UTF-8. Received: b'\\xff\\xfe'"):
        read_table(tmp_path / "t.parquet", "name", ["z"])
