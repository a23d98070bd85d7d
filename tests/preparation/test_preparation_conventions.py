"""What tables of masses assume, and bringing them to one Hubble constant."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from gzmass.catalogs.conventions import Convention
from gzmass.errors import DataError
from gzmass.preparation.conventions import bring_to_hubble, declared_convention, filled, join_conventions

PHOTOMETRY = SimpleNamespace(hubble=70.0)
TABLE = pd.DataFrame(
    {
        "log_mstar": [10.0, np.nan],
        "absolute_magnitude_g": [-20.0, -18.0],
        "luminosity_g": [1e10, 2e9],
        "distance_mpc": [100.0, 50.0],
        "radius_kpc": [7.0, np.nan],
        "log_ml_g": [0.3, 0.1],
    }
)


@pytest.mark.parametrize(
    ("convention", "ratio", "note"),
    [
        (Convention(hubble=35.0), 0.5, "masses brought from H0 = 35 to H0 = 70"),
        (Convention(h_scaling=-2), 100 / 70, "masses brought from the unit Msun h^-2 to H0 = 70"),
    ],
)
def test_what_depends_on_the_hubble_constant_is_brought_to_that_of_the_luminosities(convention, ratio, note):
    table, wanted, notes = bring_to_hubble(TABLE, convention, PHOTOMETRY)
    assert (wanted.hubble, wanted.h_scaling, notes) == (70.0, 0, [note])
    # a distance goes as 1 / H0, and so do radii; light and mass go as its square
    np.testing.assert_allclose(table["distance_mpc"], TABLE["distance_mpc"] * ratio)
    np.testing.assert_allclose(table["radius_kpc"], TABLE["radius_kpc"] * ratio)
    np.testing.assert_allclose(table["luminosity_g"], TABLE["luminosity_g"] * ratio**2)
    np.testing.assert_allclose(table["log_mstar"], TABLE["log_mstar"] + 2 * np.log10(ratio))
    np.testing.assert_allclose(table["absolute_magnitude_g"], TABLE["absolute_magnitude_g"] - 5 * np.log10(ratio))
    pd.testing.assert_series_equal(table["log_ml_g"], TABLE["log_ml_g"])


def test_without_luminosities_to_agree_with_only_units_of_h_are_left():
    table, wanted, notes = bring_to_hubble(TABLE, Convention(hubble=35.0), None)
    pd.testing.assert_frame_equal(table, TABLE)
    assert (wanted.hubble, notes) == (35.0, [])
    table, wanted, notes = bring_to_hubble(TABLE, Convention(h_scaling=-2), None)
    assert (wanted.hubble, wanted.h_scaling) == (70.0, 0)
    np.testing.assert_allclose(table["log_mstar"], TABLE["log_mstar"] + 2 * np.log10(100 / 70))


def test_an_unknown_hubble_constant_is_assumed_aloud():
    unknown = Convention()
    table, same, notes = bring_to_hubble(TABLE, unknown, PHOTOMETRY)
    pd.testing.assert_frame_equal(table, TABLE)
    assert same is unknown
    assert notes == ["the Hubble constant is not known, 70 assumed"]
    assert bring_to_hubble(TABLE[["log_ml_g"]], unknown, PHOTOMETRY)[2] == []  # nothing depends on it
    assert bring_to_hubble(TABLE, unknown, None)[2] == []


def test_what_is_declared():
    part = SimpleNamespace(imf="chabrier", hubble=70.0, omega_m=0.3, h_scaling=None, solar_magnitude=5.11, source="A")
    assert declared_convention(part) == Convention(
        imf="chabrier", hubble=70.0, omega_m=0.3, solar_magnitude=5.11, source="A"
    )
    assert filled(Convention(imf="kroupa"), Convention(imf="chabrier", hubble=70.0)) == Convention(
        imf="kroupa", hubble=70.0
    )


def test_tables_stand_together_if_they_agree_in_what_their_columns_depend_on():
    first, second = Convention(imf="chabrier", hubble=70.0), Convention(imf="chabrier", source="B; A")
    names = ("mass_to_light of a.csv", "b.csv")
    joined = join_conventions(first, second, {"log_ml_g"}, {"log_ml_g"}, names)
    assert (joined.imf, joined.hubble) == ("chabrier", 70.0)
    assert joined.source == "B; A"  # what a table is called in an error is no source
    with pytest.raises(DataError, match=r"^mass_to_light of a.csv and b.csv can not .* hubble is 70.0 in the one"):
        join_conventions(first, second, {"log_mstar"}, {"log_mstar"}, names)
    with pytest.raises(DataError, match=r"^b.csv and mass_to_light of a.csv can not .* imf is chabrier in the one"):
        join_conventions(Convention(), second, {"log_ml_g"}, {"log_mstar"}, names)
    join_conventions(Convention(), second, {"log_ml_g"}, {"luminosity_g"}, names)  # light knows no mass function
