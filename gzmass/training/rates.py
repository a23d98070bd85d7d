"""Optimizers with which the lower blocks of a trunk learn more slowly than the higher ones and the heads."""

import keras
from keras import ops

from gzmass.models.trunks import block_of
from gzmass.training.muon import Muon

__all__ = ["LayerwiseAdam", "LayerwiseAdamW", "LayerwiseMuon", "LayerwiseNadam", "rate_factors"]


def rate_factors(trunk, variables, decay):
    """Say at which fraction of the learning rate each weight learns.

    Parameters
    ----------
    trunk : keras.Model
        The sub-model ``trunk`` of a graph.
    variables : sequence of keras.Variable
        The weights that are trained.
    decay : float
        Factor from one block of the trunk to the one below it, as in the discriminative fine-tuning of Howard & Ruder
        2018, section 3.2: the heads have 1, the last block has `decay`, the block before it its square, and so on.

    Returns
    -------
    list of float
        One for each of `variables`.
    """
    top = max(block_of(layer) for layer in trunk.layers)
    factors = {
        id(variable): decay ** (top + 1 - block_of(layer)) for layer in trunk.layers for variable in layer.variables
    }
    return [factors.get(id(variable), 1.0) for variable in variables]


class _Layerwise:
    """Makes an optimizer scale its learning rate, and with it the weight decay, by a factor for each weight.

    It has one learning rate, which schedules and callbacks change as in any optimizer, and the variables of one: it is
    saved and continued like it.
    """

    def __init__(self, *args, factors, **kwargs):
        super().__init__(*args, **kwargs)
        self.factors = tuple(factors)
        # Keras would apply it before `update_step`, at the same rate for all weights
        self.own_decay, self.weight_decay = self.weight_decay, None

    def update_step(self, gradient, variable, learning_rate):
        rate = learning_rate * self.factors[self._get_variable_index(variable)]
        if self.own_decay:
            self.assign_sub(variable, ops.multiply(variable, ops.cast(rate * self.own_decay, variable.dtype)))
        super().update_step(gradient, variable, rate)

    def get_config(self):
        return {**super().get_config(), "factors": list(self.factors), "weight_decay": self.own_decay}


@keras.saving.register_keras_serializable(package="gzmass")
class LayerwiseAdam(_Layerwise, keras.optimizers.Adam):
    """Adam with a factor on the rate of each weight.

    Parameters
    ----------
    factors : sequence of float
        For each of the variables that it is built with.
    """


@keras.saving.register_keras_serializable(package="gzmass")
class LayerwiseAdamW(_Layerwise, keras.optimizers.AdamW):
    """AdamW with a factor on the rate of each weight.

    Parameters
    ----------
    factors : sequence of float
        For each of the variables that it is built with.
    """


@keras.saving.register_keras_serializable(package="gzmass")
class LayerwiseMuon(_Layerwise, Muon):
    """Muon with a factor on the rate of each weight.

    Parameters
    ----------
    factors : sequence of float
        For each of the variables that it is built with.
    """


@keras.saving.register_keras_serializable(package="gzmass")
class LayerwiseNadam(_Layerwise, keras.optimizers.Nadam):
    """Nadam with a factor on the rate of each weight.

    Parameters
    ----------
    factors : sequence of float
        For each of the variables that it is built with.
    """
