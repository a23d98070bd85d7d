"""What a graph needs in training when TensorFlow runs it once on every device, each with its part of the batch.

This module imports TensorFlow, and is imported only where that is the backend and there are several devices.
"""

import keras
import tensorflow as tf

from gzmass.layers import RandomAffine

__all__ = ["GlobalMean", "MirroredAffine", "mean_gradients", "share_statistics"]


class GlobalMean(keras.losses.Loss):
    """A masked loss on one of several devices: the sum over its own galaxies, over the labelled ones of all devices.

    The gradients of the devices are added up.
    """

    def __init__(self, loss):
        super().__init__(name=loss.name)
        self.loss = loss

    def __call__(self, y_true, y_pred, sample_weight=None):  # noqa: D102 -- described in the class
        total, weight = self.loss.sums(y_true, y_pred, sample_weight)
        return keras.ops.divide_no_nan(total, _over_devices("SUM", [weight])[0])


class MirroredAffine(RandomAffine):
    """Draws the random numbers of the whole batch on every device, and takes those of its own galaxies."""

    def _uniform(self, shape, low, high):
        context = tf.distribute.get_replica_context()
        if context is None:  # the graph is being laid out
            return super()._uniform(shape, low, high)
        n, first = shape[0], context.replica_id_in_sync_group * shape[0]
        return super()._uniform((n * context.num_replicas_in_sync,), low, high)[first : first + n]


def mean_gradients(kind):
    """Make a kind of optimizer that gives every device the mean of the gradients of all devices.

    Parameters
    ----------
    kind : type
        Class of an optimizer.

    Returns
    -------
    type
        A class with the same arguments.
    """

    class MeanGradients(kind):
        def apply(self, grads, trainable_variables=None):
            return super().apply(_over_devices("MEAN", list(grads)), trainable_variables)

    return MeanGradients


def share_statistics(model, wanted):
    """Let batch normalisation use the statistics of the whole batch, or again those of the galaxies that it is given.

    Parameters
    ----------
    model : keras.Model
        A graph with the sub-model ``trunk``.
    wanted : bool
        Whether all devices together have one batch.
    """
    for layer in model.get_layer("trunk").layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = wanted


def _over_devices(reduction, tensors):
    context = tf.distribute.get_replica_context()
    return tensors if context is None else context.all_reduce(reduction, tensors)
