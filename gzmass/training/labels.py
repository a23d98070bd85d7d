"""The galaxies whose labels are learnt, and what is known of these labels."""

import numpy as np

from gzmass.datasets import subset_by_id
from gzmass.errors import DataError

__all__ = ["label_error", "labelled_rows", "learnt_questions", "repeated"]


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
