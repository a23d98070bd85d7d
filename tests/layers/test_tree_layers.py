"""The tree layers against the tree's own numpy."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gzmass.errors import TreeError
from gzmass.layers import ConditionalSoftmax, JointProbability
from gzmass.tree import load_tree

sys.path.insert(0, str(Path(__file__).parents[1] / "tree"))
sys.path.insert(0, str(Path(__file__).parents[1] / "losses"))
from loss_cases import value_and_gradient
from random_trees import trees

GZ2 = load_tree("gz2")


def numpy_of(x):
    return keras.ops.convert_to_numpy(x)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(tree=trees(), seed=st.integers(0, 2**32 - 1))
def test_layers_equal_numpy_on_random_trees(tree, seed):
    logits = np.random.default_rng(seed).normal(size=(3, tree.n_answers)).astype("float32") * 2
    p = tree.conditional(np.exp(logits.astype(float)))
    log_p = ConditionalSoftmax(tree)(logits)
    walked = JointProbability(tree)(log_p)
    np.testing.assert_allclose(np.exp(numpy_of(log_p)), p, atol=1e-6)
    np.testing.assert_allclose(np.exp(numpy_of(walked["asked"])), tree.asked(p), atol=2e-6)
    np.testing.assert_allclose(np.exp(numpy_of(walked["joint"])), tree.joint(p), atol=2e-6)


def test_log_probabilities_keep_their_digits_where_the_probability_is_tiny():
    logits = np.zeros((1, 37), "float32")
    logits[0, [1, 4, 7]] = -60.0  # features, not edge-on, spiral: each very improbable
    log_joint = numpy_of(JointProbability(GZ2)(ConditionalSoftmax(GZ2)(logits))["joint"])[0]
    assert log_joint[7] == pytest.approx(-180.0 - np.log(2), rel=1e-6)


def test_extreme_logits():
    logits = np.full((1, 37), -1e4, "float32")
    logits[0, ::3] = 1e4
    value, gradient = value_and_gradient(lambda x: -keras.ops.sum(ConditionalSoftmax(GZ2)(x)), logits)
    log_p = numpy_of(ConditionalSoftmax(GZ2)(logits))
    np.testing.assert_allclose(GZ2.question_sums(np.exp(log_p)), 1.0, atol=1e-6)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_gradient_of_the_softmax_is_exact():
    logits = np.random.default_rng(3).normal(size=(2, 37)).astype("float32")
    weight = np.random.default_rng(4).normal(size=(2, 37)).astype("float32")
    _, gradient = value_and_gradient(lambda x: keras.ops.sum(ConditionalSoftmax(GZ2)(x) * weight), logits)
    p = GZ2.conditional(np.exp(logits.astype(float)))
    expected = weight - p * GZ2.question_sums(weight)[:, GZ2.segment]
    np.testing.assert_allclose(gradient, expected, atol=2e-6)


def test_log_zero_gives_finite_gradients():
    log_p = np.full((1, 37), -np.inf, "float32")
    log_p[0, GZ2.starts] = 0.0
    value, gradient = value_and_gradient(
        lambda x: keras.ops.sum(keras.ops.exp(JointProbability(GZ2)(x)["joint"])), log_p
    )
    assert value == pytest.approx(GZ2.joint(np.exp(log_p)).sum())
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("layer", [ConditionalSoftmax, JointProbability])
def test_wrong_number_of_columns_is_named(layer):
    with pytest.raises(TreeError, match=r"'gz2' has 37 answers .* shape \(4, 36\)"):
        layer("gz2")(np.zeros((4, 36), "float32"))
