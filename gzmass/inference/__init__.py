"""Predictions for the galaxies of a dataset, and the features that a trunk sees in them."""

from gzmass.inference.ensemble import Ensemble, load_ensemble
from gzmass.inference.features import features, write_features
from gzmass.inference.predict import predict, write_predictions

__all__ = ["Ensemble", "features", "load_ensemble", "predict", "write_features", "write_predictions"]
