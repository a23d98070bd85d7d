"""Keras losses on votes and on mass-to-light ratios in which galaxies without a label count for nothing."""

from gzmass.losses.masked import LabelledMean, MaskedLoss
from gzmass.losses.mass_to_light import (
    MASS_TO_LIGHT_LOSSES,
    GaussianMassToLight,
    HuberMassToLight,
    SquaredErrorMassToLight,
)
from gzmass.losses.vote_metrics import VoteError
from gzmass.losses.votes import VOTE_LOSSES, DirichletMultinomialVotes, MultinomialVotes, SquaredErrorVotes

__all__ = [
    "MASS_TO_LIGHT_LOSSES",
    "VOTE_LOSSES",
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
