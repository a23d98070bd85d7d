"""ResNet34 for images in one band: keras-hub's network, and its ImageNet weights folded to one channel."""

import re
import warnings
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from gzmass.errors import ConfigError

__all__ = ["fold_kernel", "load_imagenet", "resnet34"]

#: ResNet34 (He et al. 2016, table 1) in the words of `keras_hub.models.ResNetBackbone`.
ARCHITECTURE = {
    "input_conv_filters": [64],
    "input_conv_kernel_sizes": [7],
    "stackwise_num_filters": [64, 128, 256, 512],
    "stackwise_num_blocks": [3, 4, 6, 3],
    "stackwise_num_strides": [1, 2, 2, 2],
    "block_type": "basic_block",
    "use_pre_activation": False,
}

#: Mean and standard deviation of the channels of ImageNet in [0, 1], as torchvision and timm normalise with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def resnet34(x):
    """Apply ResNet34 to images in one band, with average and maximum pooling at its end.

    The layers are keras-hub's, under the names of the blocks: ``block1`` is the first convolution, ``block2`` to
    ``block5`` are the four stages of residual units. They are rebuilt as plain Keras layers, so that what is saved
    loads in safe mode where keras-hub is not installed.

    Beside the image the first convolution sees a channel of ones. It carries the constant part of the normalisation
    that ImageNet weights were trained with, and ends where the image ends: zeros are padded after normalising.

    Parameters
    ----------
    x : keras.KerasTensor
        Images in [-1, 1], shape (batch, npix, npix, 1), npix >= 32.

    Returns
    -------
    keras.KerasTensor
        Features, shape (batch, 1024).

    Raises
    ------
    ConfigError
        keras-hub is not installed.
    """
    backbone = _backbone(channels=2)
    image = layers.Concatenate(name="image_and_ones")([x, ops.ones_like(x)])
    tensors = []

    def call(layer, *args, **kwargs):
        tensors.append(layer(*args, **kwargs))
        return tensors[-1]

    # of the tensors on the way the last one is wanted: the model that clone_model makes has an input of its own
    network = keras.Model(backbone.inputs, backbone.outputs)
    keras.models.clone_model(network, input_tensors=[image], clone_function=_renamed, call_function=call)
    x = tensors[-1]
    average = layers.GlobalAveragePooling2D(name="average_pool")(x)
    maximum = layers.GlobalMaxPooling2D(name="maximum_pool")(x)
    return layers.Concatenate(name="features")([average, maximum])


def load_imagenet(trunk, weights):
    """Give a ResNet34 trunk weights that were learnt on colour images; its response to a grey image is theirs.

    Parameters
    ----------
    trunk : keras.Model
        The sub-model ``trunk`` of a graph with the trunk "resnet34".
    weights : str or pathlib.Path
        Where the weights of a three-channel ResNet34 are: a file ``*.weights.h5`` or ``*.keras`` of a
        `keras_hub.models.ResNetBackbone`, a folder in keras-hub's or timm's form, or the name of a keras-hub preset or
        of a model on a hub ("hf://timm/resnet34.a1_in1k"), which keras-hub fetches. The normalisation of the channels
        is the one that the folder or hub states; where it states none, that of ImageNet.

    Raises
    ------
    ConfigError
        keras-hub is not installed, the weights can not be had, or they are those of another network.
    """
    backbone, scale, offset = _colour_network(str(weights))
    # the trunk's layers see grey / 127.5 - 1, the backbone's grey * scale + offset
    for layer in backbone.layers:
        values = layer.get_weights()
        if layer.name == "conv1_conv":
            values = [fold_kernel(values[0], 127.5 * scale, 127.5 * scale + offset)]
        if values:
            trunk.get_layer(_block_name(layer.name)).set_weights(values)


def fold_kernel(kernel, scale, offset):
    """Fold the kernel of a convolution over normalised colour channels into one over a grey image and ones.

    With zeros padded around both channels the response to ``x`` and ones is that to the colour image whose channels
    are ``scale * x + offset``, with zeros padded around it: at the border too.

    Parameters
    ----------
    kernel : numpy.ndarray of float
        Shape (height, width, n_channels, n_filters).
    scale, offset : array_like of float
        Normalisation of each channel, shape (n_channels,).

    Returns
    -------
    numpy.ndarray of float
        Shape (height, width, 2, n_filters).
    """
    return np.einsum("hwcf,cn->hwnf", kernel, np.stack([scale, offset], axis=1))


