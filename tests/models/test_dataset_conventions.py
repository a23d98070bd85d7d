"""What two datasets say of themselves, compared."""

from gzmass.models.conventions import different_conventions


def test_only_what_both_say_and_what_means_something_else_differs():
    there = {"imf": "chabrier", "band": "g", "cosmology": "H0 = 70 km/s/Mpc", "npix": 69}
    here = {"imf": "Chabrier ", "band": "r", "label_kind": "measured", "npix": 69}
    keys = ("npix", "band", "label_kind", "imf", "cosmology")
    assert different_conventions(there, here, keys) == {"band": ["g", "r"]}
    assert different_conventions(there, {"npix": 128}, keys) == {"npix": [69, 128]}
    assert different_conventions(there, {"npix": 128}, ("imf",)) == {}
