"""One harness for all layers: shapes, configuration, saving, precision, gradients."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "losses"))
from layer_cases import CASES, SHAPES, example, outputs  # noqa: E402
from loss_cases import value_and_gradient  # noqa: E402

pytestmark = [
    pytest.mark.parametrize("name", list(CASES)),
    # Keras hands its variables to h5py, which asks for a copy in numpy's new way
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]


def functional(name, shape):
    dtype = "uint8" if name == "affine" else "float32"
    inputs = keras.Input(shape, dtype=dtype)
    layer = CASES[name]()
    model = keras.Model(inputs, layer(inputs))
    if name == "standardize":
        layer.adapt(example(name, shape, n=36))
    return model, layer


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
    default = {"rotation": 1.0, "flip": True, "shift": 0.05, "fill_mode": "reflect", "seed": None, "mask": True}
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


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Outputs before saving, and of all models loaded in another process."""
    folder = tmp_path_factory.mktemp("saved")
    before = {}
    for name in CASES:
        model, _ = functional(name, SHAPES[name][0])
        model.save(folder / f"{name}.keras")
        before[name] = outputs(model, name, SHAPES[name][0])
    path = os.pathsep.join(filter(None, [str(HERE.parents[1]), os.environ.get("PYTHONPATH")]))
    run = subprocess.run(
        [sys.executable, "-W", "ignore", HERE / "layer_cases.py", folder],
        env={**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return before, np.load(folder / "loaded.npz")


def test_saved_model_loads_in_another_process(loaded, name):
    before, after = loaded
    np.testing.assert_array_equal(after[name], before[name])


def test_loads_weights_of_another_copy(name, tmp_path):
    model, _ = functional(name, SHAPES[name][0])
    other, layer = functional(name, SHAPES[name][0])
    if name == "standardize":
        layer.adapt(np.array([[1.0, 1.0], [100.0, 3.0]]))
    model.save_weights(tmp_path / "w.weights.h5")
    other.load_weights(tmp_path / "w.weights.h5")
    np.testing.assert_array_equal(outputs(other, name, SHAPES[name][0]), outputs(model, name, SHAPES[name][0]))
