"""Muon: what becomes of a kernel's gradient, and which weights it leaves to AdamW."""

import keras
import numpy as np
import pytest

from gzmass.models import build_model
from gzmass.training.muon import Muon, orthogonal

RATE = 0.01


def moved(shape, gradient):
    """By how much a weight of some shape has moved after a step."""
    variable = keras.Variable(np.zeros(shape, dtype="float32"))
    optimizer = Muon(RATE, weight_decay=0.0)
    optimizer.build([variable])
    optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    return keras.ops.convert_to_numpy(variable)


@pytest.mark.parametrize("shape", [(5, 20), (20, 5), (12, 12)])
def test_all_directions_of_a_matrix_become_equally_large(shape):
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.normal(size=(n, min(shape))))[0] for n in shape)
    matrix = (left * np.geomspace(1, 0.02, min(shape))) @ right.T
    found = keras.ops.convert_to_numpy(orthogonal(keras.ops.convert_to_tensor(matrix.astype("float32"))))
    inside = left.T @ found @ right
    np.testing.assert_allclose(inside - np.diag(np.diag(inside)), 0, atol=1e-3)  # the directions are the same
    assert 0.6 < np.diag(inside).min() < np.diag(inside).max() < 1.25
    np.testing.assert_allclose(found, left @ inside @ right.T, atol=1e-3)


def test_no_gradient_moves_nothing():
    assert (moved((4, 6), np.zeros((4, 6), dtype="float32")) == 0).all()


@pytest.mark.parametrize("shape", [(40, 30), (3, 3, 8, 48)])
def test_an_update_is_as_large_as_one_of_adamw_whatever_the_gradient_is(shape):
    gradient = np.random.default_rng(1).normal(size=shape).astype("float32")
    large, small = (moved(shape, scale * gradient) for scale in (10, 1e-2))
    np.testing.assert_allclose(large, small, rtol=1e-3, atol=1e-6)
    assert 0.1 * RATE < np.sqrt(np.mean(large**2)) < 0.3 * RATE
    assert np.sum(large * gradient) < 0


def test_a_kernel_of_a_convolution_is_a_matrix_of_its_inputs():
    gradient = np.random.default_rng(2).normal(size=(3, 3, 4, 10)).astype("float32")
    np.testing.assert_array_equal(
        moved((3, 3, 4, 10), gradient).reshape(36, 10), moved((36, 10), gradient.reshape(36, 10))
    )


def test_directions_of_steps_add_up():
    one, other = np.eye(4, dtype="float32"), np.zeros((4, 4), dtype="float32")
    variable = keras.Variable(np.zeros((4, 4), dtype="float32"))
    optimizer = Muon(RATE, weight_decay=0.0)
    optimizer.build([variable])
    for gradient in (one, other):
        before = keras.ops.convert_to_numpy(variable).copy()
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    assert np.diag(keras.ops.convert_to_numpy(variable) - before).max() < -0.1 * RATE  # it has momentum


def test_biases_and_output_layers_are_left_to_adamw():
    model = build_model(32, metadata=("redshift",), dropout=0.0)
    optimizers, start, found = (Muon(RATE), keras.optimizers.AdamW(RATE)), model.get_weights(), []
    for optimizer in optimizers:
        model.set_weights(start)
        variables = model.trainable_variables
        optimizer.build(variables)
        rng = np.random.default_rng(3)
        gradients = [keras.ops.convert_to_tensor(rng.normal(size=v.shape).astype("float32")) for v in variables]
        optimizer.apply(gradients, variables)
        found.append([keras.ops.convert_to_numpy(variable).copy() for variable in variables])
    same = [np.array_equal(*pair) for pair in zip(*found, strict=True)]
    parts = [variable.path.split("/") for variable in variables]
    by_adamw = [part[-1] == "bias" or part[-2] in ("logits", "log_ml") for part in parts]
    assert same == by_adamw
    assert same.count(False) == 5 + 2  # the convolutions, and the hidden layer of each head


def test_weight_decay_is_that_of_adamw():
    variable = keras.Variable(np.ones((3, 3), dtype="float32"))
    optimizer = Muon(RATE, weight_decay=0.5)
    optimizer.build([variable])
    optimizer.apply([keras.ops.zeros((3, 3))], [variable])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(variable), 1 - 0.5 * RATE, rtol=1e-6)
