"""What a model was trained on, in a few ranges, and which inputs lie outside them."""

import numpy as np

from gzmass.models.domain_pixels import framing

__all__ = ["describe_domain", "out_of_domain"]

_QUANTILES = (0.002, 0.998)
_MARGIN = 0.1  # the ranges are widened by this fraction of their width on both sides
_ROUNDING = 1e-5  # relative: a column that is the same for all has no width, and single precision has seven digits


def describe_domain(images, metadata, columns, linear=()):
    """Measure the ranges of the inputs of the training galaxies.

    Parameters
    ----------
    images : numpy.ndarray of uint8
        Shape (n, npix, npix, 1).
    metadata : numpy.ndarray of float
        Physical units, shape (n, k), NaN where missing.
    columns : sequence of str
        Names of the k columns.
    linear : sequence of str, default ()
        Those whose range is not measured in the logarithm.

    Returns
    -------
    dict
        For each quantity its range ``[low, high]``, which holds 99.6 % of the training galaxies before it is widened
        by a tenth on each side; of metadata that are never known there is none. ``metadata_always_known`` lists the
        columns in which no training galaxy lacked a value.
    """
    ranges = {name: _range(values) for name, values in _image_quantities(images).items()}
    known = []
    for k, name in enumerate(columns):
        values = np.asarray(metadata[:, k], dtype=float)
        finite = values[np.isfinite(values)]
        if len(finite) and len(finite) == len(values):
            known.append(name)
        if name not in linear:
            low, high = _range(np.log10(finite[finite > 0]))
            low, high = 10.0**low, 10.0**high
        else:
            low, high = _range(finite)
        if np.isfinite(low):
            ranges[name] = [float(low), float(high)]
    return {"ranges": ranges, "metadata_always_known": known}


def out_of_domain(domain, images, metadata, columns):
    """Say for each galaxy what of its input lies outside what the model was trained on.

    Parameters
    ----------
    domain : dict
        What `describe_domain` returned.
    images : numpy.ndarray of uint8
        Shape (n, npix, npix, 1).
    metadata : numpy.ndarray of float
        Physical units, shape (n, k), NaN where missing.
    columns : sequence of str
        Names of the k columns.

    Returns
    -------
    numpy.ndarray of str
        Shape (n,): empty for a galaxy inside the domain, else the reasons, separated by "; ".
    """
    quantities = _image_quantities(images) | {name: metadata[:, k] for k, name in enumerate(columns)}
    reasons = [[] for _ in range(len(images))]
    for name, (low, high) in domain["ranges"].items():
        values = np.asarray(quantities[name], dtype=float)
        below, above = values < low - _ROUNDING * abs(low), values > high + _ROUNDING * abs(high)
        for i in np.flatnonzero(below | above):
            side, limit = ("below", low) if below[i] else ("above", high)
            reasons[i].append(f"{name} {values[i]:.4g} {side} {limit:.4g}")
    for name in domain["metadata_always_known"]:
        for i in np.flatnonzero(~np.isfinite(quantities[name])):
            reasons[i].append(f"{name} missing")
    return np.array(["; ".join(r) for r in reasons], dtype=object)


def _image_quantities(images):
    """Scalars that tell another depth, stretch or framing: sky grey level, its noise, mean level."""
    width = max(1, images.shape[1] // 12)
    found = framing(np.ascontiguousarray(images[..., 0]), width)
    return dict(zip(("image_sky", "image_noise", "image_mean"), found.T, strict=True))


def _range(values):
    if not len(values):
        return [np.nan, np.nan]
    low, high = np.quantile(values, _QUANTILES)
    margin = _MARGIN * (high - low)
    return [float(low - margin), float(high + margin)]
