import numpy as np
import pandas as pd
import pytest

from gzmass.catalogs import read_mass_to_light
from gzmass.errors import DataError


@pytest.fixture
def file(tmp_path):
    table = pd.DataFrame(
        {
            "objid": [1, 2, 3, 4, 5],
            "ml": [2.0, 1e9, -1.0, np.nan, 0.5],
            "err": [0.2, 1, 1, 1, 0.1],
            "ok": [True, True, True, True, False],
        }
    )
    table["logml"] = [0.3, 9.0, -99.0, np.nan, -0.3]
    table.to_csv(tmp_path / "ml.csv", index=False)
    return tmp_path / "ml.csv"


def test_impossible_ratios_are_set_aside_with_the_range(file):
    table, set_aside, n_unused = read_mass_to_light(file, "objid", {"log_ml_g": "logml"}, where="ok")
    assert table["id"].tolist() == [1, 4]
    assert n_unused == 1
    assert set_aside["id"].tolist() == [2, 3]
    assert set_aside["reason"].tolist() == [
        "log_ml_g = 9, allowed are -3 to 3",
        "log_ml_g = -99, allowed are -3 to 3",
    ]


def test_linear_ratios_become_logarithms_with_their_error(file):
    table, set_aside, _ = read_mass_to_light(file, "objid", {"ml_g": "ml", "ml_g_err": "err"})
    assert list(table.columns) == ["id", "log_ml_g", "log_ml_g_err"]
    assert table["log_ml_g"].iloc[0] == pytest.approx(np.log10(2))
    assert table["log_ml_g_err"].iloc[0] == pytest.approx(0.1 / np.log(10))
    assert set_aside["reason"].tolist() == [
        "ml_g = 1e+09, allowed are 0.001 to 1000",
        "ml_g = -1, allowed are 0.001 to 1000",
    ]


def test_what_can_not_be_used_is_one_sentence(file):
    table = pd.read_csv(file)
    table.assign(ml=1e9).to_csv(file.with_name("all.csv"), index=False)
    with pytest.raises(DataError, match=r"ml_g in the column 'ml' of .*allowed are 0\.001 to 1000\. Received: 1e\+09"):
        read_mass_to_light(file.with_name("all.csv"), "objid", {"ml_g": "ml"})
    with pytest.raises(DataError, match="no column 'nothing'"):
        read_mass_to_light(file, "objid", {"ml_g": "nothing"})
    with pytest.raises(DataError, match="either 'log_ml_g' or 'ml_g'"):
        read_mass_to_light(file, "objid", {"luminosity_g": "ml"})
    with pytest.raises(DataError, match="both be logarithmic or both linear"):
        read_mass_to_light(file, "objid", {"ml_g": "ml", "log_ml_g_err": "err"})
    with pytest.raises(DataError, match=r"column 'err' of .* must hold true and false. Received: 0.2"):
        read_mass_to_light(file, "objid", {"ml_g": "ml"}, where="err")


def test_an_error_that_stands_for_none(file):
    table = pd.read_csv(file)
    table["err"] = [0.2, 1, 1, 1, -99.0]
    table.to_csv(file, index=False)
    _, set_aside, _ = read_mass_to_light(file, "objid", {"ml_g": "ml", "ml_g_err": "err"})
    assert set_aside["reason"].iloc[-1] == (
        "ml_g_err = -99, allowed are values >= 0; a number that stands for none is named by the key 'missing' of the "
        "column"
    )
    entry = {"column": "err", "missing": [-99]}
    table, set_aside, _ = read_mass_to_light(file, "objid", {"ml_g": "ml", "ml_g_err": entry})
    assert table["id"].tolist() == [1, 4, 5]
    assert np.isnan(table["log_ml_g_err"].iloc[-1])


def test_a_negative_error_is_set_aside(file):
    table = pd.read_csv(file)
    table.loc[0, "err"] = -0.1
    table.to_csv(file, index=False)
    got, set_aside, _ = read_mass_to_light(file, "objid", {"log_ml_g": "logml", "log_ml_g_err": "err"})
    assert 1 not in got["id"].tolist()
    assert "log_ml_g_err = -0.1" in set_aside["reason"].iloc[-1]