def _keras_hub():
    try:
        import keras_hub  # noqa: PLC0415 -- an extra, and seconds that only this trunk needs
    except ImportError as error:
        raise ConfigError(
            f"The trunk 'resnet34' is built with the package keras-hub, which can not be imported ({error}): "
            "install gzmass[resnet]."
        ) from None
    return keras_hub


def _backbone(channels):
    return _keras_hub().models.ResNetBackbone(
        **ARCHITECTURE, image_shape=(None, None, channels), data_format="channels_last"
    )


def _block_name(name):
    """Name of a layer of keras-hub's by block: ``stack0_block2_1_conv`` is ``block2_unit3_1_conv``."""
    if found := re.fullmatch(r"stack(\d)_block(\d)_(\w+)", name):
        stack, unit, rest = found.groups()
        return f"block{int(stack) + 2}_unit{int(unit) + 1}_{rest}"
    return f"block1_{name}"


def _renamed(layer):
    return type(layer).from_config({**layer.get_config(), "name": _block_name(layer.name)})


def _colour_network(weights):
    """Load the network with its weights, and factor and offset with which each channel is normalised."""
    hub = _keras_hub()
    converter = None
    if _is_absent(weights):
        raise ConfigError(f"The key 'model.weights' has the value {weights!r}, a file or folder that does not exist.")
    try:
        if Path(weights).is_file():
            backbone = _backbone(channels=3)
            with warnings.catch_warnings(action="ignore"):  # one for each layer of another network, before the error
                backbone.load_weights(weights)
        else:
            backbone = hub.models.Backbone.from_preset(weights)
            converter = _converter(hub, weights)
    except Exception as error:  # noqa: BLE001 -- each hub's client has errors of its own, down to the network's
        raise ConfigError(
            f"The key 'model.weights' has the value {weights!r}, from which no weights could be loaded "
            f"({_first_sentence(error)}); allowed are a folder or file of keras-hub's ResNetBackbone, and "
            "names of presets and of models on hubs, which keras-hub fetches."
        ) from None
    found = {key: getattr(backbone, key, None) for key in ARCHITECTURE}
    if different := [key for key in ARCHITECTURE if found[key] != ARCHITECTURE[key]]:
        key = different[0]
        raise ConfigError(
            f"The key 'model.weights' has the value {weights!r}, which is another network than ResNet34: its {key} is "
            f"{found[key]!r}; allowed is {ARCHITECTURE[key]!r}."
        )
    if backbone.image_shape[-1] != 3:
        raise ConfigError(
            f"The key 'model.weights' has the value {weights!r}, a ResNet34 for {backbone.image_shape[-1]} channels; "
            "allowed are weights for colour images, of 3."
        )
    std = np.array(IMAGENET_STD)
    scale, offset = 1 / (255 * std), -np.array(IMAGENET_MEAN) / std
    if converter is not None:
        scale = np.ones(3) * (1.0 if converter.scale is None else converter.scale)
        offset = np.ones(3) * (0.0 if converter.offset is None else converter.offset)
    return backbone, scale, offset


def _is_absent(weights):
    """Tell whether weights are named by a path that leads nowhere, and not by the name of a preset or on a hub."""
    path = Path(weights)
    named = "://" in weights or not (path.suffix in {".h5", ".keras"} or len(path.parts) > 1)
    return not (named or path.exists())


def _converter(hub, preset):
    """Normalisation of the images that a preset states, if it does."""
    try:
        return hub.layers.ImageConverter.from_preset(preset)
    except FileNotFoundError:
        return None


def _first_sentence(error):
    lines = str(error).strip().splitlines()
    sentence = lines[0].split(". ")[0][:200].rstrip(".:") if lines else ""
    return f"{type(error).__name__}: {sentence}" if sentence else type(error).__name__
