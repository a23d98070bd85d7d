"""What pretraining and fine-tuning share: losses, checks, the choice of labels, and the card."""

from importlib.util import find_spec

import keras
import numpy as np

from gzmass.datasets import subset_by_id
from gzmass.errors import ConfigError, DataError
from gzmass.losses import (
    DirichletMultinomialVotes,
    GaussianMassToLight,
    HuberMassToLight,
    MultinomialVotes,
    SquaredErrorMassToLight,
    SquaredErrorVotes,
)
from gzmass.models import train_only
from gzmass.models.run import versions
from gzmass.training.domain import domain_ranges

__all__ = [
    "MASS_TO_LIGHT_LOSSES",
    "VOTE_LOSSES",
    "base_card",
    "check_training",
    "labelled_rows",
    "learnt_questions",
    "repeated",
]

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
        train_only(model, stage.train, stage.batch_norm)
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
        The row numbers, each as often as the others; for one batch each once, however few they are.
    """
    if steps == 1:
        return rows
    return np.tile(rows, max(1, -(-steps * batch_size // len(rows))))


def label_error(dataset, rows):
    """Tell the error that a label typically has.

    Parameters
    ----------
    dataset : gzmass.datasets.Dataset
        The dataset.
    rows : numpy.ndarray of int
        The galaxies whose M/L is learnt.

    Returns
    -------
    float
        Median of their errors of log10 M/L [dex], those that are not known counting as 0.
    """
    error = dataset.log_ml(rows)[:, 1]
    return float(np.median(np.where(np.isfinite(error) & (error > 0), error, 0.0)))


def learnt_questions(dataset, rows, source=None):
    """Find the questions of the tree whose answers are learnt: somebody has voted on them.

    Parameters
    ----------
    dataset : gzmass.datasets.Dataset
        The dataset.
    rows : numpy.ndarray of int
        The galaxies whose votes are learnt; none where the vote head of `source` is kept as it is. Of questions that
        only the galaxies of `source` had votes on nobody knows what becomes of them when the trunk is trained on.
    source : gzmass.models.Run, optional
        The run whose vote head is kept, where no votes are learnt.

    Returns
    -------
    list of str
        Names of questions.
    """
    if len(rows):
        voted = dataset.tree.voted_questions(dataset.votes(rows)).any(axis=0)
        return sorted(question.name for question, known in zip(dataset.tree.questions, voted, strict=True) if known)
    if source is None or source.tree is None:
        return []
    earlier = source.card.get("learnt_questions")
    return sorted(question.name for question in source.tree.questions) if earlier is None else sorted(earlier)


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
