"""What a number must beat: the mean, luminosity, colour, metadata, image statistics, boosted features of a trunk."""

from functools import partial

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from gzmass.catalogs import colour_mass_to_light
from gzmass.config import LABEL_COLUMNS
from gzmass.errors import DataError
from gzmass.evaluation.image_statistics import statistics_of_rows
from gzmass.evaluation.metrics import mass_to_light_metrics

__all__ = [
    "COLOURS",
    "METADATA",
    "baseline_table",
    "mass_to_light_baselines",
    "metadata_columns",
    "sample_rows",
]

METADATA = (
    "redshift",
    "distance_mpc",
    "luminosity_g",
    "radius_kpc",
    "pixel_scale_arcsec",
    "stretch_scale",
)

#: Columns that hold the rest-frame colour g-i [mag], the first that is there is taken.
COLOURS = ("g_minus_i", "sim_g_minus_i")

_LUMINOSITY = "luminosity_g"
_MAX_ROWS = 20_000  # galaxies to learn from, and to score: enough for 1 % of the RMSE
_BOOSTING = {"max_iter": 200, "learning_rate": 0.05, "early_stopping": False}
_LEAF, _LEAVES = 20, 5  # galaxies in a leaf, but no more than one in so many of all: few labels still make a tree


def mass_to_light_baselines(dataset, train_rows, test_rows, metadata=None, seed=0):
    """Train the baselines that need nothing but the dataset, and predict log10 M/L.

    Each but the constant is scikit-learn's HistGradientBoostingRegressor (squared error in dex, 200
    trees, learning rate 0.05, at least 20 galaxies a leaf, or a fifth of them, NaN allowed), without any tuning. Of
    columns without a value below or at 0 it gets the logarithm.

    Parameters
    ----------
    dataset : gzmass.datasets.Dataset
        The dataset.
    train_rows : array_like of int
        Rows to learn from; those without M/L are left out.
    test_rows : array_like of int
        Rows to predict, shape (n,).
    metadata : sequence of str or None, default None
        Metadata columns; None takes those of `METADATA` that are known and vary.
    seed : int, default 0
        Seed of the boosting.

    Returns
    -------
    dict
        ``n_train``; ``metadata``, the columns used; ``predictions``, a dict of arrays of log10 M/L of shape (n,) by
        the name of the baseline: ``constant`` (mean of the training galaxies), ``metadata``, ``image statistics`` and
        ``image statistics + metadata``. Without metadata there are only the first and the third.

    Raises
    ------
    DataError
        No row to learn from has an M/L.
    """
    train_rows, test_rows = np.asarray(train_rows, dtype=int), np.asarray(test_rows, dtype=int)
    train_rows, target = _labelled(dataset, train_rows)
    rows = np.concatenate([train_rows, test_rows])
    columns = list(metadata_columns(dataset, train_rows) if metadata is None else metadata)
    inputs = {}
    if columns:
        inputs["metadata"] = _log_metadata(dataset, columns, rows)
    inputs["image statistics"] = statistics_of_rows(dataset, rows)
    if columns:
        inputs["image statistics + metadata"] = np.concatenate([inputs["metadata"], inputs["image statistics"]], axis=1)
    predictions = {"constant": np.full(len(test_rows), target.mean())}
    for name, values in inputs.items():
        predictions[name] = _boost(values, target, seed)
    return {"n_train": len(target), "metadata": columns, "predictions": predictions}


