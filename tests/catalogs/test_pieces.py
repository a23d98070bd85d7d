import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table

from gzmass.catalogs import iterate_table, read_table
from gzmass.catalogs.ids import optional_ids
from gzmass.errors import DataError

FIRST = 1237648721789256091
N = 25


def galaxies():
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {"objid": FIRST + np.arange(N), "z": rng.uniform(0, 0.3, N), "name": [f"g{i}" for i in range(N)]}
    )


def write_fits(path, vectors=None, **columns):
    table = Table({**columns, **(vectors or {})})
    table.write(path, format="fits")
    return path


def write(path, table):
    name = path.name
    if ".csv" in name or ".tsv" in name:
        table.to_csv(path, index=False, sep="\t" if ".tsv" in name else ",")
    elif ".dat" in name or ".txt" in name:
        text = table.to_string(index=False).encode() + b"\n"
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    elif name.endswith(".parquet"):
        table.to_parquet(path, index=False)
    elif ".fit" in name:
        write_fits(path, **{c: table[c].to_numpy(dtype=str if c == "name" else None) for c in table})
    else:
        Table.from_pandas(table).write(path, format={"ecsv": "ascii.ecsv", "vot": "votable"}[path.suffix[1:]])
    return path


ENDINGS = ["csv", "csv.gz", "tsv", "dat", "dat.gz", "txt", "parquet", "fits", "fits.gz", "fit", "ecsv", "vot"]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("rows", [7, N, None])
def test_pieces_make_the_whole_table(tmp_path, ending, rows):
    table = galaxies()
    path = write(tmp_path / f"t.{ending}", table)
    pieces = list(iterate_table(path, ["z", "objid"], rows))
    assert [len(piece) for piece in pieces] == ([7, 7, 7, 4] if rows == 7 else [N])
    whole = pd.concat(pieces)
    assert list(whole.columns) == ["z", "objid"]
    assert whole.index.tolist() == list(range(N))
    assert whole["objid"].tolist() == table["objid"].tolist()
    assert np.allclose(whole["z"], table["z"], atol=1e-6)
    assert next(iterate_table(path))["name"].tolist() == table["name"].tolist()


@pytest.mark.parametrize("ending", ["dat", "csv", "parquet", "fits", "ecsv"])
def test_integers_beside_a_missing_one_keep_their_digits_in_every_column(tmp_path, ending):
    path = tmp_path / f"t.{ending}"
    ids = [FIRST, None, FIRST + 2]
    if ending in {"dat", "csv"}:
        sep = {"dat": " ", "csv": ","}[ending]
        path.write_text(
            "\n".join(sep.join(r) for r in [("a", "b"), ("1", str(FIRST)), ("2", "-99"), ("3", str(FIRST + 2))])
        )
    elif ending == "parquet":
        pq.write_table(pa.table({"a": [1, 2, 3], "b": ids}), path)
    else:
        column = np.ma.masked_equal(np.array([FIRST, -99, FIRST + 2]), -99)
        Table({"a": [1, 2, 3], "b": column}).write(path, format={"fits": "fits", "ecsv": "ascii.ecsv"}[ending])
    for rows in (None, 1):
        for id_columns in ((), ("b",)):
            got = [
                p["b"].iloc[k]
                for p in iterate_table(path, None, rows, id_columns, missing=[-99])
                for k in range(len(p))
            ]
            assert [None if pd.isna(v) else int(v) for v in got] == ids
    ids = optional_ids(read_table(path, "a", ["b"], missing=[-99])[0]["b"], "b")
    assert ids.dtype == "Int64"


def test_a_server_may_unpack_a_gz_and_pack_what_is_none(tmp_path):
    table = galaxies()
    plain = write(tmp_path / "t.dat", table).read_bytes()
    (tmp_path / "u.dat.gz").write_bytes(plain)
    (tmp_path / "v.dat").write_bytes(gzip.compress(plain))
    for name in ("u.dat.gz", "v.dat"):
        assert read_table(tmp_path / name, "objid")[0]["id"].tolist() == table["objid"].tolist()
    (tmp_path / "w.dat.gz").write_bytes(gzip.compress(plain * 500)[:-200])
    with pytest.raises(DataError, match=r"w\.dat\.gz' can not be read"):
        read_table(tmp_path / "w.dat.gz", "objid")


def test_names_of_columns_may_be_given_or_stand_in_a_comment(tmp_path):
    path = tmp_path / "t.dat"
    path.write_text("1 0.1 -99\n2 -99 0.5\n")
    got = pd.concat(iterate_table(path, ["b", "c"], 1, names=["a", "b", "c"], missing=[-99]))
    assert got["b"].isna().tolist() == [False, True]
    assert got["c"].isna().tolist() == [True, False]
    with pytest.raises(DataError, match="no names of columns: it begins with 1; give them"):
        next(iterate_table(path))
    with pytest.raises(DataError, match="has 3 columns; expected are 2"):
        next(iterate_table(path, names=["a", "b"]))
    path.write_text("# made by hand\n# a b c\n1 0.1 -99\n")
    assert next(iterate_table(path))["c"].tolist() == [-99]
    path.write_text("a b c d\n1 0.1 -99\n")
    with pytest.raises(DataError, match="4 names of columns and 3 values"):
        next(iterate_table(path))
    (tmp_path / "t.csv").write_text("#Table1\nobjid,z\n1,0.5\n")  # as SkyServer writes it
    assert next(iterate_table(tmp_path / "t.csv"))["z"].tolist() == [0.5]
    (tmp_path / "e.csv").write_text("")
    with pytest.raises(DataError, match="is empty"):
        next(iterate_table(tmp_path / "e.csv"))


