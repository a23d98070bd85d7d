"""Predictions for the galaxies of a dataset."""

from gzmass.inference.predict import predict, write_predictions

__all__ = ["predict", "write_predictions"]
