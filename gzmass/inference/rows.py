"""Predictions of galaxies of which some have no image: these stand in the table too, with the reason."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from gzmass.errors import DataError
from gzmass.inference.reading import compute_ahead

__all__ = ["STRETCH_UNKNOWN", "judge_stretch", "predict_rows", "refuse_other_size", "refuse_other_tree"]

_TEXT = ("status", "status_reason", "out_of_domain_reason")
_BLOCK = 16_384  # galaxies whose columns are made at a time
_AXIS = {"domain_parts": 1}  # that of the galaxies in what `gzmass.models.Run.outputs` gives, where it is not the first


def predict_rows(predictors, galaxies, progress=None):
    """Predict the galaxies that have an image, and give the others a row without predictions.

    Parameters
    ----------
    predictors : sequence of gzmass.models.Run or gzmass.inference.Ensemble
        What predicts, each for itself. The graph of a run that is in several is applied once.
    galaxies : iterable of tuple
        Chunks of galaxies, at least one: their metadata (a pandas.DataFrame of n rows), their images (numpy.ndarray of
        uint8, shape (n, npix, npix) or (n, npix, npix, 1)), and why a galaxy has no image (numpy.ndarray of object,
        shape (n,); "" where it has one). They are taken as they are needed.
    progress : callable, optional
        Called with the number of galaxies that are done.

    Returns
    -------
    list of pandas.DataFrame
        For each predictor the columns of `gzmass.models.Run.predict`, then ``status``, "ok" or "failed", and
        ``status_reason``. A galaxy that failed has NaN for numbers and False for ``in_domain``.
    """
    runs = {id(run): run for predictor in predictors for run in predictor.runs}
    for run in runs.values():
        _ = run.graph  # made before threads ask for it
    parts, block, done = [], [], 0
    # threads of OpenBLAS keep their cores busy for a tenth of a second after each product, which the graph wants
    with threadpool_limits(1, user_api="blas"):
        for chunk in compute_ahead(lambda chunk: _outputs(runs, *chunk), galaxies):
            block.append(chunk)
            done += len(chunk.reasons)
            if progress:
                progress(done)
            if sum(len(chunk.reasons) for chunk in block) >= _BLOCK:
                parts.append(_tables(predictors, runs, block))
                block = []
    if block:
        parts.append(_tables(predictors, runs, block))
    return [pd.concat(own, ignore_index=True) for own in zip(*parts, strict=True)]


class _Chunk(NamedTuple):
    """What the graphs gave for the galaxies of a chunk that have an image, with the metadata of these; or None."""

    metadata: pd.DataFrame
    outputs: dict | None
    reasons: np.ndarray


def _outputs(runs, metadata, pixels, reasons):
    """Apply the graphs to the galaxies of a chunk that have an image."""
    good = np.flatnonzero(reasons == "")
    if len(good) < len(reasons):
        pixels, metadata = pixels[good], metadata.iloc[good]
    outputs = {key: run.outputs(pixels, metadata) for key, run in runs.items()} if len(good) else None
    return _Chunk(metadata, outputs, reasons)


def _tables(predictors, runs, block):
    """Make the columns of each predictor for the galaxies of several chunks, which costs little more than for one."""
    found = [chunk for chunk in block if chunk.outputs is not None]
    if not found:  # a blank image, for the columns
        npix, blank = predictors[0].runs[0].npix, block[0].metadata.reindex([0])
        found = [_outputs(runs, blank, np.zeros((1, npix, npix), np.uint8), np.array([""], object))]
    metadata = pd.concat([chunk.metadata for chunk in found], ignore_index=True)
    outputs = {key: _joined([chunk.outputs[key] for chunk in found]) for key in runs}
    reasons = np.concatenate([chunk.reasons for chunk in block])
    tables = []
    for predictor in predictors:
        made = predictor.predictions([outputs[id(run)] for run in predictor.runs], predictor.known(metadata))
        tables.append(_with_failed(made, reasons))
    return tables


def _joined(outputs):
    return {name: np.concatenate([one[name] for one in outputs], axis=_AXIS.get(name, 0)) for name in outputs[0]}


def _with_failed(predicted, reasons):
    good = np.flatnonzero(reasons == "")
    predicted = predicted.iloc[: len(good)].set_index(good).reindex(range(len(reasons)))
    predicted["in_domain"] = predicted["in_domain"].eq(True)
    predicted["status"] = np.where(reasons == "", "ok", "failed")
    predicted["status_reason"] = reasons
    for name in _TEXT:
        predicted[name] = predicted[name].astype(object).where(predicted[name].notna(), "").astype("str")
    return predicted


#: What is said of galaxies of which nobody says how they were stretched.
STRETCH_UNKNOWN = "how the images were stretched is not known: they are taken for stretched as those of the run"


def judge_stretch(predictions, run, stretch):
    """Mark images that were stretched in another way: outside what the run knows, whatever their pixels look like.

    Parameters
    ----------
    predictions : pandas.DataFrame
        What `predict_rows` returned; ``in_domain`` and ``out_of_domain_reason`` are changed.
    run : gzmass.models.Run
        The run.
    stretch : dict or None
        How the images were stretched; None where it is not known, and they are taken for stretched as those of the run.
    """
    trained = run.card["dataset"].get("stretch")
    if stretch not in (None, trained):
        reason = f"stretch {stretch} instead of {trained}"
        predictions["in_domain"] = False
        predictions["out_of_domain_reason"] = [
            "; ".join(filter(None, [reason, known])) if status == "ok" else ""
            for known, status in zip(predictions["out_of_domain_reason"], predictions["status"], strict=True)
        ]


def refuse_other_size(path, card, npix, name):
    """Refuse galaxies whose images are of another size than those that a run takes.

    Parameters
    ----------
    path : str or pathlib.Path
        The run.
    card : dict
        Its card.
    npix : int
        Side of the images [px].
    name : str
        What the galaxies are called in an error.

    Raises
    ------
    DataError
        The sizes differ.
    """
    if npix != card["npix"]:
        raise DataError(
            f"The run {str(path)!r} takes images of {card['npix']} px, the galaxies of {name!r} have {npix} px: "
            f"prepare them with npix={card['npix']}."
        )


def refuse_other_tree(path, card, tree_hash, name):
    """Refuse galaxies that have votes of another tree than a run has learnt.

    Parameters
    ----------
    path : str or pathlib.Path
        The run.
    card : dict
        Its card.
    tree_hash : str or None
        Fingerprint of the tree of the galaxies; None if they have no votes.
    name : str
        What the galaxies are called in an error.

    Raises
    ------
    DataError
        The trees differ.
    """
    if card["tree"] and tree_hash and card["tree_hash"] != tree_hash:
        raise DataError(
            f"The run {str(path)!r} learnt votes of the tree {card['tree']['name']!r} (hash {card['tree_hash']}), the "
            f"galaxies of {name!r} have votes of another (hash {tree_hash}): their answers have other names."
        )