def test_elements_of_vectors(tmp_path):
    vector = np.arange(N * 7, dtype=np.float32).reshape(N, 7)
    write_fits(tmp_path / "t.fits", {"MTOL": vector}, objid=FIRST + np.arange(N))
    table = pa.table({"MTOL": pa.FixedSizeListArray.from_arrays(vector.ravel(), 7)})
    pq.write_table(table, tmp_path / "t.parquet")
    for name in ("t.fits", "t.parquet"):
        got = pd.concat(iterate_table(tmp_path / name, ["MTOL[3]"], 4))
        assert got["MTOL[3]"].tolist() == vector[:, 3].tolist()
    assert list(next(iterate_table(tmp_path / "t.fits")).columns) == ["objid"]
    with pytest.raises(DataError, match=r"'MTOL\[7\]' of .* a column of 7 elements"):
        next(iterate_table(tmp_path / "t.fits", ["MTOL[7]"]))
    with pytest.raises(DataError, match=r"'MTOL' of .* a column of 7 elements"):
        next(iterate_table(tmp_path / "t.fits", ["MTOL"]))
    with pytest.raises(DataError, match=r"'objid\[0\]' of .* no column of vectors"):
        next(iterate_table(tmp_path / "t.fits", ["objid[0]"]))


def test_every_kind_of_fits_column(tmp_path):
    big = np.array([2**63 + 5, 7, 8], dtype=np.uint64)
    columns = [
        fits.Column("U", "K", bzero=2**63, array=big),
        fits.Column("S", "I", array=np.array([1, 2, 3])),
        fits.Column("L", "L", array=np.array([True, False, True])),
        fits.Column("T", "5A", array=np.array(["ab", "c", "de"])),
        fits.Column("N", "J", null=-1, array=np.array([4, -1, 6])),
        fits.Column("P", "PE()", array=np.array([[1.0], [2.0, 3.0], []], dtype=object)),
    ]
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.zeros((3, 3))), fits.BinTableHDU.from_columns(columns)]
    fits.HDUList(hdus).writeto(tmp_path / "t.fits")
    for key, value in {"TSCAL2": 0.5, "TZERO2": 1.0}.items():
        fits.setval(tmp_path / "t.fits", key, value=value, ext=2)
    for rows in (None, 2):
        got = pd.concat(iterate_table(tmp_path / "t.fits", rows=rows))
        assert got["U"].tolist() == big.tolist()
        assert got["S"].tolist() == [1.5, 2.0, 2.5]
        assert got["L"].tolist() == [True, False, True]
        assert got["T"].tolist() == ["ab", "c", "de"]
        assert got["N"].isna().tolist() == [False, True, False]
        assert "P" not in got
    text = fits.TableHDU.from_columns([fits.Column("N", "I6", array=np.array([4, 5, 6]))])
    fits.HDUList([hdus[0], text]).writeto(tmp_path / "text.fits")
    assert [piece["N"].tolist() for piece in iterate_table(tmp_path / "text.fits", ["N"], 2)] == [[4, 5], [6]]
    fits.HDUList(hdus[:2]).writeto(tmp_path / "i.fits")
    with pytest.raises(DataError, match="holds no table"):
        next(iterate_table(tmp_path / "i.fits"))


def test_truncated_fits_and_empty_tables(tmp_path):
    path = write(tmp_path / "t.fits", pd.concat([galaxies()] * 400))
    path.write_bytes(path.read_bytes()[: 2880 * 40])
    with pytest.raises(DataError, match=r"t\.fits' ends after \d+ of its 10000 rows"):
        list(iterate_table(path, ["z"]))
    for ending in ("csv", "parquet", "fits", "dat"):
        path = tmp_path / f"empty.{ending}"
        if ending == "dat":
            path.write_text("objid z name\n")
        else:
            write(path, galaxies()[:0])
        (piece,) = iterate_table(path, ["objid", "z"], 5)
        assert len(piece) == 0
        table, _ = read_table(path, "objid", ["z"])
        assert len(table) == 0
        assert list(table.columns) == ["id", "z"]


def test_only_the_columns_asked_for_are_needed(tmp_path):
    with pytest.raises(DataError, match=r"no column 'ra'; it has objid, z, name\."):
        next(iterate_table(write(tmp_path / "t.dat", galaxies()), ["ra"]))
    with pytest.raises(DataError, match=r"only \.csv, .* take names"):
        next(iterate_table(write(tmp_path / "t.fits", galaxies()), names=["a"]))


