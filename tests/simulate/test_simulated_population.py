"""The simulated galaxies as numbers: reproducible, distributed as measured, with a known best R2."""

import numpy as np
import pandas as pd
import pytest

from gzmass.errors import ConfigError
from gzmass.simulate import draw_population, explainable_r2
from gzmass.simulate.morphology import KINDS, ODD_FEATURES
from gzmass.simulate.population import SCATTER_DEX, measured


@pytest.fixture(scope="module")
def population():
    return draw_population(6000, seed=1)


def test_a_galaxy_depends_on_seed_and_number_only():
    hundred = draw_population(100, seed=3)
    pd.testing.assert_frame_equal(draw_population(50, seed=3), hundred[:50], check_exact=True)
    alone = draw_population(1, seed=3, start=77)
    pd.testing.assert_frame_equal(alone, hundred[77:78].reset_index(drop=True), check_exact=True)
    assert not np.isclose(draw_population(100, seed=4)["log_ml_g"], hundred["log_ml_g"]).any()


@pytest.mark.parametrize(
    ("column", "name", "tolerance"),
    [
        ("log_ml_g", "log_ml_g", 0.04),
        ("log_mstar", "log_mstar", 0.06),
        ("sim_g_minus_i", "g_i", 0.025),
        ("sim_g_minus_r", "g_r", 0.02),
        ("redshift", "redshift", 0.006),
        ("sim_m_r", "m_r", 0.08),
    ],
)
def test_quantiles_are_as_measured(population, column, name, tolerance):
    quantile = measured()["quantiles"]
    levels = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
    real = np.interp(levels, quantile["probability"], quantile[name])
    np.testing.assert_allclose(population[column].quantile(levels), real, atol=tolerance)


def test_colour_follows_mass_to_light(population):
    relation = measured()["colour_relation"]
    expected = np.polyval(relation["log_ml_g_of_g_i"], population["sim_g_minus_i"])
    residual = population["log_ml_g"] - expected
    middle = population["sim_g_minus_i"].between(0.6, 1.2)
    assert abs(residual[middle].mean()) < 0.02
    assert residual[middle].std() < 0.07


def test_columns_are_consistent(population):
    mass = population["log_ml_g"] + np.log10(population["luminosity_g"])
    np.testing.assert_allclose(population["log_mstar"], mass)
    kpc = population["sim_r90_arcsec"] * population["distance_mpc"] * 1e3 / (1 + population["redshift"]) ** 2
    np.testing.assert_allclose(population["radius_kpc"], np.radians(kpc / 3600))
    assert (population["sim_r90_arcsec"] >= 3).all()
    assert (population["sim_m_r"] < 17).all()
    pull = (population["log_ml_g"] - population["sim_log_ml_g_true"]) / population["log_ml_g_err"]
    assert pull.std() == pytest.approx(1, abs=0.04)


def test_flux_is_that_of_luminosity_distance_and_k_correction(population):
    absolute = 5.11 - 2.5 * np.log10(population["luminosity_g"])
    modulus = 5 * np.log10(population["distance_mpc"]) + 25
    apparent = 22.5 - 2.5 * np.log10(population["sim_flux_g"])
    z, colour = population["redshift"], population["sim_g_minus_r"]
    a, b, c = measured()["k_correction_g"]
    np.testing.assert_allclose(apparent, absolute + modulus + a * z + b * z * colour + c * z**2, atol=1e-6)
    a, b, c = measured()["k_correction_r"]
    np.testing.assert_allclose(
        population["sim_m_r"], absolute - colour + modulus + a * z + b * z * colour + c * z**2, atol=1e-4
    )
    # a galaxy looks redder from further away: g fades more than r
    assert ((apparent - population["sim_m_r"]) > colour)[z > 0.05].mean() > 0.85


def test_sizes_and_seeing_are_those_of_the_survey(population):
    assert population["sim_seeing_arcsec"].median() == pytest.approx(1.35, rel=0.02)
    # Shen et al. (2003): 4.6 kpc of half-light radius at log L = 10.4 for late types, times R90 / R50
    discs = population[(population["sim_kind"] == "disc") & (population["sim_r90_arcsec"] > 3.5)]
    near = discs[np.abs(np.log10(discs["luminosity_g"]) - 10.4) < 0.1]
    expected = 10**0.66 * (2.3 + near["sim_bulge_to_total"].median())
    assert near["radius_kpc"].median() == pytest.approx(expected, rel=0.1)


def test_explainable_r2_is_that_of_what_is_hidden(population):
    bound = explainable_r2(population)
    seen = population["sim_log_ml_g_from_image"] + population["sim_log_ml_g_from_luminosity"]
    hidden = population["log_ml_g"] - seen
    assert hidden.std() == pytest.approx(SCATTER_DEX, rel=0.03)
    assert 0.7 < bound["image"] < bound["image_and_luminosity"] < 0.95
    visible = population[population["sim_kind"] != "artifact"]
    of_visible = 1 - (hidden[visible.index] ** 2).mean() / visible["log_ml_g"].var(ddof=0)
    assert explainable_r2(visible)["image_and_luminosity"] == pytest.approx(of_visible)
    unlabelled = population.assign(log_ml_g=np.nan)
    assert np.isnan(explainable_r2(unlabelled)["image"])


def test_what_an_artifact_hides_can_not_be_explained(population):
    artifacts = population[population["sim_kind"] == "artifact"]
    assert len(artifacts) > 10
    assert explainable_r2(artifacts)["image"] < 0.1
    assert explainable_r2(population)["image"] < explainable_r2(population.assign(sim_kind="disc"))["image"]


def test_every_kind_and_odd_feature_occurs(population):
    assert set(population["sim_kind"]) == set(KINDS)
    assert set(population["sim_odd_feature"]) == set(ODD_FEATURES)
    assert set(population["sim_arm_number"]) == set(range(7))


@pytest.mark.parametrize(("arguments", "match"), [((0, 1), "n_galaxies=0"), ((5, -1), "seed=-1"), ((2.5, 1), "2.5")])
def test_bad_arguments_are_named(arguments, match):
    with pytest.raises(ConfigError, match=match):
        draw_population(*arguments)
