import gzip

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from gzmass.catalogs import Convention, luminosity_distance, read_stellar_mass, refuse_different
from gzmass.catalogs.surveys import describe
from gzmass.errors import ConfigError, DataError

FIRST = 1237648720142401611
SPEC = 299489677444933632
N = 6


def gslwc_lines(n=N):
    """Rows of 24 columns as the archive writes them; each number of column k of row i is told from all others."""
    lines = []
    for i in range(n):
        row = [FIRST + i, 2412190000000000000 + i, 266 + i, 51630 + i, 1 + i, f"{146.7 + i:.6f}", f"{-1.04 + i:.6f}"]
        row += [f"{0.01 * (i + 1):.6f}", f"{8 + i:.2f}", f"{9.5 + 0.25 * i:.3f}", f"{0.03 + 0.01 * i:.3f}"]
        row += [f"{k + i / 10:.3f}" for k in range(12, 20)] + [i % 3, 2, 0, 1, i % 2]
        assert len(row) == 24
        lines.append([str(v) for v in row])
    return lines


def write_gswlc(path, lines, packed=False):
    text = "".join(" " + "  ".join(row) + "\n" for row in lines).encode()
    path.write_bytes(gzip.compress(text) if packed else text)
    return path


@pytest.mark.parametrize(("name", "packed"), [("X2.dat", False), ("X2.dat.gz", True), ("X2.dat.gz", False)])
def test_gswlc(tmp_path, name, packed):
    lines = gslwc_lines()
    lines[2][9] = lines[2][10] = "-99.000"
    lines[3][1] = "-99"
    table, set_aside, convention = read_stellar_mass(write_gswlc(tmp_path / f"GSWLC-{name}", lines, packed), "gswlc")
    assert list(table.columns) == [
        "id", "objid", "galex_id", "ra", "dec", "redshift", "log_mstar", "log_mstar_err", "flag_sed", "flag_mgs",
    ]  # fmt: skip
    assert table["id"].dtype == table["objid"].dtype == np.int64
    assert table["id"].tolist() == [FIRST + i for i in range(N)]
    assert [None if pd.isna(v) else int(v) - 2412190000000000000 for v in table["galex_id"]] == [0, 1, 2, None, 4, 5]
    assert np.allclose(table["ra"], 146.7 + np.arange(N))
    assert np.allclose(table["dec"], -1.04 + np.arange(N))
    assert np.allclose(table["redshift"], 0.01 * (1 + np.arange(N)))
    missing = np.arange(N) == 2
    assert np.allclose(table["log_mstar"], np.where(missing, np.nan, 9.5 + 0.25 * np.arange(N)), equal_nan=True)
    assert np.allclose(table["log_mstar_err"], np.where(missing, np.nan, 0.03 + 0.01 * np.arange(N)), equal_nan=True)
    assert table["flag_sed"].tolist() == [0, 1, 2, 0, 1, 2]
    assert table["flag_mgs"].tolist() == [0, 1, 0, 1, 0, 1]
    assert set_aside.empty
    assert convention.imf == "chabrier"
    assert convention.band is None
    kept, _, _ = read_stellar_mass(tmp_path / f"GSWLC-{name}", "gswlc", ids=[str(FIRST + 4), FIRST + 1, 12, None])
    assert kept["id"].tolist() == [FIRST + 1, FIRST + 4]
    assert kept["log_mstar"].tolist() == [9.75, 10.5]


def test_nothing_is_lost_without_a_line(tmp_path):
    lines = gslwc_lines(8)
    lines[1][9] = "99.000"
    lines[2][10] = "-0.500"
    lines[4][0] = lines[5][0] = lines[3][0]
    lines[3][10], lines[4][10], lines[5][9] = "0.300", "0.100", "-99"
    lines[6][0] = "-99"
    table, set_aside, _ = read_stellar_mass(write_gswlc(tmp_path / "t.dat", lines), "gswlc")
    assert len(table) + len(set_aside) == 8
    assert table["id"].tolist() == [FIRST, FIRST + 3, FIRST + 7]
    assert table["log_mstar"].tolist() == [9.5, 10.25, 11.25]  # the row with the smallest error is no good fit
    assert sorted(set_aside["reason"]) == [
        "log_mstar = 99, allowed are 2 to 14",
        "log_mstar_err = -0.5, allowed are values >= 0",
        f"row 6 of {tmp_path / 't.dat'} has no id",
        *[f"the id {FIRST + 3} stands more than once; the good row with the smallest error of the mass is kept"] * 2,
    ]
    assert set(set_aside["id"].dropna()) == {FIRST + 1, FIRST + 2, FIRST + 3}
    lines[0][0] = "1.237648720142402e+18"
    with pytest.raises(DataError, match=r"'ObjID' of .*went through floating-point numbers.*1\.237648720142402e\+18"):
        read_stellar_mass(write_gswlc(tmp_path / "t.dat", lines), "gswlc")
    with pytest.raises(DataError, match="has 23 columns; expected are 24"):
        read_stellar_mass(write_gswlc(tmp_path / "u.dat", [row[1:] for row in lines]), "gswlc")
    with pytest.raises(ConfigError, match=r"one of gswlc, nsa, .* Received: 'gswlc-x2'"):
        read_stellar_mass(tmp_path / "t.dat", "gswlc-x2")