@pytest.mark.parametrize(
    ("name", "text", "line", "n"),
    [
        ("long.csv", "id,z,m\n1,0.05,10\n\n2,0.05,9,4\n", 4, 4),
        ("cut.csv", "id,z,m\n1,0.05,10\n2,0.0", 3, 2),
        ("quoted.csv", 'id,z,m\n1,"a, ""b""\nc",10\n2,"d, e"\n', 4, 2),
        ("inches.csv", 'id,name,m\n1,a,10\n2,star 5" away,9\n3,8\n4,"b",7\n', 4, 2),
        ("inches.dat", '# id name m\n1 5" 10 # 3" more\n2 "b c#" 9 4\n', 3, 4),
        ("blanks.dat", "# id z m\n1 0.05 10 # a comment\n# another\n2 10\n", 4, 2),
        ("tabs.tsv.gz", "id\tz\tm\r\n1\t\t10\r\n2\t1\t2\t3\r\n", 3, 4),
    ],
)
def test_a_row_with_other_fields_would_shift_them_and_is_refused(tmp_path, name, text, line, n):
    packed = gzip.compress(text.encode()) if name.endswith(".gz") else text.encode()
    (tmp_path / name).write_bytes(packed)
    with pytest.raises(DataError, match=rf"{name}' has 3 columns and in its line {line} {n} fields"):
        read_table(tmp_path / name, "id", ["m"])


def test_a_separator_at_the_end_of_each_line_and_quotes_over_several_are_allowed(tmp_path):
    (tmp_path / "a.csv").write_text('id,name,m\n1,"a\nb, c",10,\n\n2,"",9,')
    table, _ = read_table(tmp_path / "a.csv", "id", ["m"])
    assert table.to_numpy().tolist() == [[1, 10], [2, 9]]


@pytest.mark.parametrize(("name", "separator"), [("a.csv", ","), ("a.tsv", "\t"), ("a.dat", " ")])
def test_quotes_are_understood_as_the_parser_understands_them(tmp_path, name, separator):
    rows = ['1|5"|10', '2|"a""|b"|9', '3|""|8', '4|"c\nd"e|7', '5|f"g"h"|6', '6| "i|j"|5']
    (tmp_path / name).write_text(f"id|name|m\n{chr(10).join(rows)}\n".replace("|", separator))
    (piece,) = iterate_table(tmp_path / name, ["id", "name", "m"])
    assert piece["id"].tolist() == [1, 2, 3, 4, 5, 6]
    assert piece["m"].tolist() == [10, 9, 8, 7, 6, 5]
    assert piece["name"].iloc[[0, 1, 3, 4]].tolist() == ['5"', f'a"{separator}b', "c\nde", 'f"g"h"']


def test_the_masks_that_astropy_writes_beside_columns_of_parquet(tmp_path):
    z = np.ma.array([0.1, 0.2, 0.3], mask=[False, True, False])
    ids = np.ma.array(FIRST + np.arange(3), mask=[False, False, True])
    Table({"id": ids, "z": z, "v": np.arange(6).reshape(3, 2)}).write(tmp_path / "a.parquet")
    (piece,) = iterate_table(tmp_path / "a.parquet", ["id", "z", "v[1]"])
    assert piece["id"].iloc[:2].tolist() == [FIRST, FIRST + 1]
    assert piece["id"].isna().tolist() == [False, False, True]
    np.testing.assert_array_equal(piece["z"], [0.1, np.nan, 0.3])
    (every,) = iterate_table(tmp_path / "a.parquet")
    assert list(every) == ["id", "z", "v"]


def test_columns_of_vectors_of_different_lengths_are_refused(tmp_path):
    lengths = np.array([np.ones(2), np.ones(3)], dtype=object)
    columns = [fits.Column("id", "K", array=[1, 2]), fits.Column("v", "PD()", array=lengths)]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "a.fits")
    assert next(iterate_table(tmp_path / "a.fits", ["id"]))["id"].tolist() == [1, 2]
    with pytest.raises(DataError, match=r"'v' of .* can not be read: its rows have different lengths \(TFORM PD"):
        next(iterate_table(tmp_path / "a.fits", ["id", "v"]))


def test_the_null_of_fits_is_one_of_the_numbers_as_they_are_stored(tmp_path):
    columns = [
        fits.Column("scaled", "I", array=np.array([1000, -32768, 3000], dtype=np.int16), null=-32768),
        fits.Column("unsigned", "I", bzero=32768, array=np.array([10, 0, 30], dtype=np.uint16), null=-32768),
        fits.Column("plain", "J", array=np.array([1, 2, -9]), null=-9),
    ]
    hdu = fits.BinTableHDU.from_columns(columns)
    hdu.header["TSCAL1"], hdu.header["TZERO1"] = 0.01, 0.0
    hdu.writeto(tmp_path / "a.fits")
    (piece,) = iterate_table(tmp_path / "a.fits", ["scaled", "unsigned", "plain"])
    np.testing.assert_allclose(piece["scaled"], [10, np.nan, 30])
    np.testing.assert_array_equal(piece["unsigned"], [10, np.nan, 30])
    np.testing.assert_array_equal(piece["plain"], [1, 2, np.nan])