def baseline_table(dataset, train_rows, test_rows, features=None, metadata=None, seed=0, n_resamples=200):
    """Measure the baselines on the same galaxies, from the mean to boosted features of a trunk.

    What the dataset does not hold is left out: the constant; the luminosity, by a line in its logarithm and by
    boosting; luminosity, distance and radius; all metadata; the g-i colour (`COLOURS`) by the relation of Zibetti et
    al. 2009 as published (a Chabrier IMF) and by a line fitted to the training galaxies; image statistics, alone and
    with the metadata; each array of features, alone and with the metadata, as in the second step of Dobbels et al.
    2019 (A&A 624, A102). Boosting is that of `mass_to_light_baselines`; on features its loss is the absolute error, as
    in that paper. A line takes the mean of the training galaxies where its input is missing, the published relation
    their mean M/L, so that all are scored on the same galaxies.

    Parameters
    ----------
    dataset : gzmass.datasets.Dataset
        The dataset.
    train_rows : array_like of int
        Rows to learn from, shape (n,); those without M/L are left out.
    test_rows : array_like of int
        Rows to score, shape (m,); those without M/L are left out. None may be a row to learn from.
    features : dict of str to array_like of float, optional
        Features by the name of what they come from, one row for each of `train_rows` and then for each of
        `test_rows`, shape (n + m, k); NaN allowed.
    metadata : sequence of str, optional
        Metadata columns of the rows "metadata"; by default those of `METADATA` that are known and vary.
    seed : int, default 0
        Seed of the boosting and of the resampling.
    n_resamples : int, default 200
        Bootstrap resamples for the standard errors.

    Returns
    -------
    pandas.DataFrame
        One row a baseline: ``inputs``, ``method``, ``n_inputs`` (columns that it learns from), ``n_train``, and what
        `mass_to_light_metrics` returns. Its ``attrs`` hold ``metadata``, the columns by that name, and ``colour``, the
        column of the colour or None.

    Raises
    ------
    DataError
        No row to learn from or to score has an M/L, a galaxy is among both, the metadata hold the label, or an array
        has not a row for each galaxy.
    """
    train_rows, test_rows = np.asarray(train_rows, dtype=int), np.asarray(test_rows, dtype=int)
    if len(both := np.intersect1d(train_rows, test_rows)):
        raise DataError(
            f"{dataset.path}: {len(both)} galaxies are to be learnt from and to be scored, one of them with the id "
            f"{dataset.table['id'].iloc[both[0]]!r}; a test needs galaxies that were not seen."
        )
    train, target = _labelled(dataset, train_rows)
    test, true = _labelled(dataset, test_rows, "score")
    rows = np.concatenate([train, test])
    columns = list(metadata_columns(dataset, train) if metadata is None else metadata)
    if labels := [name for name in columns if name.startswith(LABEL_COLUMNS)]:
        raise DataError(f"The metadata of baselines have {labels[0]!r}, which the label could be read from.")
    colour = _colour_column(dataset, train)
    asked = np.concatenate([train_rows, test_rows])
    given = {
        name: _features_of(name, values, len(asked))[np.isin(asked, rows)] for name, values in (features or {}).items()
    }
    table = []
    for inputs, method, values in _plan(dataset, rows, len(target), columns, colour, given):
        predicted = _METHODS[method](values, target, seed)
        numbers = mass_to_light_metrics(true, predicted, n_resamples=n_resamples, seed=seed)
        row = {"inputs": inputs, "method": method, "n_inputs": values.shape[1], "n_train": len(target)}
        table.append(row | numbers)
    table = pd.DataFrame(table)
    table.attrs = {"metadata": columns, "colour": colour}
    return table


def metadata_columns(dataset, rows):
    """Find the metadata that say something: known for some galaxies, and not the same for all.

    Parameters
    ----------
    dataset : gzmass.datasets.Dataset
        The dataset.
    rows : array_like of int
        The rows to look at.

    Returns
    -------
    list of str
        Names of columns, in the order of `METADATA`.
    """
    present = [name for name in METADATA if name in dataset.table.columns]
    values = np.asarray(dataset.metadata(present, rows)) if present else np.zeros((len(rows), 0))
    return [name for name, column in zip(present, values.T, strict=True) if _varies(column)]


def sample_rows(rows, seed=0):
    """Take at most 20,000 galaxies: more sharpen no baseline, but their features cost time.

    Parameters
    ----------
    rows : array_like of int
        Row numbers.
    seed : int, default 0
        Seed of the choice.

    Returns
    -------
    numpy.ndarray of int
        The rows, or 20,000 of them in ascending order.
    """
    rows = np.asarray(rows, dtype=int)
    if len(rows) <= _MAX_ROWS:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, _MAX_ROWS, replace=False))