def test_right_ascensions_in_hours_and_in_sexagesimal_text(tmp_path):
    rng = np.random.default_rng(0)
    lines = gslwc_lines(50)
    for row in lines:
        row[5], row[6], row[9] = f"{rng.uniform(7.5, 17.5):.6f}", f"{rng.uniform(-4, 70):.6f}", "10.5"
    with pytest.raises(DataError, match=r"right ascensions in .* look like hours: they reach from 7\."):
        read_stellar_mass(write_gswlc(tmp_path / "t.dat", lines), "gswlc")
    some = [int(row[0]) for row in lines[:30]]  # of which nobody knows whether they are all that lies there
    assert len(read_stellar_mass(tmp_path / "t.dat", "gswlc", ids=some)[0]) == 30
    for row in lines:
        row[5], row[6] = "12:34:56.7", "-01:30:00"
    table, _, _ = read_stellar_mass(write_gswlc(tmp_path / "t.dat", lines), "gswlc")
    assert np.allclose(table["ra"], 15 * (12 + 34 / 60 + 56.7 / 3600))
    assert np.allclose(table["dec"], -1.5)
    lines[7][5] = "north"
    with pytest.raises(DataError, match=r"'RA' of .* must hold degrees, or sexagesimal text .* Received: 'north'"):
        read_stellar_mass(write_gswlc(tmp_path / "t.dat", lines), "gswlc")


def nsa(n=N):
    """Columns of the atlas that matter among some that do not; vectors are big-endian as FITS stores them."""
    vector = np.arange(1, 7 * n + 1, dtype=">f4").reshape(n, 7)
    return {
        "IAUNAME": np.array([f"J0000{i:02d}.00-000000.0" for i in range(n)]), "SUBDIR": np.array(["00h/m00"] * n),
        "RA": 146 + np.arange(n, dtype=">f8"), "DEC": np.arange(n, dtype=">f8"),
        "Z": (0.01 * np.arange(1, n + 1)).astype(">f4"),
        "NSAID": np.arange(100, 100 + n, dtype=">i4"), "ZDIST": (0.011 * np.arange(1, n + 1)).astype(">f4"),
        "ELPETRO_FLUX": vector + 7, "ELPETRO_MASS": np.array([0.0, *10.0 ** np.arange(8, 7 + n)], dtype=">f4"),
        "ELPETRO_MTOL": vector / 10, "ELPETRO_ABSMAG": -vector, "ELPETRO_TH50_R": np.arange(n, dtype=">f4"),
        "ELPETRO_BA": np.linspace(0.1, 0.9, n).astype(">f4"), "PROFMEAN": np.zeros((n, 7, 15), dtype=">f4"),
    }  # fmt: skip


