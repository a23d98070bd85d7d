import numpy as np
import pandas as pd
import pytest

from gzmass.catalogs import named_columns
from gzmass.catalogs.positions import refuse_hours
from gzmass.errors import DataError

RNG = np.random.default_rng(3)


@pytest.mark.parametrize(
    ("ra", "dec"),
    [((7.5, 17.5), (-4, 70)), ((0, 24), (-20, 85)), ((0, 24), (-1.25, 1.25))],
    ids=["SDSS", "DESI", "Stripe 82"],
)
def test_hours_are_told_from_degrees(ra, dec):
    ra, dec = RNG.uniform(*ra, 500), RNG.uniform(*dec, 500)
    with pytest.raises(DataError, match=r"in 't.csv' look like hours: they reach from \d+\.\d\d to \d+\.\d\d"):
        refuse_hours(ra, dec, "'t.csv'")
    refuse_hours(15 * ra, dec, "'t.csv'")
    refuse_hours(np.where(np.arange(500) < 10, ra, np.nan), dec, "'t.csv'")


@pytest.mark.parametrize(("ra", "dec"), [((2, 20), (-11, 35)), ((10, 20), (0, 10)), ((150, 150.1), (2, 2.1))])
def test_a_field_near_the_vernal_equinox_is_no_catalogue_in_hours(ra, dec):
    refuse_hours(RNG.uniform(*ra, 500), RNG.uniform(*dec, 500), "'t.csv'")


def test_positions_of_a_table_with_a_mapping():
    ra, dec = RNG.uniform(0, 24, 200), RNG.uniform(-60, 60, 200)
    table = pd.DataFrame({"id": range(200), "RAh": ra, "D": dec})
    with pytest.raises(DataError, match="look like hours"):
        named_columns(table, {"ra": "RAh", "dec": "D"}, "t.csv")
    got = named_columns(table, {"ra": {"column": "RAh", "unit": "hourangle"}, "dec": "D"}, "t.csv")
    assert np.allclose(got["ra"], 15 * ra)
    got = named_columns(table, {"ra": {"column": "RAh", "unit": "deg"}, "dec": "D"}, "t.csv")
    assert np.allclose(got["ra"], ra)
    text = pd.DataFrame(
        {"id": [1, 2, 3], "RA": ["00:08:00.0", None, "12h30m00s"], "DEC": ["-00:30:00", "", "+10d30m00s"]}
    )
    got = named_columns(text, {"ra": "RA", "dec": "DEC"}, "t.csv")
    assert np.allclose(got["ra"], [2, np.nan, 187.5], equal_nan=True)
    assert np.allclose(got["dec"], [-0.5, np.nan, 10.5], equal_nan=True)
    with pytest.raises(DataError, match=r"column 'DEC' of 't.csv' must hold degrees.*-01:23:45.6.* Received: 'ten'"):
        named_columns(text.assign(DEC=["-00:30:00", "ten", ""]), {"dec": "DEC"}, "t.csv")
