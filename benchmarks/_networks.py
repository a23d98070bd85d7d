"""The networks that the benchmarks compare: those of gzmass, `cnn4` in plain Keras, and convolutions alone."""

import keras
import numpy as np
from keras import layers

from gzmass.models import build_model
from gzmass.tree import load_tree

__all__ = ["Example", "Repeated", "bare_convolutions", "compiled", "gradient", "operations", "published_cnn4"]

CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)


class Repeated(keras.utils.PyDataset):
    """One batch again and again, for as many steps as are wanted.

    Parameters
    ----------
    batch : tuple
        What the graph takes.
    steps : int
        Steps of an epoch.
    """

    def __init__(self, batch, steps):
        super().__init__()
        self.batch, self.steps = batch, steps

    def __len__(self):
        return self.steps

    def __getitem__(self, index):
        return self.batch


class Example:
    """Noise for images and labels of both heads, and graphs of gzmass that learn from it.

    Parameters
    ----------
    npix : int
        Side of the images [px].
    batch_size : int
        Galaxies in the batch.
    """

    def __init__(self, npix, batch_size):
        rng, self.tree = np.random.default_rng(0), load_tree("gz2")
        self.npix = npix
        self.image = rng.integers(0, 256, (batch_size, npix, npix, 1), dtype=np.uint8)
        self.metadata = rng.uniform(0.01, 0.3, (batch_size, 1)).astype("float32")
        self.votes = rng.integers(0, 20, (batch_size, self.tree.n_answers)).astype("float32")
        self.log_ml = rng.normal(0.3, 0.3, batch_size).astype("float32")

    def graph(self, trunk, heads=("votes",), *, kind=keras.optimizers.AdamW, **arguments):
        """Build the graph as gzmass trains it, and compile it with its losses and an optimizer of some kind."""
        from gzmass.losses import GaussianMassToLight, MultinomialVotes  # noqa: PLC0415 after the backend

        model = build_model(self.npix, self.tree, trunk, ["redshift"] if "log_ml" in heads else (), heads)
        loss = {"votes": MultinomialVotes(self.tree), "log_ml": GaussianMassToLight()}
        optimizer = kind(1e-3, clipnorm=1.0, weight_decay=1e-4)
        model.compile(optimizer, {head: loss[head] for head in heads}, **arguments)
        return model

    def batch(self, heads=("votes",)):
        """Give inputs and labels of `graph`, as the loader does."""
        inputs = {"image": self.image} | ({"metadata": self.metadata} if "log_ml" in heads else {})
        labels = {"votes": self.votes, "log_ml": self.log_ml}
        return inputs, {head: labels[head] for head in heads}


def published_cnn4(npix):
    """Write the network and the protocol of the published table as a user of Keras would: M/L, squared error, Nadam."""
    model = keras.Sequential(
        [
            keras.Input((npix, npix, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 5, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 4, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(128, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(128, 3, activation="relu"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(512, activation="relu"),
            layers.Dense(1, activation="relu"),
        ]
    )
    model.compile(keras.optimizers.Nadam(1e-3), "mse")
    return model


def operations(model):
    """Count multiplications and additions of the convolutions and dense layers of a trunk, for one image [GFLOP]."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, (*CONVOLUTIONS, layers.Dense)):
            pixels = np.prod(layer.output.shape[1:-1])
            total += sum(2 * pixels * np.prod(w.shape) for w in layer.trainable_weights if len(w.shape) > 1)
    return total / 1e9


def gradient(function):
    """Compile a function of a list of arrays for the backend; the call gives its value and waits for the gradients.

    Parameters
    ----------
    function : callable
        Takes a list of tensors, gives a scalar.

    Returns
    -------
    callable
        Takes a list of tensors, gives a float.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415

        @tf.function(autograph=False)
        def both(arrays):
            with tf.GradientTape() as tape:
                tape.watch(arrays)
                value = function(arrays)
            return value, tape.gradient(value, arrays)

        return lambda arrays: float(both(arrays)[0])
    if backend == "jax":
        import jax  # noqa: PLC0415

        both = jax.jit(jax.value_and_grad(function))
        return lambda arrays: float(jax.block_until_ready(both(arrays))[0])
    import torch  # noqa: PLC0415

    def both(arrays):
        arrays = [array.detach().requires_grad_() for array in arrays]
        value = function(arrays)
        torch.autograd.grad(value, arrays)
        return float(value)

    return both


def compiled(function):
    """Compile a function of a list of arrays for the backend; the call waits for its value.

    Parameters
    ----------
    function : callable
        Takes a list of tensors, gives a scalar.

    Returns
    -------
    callable
        Takes a list of tensors, gives a float.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf  # noqa: PLC0415

        graph = tf.function(function, autograph=False)
        return lambda arrays: float(graph(arrays))
    if backend == "jax":
        import jax  # noqa: PLC0415

        graph = jax.jit(function)
        return lambda arrays: float(graph(arrays))
    import torch  # noqa: PLC0415

    def without_gradient(arrays):
        with torch.no_grad():
            return float(function(arrays))

    return without_gradient


def bare_convolutions(trunk, batch_size):
    """Make functions that do the convolutions of a trunk and nothing else, each on noise of the shape of its input.

    Parameters
    ----------
    trunk : keras.Model
        The trunk.
    batch_size : int
        Images.

    Returns
    -------
    forward, training : callable
        Without arguments: all convolutions; and also their gradients with respect to kernels and inputs.
    """
    alone, inputs, kernels = [], [], []
    for layer in trunk.layers:
        if not isinstance(layer, CONVOLUTIONS):
            continue
        convolution = type(layer).from_config({**layer.get_config(), "activation": None, "use_bias": False})
        shape = (batch_size, *layer.input.shape[1:])
        convolution.build(shape)
        alone.append(convolution)
        inputs.append(keras.random.normal(shape))
        kernels.append([weight.value for weight in convolution.trainable_variables])
    flat = [kernel for own in kernels for kernel in own]

    def total(arrays):
        arrays = list(arrays)
        given, rest = [inputs[0], *arrays[: len(alone) - 1]], arrays[len(alone) - 1 :]
        value = 0.0
        for convolution, x in zip(alone, given, strict=True):
            n = len(convolution.trainable_variables)
            own, rest = rest[:n], rest[n:]
            value += keras.ops.sum(convolution.stateless_call(own, [], x)[0])
        return value

    step, forward = gradient(total), compiled(total)
    # the image itself needs no gradient
    return (lambda: forward([*inputs[1:], *flat])), (lambda: step([*inputs[1:], *flat]))
