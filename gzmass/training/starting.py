"""Starting from an earlier run, whose images may be of another size: what is copied, what is not, and what differs."""

from gzmass.errors import ConfigError
from gzmass.models import load_run, transfer_weights
from gzmass.models.conventions import IMAGE_KEYS, LABEL_KEYS, different_conventions
from gzmass.training.seen import refuse_overlap

__all__ = ["differences", "open_start", "start_from"]


def open_start(config, dataset):
    """Open the run that a training starts from, which must not have seen the galaxies held out here.

    Parameters
    ----------
    config : gzmass.config.PretrainConfig or gzmass.config.FinetuneConfig
        The configuration.
    dataset : gzmass.datasets.Dataset
        The dataset of the new run.

    Returns
    -------
    gzmass.models.Run or None
        None if it starts from random weights or those of ``model.weights``.

    Raises
    ------
    DataError
        There is no such run, or it has seen galaxies of the splits for testing, or learnt from those for validation.
    """
    source = load_run(config.init_from) if config.init_from else None
    if source is not None:
        refuse_overlap(source, dataset)
        refuse_overlap(source, dataset, "val")
    return source


def differences(source, dataset):
    """Compare what a run was trained on with a dataset.

    Parameters
    ----------
    source : gzmass.models.Run
        The run.
    dataset : gzmass.datasets.Dataset
        The dataset.

    Returns
    -------
    dict of str to list
        The value there and the value here, of each of `IMAGE_KEYS` and `LABEL_KEYS` in which the two differ; one that
        only one of them states is left out.
    """
    return different_conventions(source.card["dataset"], dataset.info, (*IMAGE_KEYS, *LABEL_KEYS))


def start_from(source, model, config, dataset, different):
    """Copy the weights of an earlier run, as far as they fit, and write down what was done.

    Parameters
    ----------
    source : gzmass.models.Run
        The run.
    model : keras.Model
        The new graph, which is changed. Its images may be of another size.
    config : gzmass.config.PretrainConfig or gzmass.config.FinetuneConfig
        The configuration.
    dataset : gzmass.datasets.Dataset
        The dataset of the new run.
    different : dict of str to str
        Sub-models that mean something else in the two runs, and why; they are not copied.

    Returns
    -------
    dict
        For the card: ``path``, ``weights_hash``, ``copied``, ``not_copied`` with the reasons, and ``differences``
        between the datasets.

    Raises
    ------
    ConfigError
        The trunks are of different kinds.
    """
    trunk = source.card["config"]["model"]["trunk"]
    if trunk != config.model.trunk:
        raise ConfigError(
            f"The key 'model.trunk' has the value {config.model.trunk!r}, but the run {str(source.path)!r}, which "
            f"'init_from' names, has the trunk {trunk!r}; they must be the same."
        )
    parts = [name for name in ("trunk", "morphology", "mass_to_light") if name not in different]
    copied, not_copied = transfer_weights(source.model, model, parts)
    return {
        "path": str(config.init_from),
        "weights_hash": source.card["weights_hash"],
        "copied": copied,
        "not_copied": {**not_copied, **different},
        "differences": differences(source, dataset),
    }