def _labelled(dataset, rows, purpose="learn from"):
    target = np.asarray(dataset.log_ml(rows), dtype=float)[:, 0]
    known = np.isfinite(target)
    if not known.any():
        raise DataError(f"{dataset.path}: the baselines have no galaxy with log_ml_g to {purpose}.")
    return rows[known], target[known]


def _features_of(name, values, n):
    values = np.asarray(values, dtype=np.float32)
    if values.ndim != 2 or len(values) != n or not values.shape[1]:
        raise DataError(
            f"The features of {name!r} must have a row for each of the {n} galaxies to learn from and to score. "
            f"Received: shape {values.shape}."
        )
    return values


def _plan(dataset, rows, n_train, columns, colour, features):
    """Give inputs, method and values of each baseline; the first rows are those to learn from."""
    yield "constant", "mean", np.zeros((len(rows), 0))
    known = metadata_columns(dataset, rows[:n_train])
    if _LUMINOSITY in known:
        values = _log_metadata(dataset, [_LUMINOSITY], rows)
        yield _LUMINOSITY, "line", values
        yield _LUMINOSITY, "boosting", values
        three = [name for name in (_LUMINOSITY, "distance_mpc", "radius_kpc") if name in known]
        if len(three) > 1 and set(three) != set(columns):
            yield ", ".join(three), "boosting", _log_metadata(dataset, three, rows)
    if colour is not None:
        values = dataset.metadata([colour], rows).astype(float)
        yield "g-i colour", "Zibetti et al. 2009", values
        yield "g-i colour", "line", values
    metadata = _log_metadata(dataset, columns, rows)
    if columns:
        yield "metadata", "boosting", metadata
    arrays = {"image statistics": ("boosting", statistics_of_rows(dataset, rows))}
    arrays |= {f"features of {name}": ("boosting, absolute error", values) for name, values in features.items()}
    for name, (method, values) in arrays.items():
        yield name, method, values
        if columns:
            yield f"{name} + metadata", method, np.concatenate([values, metadata], axis=1)


def _boost(values, target, seed, loss="squared_error"):
    """Learn from the first rows, those of the target, and predict the others."""
    n = len(target)
    if len(values) == n:
        return np.zeros(0)
    leaf = max(1, min(_LEAF, n // _LEAVES))
    model = HistGradientBoostingRegressor(loss=loss, random_state=seed, min_samples_leaf=leaf, **_BOOSTING)
    return model.fit(values[:n], target).predict(values[n:])


def _fit_line(values, target, _seed):
    n = len(target)
    values = np.where(np.isfinite(values), values, np.nanmean(values[:n], axis=0))
    return LinearRegression().fit(values[:n], target).predict(values[n:])


def _mean(values, target, _seed):
    return np.full(len(values) - len(target), target.mean())


def _published(values, target, _seed):
    predicted = colour_mass_to_light(values[len(target) :, 0])
    return np.where(np.isfinite(predicted), predicted, target.mean())


_METHODS = {
    "mean": _mean,
    "line": _fit_line,
    "boosting": _boost,
    "boosting, absolute error": partial(_boost, loss="absolute_error"),
    "Zibetti et al. 2009": _published,
}


def _colour_column(dataset, rows):
    for name in COLOURS:
        if name in dataset.table.columns and _varies(dataset.metadata([name], rows)[:, 0]):
            return name
    return None


def _log_metadata(dataset, columns, rows):
    values = np.array(dataset.metadata(columns, rows), dtype=float)
    for column in values.T:  # of a colour, which may be 0 or less, there is none
        if (column[np.isfinite(column)] > 0).all():
            column[:] = np.log10(column)
    return values


def _varies(column):
    known = column[np.isfinite(column)]
    return len(known) > 1 and known.min() < known.max()