def test_nsa_as_fits_and_as_sql_writes_it(tmp_path):
    columns = nsa()
    Table(columns).write(tmp_path / "nsa_v1_0_1.fits")
    sql = {name.lower(): v for name, v in columns.items() if v.ndim == 1}
    for k, band in enumerate("fnugriz"):
        sql |= {
            f"elpetro_mtol_{band}": columns["ELPETRO_MTOL"][:, k],
            f"elpetro_absmag_{band}": columns["ELPETRO_ABSMAG"][:, k],
        }
    Table(sql).to_pandas().to_csv(tmp_path / "nsa.csv", index=False)
    for name in ("nsa_v1_0_1.fits", "nsa.csv"):
        table, set_aside, convention = read_stellar_mass(tmp_path / name, "nsa")
        assert table["id"].tolist() == list(range(100, 100 + N))
        assert table["iauname"].iloc[3] == "J000003.00-000000.0"
        assert np.isnan(table["log_mstar"].iloc[0])
        assert np.allclose(table["log_mstar"].iloc[1:], np.arange(8, 7 + N))
        assert np.allclose(table["log_ml_g"], np.log10((4 + 7 * np.arange(N)) / 10), atol=1e-6)
        assert np.allclose(table["absolute_magnitude_g"], -(4 + 7 * np.arange(N)))
        # on the redshift without peculiar velocities, 1.1 times the other one, rests the mass
        distance = luminosity_distance(1.1 * table["redshift"], hubble=100, omega_m=0.3)
        assert np.allclose(table["distance_mpc"], distance, equal_nan=True)
        light = np.log10(table["luminosity_g"])
        assert np.allclose(light, table["log_mstar"] - table["log_ml_g"], equal_nan=True)
        assert table["radius_arcsec"].tolist() == list(range(N))
        assert set_aside.empty
        assert (convention.h_scaling, convention.hubble) == (-2, 100)


def percentiles(n=N):
    low = 9 + np.arange(n, dtype=np.float32)
    return {"P2P5": low - 0.2, "P16": low - 0.1, "P50": low, "P84": low + 0.3, "P97P5": low + 0.5}


def test_mpa_jhu_dr8_joined_by_its_ids(tmp_path):
    masses = {f"lgm_tot_{name.lower()}": values for name, values in percentiles().items()}
    masses["lgm_tot_p50"][1] = -9999
    spec = np.array([f"  {SPEC + i} " for i in range(N)])
    Table({"SPECOBJID": spec, "bptclass": np.ones(N, dtype=np.int16), **masses}).write(
        tmp_path / "galSpecExtra-dr8.fits"
    )
    order = np.arange(N)[::-1][: N - 1]
    info = {"specObjID": spec[order], "ra": 150.0 + order, "dec": 1.0 * order, "z": (0.01 * order).astype(np.float32)}
    Table(info).write(tmp_path / "galSpecInfo-dr8.fits")
    both = [tmp_path / "galSpecInfo-dr8.fits", tmp_path / "galSpecExtra-dr8.fits"]
    table, _, convention = read_stellar_mass(both, "mpa_jhu_dr8")
    assert table["id"].tolist() == [SPEC + i for i in range(N)]
    assert np.allclose(table["ra"], [np.nan, 151, 152, 153, 154, 155], equal_nan=True)
    assert np.allclose(table["log_mstar"], [9, np.nan, 11, 12, 13, 14], equal_nan=True)
    assert np.allclose(table["log_mstar_err"], 0.2, atol=1e-5)
    assert convention.imf == "kroupa"
    alone, _, _ = read_stellar_mass(both[1], "mpa_jhu_dr8")
    assert "ra" not in alone
    assert len(alone) == N
    with pytest.raises(DataError, match="no column 'lgm_tot_p50'"):
        read_stellar_mass(both[0], "mpa_jhu_dr8")


def test_mpa_jhu_dr7_belongs_together_row_by_row(tmp_path):
    info = {
        "PLATEID": np.full(N, 266, dtype=np.int16), "MJD": np.full(N, 51630, dtype=np.int32),
        "FIBERID": np.arange(1, N + 1, dtype=np.int16), "PHOTOID": np.zeros((N, 5), dtype=np.int16),
        "RA": np.linspace(100, 200, N, dtype=np.float32), "DEC": np.zeros(N, dtype=np.float32),
        "Z": np.linspace(0.01, 0.2, N, dtype=np.float32),
    }  # fmt: skip
    Table(info).write(tmp_path / "gal_info_dr7_v5_2.fit", format="fits")
    lgm = {"AVG": percentiles()["P50"], "MEDIAN": percentiles()["P50"], **percentiles()}
    lgm["P50"][1] = -1
    Table(lgm).write(tmp_path / "totlgm_dr7_v5_2b.fit", format="fits")
    files = [tmp_path / "totlgm_dr7_v5_2b.fit", tmp_path / "gal_info_dr7_v5_2.fit"]
    for order in (files, files[::-1]):
        table, _, _ = read_stellar_mass(order, "mpa_jhu_dr7")
        assert table["id"].tolist() == [f"266-51630-{i}" for i in range(1, N + 1)]
        assert np.allclose(table["ra"], info["RA"])
        assert np.allclose(table["log_mstar"], [9, np.nan, 11, 12, 13, 14], equal_nan=True)
    Table(lgm)[:-1].write(files[0], format="fits", overwrite=True)
    with pytest.raises(DataError, match="belong together row by row, but have 5 and 6 rows"):
        read_stellar_mass(files, "mpa_jhu_dr7")
    with pytest.raises(DataError, match=r"'mpa_jhu_dr7' takes 2 files\. Received: 1"):
        read_stellar_mass(files[1], "mpa_jhu_dr7")


