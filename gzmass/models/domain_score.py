"""How unusual a galaxy is to a model, as one number: what its trunk sees, its image, its metadata, depth, sharpness."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from gzmass.engine import write_atomically
from gzmass.errors import DataError
from gzmass.models.domain_changes import changed
from gzmass.models.domain_statistics import domain_statistics

__all__ = [
    "FALSE_ALARM_RATE",
    "IMAGE_COLUMNS",
    "PARTS",
    "domain_parts",
    "domain_score",
    "fit_domain_score",
    "load_domain_score",
    "save_domain_score",
]

#: Share of galaxies like those of the validation split whose score is above 1.
FALSE_ALARM_RATE = 0.03

#: What the score is made of, in the order of `domain_parts`.
PARTS = ("features", "inputs", "noise", "blur")

#: Columns of a dataset that describe an image, and with which it tells more of depth and seeing.
IMAGE_COLUMNS = ("pixel_scale_arcsec", "stretch_scale")

# Of the parts in the alarms, wider and narrower point-spread functions apart: what the distances find lies far outside
_SHARES = (1 / 16, 1 / 16, 5 / 16, 7 / 16, 1 / 8)
_VERSION = 3
_READABLE = (2, _VERSION)  # version 2 has one filter of blur, without random features
_FILE = "domain_score.npz"
_N_COMPONENTS = 16  # of the trunk's features; with more, directions that hold noise alone outweigh the others
_RIDGE = 1e-5  # added to the variances of standardised columns: a direction in which nothing varies counts little
_FILTER_SAMPLE = 5000  # galaxies whose images are changed
_N_HIDDEN = 1000  # random nonlinear functions of the inputs for the filter of blur, but half the galaxies at most
_FILTER_SHRINKAGE = 50  # the covariance of k columns from n galaxies is shrunk by k / (50 n)
_LARGEST = 8.0  # standard deviations that a column may add to a filter: one odd value is not another telescope
_BLUR_RANGE = (0.4, 2.5)  # of the width of the blur, in units of the median galaxy's
_LOG_NOISE, _SCALE = 0, "pixel_scale_arcsec"
_REFERENCE = 2000  # validation galaxies whose parts are kept, to compare samples with


def fit_domain_score(training, validation, columns=(), log_columns=()):
    """Measure how the training galaxies are scattered, and from where on a galaxy is unusual.

    Two Mahalanobis distances [1]_: one in the principal components of the standardised features of the trunk, one in
    the statistics of the image together with the metadata. The second sees what a trunk has learnt to ignore and
    combinations that do not occur.

    Matched filters, for noise and for blur: linear discriminants [2]_ between the training images and copies of them
    with more noise, and with a wider point-spread function (`gzmass.models.domain_changes`), in the same statistics and
    metadata and their products with the noise of the image and its pixel scale. They look in one direction each, and so
    find what is lost in the scatter of a distance in 26 dimensions; on the other side of the training galaxies they
    find images with less noise or a narrower point-spread function. For a wider one a second filter looks at 1,000
    random nonlinear functions of the inputs too [3]_, as how blur shows depends on the galaxy.

    Each is taken in units of a quantile on the validation galaxies; the score is the largest, scaled so that
    `FALSE_ALARM_RATE` of these have a score above 1.

    Parameters
    ----------
    training, validation : tuple of numpy.ndarray
        Galaxies that were learnt from, and held out: features of the trunk, shape (n, n_features); images, uint8, shape
        (n, npix, npix, 1); values of the columns in physical units, NaN where missing, shape (n, k).
    columns : sequence of str, default ()
        Names of the k columns: metadata of the model, and of `IMAGE_COLUMNS` those that are known.
    log_columns : sequence of bool, default ()
        For each of the columns whether its logarithm is taken.

    Returns
    -------
    dict of str to numpy.ndarray
        What `domain_parts` and `save_domain_score` take.

    References
    ----------
    .. [1] Lee et al. 2018, NeurIPS, arXiv:1807.03888
    .. [2] Fisher 1936, Annals of Eugenics 7, 179
    .. [3] Rahimi & Recht 2008, NeurIPS 21, 1313
    """
    features, images, values = training
    arrays = {
        "version": np.array(_VERSION),
        "columns": np.array(list(columns), dtype=str),
        "log_columns": np.asarray(log_columns, dtype=bool),
    }
    arrays |= _fit_features(features)
    inputs = _inputs(arrays, domain_statistics(images), values)
    arrays |= _fit_inputs(inputs)
    arrays |= _random_features(inputs.shape[1], min(_N_HIDDEN, len(images) // 2))
    some = np.linspace(0, len(images) - 1, min(len(images), _FILTER_SAMPLE)).round().astype(int)
    arrays |= _fit_filters(arrays, inputs[some], images[some], values[some])
    parts = _parts(arrays, *validation)
    unusual = np.stack([parts[0], parts[1], np.abs(parts[2]), parts[3], -parts[4]])
    # a handful of galaxies may all lie on the other side of the middle
    unusual = np.where(unusual.max(axis=1, keepdims=True) > 0, unusual, np.abs(unusual))
    shares = zip(unusual, _SHARES, strict=True)
    unit = np.array([_upper_quantile(part, share * FALSE_ALARM_RATE) for part, share in shares])
    unit = np.where(unit > 0, unit, np.inf)  # a part that is the same for all, of a trunk that is dead, tells nothing
    unit *= _upper_quantile(domain_score(_joined(parts / unit[:, None])), FALSE_ALARM_RATE) or 1.0
    kept = np.linspace(0, parts.shape[1] - 1, min(parts.shape[1], _REFERENCE)).round().astype(int)
    return arrays | {"unit": unit, "reference": _joined(parts[:, kept] / unit[:, None]).astype(np.float32)}


def domain_parts(arrays, features, images, values, statistics=None):
    """Measure how unusual galaxies are, in each of four ways.

    Parameters
    ----------
    arrays : dict of str to numpy.ndarray
        What `fit_domain_score` returned.
    features : numpy.ndarray of float
        What the trunk gives, shape (n, n_features).
    images : numpy.ndarray of uint8
        Shape (n, npix, npix, 1).
    values : numpy.ndarray of float
        The columns ``arrays["columns"]`` in physical units, shape (n, k); where one is missing, what the others let
        expect stands in.
    statistics : numpy.ndarray of float, optional
        What `domain_statistics` gives of the images, where it is known.

    Returns
    -------
    numpy.ndarray of float
        Shape (4, n), in the order of `PARTS`: two distances, >= 0, and two that are 0 in the middle of the training
        galaxies, positive for more noise, or more blur, and negative for less. Beyond 1 or -1 they are unusual.
    """
    return _joined(_parts(arrays, features, images, values, statistics) / arrays["unit"][:, None])


def _parts(arrays, features, images, values, statistics=None):
    """Distances and filters in units of their own, shape (5, n), or (4, n) for a run with one filter of blur."""
    seen = np.linalg.norm((features - arrays["features_mean"]) @ arrays["features_whiten"], axis=1)
    if statistics is None:
        statistics = domain_statistics(images)
    standard = _standardised(arrays, _inputs(arrays, statistics, values))
    filtered = _filter_columns(arrays, standard) @ arrays["filters"] - arrays["filter_centres"]
    return np.stack([seen, np.linalg.norm(standard @ arrays["inputs_whiten"], axis=1), *filtered.T])


def _joined(parts):
    """Make one part of the filters for a wider and a narrower point-spread function.

    The one that is further on its own side of the middle counts: of the first what is positive, of the second what is
    negative. Where neither is on its own side, the one that is nearer to the middle.
    """
    if len(parts) == len(PARTS):  # a run of an earlier version, which has one for both
        return parts
    *others, wider, narrower = parts
    return np.stack([*others, np.where(wider > -narrower, wider, narrower)])


def domain_score(parts):
    """Score galaxies: above 1 they are unusual.

    Parameters
    ----------
    parts : numpy.ndarray of float
        What `domain_parts` returned, shape (4, n).

    Returns
    -------
    numpy.ndarray of float
        Shape (n,), >= 0.
    """
    return np.abs(parts).max(axis=0)


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
        None for a run that was made before there were any, or when the score was made of other parts.

    Raises
    ------
    DataError
        The file is damaged.
    """
    file = Path(path) / _FILE
    if not file.is_file():
        return None
    try:
        # opened here: numpy leaves it open where it is no archive
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            if "version" not in arrays or arrays["version"] not in _READABLE:
                return None
            return dict(arrays)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise DataError(f"The file {str(file)!r} can not be read: {' '.join(str(error).split())}.") from None


