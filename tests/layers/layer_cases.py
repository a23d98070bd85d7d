"""Layers with no argument at its default: ``python layer_cases.py FOLDER`` loads and runs saved models."""

import sys
from pathlib import Path

import keras
import numpy as np

from gzmass.layers import ConditionalSoftmax, JointProbability, MetadataStandardize, RandomAffine

TREE = {
    "name": "mini",
    "questions": [
        {"name": "disc", "answers": [{"name": "yes"}, {"name": "no"}, {"name": "star"}]},
        {"name": "bar", "parents": ["disc_yes"], "answers": [{"name": "yes"}, {"name": "no"}]},
        {"name": "odd", "parents": ["bar", "disc_no"], "answers": [{"name": "yes"}, {"name": "no"}]},
    ],
}
CASES = {
    "conditional": lambda: ConditionalSoftmax(TREE, name="mine"),
    "joint": lambda: JointProbability(TREE, name="mine"),
    "standardize": lambda: MetadataStandardize(log=[True, False], mask=False, name="mine"),
    "affine": lambda: RandomAffine(
        rotation=0.5, flip=False, zoom=(0.8, 1.3), shift=0.1, fill_mode="nearest", seed=3, name="mine"
    ),
}
SHAPES = {"conditional": [(7,)], "joint": [(7,)], "standardize": [(2,)], "affine": [(16, 16, 1), (9, 12, 3)]}


def example(name, shape, n=4):
    """Input of a layer."""
    rng = np.random.default_rng(0)
    if name == "affine":
        return rng.integers(0, 256, (n, *shape)).astype("uint8")
    if name == "standardize":
        return np.tile(np.array([[1e10, 300.0], [np.nan, 200.0], [-1.0, np.nan], [3e9, 20.0]], "float32"), (9, 1))[:n]
    return rng.normal(size=(n, *shape)).astype("float32")


def outputs(model, name, shape):
    """All outputs of a model in one array."""
    flat = keras.tree.flatten(model(example(name, shape)))
    return np.concatenate([keras.ops.convert_to_numpy(value).reshape(4, -1) for value in flat], axis=1)


def main(folder):
    """Load what the tests saved and write what it gives."""
    results = {}
    for name in CASES:
        model = keras.saving.load_model(Path(folder) / f"{name}.keras", safe_mode=True)
        results[name] = outputs(model, name, SHAPES[name][0])
    np.savez(Path(folder) / "loaded.npz", **results)


if __name__ == "__main__":
    main(sys.argv[1])
