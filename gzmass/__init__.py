"""Stellar mass-to-light ratios of galaxies from an image in one band, learnt from morphology first.

What most users need is named here and loaded when it is first used, so that ``import gzmass`` loads no Keras.
"""

from importlib import import_module

from gzmass._version import __version__

__all__ = [
    "__version__",
    "build_model",
    "evaluate",
    "finetune_ml",
    "load_run",
    "load_tree",
    "open_dataset",
    "predict",
    "prepare",
    "pretrain_gz2",
    "run_experiment",
]

_HOME = {
    "build_model": "gzmass.models",
    "evaluate": "gzmass.evaluation",
    "finetune_ml": "gzmass.training",
    "load_run": "gzmass.models",
    "load_tree": "gzmass.tree",
    "open_dataset": "gzmass.datasets",
    "predict": "gzmass.inference",
    "prepare": "gzmass.preparation",
    "pretrain_gz2": "gzmass.training",
    "run_experiment": "gzmass.experiment",
}


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
