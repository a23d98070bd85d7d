"""Predictions for the galaxies of a dataset, and the features that a trunk sees in them."""

from gzmass.inference.ensemble import Ensemble, load_ensemble
from gzmass.inference.features import features, write_features
from gzmass.inference.predict import predict, predict_with_members, write_predictions
from gzmass.inference.predict_parts import PartsSummary, predict_parts
from gzmass.inference.sources import find_galaxies

__all__ = [
    "Ensemble",
    "PartsSummary",
    "features",
    "find_galaxies",
    "load_ensemble",
    "predict",
    "predict_parts",
    "predict_with_members",
    "write_features",
    "write_predictions",
]
