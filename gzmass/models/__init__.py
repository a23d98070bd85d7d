"""The graph that is trained, and the directory of a run that it is kept in."""

from gzmass.models.multitask import build_model, initialise_mass_to_light, train_only, transfer_weights
from gzmass.models.run import Run, load_run, save_run

__all__ = [
    "Run",
    "build_model",
    "initialise_mass_to_light",
    "load_run",
    "save_run",
    "train_only",
    "transfer_weights",
]