def test_gama_gives_totals_and_no_ratio_of_another_band(tmp_path):
    gama = pd.DataFrame(
        {"CATAID": [6802, 6806, 6808], "Z": [0.05, 0.1, 0.2], "nQ": [4, 4, 3], "fluxscale": [1.0, 1.25, -99]}
    )
    gama = gama.assign(logmstar=[9.0, 10.0, 11.0], dellogmstar=0.1, logmoverl_i=0.2, gminusi=1.0, absmag_g=-20.0)
    gama.to_csv(tmp_path / "StellarMassesLambdar.csv", index=False)
    table, _, convention = read_stellar_mass(tmp_path / "StellarMassesLambdar.csv", "gama")
    assert np.allclose(table["log_mstar"], [9, 10 + np.log10(1.25), np.nan], equal_nan=True)
    assert table["log_mstar_aperture"].tolist() == [9, 10, 11]
    assert "log_ml_g" not in table
    assert table["log_ml_i"].tolist() == [0.2] * 3
    assert convention.band == "sdss_i"
    gama.drop(columns="fluxscale").to_csv(tmp_path / "g.csv", index=False)
    with pytest.raises(DataError, match="no column 'fluxscale'"):
        read_stellar_mass(tmp_path / "g.csv", "gama")


def test_granada_does_not_mix_with_ratios_at_redshift_zero(tmp_path):
    granada = pd.DataFrame({"specObjID": [SPEC, SPEC + 1], "ra": [1.0, 2], "dec": 0.0, "z": 0.5})
    granada = granada.assign(logMass_median=11.0, logMass_err=0.1, m2l_median_g=[2.0, 0.0], m2l_err_g=0.2)
    granada.to_csv(tmp_path / "g.csv", index=False)
    table, _, convention = read_stellar_mass(tmp_path / "g.csv", "granada")
    assert np.allclose(table["log_ml_g"], [np.log10(2), np.nan], equal_nan=True)
    assert table["log_ml_g_err"].iloc[0] == pytest.approx(0.1 / np.log(10))
    with pytest.raises(DataError, match=r"0\.55"):
        refuse_different(convention, Convention(band="sdss_g", kcorrection_redshift=0.0))


@pytest.mark.parametrize(
    ("name", "assumed"),
    [
        ("gswlc", {"imf": "chabrier", "hubble": 70, "h_scaling": 0}),
        ("nsa", {"imf": "chabrier", "hubble": 100, "omega_m": 0.3, "band": "sdss_g", "kcorrection_redshift": 0,
                 "h_scaling": -2}),
        ("mpa_jhu_dr8", {"imf": "kroupa", "hubble": 70, "omega_m": 0.3, "h_scaling": 0}),
        ("mpa_jhu_dr7", {"imf": "kroupa", "hubble": 70, "omega_m": 0.3, "h_scaling": 0}),
        ("gama", {"imf": "chabrier", "hubble": 70, "omega_m": 0.3, "band": "sdss_i", "kcorrection_redshift": 0,
                  "h_scaling": 0}),
        ("granada", {"band": "sdss_g", "kcorrection_redshift": 0.55, "h_scaling": 0}),
    ],
)  # fmt: skip
def test_what_each_catalogue_assumes(name, assumed):
    convention = describe("stellar_mass", name, "convention")
    assert {key: value for key, value in convention.items() if key != "source"} == assumed


def test_every_catalogue_is_described_in_full():
    for name, survey in describe("stellar_mass").items():
        assert survey["files"] in {"one", "keyed", "by_row"}, name
        assert Convention(**survey["convention"]).source, name
        assert set(survey["required"]) <= set(survey["columns"]), name
    assert len(describe("stellar_mass", "gswlc", "names")) == 24