def _fit_features(features):
    """Mean, and the matrix that turns differences from it into coordinates of variance 1."""
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 1e-3 * scale.max(), scale, np.inf)  # neurons that never fire
    whiten = _whitening((features - mean) / scale, min(_N_COMPONENTS, max(1, len(features) // 10)))
    return {
        "features_mean": mean.astype(np.float32),
        "features_whiten": (whiten / scale[:, None]).astype(np.float32),
    }


def _fit_inputs(inputs):
    known = np.isfinite(inputs).any(axis=0)
    filled = np.where(known, inputs, 0.0)
    mean, scale = np.nanmean(filled, axis=0), np.nanstd(filled, axis=0)
    scale = np.where(scale > 1e-6, scale, np.inf)  # what is the same in all galaxies tells nothing
    standard = np.nan_to_num((filled - mean) / scale)
    covariance = standard.T @ standard / len(standard) + _RIDGE * np.eye(len(mean))
    return {
        "inputs_mean": mean,
        "inputs_scale": scale,
        "inputs_covariance": covariance,
        "inputs_whiten": _whitening(standard, len(mean)),
    }


def _whitening(standard, n_components):
    variance, directions = np.linalg.eigh(standard.T @ standard / len(standard))
    variance, directions = variance[-n_components:], directions[:, -n_components:]
    return directions / np.sqrt(np.maximum(variance, 0) + _RIDGE)


def _random_features(n_inputs, n_hidden):
    """Weights and biases of nonlinear functions of the inputs, which nothing learns."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(n_inputs, n_hidden)) / np.sqrt(n_inputs)
    return {
        "hidden_weights": weights.astype(np.float32),
        "hidden_biases": rng.normal(size=n_hidden).astype(np.float32),
    }


def _fit_filters(arrays, inputs, images, values):
    """For noise and blur the direction that best tells changed images from the others, and where these lie in it."""
    columns = arrays["columns"].tolist()
    blur = 1.0
    if _SCALE in columns:  # the same blur on the sky in every galaxy
        scale = values[:, columns.index(_SCALE)]
        middle = np.median(scale[np.isfinite(scale)]) if np.isfinite(scale).any() else np.nan
        blur = np.clip(np.nan_to_num(middle / scale, nan=1.0), *_BLUR_RANGE)
    plain = _filter_columns(arrays, _standardised(arrays, inputs))
    filters, centres = [], []
    n_hidden = arrays["hidden_biases"].size
    for change in ("noise", "blur"):
        images_then, scale_ratio = changed(images, change, blur)
        values_then = np.array(values, dtype=float)
        if "stretch_scale" in columns:
            values_then[:, columns.index("stretch_scale")] *= scale_ratio
        inputs_then = _inputs(arrays, domain_statistics(images_then), values_then)
        then = _filter_columns(arrays, _standardised(arrays, inputs_then))
        # With random functions a filter sees more of what it has been shown, and less on the other side: a narrower
        # point-spread function; for noise, columns that do not go with the image.
        for with_hidden in (False,) if change == "noise" else (True, False):
            end = plain.shape[1] - (0 if with_hidden else n_hidden)
            direction = np.zeros(plain.shape[1])
            direction[:end] = _discriminant(plain[:, :end], then[:, :end])
            filters.append(direction)
            centres.append(np.median(plain @ direction))
    return {"filters": np.stack(filters, axis=1), "filter_centres": np.array(centres)}


def _discriminant(plain, then):
    """Direction in which two samples differ most, in units of their scatter."""
    covariance = (_covariance(plain) + _covariance(then)) / 2
    shrinkage = min(0.5, len(covariance) / (_FILTER_SHRINKAGE * len(plain)))
    covariance += (shrinkage + _RIDGE) * np.eye(len(covariance))
    return np.linalg.solve(covariance, then.mean(axis=0) - plain.mean(axis=0))


def _covariance(values):
    difference = values - values.mean(axis=0)
    return difference.T @ difference / len(values)


def _inputs(arrays, statistics, values):
    values = np.array(values, dtype=float)
    for k in np.flatnonzero(arrays["log_columns"]):
        values[:, k] = np.log10(np.where(values[:, k] > 0, values[:, k], np.nan))
    return np.concatenate([statistics, values], axis=1)


def _standardised(arrays, inputs):
    """Differences from the mean in standard deviations; for missing ones their expectation, given the others."""
    standard = (inputs - arrays["inputs_mean"]) / arrays["inputs_scale"]
    missing = ~np.isfinite(standard)
    covariance = arrays["inputs_covariance"]
    for pattern in np.unique(missing[missing.any(axis=1)], axis=0):
        rows = np.flatnonzero((missing == pattern).all(axis=1))
        weights = np.linalg.solve(covariance[np.ix_(~pattern, ~pattern)], covariance[np.ix_(~pattern, pattern)])
        standard[np.ix_(rows, pattern)] = standard[np.ix_(rows, ~pattern)] @ weights
    return standard


def _filter_columns(arrays, standard):
    """Columns for the filters: how blur shows depends on noise, above which the galaxy stands, on pixels, and more."""
    standard = np.clip(standard, -_LARGEST, _LARGEST)
    columns = arrays["columns"].tolist()
    by = [_LOG_NOISE]
    if _SCALE in columns:
        by.append(standard.shape[1] - len(columns) + columns.index(_SCALE))
    made = [standard * standard[:, [k]] for k in by]
    if "hidden_weights" in arrays:  # not in runs of earlier versions
        made.append(np.tanh(standard.astype(np.float32) @ arrays["hidden_weights"] + arrays["hidden_biases"]))
    return np.concatenate([standard, *made], axis=1)


def _upper_quantile(values, tail):
    """Find the value that no more than a share of further galaxies exceed (the rank of conformal prediction)."""
    rank = int(np.ceil((len(values) + 1) * (1 - tail) - 1e-9))
    return np.sort(values)[min(rank, len(values)) - 1]
