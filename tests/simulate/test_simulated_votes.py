"""Simulated votes: they walk down the tree, and are distributed and related to M/L as measured."""

from importlib import resources

import numpy as np
import pytest
import yaml
from scipy.stats import spearmanr

from gzmass.simulate import cast_votes, draw_population, draw_votes, vote_probabilities
from gzmass.tree import load_tree

TREE = load_tree("gz2")
REAL = yaml.safe_load(resources.files("gzmass.simulate").joinpath("votes.yaml").read_text(encoding="utf-8"))["answers"]


@pytest.fixture(scope="module")
def galaxies():
    population = draw_population(4000, seed=1)
    return population, cast_votes(population, seed=1)


def test_a_question_is_asked_as_often_as_its_parents_were_given(galaxies):
    _, votes = galaxies
    asked = TREE.question_sums(votes)
    for question in range(1, TREE.n_questions):
        np.testing.assert_array_equal(asked[:, question], votes[:, TREE.parents[question]].sum(axis=1))
    assert asked[:, 0].mean() == pytest.approx(44, abs=0.5)
    assert (votes == np.rint(votes)).all()


def test_every_answer_occurs(galaxies):
    _, votes = galaxies
    assert (votes.sum(axis=0) > 100).all()


def test_probabilities_sum_to_one_within_a_question(galaxies):
    chances = vote_probabilities(galaxies[0])
    np.testing.assert_allclose(TREE.question_sums(chances), 1)
    assert (chances > 0).all()


def test_votes_scatter_around_the_probabilities_more_than_a_multinomial():
    chances = vote_probabilities(draw_population(1, seed=9))[0]
    rng = np.random.default_rng(0)
    votes = np.array([draw_votes(chances, TREE, rng, n_classifications=44) for _ in range(3000)])
    smooth = votes[:, 0] / 44
    assert smooth.mean() == pytest.approx(chances[0], abs=0.01)
    binomial = chances[0] * (1 - chances[0]) / 44
    assert smooth.var() == pytest.approx(binomial * (1 + 43 / 21), rel=0.1)  # Dirichlet-multinomial, concentration 20


@pytest.mark.parametrize("k", range(TREE.n_answers), ids=TREE.stems)
def test_mean_and_spread_are_near_the_measured_ones(galaxies, k):
    _, votes = galaxies
    rows = TREE.question_sums(votes)[:, TREE.segment[k]] >= 10
    fraction = TREE.conditional(votes)[rows, k]
    real = REAL[TREE.stems[k]]
    means, spreads = ([real[sample][what] for sample in ("all", "bright")] for what in ("mean", "sd"))
    assert min(means) - 0.10 < fraction.mean() < max(means) + 0.10
    assert min(spreads) - 0.08 < fraction.std() < max(spreads) + 0.08


@pytest.mark.parametrize(
    "stem",
    [stem for stem in TREE.stems if abs(REAL[stem]["bright"]["rho_log_ml_g"]) > 0.3],
)
def test_strong_relations_with_mass_to_light_are_as_measured(galaxies, stem):
    population, votes = galaxies
    k = TREE.stems.index(stem)
    rows = TREE.question_sums(votes)[:, TREE.segment[k]] >= 5
    rho = spearmanr(TREE.conditional(votes)[rows, k], population["log_ml_g"][rows])[0]
    assert rho == pytest.approx(REAL[stem]["bright"]["rho_log_ml_g"], abs=0.28)
    assert np.sign(rho) == np.sign(REAL[stem]["bright"]["rho_log_ml_g"])
