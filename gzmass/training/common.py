"""What pretraining and fine-tuning share: claiming a run directory, choosing labels, losses, finishing with a card."""

from pathlib import Path

import numpy as np
import yaml

from gzmass.config import save_config
from gzmass.datasets import subset_by_id
from gzmass.engine import fingerprint, write_atomically
from gzmass.errors import ConfigError, DataError
from gzmass.losses import (
    DirichletMultinomialVotes,
    GaussianMassToLight,
    HuberMassToLight,
    MultinomialVotes,
    SquaredErrorMassToLight,
    SquaredErrorVotes,
)
from gzmass.models import load_run
from gzmass.models.domain import describe_domain
from gzmass.models.run import versions

__all__ = ["MASS_TO_LIGHT_LOSSES", "VOTE_LOSSES", "base_card", "claim", "labelled_rows", "repeated"]

VOTE_LOSSES = {
    "multinomial": MultinomialVotes,
    "dirichlet_multinomial": DirichletMultinomialVotes,
    "squared_error": SquaredErrorVotes,
}
MASS_TO_LIGHT_LOSSES = {
    "gaussian": GaussianMassToLight,
    "huber": HuberMassToLight,
    "squared_error": SquaredErrorMassToLight,
}


def claim(config, dataset, init_from=None):
    """Take possession of the run directory, or find that its work is done.

    Parameters
    ----------
    config : gzmass.config.PretrainConfig or gzmass.config.FinetuneConfig
        The configuration; it is written to ``config.yaml``.
    dataset : gzmass.datasets.Dataset
        The dataset.
    init_from : gzmass.models.Run, optional
        The run that the weights come from.

    Returns
    -------
    gzmass.models.Run or None
        The finished run, if an earlier call with the same configuration, data and start made it.

    Raises
    ------
    ConfigError
        The directory holds another run.
    """
    out = Path(config.out)
    wanted = {
        "config": fingerprint(config.model_dump(mode="json", exclude={"out", "dataset", "init_from"})),
        "dataset": dataset.info["content_hash"],
        "init_from": init_from and init_from.card["weights_hash"],
    }
    file = out / "fingerprint.yaml"
    if file.is_file():
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
        if different := [key for key in wanted if found.get(key) != wanted[key]]:
            raise ConfigError(
                f"The key 'out' has the value {str(out)!r}, which holds a run with another {different[0]}; "
                "give another directory, or remove that one."
            )
        if (out / "card.yaml").is_file():
            return load_run(out)
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"The key 'out' has the value {str(out)!r}, which holds something else than a run.")
    save_config(config, out / "config.yaml")
    with write_atomically(file) as temporary:
        temporary.write_text(yaml.safe_dump(wanted), encoding="utf-8")
    return None


def labelled_rows(dataset, label, n_labels, seed):
    """Choose the training galaxies: those of the split that have the label, or so many of them.

    Parameters
    ----------
    dataset : gzmass.datasets.Dataset
        The dataset.
    label : {"votes", "log_ml"}
        The label.
    n_labels : int or None
        How many; None for all. The choice follows from the ids and the seed, and fewer are contained in more.
    seed : int
        Seed of the choice.

    Returns
    -------
    numpy.ndarray of int
        Row numbers.

    Raises
    ------
    DataError
        There are fewer.
    """
    rows = dataset.require_rows("train", label)
    if n_labels is None:
        return rows
    if n_labels > len(rows):
        raise DataError(
            f"The key 'n_labels' has the value {n_labels}, but the training split of {str(dataset.path)!r} has "
            f"{len(rows)} galaxies with {label}."
        )
    return rows[subset_by_id(dataset.table["id"].to_numpy()[rows], n_labels, seed=seed)]


def repeated(rows, batch_size, steps):
    """Repeat galaxies until they fill a number of batches.

    Parameters
    ----------
    rows : numpy.ndarray of int
        Row numbers.
    batch_size : int
        Galaxies a batch.
    steps : int
        Smallest number of batches.

    Returns
    -------
    numpy.ndarray of int
        The row numbers, each as often as the others.
    """
    return np.tile(rows, max(1, -(-steps * batch_size // len(rows))))


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
        "domain": describe_domain(
            dataset.images(rows), dataset.metadata(list(metadata), rows), list(metadata), linear_metadata
        ),
        "seed": config.seed,
        "config": config.model_dump(mode="json"),
        "versions": versions(),
    }
