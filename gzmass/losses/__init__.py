"""Keras losses on votes and on mass-to-light ratios in which galaxies without a label count for nothing."""

from gzmass.losses.masked import LabelledMean, MaskedLoss
from gzmass.losses.mass_to_light import GaussianMassToLight, HuberMassToLight, SquaredErrorMassToLight
from gzmass.losses.vote_metrics import VoteError
from gzmass.losses.votes import DirichletMultinomialVotes, MultinomialVotes, SquaredErrorVotes

__all__ = [
    "DirichletMultinomialVotes",
    "GaussianMassToLight",
    "HuberMassToLight",
    "LabelledMean",
    "MaskedLoss",
    "MultinomialVotes",
    "SquaredErrorMassToLight",
    "SquaredErrorVotes",
    "VoteError",
]
