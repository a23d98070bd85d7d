"""What sharing a training step among devices costs, beside the same step of the same batch on one device.

    python benchmarks/devices.py [--trunk cnn5] [--npix 69] [--batch-size 64] [--short]

Where there is one device, it is shown to the backend as two: they then have the same cores, and what is measured is
what the sharing itself costs. Where there are several GPUs it is what they gain. KERAS_BACKEND=jax measures
keras.distribution.DataParallel, TensorFlow MirroredStrategy.
"""

import os

os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2".strip()
os.environ["JAX_CPU_ENABLE_ASYNC_DISPATCH"] = "false"  # on one core two devices would wait for each other for ever

import keras
import numpy as np
from _networks import Example, Repeated
from _tables import parser, print_table, spread, take_turns

from gzmass.config import ModelConfig, OptimizationConfig
from gzmass.losses import GaussianMassToLight, MultinomialVotes
from gzmass.models import build_model
from gzmass.models.trunks import TRUNKS
from gzmass.training.devices import ONE_DEVICE, find_devices

BOTH = ("votes", "log_ml")


def show_two():
    """Let TensorFlow take the processor for two devices, if it has no GPU."""
    import tensorflow as tf  # noqa: PLC0415 -- only where it is the backend

    if not tf.config.list_physical_devices("GPU"):
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


def main():
    """Print the table."""
    own = parser(__doc__)
    own.add_argument("--trunk", choices=[*TRUNKS], default=ModelConfig().trunk)
    own.add_argument("--npix", type=int, default=69)
    own.add_argument("--batch-size", type=int, default=64)
    arguments = own.parse_args()
    example, steps = Example(arguments.npix, arguments.batch_size), 8

    def fit(devices):
        losses = {"votes": MultinomialVotes(example.tree), "log_ml": GaussianMassToLight()}
        with devices.scope():
            model = build_model(arguments.npix, example.tree, arguments.trunk, ["redshift"], BOTH)
            optimizer = devices.optimizer(keras.optimizers.AdamW, 1e-3, clipnorm=1.0, weight_decay=1e-4)
            model.compile(optimizer, devices.losses(losses))
        data = devices.share(Repeated(example.batch(BOTH), steps))

        def run():
            with devices.training(model):
                model.fit(data, shuffle=False, verbose=0)

        return run

    if keras.backend.backend() == "tensorflow":
        show_two()
    several = find_devices(OptimizationConfig(devices="all", batch_size=arguments.batch_size))
    ways = {"1 device": fit(ONE_DEVICE), f"{several.n} devices": fit(several)}
    seconds = take_turns(ways, 5 if arguments.short else 15)
    print_table(
        f"{arguments.trunk}, {arguments.npix} px, batch {arguments.batch_size} in all, {keras.backend.backend()}",
        ["devices", "ms a step", "rate, of one device"],
        [
            [name, f"{1e3 * np.median(times) / steps:.1f}", spread(seconds["1 device"] / times)]
            for name, times in seconds.items()
        ],
        "Two devices that are one processor can not be faster than it: what is missing to 1 is what the sharing costs.",
    )


if __name__ == "__main__":
    main()
