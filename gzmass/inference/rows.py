"""Predictions of galaxies of which some have no image: these stand in the table too, with the reason."""

import numpy as np

from gzmass.errors import DataError

__all__ = ["judge_stretch", "predict_rows", "refuse_other_tree"]

_TEXT = ("status", "status_reason", "out_of_domain_reason")


def predict_rows(predictors, metadata, pixels, reasons):
    """Predict the galaxies that have an image, and give the others a row without predictions.

    Parameters
    ----------
    predictors : sequence of gzmass.models.Run or gzmass.inference.Ensemble
        What predicts, each for itself. The graph of a run that is in several is applied once.
    metadata : pandas.DataFrame
        Metadata of all galaxies, n rows.
    pixels : numpy.ndarray of uint8
        Images, shape (n, npix, npix) or (n, npix, npix, 1).
    reasons : numpy.ndarray of object
        Why a galaxy has no image, shape (n,); "" where it has one.

    Returns
    -------
    list of pandas.DataFrame
        For each predictor the columns of `gzmass.models.Run.predict`, then ``status``, "ok" or "failed", and
        ``status_reason``. A galaxy that failed has NaN for numbers and False for ``in_domain``.
    """
    good = np.flatnonzero(reasons == "")
    if not len(good):  # a blank image, for the columns
        pixels, metadata = np.zeros((1, *pixels.shape[1:]), np.uint8), metadata.reindex([0])
    elif len(good) < len(reasons):
        pixels, metadata = pixels[good], metadata.iloc[good]
    runs = {id(run): run for predictor in predictors for run in predictor.runs}
    outputs = {key: run.outputs(pixels, metadata) for key, run in runs.items()}
    tables = []
    for predictor in predictors:
        found = predictor.predictions([outputs[id(run)] for run in predictor.runs], predictor.known(metadata))
        tables.append(_with_failed(found, good, reasons))
    return tables


def _with_failed(predicted, good, reasons):
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
