"""Layer-wise learning rates: the factor of each weight, and what the optimizers make of it."""

import keras
import numpy as np
import pytest

from gzmass.models import build_model, train_only
from gzmass.training.muon import Muon
from gzmass.training.rates import LayerwiseAdam, LayerwiseAdamW, LayerwiseMuon, LayerwiseNadam, rate_factors

PLAIN = {
    LayerwiseAdam: keras.optimizers.Adam,
    LayerwiseAdamW: keras.optimizers.AdamW,
    LayerwiseMuon: Muon,
    LayerwiseNadam: keras.optimizers.Nadam,
}


def steps(optimizer, n_variables=2, n=4):
    """Let variables with the same values and gradients learn; their values after each step."""
    variables = [keras.Variable(np.full(3, 2.0, dtype="float32"), name=f"v{i}") for i in range(n_variables)]
    optimizer.build(variables)
    values = []
    for step in range(n):
        gradient = np.array([0.5, -1.0, 0.1 * step], dtype="float32")
        optimizer.apply([keras.ops.convert_to_tensor(gradient)] * n_variables, variables)
        values.append([keras.ops.convert_to_numpy(variable) for variable in variables])
    return np.array(values)


def test_factors_fall_from_the_heads_down():
    model = build_model(32)
    train_only(model, 3)
    variables = model.trainable_variables
    factors = rate_factors(model.get_layer("trunk"), variables, 0.5)
    by_path = {variable.path.partition("/")[0]: factor for variable, factor in zip(variables, factors, strict=True)}
    trunk = {"block3_conv": 0.125, "block4_conv": 0.25, "block5_conv": 0.5}
    assert by_path == {**trunk, "hidden": 1, "logits": 1, "log_ml": 1}


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("weight_decay", [0.0, 0.05])
def test_weights_move_in_proportion_to_their_factors(kind, weight_decay):
    values = steps(kind(0.001, factors=[1.0, 0.25], weight_decay=weight_decay))
    moved = 2.0 - values
    np.testing.assert_allclose(moved[:, 1], 0.25 * moved[:, 0], rtol=2e-3, atol=1e-6)
    assert np.abs(moved).max() > 0.002


@pytest.mark.parametrize("kind", PLAIN)
def test_with_a_factor_of_one_it_is_the_plain_optimizer(kind):
    arguments = {"learning_rate": 0.01, "weight_decay": 0.1, "clipnorm": 1.0}
    one, other = steps(kind(factors=[1.0, 1.0], **arguments)), steps(PLAIN[kind](**arguments))
    np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("kind", PLAIN)
def test_the_learning_rate_can_be_changed_and_the_configuration_kept(kind):
    optimizer = kind(0.01, factors=[1.0, 0.5], weight_decay=0.1)
    twin = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert isinstance(twin, kind)
    np.testing.assert_array_equal(steps(twin), steps(optimizer))
    optimizer.learning_rate = 0.0
    value = keras.Variable(np.ones(2, dtype="float32"))
    still = kind(0.01, factors=[1.0])
    still.build([value])
    still.learning_rate = 0.0
    still.apply([keras.ops.ones(2)], [value])
    np.testing.assert_array_equal(value, np.ones(2))
