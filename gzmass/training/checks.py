"""Whether a graph can be trained as configured."""

from importlib.util import find_spec

import keras

from gzmass.errors import ConfigError
from gzmass.models import train_only

__all__ = ["check_training"]


def check_training(model, config):
    """Find out whether a graph can be trained as configured, before anything is written.

    Parameters
    ----------
    model : keras.Model
        The graph.
    config : gzmass.config.PretrainConfig or gzmass.config.FinetuneConfig
        The configuration.

    Raises
    ------
    ConfigError
        A stage trains more blocks than the trunk has, or freezes batch normalisation that it has not; several steps are
        to be executed at once, which the backend can not; or TensorBoard's logs are wanted and it is not installed.
    """
    for stage in config.stages:
        try:
            train_only(model, stage.train, stage.batch_norm)
        except ConfigError as error:
            raise ConfigError(f"The stage {stage.name!r} can not be trained. {error}") from None
    train_only(model, "all")
    if config.optimization.steps_per_execution > 1 and keras.backend.backend() == "torch":
        raise ConfigError(
            "The key 'optimization.steps_per_execution' has the value "
            f"{config.optimization.steps_per_execution}, but Keras on PyTorch takes 1 alone."
        )
    missing = [name for name in ("tensorboard", "tensorflow") if find_spec(name) is None]
    if config.tensorboard and missing:
        raise ConfigError(
            f"The key 'tensorboard' has the value True, but the package {missing[0]!r} is not installed: "
            "install gzmass[tensorboard], or set it to false."
        )
