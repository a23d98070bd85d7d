"""Finishing a run: its card, its domain score, the galaxies that it has seen."""

from gzmass.models import Run, save_run
from gzmass.models.run import versions
from gzmass.training.domain import domain_arrays, domain_ranges
from gzmass.training.seen import write_galaxies

__all__ = ["base_card", "finish_run"]


def base_card(kind, config, dataset, rows, *, tree, metadata=(), linear_metadata=()):
    """Write down what every run says about itself.

    Parameters
    ----------
    kind : {"pretrain-gz2", "finetune-ml"}
        The command.
    config : gzmass.config.PretrainConfig or gzmass.config.FinetuneConfig
        The configuration.
    dataset : gzmass.datasets.Dataset
        What it was trained on.
    rows : numpy.ndarray of int
        The training galaxies.
    tree : gzmass.tree.DecisionTree or None
        Tree of the vote head, if there is one.
    metadata : sequence of str, default ()
        Columns of the metadata input.
    linear_metadata : sequence of str, default ()
        Those without logarithm.

    Returns
    -------
    dict
        Plain data.
    """
    info = dataset.info
    return {
        "kind": kind,
        "npix": dataset.npix,
        "tree": tree.to_dict() if tree else None,
        "tree_hash": tree.hash if tree else None,
        "metadata": list(metadata),
        "test_time_augmentation": config.test_time_augmentation,
        "n_train": len(rows),
        "dataset": {"path": str(config.dataset), **{key: value for key, value in info.items() if key != "tree"}},
        "domain": domain_ranges(dataset, rows, list(metadata), linear_metadata),
        "seed": config.seed,
        "config": config.model_dump(mode="json"),
        "versions": versions(),
    }


def finish_run(model, card, state, config, dataset, rows, *, seen, source, start, devices):
    """Write the run directory: from then on the run is finished.

    Parameters
    ----------
    model : keras.Model
        The trained graph.
    card : dict
        What `base_card` returned, and what the kind of training adds; it is completed.
    state : gzmass.training.checkpoint.Progress
        What `gzmass.training.stages.fit_stages` returned.
    config : gzmass.config.PretrainConfig or gzmass.config.FinetuneConfig
        The configuration.
    dataset : gzmass.datasets.Dataset
        What it was trained on.
    rows : numpy.ndarray of int
        The training galaxies, which the domain score is fitted to.
    seen : list of numpy.ndarray of int
        All galaxies that were learnt from, and those that it was validated on.
    source, start : gzmass.models.Run and dict, or None
        The run that it started from, and what `gzmass.training.starting.start_from` returned.
    devices : gzmass.training.devices.Devices
        The devices; the first process alone writes.

    Returns
    -------
    gzmass.models.Run
        The run.
    """
    arrays, card["domain"]["score"] = domain_arrays(
        model, config, dataset, rows, card["metadata"], getattr(config, "linear_metadata", ())
    )
    card["init_from"] = start
    card["epochs"] = len(state.history)
    card["training_seconds"] = state.training_seconds()
    if devices.process:
        return Run(config.out, model, card)
    write_galaxies(config, dataset, seen, source)
    return save_run(config.out, model, card, arrays)
