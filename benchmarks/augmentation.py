"""Augmentation in one resampling, against a training step and against four layers of Keras.

    python benchmarks/augmentation.py [--npix 69] [--batch-size 64] [--short]

`gzmass.layers.RandomAffine` rotates, mirrors, zooms and shifts in one resampling. Alone it is timed as a compiled
function; its share is that of a training step of the default trunk with it, as gzmass trains. The floor is the cast of
the pixels from 8 bits. A few per cent of a step are wanted. KERAS_BACKEND chooses the backend.
"""

import keras
import numpy as np
from _networks import Example, compiled
from _tables import parser, print_table, spread, take_turns
from keras import layers, ops

from gzmass.config import ModelConfig
from gzmass.layers import RandomAffine
from gzmass.losses import MultinomialVotes

OURS, STEP, WITHOUT = "RandomAffine", "training step with RandomAffine", "training step without"


def alone(function, images):
    """Compile an augmentation for a batch; only the sum of the pixels is brought back."""
    both = compiled(lambda arrays: ops.sum(function(arrays[0])))
    images = ops.convert_to_tensor(images)
    return lambda: both([images])


def applied(*own):
    """Make a function that applies layers one after the other, as in training."""

    def function(images):
        x = ops.cast(images, "float32")
        for layer in own:
            states = [variable.value for variable in layer.non_trainable_variables]
            x = layer.stateless_call([], states, x, training=True)[0]
        return x

    return function


def main():
    """Print the table."""
    own = parser(__doc__)
    own.add_argument("--npix", type=int, default=69)
    own.add_argument("--batch-size", type=int, default=64)
    arguments = own.parse_args()
    example = Example(arguments.npix, arguments.batch_size)
    trunk = ModelConfig().trunk
    four = {"fill_mode": "reflect", "interpolation": "nearest", "data_format": "channels_last"}
    keras_layers = [
        layers.RandomFlip("horizontal", data_format="channels_last"),
        layers.RandomRotation(1.0, **four),
        layers.RandomZoom((-0.1, 0.1), **four),
        layers.RandomTranslation(0.05, 0.05, **four),
    ]
    affine, bilinear = RandomAffine(), RandomAffine(interpolation="bilinear")
    for layer in (affine, bilinear, *keras_layers):
        layer.build(example.image.shape)
    plain = example.graph(trunk)
    inner = example.graph(trunk)
    image = keras.Input(example.image.shape[1:], dtype="uint8", name="image")
    augmented = keras.Model({"image": image}, inner({"image": ops.round(RandomAffine(seed=0)(image))}))
    optimizer = keras.optimizers.AdamW(1e-3, clipnorm=1.0, weight_decay=1e-4)
    augmented.compile(optimizer, {"votes": MultinomialVotes(example.tree)})
    inputs, labels = example.batch()
    seconds = take_turns(
        {
            "cast alone": alone(applied(), example.image),
            OURS: alone(applied(affine), example.image),
            "RandomAffine, bilinear": alone(applied(bilinear), example.image),
            "RandomFlip, -Rotation, -Zoom, -Translation": alone(applied(*keras_layers), example.image),
            WITHOUT: lambda: plain.train_on_batch(inputs, labels),
            STEP: lambda: augmented.train_on_batch(inputs, labels),
        },
        11 if arguments.short else 41,
    )
    print_table(
        f"Batch of {arguments.batch_size} images of {arguments.npix} px, {trunk}, {keras.backend.backend()}",
        ["what", "ms", "of RandomAffine", "of the training step with it [%]"],
        [
            [
                name,
                spread(1e3 * times),
                f"{np.median(times / seconds[OURS]):.2f}",
                spread(100 * times / seconds[STEP], ".1f"),
            ]
            for name, times in seconds.items()
        ],
    )


if __name__ == "__main__":
    main()
