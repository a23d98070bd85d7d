"""The embedded default data: simulated galaxies with images, votes and mass-to-light ratios."""

from gzmass.simulate.making import simulate
from gzmass.simulate.population import draw_population, explainable_r2, galaxy_rng
from gzmass.simulate.rendering import render, render_light
from gzmass.simulate.votes import cast_votes, draw_votes, vote_probabilities

__all__ = [
    "cast_votes",
    "draw_population",
    "draw_votes",
    "explainable_r2",
    "galaxy_rng",
    "render",
    "render_light",
    "simulate",
    "vote_probabilities",
]
