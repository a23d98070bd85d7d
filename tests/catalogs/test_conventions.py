import numpy as np
import pytest

from gzmass.catalogs.conventions import LOG_ML_G, Convention, band_name, convert, refuse_different
from gzmass.catalogs.distances import distance_modulus, luminosity_distance
from gzmass.catalogs.photometry import absolute_magnitude, log_luminosity
from gzmass.errors import ConfigError, DataError

GSWLC = Convention(imf="chabrier", hubble=70, h_scaling=0, source="GSWLC-X2")
NSA = Convention(imf="chabrier", omega_m=0.3, band="sdss_g", kcorrection_redshift=0, h_scaling=-2, source="NSA")
GAMA = Convention(imf="chabrier", hubble=70, omega_m=0.3, band="sdss_i", kcorrection_redshift=0, source="GAMA")
GRANADA = Convention(band="sdss_g", kcorrection_redshift=0.55, source="Granada")
OURS = Convention(hubble=70, omega_m=0.3, band="g", solar_magnitude=5.11, kcorrection_redshift=0, source="ours")


def test_equal_conventions_may_stand_together_and_what_is_unknown_is_named():
    assert refuse_different(GSWLC, GSWLC) == ()
    assert refuse_different(Convention(imf="Chabrier ", band="SDSS_g"), Convention(imf="chabrier", band="g")) == ()
    assert refuse_different(GSWLC, OURS) == ("imf", "omega_m", "band", "kcorrection_redshift", "solar_magnitude")
    assert refuse_different(Convention(), Convention()) == ()


@pytest.mark.parametrize(
    ("first", "second", "quantity", "parts"),
    [
        (
            GSWLC,
            Convention(imf="Salpeter", source="a table"),
            "log_mstar",
            ["GSWLC-X2 and a table", "initial mass function is chabrier", "salpeter", "+0.29 dex", "catalogs.convert"],
        ),
        (Convention(imf="salpeter"), Convention(imf="kroupa"), None, ["the first table", "-0.24 dex"]),
        (Convention(imf="chabrier"), Convention(imf="diet salpeter"), None, ["some 0.3 dex"]),
        (NSA, GSWLC, "log_mstar", ["Hubble constant is 100.0", "70.0", "+0.31 dex", "exact"]),
        (GAMA, LOG_ML_G, "log_ml", ["GAMA and log_ml_g", "band is i", "log_mass_to_light"]),
        (GRANADA, LOG_ML_G, "log_ml", ["K-correction is 0.55", "1.0 dex", "rest_frame"]),
        (OURS, Convention(solar_magnitude=5.45), "log_ml", ["solar magnitude is 5.11", "+0.136 dex", "exact"]),
        (Convention(omega_m=1), Convention(omega_m=0.3), "log_mstar", ["density of matter", "redshift 0.25"]),
    ],
)
def test_a_difference_is_refused_in_one_sentence_with_its_size_and_a_way_out(first, second, quantity, parts):
    with pytest.raises(DataError) as raised:
        refuse_different(first, second, quantity)
    sentence = str(raised.value)
    assert all(part in sentence for part in parts), sentence
    assert sentence.endswith(".")
    assert ". " not in sentence.replace("et al. ", "")


def test_only_the_terms_of_the_quantity_count():
    # a mass-to-light ratio does not depend on the distance, a mass not on the band
    assert "hubble" not in refuse_different(NSA, Convention(imf="chabrier", hubble=70), "log_ml")
    assert refuse_different(NSA, LOG_ML_G, "log_ml") == ("imf",)
    assert refuse_different(GAMA, Convention(imf="chabrier", hubble=70, omega_m=0.28), "log_mstar") == ()
    with pytest.raises(ConfigError, match=r"quantity must be one of log_mstar.*Received: 'mass'"):
        refuse_different(NSA, GAMA, "mass")


def test_h_scaling_is_that_of_the_distances():
    # the same flux at the distances of two Hubble constants, instead of the rule in the code
    z = np.array([0.03, 0.1, 0.2])
    magnitudes = [
        absolute_magnitude(17.0, distance_modulus(luminosity_distance(z, hubble=hubble))) for hubble in (100, 70)
    ]
    wanted = Convention(hubble=70)
    np.testing.assert_allclose(convert(magnitudes[0], "absolute_magnitude", NSA, wanted), magnitudes[1], atol=1e-9)
    light = [log_luminosity(value, "g") for value in magnitudes]
    np.testing.assert_allclose(convert(light[0], "log_luminosity", NSA, wanted), light[1], atol=1e-9)
    np.testing.assert_allclose(convert([10.0], "log_mstar", NSA, wanted), 10 + 2 * np.log10(1 / 0.7))
    np.testing.assert_allclose(convert([0.3], "log_ml", NSA, wanted), 0.3)


def test_the_solar_magnitude_moves_light_and_ratio_against_each_other():
    wanted = Convention(solar_magnitude=5.45)
    light, ratio = (convert(0.0, quantity, OURS, wanted) for quantity in ("log_luminosity", "log_ml"))
    assert light == pytest.approx(float(log_luminosity(-20.0, 5.45) - log_luminosity(-20.0, 5.11)))
    assert ratio == pytest.approx(-light)


def test_masses_move_to_another_imf_only_by_a_stated_offset():
    wanted = Convention(imf="salpeter")
    assert convert(10.0, "log_mstar", GSWLC, wanted, imf_offset=0.25) == pytest.approx(10.25)
    assert convert(0.5, "log_ml", GSWLC, wanted, imf_offset=0.25) == pytest.approx(0.75)
    assert convert(10.0, "log_mstar", GSWLC, Convention(imf="chabrier"), imf_offset=0.25) == pytest.approx(10.0)
    with pytest.raises(DataError, match=r"chabrier and can not be converted to salpeter \(\+0.29 dex"):
        convert(10.0, "log_mstar", GSWLC, wanted)


@pytest.mark.parametrize(
    ("given", "wanted", "message"),
    [
        (GAMA, LOG_ML_G, "band of GAMA is i and can not be converted to g"),
        (GRANADA, LOG_ML_G, "of Granada is 0.55 and can not be converted to 0.0"),
        (GRANADA, Convention(imf="chabrier"), "initial mass function of Granada is not known"),
    ],
)
def test_what_has_no_exact_conversion_is_refused(given, wanted, message):
    with pytest.raises(DataError, match=message):
        convert(0.3, "log_ml", given, wanted)


def test_band_names():
    names = ["g", "sdss_g", "SDSS_g", "PS1_g", "euclid_vis"]
    assert [band_name(name) for name in names] == ["g", "g", "g", "ps1_g", "euclid_vis"]
