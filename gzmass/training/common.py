"""What pretraining and fine-tuning share: claiming a run directory, choosing labels, losses, finishing with a card."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from gzmass.config import load_config, revisions_of, save_config
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
from gzmass.models import load_run, train_only
from gzmass.models.run import versions
from gzmass.training.devices import ONE_DEVICE
from gzmass.training.domain import domain_ranges

__all__ = [
    "MASS_TO_LIGHT_LOSSES",
    "VOTE_LOSSES",
    "base_card",
    "check_training",
    "claim",
    "count_seen",
    "labelled_rows",
    "learnt_questions",
    "refuse_overlap",
    "repeated",
    "training_rows",
    "write_galaxies",
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


def claim(config, dataset, init_from=None, devices=ONE_DEVICE):
    """Take possession of the run directory, or find that its work is done.

    Of several processes the first one does it, and the others wait for that.

    Parameters
    ----------
    config : gzmass.config.PretrainConfig or gzmass.config.FinetuneConfig
        The configuration; it is written to ``config.yaml``.
    dataset : gzmass.datasets.Dataset
        The dataset.
    init_from : gzmass.models.Run, optional
        The run that the weights come from.
    devices : gzmass.training.devices.Devices, optional
        The devices of the training.

    Returns
    -------
    gzmass.models.Run or None
        The finished run, if an earlier call with the same configuration, data and start made it.

    Raises
    ------
    ConfigError
        The directory holds another run.
    DataError
        An image of the dataset can not be read.
    """
    if devices.process == 0:
        _claim(config, dataset, init_from)
    devices.wait("the run directory is claimed")
    return load_run(config.out) if (Path(config.out) / "card.yaml").is_file() else None


def _claim(config, dataset, init_from):
    out = Path(config.out)
    wanted = {
        "config": _fingerprint(config),
        "dataset": dataset.info["content_hash"],
        "init_from": init_from and init_from.card["weights_hash"],
        "revisions": revisions_of(config),
    }
    file = out / "fingerprint.yaml"
    if file.is_file():
        found = _read_fingerprint(file)
        different = [key for key in wanted if found.get(key) != wanted[key]]
        if different and not (different == ["config"] and _resolved(out, type(config)) == wanted["config"]):
            keys = _different_keys(out, config) if different[0] == "config" else []
            where = f" (the keys {', '.join(keys)} differ)" if keys else ""
            raise ConfigError(
                f"The key 'out' has the value {str(out)!r}, which holds a run with another {different[0]}{where}; "
                "give another directory, or remove that one."
            )
        if (out / "card.yaml").is_file():
            return
    elif out.exists() and (not out.is_dir() or any(not f.name.startswith(".partial-") for f in out.iterdir())):
        raise ConfigError(f"The key 'out' has the value {str(out)!r}, which holds something else than a run.")
    _ = dataset.pixels  # decoded now: a bad image is told of before anything is written
    with write_atomically(file) as temporary:  # first: what a kill leaves is told from something else by it
        temporary.write_text(yaml.safe_dump(wanted), encoding="utf-8")
    save_config(config, out / "config.yaml")


def _read_fingerprint(file):
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict):
        raise DataError(f"{str(file)!r} is damaged: delete the run directory {str(file.parent)!r}, and start again.")
    return found


def _fingerprint(config):
    return fingerprint(_what_counts(config))


def _what_counts(config):
    free = {"out": True, "dataset": True, "init_from": True, "tensorboard": True, "optimization": {"devices"}}
    return config.model_dump(mode="json", exclude=free)


def _different_keys(out, config):
    """Keys of a configuration that are not those of the run in a directory; none if it has no readable one."""
    try:
        there = _what_counts(load_config(type(config), out / "config.yaml"))
    except ConfigError:
        return []
    return [key for key, value in _what_counts(config).items() if there.get(key) != value]


def _resolved(out, kind):
    """Fingerprint of a run's configuration with the keys that have come since, at their defaults; None if it has none.

    So a run that an earlier version of gzmass has begun can be continued.
    """
    try:
        return _fingerprint(load_config(kind, out / "config.yaml"))
    except ConfigError:
        return None


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
        A stage trains more blocks than the trunk has, or freezes batch normalisation that it has not, or TensorBoard's
        logs are wanted and it is not installed.
    """
    for stage in config.stages:
        train_only(model, stage.train, stage.batch_norm)
    train_only(model, "all")
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


