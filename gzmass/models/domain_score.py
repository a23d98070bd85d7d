"""How unusual a galaxy is to a model, as one number: what its trunk sees, its image statistics and its metadata."""

from pathlib import Path

import numpy as np

from gzmass.engine import write_atomically

__all__ = ["FALSE_ALARM_RATE", "domain_score", "fit_domain_score", "load_domain_score", "save_domain_score"]

#: Share of galaxies like those of the validation split whose score is above 1.
FALSE_ALARM_RATE = 0.02

_N_COMPONENTS = 16  # of the trunk's features; with more, directions that hold noise alone outweigh the others
_RIDGE = 1e-5  # added to the variances of standardised columns: a direction in which nothing varies counts little
_FILE = "domain_score.npz"


def fit_domain_score(training, validation, log_columns=()):
    """Measure how the training galaxies are scattered, and from where on a galaxy is unusual.

    Two Mahalanobis distances [1]_: one in the principal components of the standardised features of the trunk, one in
    the statistics of the image (roughness on several scales at the border and in the centre, levels) together with the
    metadata. The second sees what a trunk has learnt to ignore, such as noise, and combinations of metadata that do not
    occur. The score is the larger of the two, each in units of its quantile on the validation galaxies, scaled so that
    `FALSE_ALARM_RATE` of these have a score above 1.

    Parameters
    ----------
    training, validation : tuple of numpy.ndarray
        Galaxies that were learnt from, and held out: features of the trunk, shape (n, n_features); images, uint8, shape
        (n, npix, npix, 1); metadata in physical units, NaN where missing, shape (n, k).
    log_columns : sequence of bool, default ()
        For each of the k metadata whether its logarithm is taken.

    Returns
    -------
    dict of str to numpy.ndarray
        What `domain_score` and `save_domain_score` take.

    References
    ----------
    .. [1] Lee et al. 2018, NeurIPS, arXiv:1807.03888
    """
    features, images, metadata = training
    arrays = {"log_columns": np.asarray(log_columns, dtype=bool)}
    arrays |= _fit("features", features, min(_N_COMPONENTS, max(1, len(features) // 10)))
    arrays |= _fit("inputs", _inputs(images, metadata, arrays["log_columns"]), None)
    distances = _distances(arrays, *validation)
    tail = FALSE_ALARM_RATE / 2  # two distances share the alarms
    arrays["unit"] = np.array([_upper_quantile(distance, tail) for distance in distances])
    largest = np.max(distances / arrays["unit"][:, None], axis=0)
    arrays["unit"] = arrays["unit"] * _upper_quantile(largest, FALSE_ALARM_RATE)
    return {name: np.asarray(values, dtype=np.float32) for name, values in arrays.items()}


def domain_score(arrays, features, images, metadata):
    """Score galaxies: above 1 they are unusual.

    Parameters
    ----------
    arrays : dict of str to numpy.ndarray
        What `fit_domain_score` returned.
    features : numpy.ndarray of float
        What the trunk gives, shape (n, n_features).
    images : numpy.ndarray of uint8
        Shape (n, npix, npix, 1).
    metadata : numpy.ndarray of float
        Physical units, shape (n, k); where one is missing, the mean of the training galaxies stands in.

    Returns
    -------
    numpy.ndarray of float
        Shape (n,), >= 0.
    """
    return np.max(_distances(arrays, features, images, metadata) / arrays["unit"][:, None], axis=0)


def save_domain_score(path, arrays):
    """Write the arrays into a run directory.

    Parameters
    ----------
    path : str or pathlib.Path
        The run directory.
    arrays : dict of str to numpy.ndarray
        What `fit_domain_score` returned.
    """
    with write_atomically(Path(path) / _FILE) as temporary:
        np.savez(temporary, **arrays)


def load_domain_score(path):
    """Read the arrays of a run directory.

    Parameters
    ----------
    path : str or pathlib.Path
        The run directory.

    Returns
    -------
    dict of str to numpy.ndarray or None
        None for a run that was made before there were any.
    """
    file = Path(path) / _FILE
    if not file.is_file():
        return None
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


def _fit(name, values, n_components):
    """Mean, and the matrix that turns differences from it into coordinates of variance 1."""
    mean, scale = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    scale = np.where(scale > 1e-3 * scale.max(), scale, np.inf)  # neurons that never fire
    standard = np.nan_to_num((values - mean) / scale)
    variance, directions = np.linalg.eigh(standard.T @ standard / len(standard))
    if n_components is not None:
        variance, directions = variance[-n_components:], directions[:, -n_components:]
    whiten = directions / np.sqrt(np.maximum(variance, 0) + _RIDGE) / scale[:, None]
    return {f"{name}_mean": mean, f"{name}_whiten": whiten}


def _distances(arrays, features, images, metadata):
    """Compute the two distances, shape (2, n)."""
    blocks = {"features": features, "inputs": _inputs(images, metadata, arrays["log_columns"])}
    return np.stack(
        [
            np.linalg.norm(np.nan_to_num(values - arrays[f"{name}_mean"]) @ arrays[f"{name}_whiten"], axis=1)
            for name, values in blocks.items()
        ]
    )


def _upper_quantile(values, tail):
    """Find the value that no more than a share of further galaxies exceed (the rank of conformal prediction)."""
    rank = int(np.ceil((len(values) + 1) * (1 - tail) - 1e-9))
    return np.sort(values)[min(rank, len(values)) - 1]


def _inputs(images, metadata, log_columns):
    metadata = np.array(metadata, dtype=float)
    for k in np.flatnonzero(log_columns):
        metadata[:, k] = np.log10(np.where(metadata[:, k] > 0, metadata[:, k], np.nan))
    return np.concatenate([_image_statistics(images), metadata], axis=1)


def _image_statistics(images):
    """Logarithms of the roughness of sky and centre on several scales; levels and contrast: shape (n, 11)."""
    pixels = images[..., 0].astype(np.float32)
    npix = pixels.shape[1]
    width, third = max(2, npix // 6), npix // 3
    centre = pixels[:, third : npix - third, third : npix - third]
    border = pixels.copy()
    border[:, width:-width, width:-width] = np.nan
    rough = [_roughness(part, lag) for part in (border, centre) for lag in (1, 2, 4)]
    rough += [_curvature(part) for part in (border, centre)]
    levels = [pixels.mean(axis=(1, 2)), centre.mean(axis=(1, 2)), pixels.std(axis=(1, 2))]
    return np.stack([*rough, *levels], axis=1).astype(float)


def _roughness(pixels, lag):
    steps = [pixels[:, lag:] - pixels[:, :-lag], pixels[:, :, lag:] - pixels[:, :, :-lag]]
    flat = np.concatenate([np.abs(step).reshape(len(pixels), -1) for step in steps], axis=1)
    return np.log(np.nanmean(flat, axis=1) + 1)


def _curvature(pixels):
    """Mean absolute Laplacian: noise has more of it than light that the seeing has spread."""
    sides = pixels[:, 2:, 1:-1] + pixels[:, :-2, 1:-1] + pixels[:, 1:-1, 2:] + pixels[:, 1:-1, :-2]
    return np.log(np.nanmean(np.abs(sides - 4 * pixels[:, 1:-1, 1:-1]), axis=(1, 2)) + 1)
