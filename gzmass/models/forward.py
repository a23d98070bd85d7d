"""Applying a graph to images, averaged over their orientations."""

import threading
from contextlib import nullcontext

import keras
import numpy as np

from gzmass.losses.mass_to_light import LOG_SIGMA_LIMIT

__all__ = ["forward", "with_features", "with_label_error"]

# Keras on JAX lends the weights to the compiled function and takes them back after it: one thread at a time
_TURN = threading.Lock() if keras.backend.backend() == "jax" else nullcontext()


def forward(model, images, metadata=None, n_orientations=1, batch_size=256):
    """Apply a graph to images, averaged over orientations.

    Parameters
    ----------
    model : keras.Model
        The graph of `gzmass.models.build_model`, or what `with_features` made of it.
    images : numpy.ndarray of uint8
        Shape (n, npix, npix, 1).
    metadata : numpy.ndarray of float32, optional
        Shape (n, k); not looked at if the graph has no metadata input.
    n_orientations : {1, 4, 8}, default 1
        The image as it is; in its four rotations by a right angle; also mirrored.
    batch_size : int, default 256
        Galaxies that go through the graph at once.

    Returns
    -------
    dict of str to numpy.ndarray of float
        ``votes``: conditional probabilities, shape (n, n_answers), the mean over the orientations. ``log_ml``: mean and
        standard deviation of log10 M/L [dex], shape (n, 2), those of the mixture of the orientations; a graph without
        uncertainty has the standard deviation 1. ``features``: what the trunk gives, shape (n, n_features), the mean
        over the orientations.
    """
    parts = []
    for start in range(0, max(len(images), 1), batch_size):
        batch = {"image": images[start : start + batch_size]}
        if "metadata" in model.input:
            batch["metadata"] = metadata[start : start + batch_size]
        parts.append(_mean_moments(model, batch, n_orientations, batch_size))
    sums = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    outputs = {}
    if ("votes", "probability") in sums:
        n_answers = model.get_layer("morphology").get_layer("votes").tree.n_answers
        outputs["votes"] = sums["votes", "probability"][:, :n_answers]
    if ("log_ml", "mean") in sums:
        mean = sums["log_ml", "mean"]
        variance = np.ones_like(mean)
        if ("log_ml", "square") in sums:
            variance = np.maximum(sums["log_ml", "square"] - mean**2, 1e-12)
        outputs["log_ml"] = np.stack([mean, np.sqrt(variance)], axis=1)
    if ("features", "value") in sums:
        outputs["features"] = sums["features", "value"]
    return outputs


def with_label_error(log_ml, error):
    """Add the error of the labels to the predicted scatter, which the Gaussian loss leaves it out of.

    Intervals are of the label: scores in units of the scatter alone would make those of galaxies that are predicted
    well too narrow, and the others too wide.

    Parameters
    ----------
    log_ml : numpy.ndarray of float
        Mean and standard deviation [dex], shape (n, 2).
    error : float
        Standard deviation of the error of a label [dex].

    Returns
    -------
    numpy.ndarray of float
        Shape (n, 2).
    """
    return np.stack([log_ml[:, 0], np.hypot(log_ml[:, 1], error)], axis=1)


def with_features(model):
    """Make a graph with the same layers that also gives what its trunk gives: no image goes through it twice.

    Parameters
    ----------
    model : keras.Model
        The graph of `gzmass.models.build_model`.

    Returns
    -------
    keras.Model
        Outputs: those of `model`, and ``features``, shape (batch, n_features).
    """
    inputs = model.input
    features = model.get_layer("trunk")(inputs["image"])
    outputs = {"features": features}
    if "votes" in model.output:
        outputs["votes"] = model.get_layer("morphology")(features)
    if "log_ml" in model.output:
        head = model.get_layer("mass_to_light")
        outputs["log_ml"] = head([features, inputs["metadata"]] if "metadata" in inputs else features)
    return keras.Model(inputs, outputs, name=model.name)


def _mean_moments(model, batch, n_orientations, batch_size):
    """Apply a graph to a batch, while the caches of the processor hold it; mean of the moments over orientations."""
    n, means = len(batch["image"]), {}
    # for a number of galaxies that was not there before a backend may compile the graph anew: there are few
    missing = min(batch_size, 1 << (n - 1).bit_length()) - n if n else 1
    if missing:
        batch = {name: np.pad(values, [(0, missing)] + [(0, 0)] * (values.ndim - 1)) for name, values in batch.items()}
    images = batch["image"]
    for orientation in range(n_orientations):
        turned = np.rot90(images, orientation % 4, axes=(1, 2))
        batch["image"] = np.ascontiguousarray(turned[:, :, ::-1] if orientation >= 4 else turned)
        with _TURN:
            found = model.predict_on_batch(batch)
        for name, output in found.items():
            for moment, values in _moments(name, output[:n].astype(float)).items():
                means[name, moment] = means.get((name, moment), 0.0) + values / n_orientations
    return means


def _moments(name, output):
    if name == "features":
        return {"value": output}
    if name == "votes":
        return {"probability": np.exp(output)}
    moments = {"mean": output[:, 0]}
    if output.shape[1] == 2:
        # within what the loss looks at: beyond it nothing was learnt
        log_sigma = np.clip(output[:, 1], -LOG_SIGMA_LIMIT, LOG_SIGMA_LIMIT)
        moments["square"] = output[:, 0] ** 2 + np.exp(2 * log_sigma)
    return moments
