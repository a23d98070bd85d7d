"""Which galaxies a run has seen: written down with it, and asked before it is tested, calibrated or compared."""

from pathlib import Path

import numpy as np
import pandas as pd

from gzmass.engine import write_atomically
from gzmass.errors import DataError
from gzmass.training.labels import labelled_rows

__all__ = ["count_seen", "refuse_overlap", "training_rows", "write_galaxies"]


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
