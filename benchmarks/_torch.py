"""A network of PyTorch with the layers of a trunk, and its training loop: what one would take instead of Keras."""

import os

# threads that spin while they wait would take the cores from TensorFlow
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import keras
import torch
from keras import layers
from torch import nn

__all__ = ["torch_steps"]


def torch_steps(trunk, n_outputs, batch_size):
    """Make a training and a prediction step in PyTorch of a network with the layers of a trunk, channels last.

    Parameters
    ----------
    trunk : keras.Model
        The trunk.
    n_outputs : int
        Outputs of a dense layer behind it and one of 256 hidden units.
    batch_size : int
        Images.

    Returns
    -------
    training, prediction : callable
        Without arguments.

    Raises
    ------
    TypeError
        A layer of the trunk has no counterpart here.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    head = nn.Linear(trunk.output_shape[-1], 256), nn.ReLU(), nn.Linear(256, n_outputs)
    network = nn.Sequential(_Trunk(trunk), *head).to(device, memory_format=torch.channels_last)
    npix = trunk.input_shape[1]
    image = torch.randint(0, 256, (batch_size, 1, npix, npix), dtype=torch.uint8, device=device)
    image = image.contiguous(memory_format=torch.channels_last)
    target = torch.rand(batch_size, n_outputs, device=device)
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)

    def training():
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(network(image.float()), target)
        loss.backward()
        optimizer.step()
        return loss.item()

    def prediction():
        network.eval()
        with torch.inference_mode():
            result = network(image.float()).cpu()
        network.train()
        return result

    return training, prediction


class _Trunk(nn.Module):
    """The layers of a functional model of Keras, applied in its order."""

    def __init__(self, trunk):
        super().__init__()
        self.image, self.steps = id(trunk.layers[0].output), []
        known = {self.image}
        for number, layer in enumerate(trunk.layers[1:]):
            given = layer.input if isinstance(layer.input, list) else [layer.input]
            if not {id(x) for x in given} <= known:
                raise TypeError(f"the layer {layer.name} takes what is not made by a layer")
            known.add(id(layer.output))
            own = _counterpart(layer)
            self.add_module(f"layer{number}", own)
            self.steps.append(([id(x) for x in given], id(layer.output), own))

    def forward(self, image):
        values = {self.image: image}
        for given, made, own in self.steps:
            values[made] = own(*(values[name] for name in given))
        return values[self.steps[-1][1]]


class _Function(nn.Module):
    """A function without weights."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *x):
        return self.function(*x)


def _convolution(layer):
    given = layer.input.shape[-1]
    padding = _padding(layer, layer.kernel_size)
    if isinstance(layer, (layers.SeparableConv2D, layers.DepthwiseConv2D)):
        wide = given * layer.depth_multiplier
        own = nn.Conv2d(given, wide, layer.kernel_size, layer.strides, padding, groups=given)
        if isinstance(layer, layers.SeparableConv2D):
            own = nn.Sequential(own, nn.Conv2d(wide, layer.filters, 1))
    else:
        shape = (given, layer.filters, layer.kernel_size, layer.strides, padding)
        own = nn.Conv2d(*shape, groups=layer.groups, bias=layer.use_bias)
    return nn.Sequential(own, nn.ReLU()) if layer.activation is keras.activations.relu else own


def _zero_padding(layer):
    (top, bottom), (left, right) = layer.padding
    return nn.ZeroPad2d((left, right, top, bottom))


def _padding(layer, size):
    return tuple(k // 2 for k in size) if layer.padding == "same" else 0


def _pooling(own):
    return lambda layer: own(layer.pool_size, layer.strides, _padding(layer, layer.pool_size))


def _function(function):
    return lambda _: _Function(function)


_COUNTERPARTS = {
    layers.Conv2D: _convolution,
    layers.SeparableConv2D: _convolution,
    layers.DepthwiseConv2D: _convolution,
    layers.ZeroPadding2D: _zero_padding,
    layers.ReLU: lambda _: nn.ReLU(),
    layers.BatchNormalization: lambda own: nn.BatchNorm2d(own.input.shape[-1], own.epsilon, 1 - own.momentum),
    layers.MaxPooling2D: _pooling(nn.MaxPool2d),
    layers.AveragePooling2D: _pooling(nn.AvgPool2d),
    layers.GlobalAveragePooling2D: _function(lambda x: x.mean((2, 3))),
    layers.GlobalMaxPooling2D: _function(lambda x: x.amax((2, 3))),
    layers.Concatenate: _function(lambda *x: torch.cat(x, 1)),
    layers.Add: _function(lambda *x: sum(x[1:], x[0])),
    layers.Rescaling: lambda own: _Function(lambda x: x * own.scale + own.offset),
}


def _counterpart(layer):
    if isinstance(layer, layers.Activation) and layer.activation is keras.activations.relu:
        return nn.ReLU()
    if type(layer) not in _COUNTERPARTS:
        raise TypeError(f"the layer {type(layer).__name__} has no counterpart in this benchmark")
    return _COUNTERPARTS[type(layer)](layer)