def refuse_overlap(run, dataset, split="test"):
    """Refuse to test or calibrate a run on galaxies that it, or a run that it started from, has seen.

    Ids are compared as text, as they are where galaxies are split: 7 and "7" are the same galaxy.

    Parameters
    ----------
    run : gzmass.models.Run
        A finished run.
    dataset : gzmass.datasets.Dataset
        A dataset.
    split : {"test", "val"}, default "test"
        The split that must be new to the run: "test" to what it learnt from and was validated on, "val" to what it
        learnt from. Runs of earlier versions do not tell the two apart, and pass for "val".

    Raises
    ------
    DataError
        The split holds galaxies that the run was made with.
    """
    n_seen, n = count_seen([run], dataset, split, learnt=split == "val")
    if n_seen:
        what = "a test needs" if split == "test" else "calibration and the choice of weights need"
        raise DataError(
            f"The run {str(run.path)!r} was made with {n_seen} of the {n} galaxies of the split {split!r} of "
            f"{str(dataset.path)!r}: {what} galaxies that it has not seen; split by the same ids and fractions."
        )


def count_seen(runs, dataset, split=None, learnt=False):
    """Count the galaxies that any of some runs, or a run that it started from, was made with.

    Parameters
    ----------
    runs : sequence of gzmass.models.Run
        Finished runs.
    dataset : gzmass.datasets.Dataset
        A dataset.
    split : str, optional
        The split that is looked at; by default all galaxies.
    learnt : bool, default False
        Whether only those count whose labels were learnt from, not those that the run was validated on.

    Returns
    -------
    n_seen, n : int
        How many of the split were seen, and its galaxies.

    Raises
    ------
    DataError
        A run does not say which galaxies it was made with.
    """
    ids = dataset.table["id"].iloc[dataset.rows(split)].astype(str)
    seen = np.zeros(len(ids), bool)
    for run in runs:
        galaxies = _galaxies(run)
        if learnt:
            galaxies = galaxies[galaxies.get("learnt", pd.Series(False, index=galaxies.index))]
        seen |= ids.isin(galaxies["id"].astype(str)).to_numpy()
    return int(seen.sum()), len(ids)


def write_galaxies(config, dataset, rows, source=None):
    """Write down the galaxies that a run is made with, those of the run that it starts from included.

    Parameters
    ----------
    config : gzmass.config.PretrainConfig or gzmass.config.FinetuneConfig
        The configuration.
    dataset : gzmass.datasets.Dataset
        The dataset.
    rows : sequence of numpy.ndarray of int
        Row numbers for training and for validation.
    source : gzmass.models.Run, optional
        The run that the weights come from.
    """
    learnt, held_out = (dataset.table["id"].iloc[part] for part in rows)
    parts = [pd.DataFrame({"id": learnt, "learnt": True})]
    if source is not None:
        earlier = _galaxies(source)
        # runs of earlier versions do not tell what they learnt from
        parts.append(earlier if "learnt" in earlier else earlier.assign(learnt=False))
    parts.append(pd.DataFrame({"id": held_out, "learnt": False}))
    if len({part["id"].dtype for part in parts}) > 1:
        parts = [part.astype({"id": str}) for part in parts]
    seen = pd.concat(parts).sort_values("learnt", ascending=False, kind="stable").drop_duplicates("id")
    with write_atomically(Path(config.out) / "galaxies.parquet") as temporary:
        seen.to_parquet(temporary, index=False)


def _galaxies(run):
    file = run.path / "galaxies.parquet"
    if not file.is_file():
        raise DataError(f"The run {str(run.path)!r} has no galaxies.parquet: what it was made with can not be known.")
    return pd.read_parquet(file)


def training_rows(runs, dataset):
    """Find the galaxies whose M/L any of some runs learnt from, so that baselines can learn from the same.

    Parameters
    ----------
    runs : sequence of gzmass.models.Run
        Finished runs.
    dataset : gzmass.datasets.Dataset
        A dataset.

    Returns
    -------
    numpy.ndarray of int or None
        Row numbers; None if a run learnt from another dataset, or from no M/L.
    """
    learnt = []
    for card in (run.card for run in runs):
        if card["kind"] != "finetune-ml" or card["dataset"]["content_hash"] != dataset.info["content_hash"]:
            return None
        learnt.append(labelled_rows(dataset, "log_ml", card["config"]["n_labels"], card["seed"]))
    return np.unique(np.concatenate(learnt))


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


def learnt_questions(dataset, rows, source=None):
    """Find the questions of the tree whose answers are learnt: somebody has voted on them.

    Parameters
    ----------
    dataset : gzmass.datasets.Dataset
        The dataset.
    rows : numpy.ndarray of int
        The galaxies whose votes are learnt; none where the votes of `source` are kept as they are.
    source : gzmass.models.Run, optional
        The run whose vote head is gone on with.

    Returns
    -------
    list of str
        Names of questions.
    """
    names = set()
    if len(rows):
        tree = dataset.tree
        voted = np.nansum(dataset.votes(rows), axis=0) > 0
        names = {question.name for k, question in enumerate(tree.questions) if voted[tree.segment == k].any()}
    if source is not None and source.tree is not None:
        earlier = source.card.get("learnt_questions")
        names |= {question.name for question in source.tree.questions} if earlier is None else set(earlier)
    return sorted(names)


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
