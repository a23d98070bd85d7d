"""The convolutional trunks: from an 8-bit image to a feature vector, for images of any size."""

from keras import layers

from gzmass.images.stretch import SKY_GREY
from gzmass.models.resnet import resnet34

__all__ = ["SMALLEST_NPIX", "TRUNKS", "block_of", "cnn4", "cnn5", "cnn5_wide"]


def cnn5(x):
    """Apply five convolutions, of few channels where there are many pixels, and many where there are few.

    It trains at more than twice the rate of `cnn4` (``benchmarks/trunks.py``). The first convolution sees every pixel:
    one with a stride is faster still, and less accurate. The first three have no padding, as there is nothing but sky
    at the border. Global average AND maximum pooling: the first sees how much of the image is covered, the second
    whether there is a feature anywhere.

    Parameters
    ----------
    x : keras.KerasTensor
        Images in [-1, 1], shape (batch, npix, npix, 1), npix >= 32.

    Returns
    -------
    keras.KerasTensor
        Features, shape (batch, 384).
    """
    return _five_convolutions(x, (16, 48, 64, 128, 192))


def cnn5_wide(x):
    """Apply `cnn5` with more channels, and with the sky at zero, for many galaxies.

    The prepared images have their sky at grey level 40, and most of their pixels show it. At zero these say nothing to
    the first convolution, and the others are learnt faster.

    Parameters
    ----------
    x : keras.KerasTensor
        Images in [-1, 1], shape (batch, npix, npix, 1), npix >= 32.

    Returns
    -------
    keras.KerasTensor
        Features, shape (batch, 512).
    """
    x = layers.Rescaling(2.0, offset=2 * (1 - SKY_GREY / 127.5), name="sky_to_zero")(x)
    return _five_convolutions(x, (32, 64, 128, 256, 256))


def _five_convolutions(x, filters):
    for block, channels in enumerate(filters, start=1):
        padding = "valid" if block < 4 else "same"
        x = layers.Conv2D(channels, 5 if block == 1 else 3, padding=padding, name=f"block{block}_conv")(x)
        x = layers.ReLU(name=f"block{block}_relu")(x)
        if block < 5:
            x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    average = layers.GlobalAveragePooling2D(name="average_pool")(x)
    maximum = layers.GlobalMaxPooling2D(name="maximum_pool")(x)
    return layers.Concatenate(name="features")([average, maximum])


def cnn4(x):
    """Apply the four convolutions of the network that made the published table.

    Parameters
    ----------
    x : keras.KerasTensor
        Images in [-1, 1], shape (batch, npix, npix, 1), npix >= 42.

    Returns
    -------
    keras.KerasTensor
        Features, shape (batch, 128).
    """
    for block, (filters, size) in enumerate([(32, 5), (64, 4), (128, 3), (128, 3)], start=1):
        x = layers.Conv2D(filters, size, activation="relu", name=f"block{block}_conv")(x)
        if block < 4:
            x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    return layers.GlobalMaxPooling2D(name="features")(x)


#: The trunks by name. A trunk names its layers ``block<n>_...`` from the image up: blocks are what is frozen together.
TRUNKS = {"cnn4": cnn4, "cnn5": cnn5, "cnn5_wide": cnn5_wide, "resnet34": resnet34}

#: Side of the smallest images that a trunk takes [px].
SMALLEST_NPIX = {"cnn4": 42, "cnn5": 32, "cnn5_wide": 32, "resnet34": 32}


def block_of(layer):
    """Tell which block of its trunk a layer belongs to.

    Parameters
    ----------
    layer : keras.Layer
        A layer of a trunk.

    Returns
    -------
    int
        The number of the block, from 1 at the image; 0 for a layer outside the blocks.
    """
    name = layer.name
    return int(name[5 : name.index("_")]) if name.startswith("block") else 0
