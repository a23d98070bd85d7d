"""Layers with no argument at its default, alone and in a model; `main` loads and runs saved models."""

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
        rotation=0.5,
        flip=False,
        zoom=(0.8, 1.3),
        shift=0.1,
        interpolation="bilinear",
        fill_mode="nearest",
        seed=3,
        name="mine",
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


def functional(name, shape):
    """Model of one layer, and the layer."""
    inputs = keras.Input(shape, dtype="uint8" if name == "affine" else "float32")
    layer = CASES[name]()
    model = keras.Model(inputs, layer(inputs))
    if name == "standardize":
        layer.adapt(example(name, shape, n=36))
    return model, layer


def main(folder, out):
    """Load what the tests saved and write what it gives."""
    results = {}
    for name in CASES:
        model = keras.saving.load_model(Path(folder) / f"{name}.keras", safe_mode=True)
        results[name] = outputs(model, name, SHAPES[name][0])
    np.savez(out, **results)
