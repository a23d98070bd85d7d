"""One harness for all layers: shapes, configuration, saving, precision, gradients."""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "losses"))
from layer_cases import CASES, SHAPES, example, functional, outputs  # noqa: E402
from loss_cases import value_and_gradient  # noqa: E402

pytestmark = [
    pytest.mark.parametrize("name", list(CASES)),
    # Keras hands its variables to h5py, which asks for a copy in numpy's new way
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]


@pytest.mark.parametrize("n", [1, 5])
def test_output_has_the_promised_shape_and_type(name, n):
    for shape in SHAPES[name]:
        layer = CASES[name]()
        x = example(name, shape, n=n)
        got, promised = layer(x), layer.compute_output_shape(x.shape)
        keras.tree.assert_same_structure(got, dict.fromkeys(promised, 0) if isinstance(promised, dict) else 0)
        for key, value in got.items() if isinstance(got, dict) else [(None, got)]:
            assert tuple(value.shape) == tuple(promised[key] if key else promised)
            assert keras.backend.standardize_dtype(value.dtype) == "float32"
            assert np.isfinite(keras.ops.convert_to_numpy(value)).all()


def test_configuration_round_trip(name):
    layer = CASES[name]()
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(config)
    assert again.get_config() == layer.get_config()
    default = {"rotation": 1.0, "flip": True, "zoom": [0.9, 1.1], "shift": 0.05, "interpolation": "nearest"}
    default |= {"fill_mode": "reflect", "seed": None, "mask": True}
    assert not [key for key, value in config.items() if key in default and value == default[key]]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_policies_keep_float32_inside(name, policy):
    shape = SHAPES[name][0]
    expected = outputs(functional(name, shape)[0], name, shape)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        got = outputs(functional(name, shape)[0], name, shape)
    finally:
        keras.config.set_dtype_policy(before)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected)


def test_gradients_are_finite_for_extreme_input(name):
    shape = SHAPES[name][0]
    layer = CASES[name]()
    x = example(name, shape).astype("float32")
    if name in {"conditional", "joint"}:
        x *= 1e4
    training = {"training": True} if name == "affine" else {}
    value, gradient = value_and_gradient(
        lambda x: sum(keras.ops.sum(v) for v in keras.tree.flatten(layer(x, **training))), x
    )
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_loads_weights_of_another_copy(name, tmp_path):
    model, _ = functional(name, SHAPES[name][0])
    other, layer = functional(name, SHAPES[name][0])
    if name == "standardize":
        layer.adapt(np.array([[1.0, 1.0], [100.0, 3.0]]))
    model.save_weights(tmp_path / "w.weights.h5")
    other.load_weights(tmp_path / "w.weights.h5")
    np.testing.assert_array_equal(outputs(other, name, SHAPES[name][0]), outputs(model, name, SHAPES[name][0]))
