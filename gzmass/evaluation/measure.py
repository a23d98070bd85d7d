"""Every number of a report as plain data: predictions joined with the truth, a run beside its baselines."""

import numpy as np
import pandas as pd

from gzmass.calibration.conformal import LEVELS, interval_columns, interval_scores, pit, sigma_scale
from gzmass.calibration.coverage import coverage, coverage_in_thirds
from gzmass.calibration.stellar_mass import stellar_mass
from gzmass.datasets.catalogue import COLUMNS
from gzmass.datasets.layout import bounds_on_r2
from gzmass.errors import DataError
from gzmass.evaluation.baselines import mass_to_light_baselines, sample_rows
from gzmass.evaluation.metrics import mass_to_light_metrics, rmse_difference, vote_metrics
from gzmass.evaluation.wording import own_name

__all__ = [
    "join_truth",
    "measure_coverage",
    "measure_mass_to_light",
    "measure_stellar_mass",
    "measure_votes",
    "pit_values",
]

# columns that joining adds, which a dataset of a user may have, too
_JOINED = ("row", "true_log_ml_g", "true_log_ml_g_err", "true_log_mstar")
_BOUNDS = ("image", "image_and_luminosity")  # inputs that a dataset may have a bound for
THIRDS = {  # quantity: column of the joined table
    "M/L label": "true_log_ml_g",
    "predicted M/L": "log_ml_g",
    "predicted error": "log_ml_g_sigma",
    "redshift": "redshift",
    "radius": "radius_kpc",
}


def join_truth(predictions, dataset, split=None):
    """Put the predictions of a split beside what the dataset knows.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Predictions table, one row a galaxy, in any order; galaxies outside the split are left out, and those whose
        ``status`` is "failed".
    dataset : gzmass.datasets.Dataset
        The dataset.
    split : str or None, default None
        ``"train"``, ``"val"``, ``"test"``, or None for all galaxies.

    Returns
    -------
    pandas.DataFrame
        Ordered by id: ``row`` (row number in the dataset), the columns of the predictions,
        ``true_log_ml_g``, ``true_log_ml_g_err``, ``true_log_mstar`` (if the dataset has it) and the other
        columns of the dataset. Where both have a column of the same name, the dataset's stands if it is of the
        dataset contract (such as ``redshift``), else that of the predictions: a catalogue may call its voted
        fractions what predicted ones are called here.

    Raises
    ------
    DataError
        The predictions have no column id, an id twice, or no galaxy of the split, or all of them failed.
    """
    if "id" not in predictions.columns:
        raise DataError(f"The predictions need a column 'id'. Received: {list(predictions.columns)}.")
    if _kind_of_ids(dataset.table["id"]) != _kind_of_ids(predictions["id"]):
        raise DataError(
            f"The ids of the predictions are of type {predictions['id'].dtype}, those of {dataset.path} of "
            f"type {dataset.table['id'].dtype}; they must both be whole numbers or both be text."
        )
    if predictions["id"].duplicated().any():
        twice = predictions["id"][predictions["id"].duplicated()].tolist()[0]
        raise DataError(f"The predictions have the id {twice!r} twice; each galaxy must stand there once.")
    if "status" in predictions.columns and len(predictions):
        failed = predictions["status"] == "failed"
        if failed.all():
            reason = predictions.get("status_reason", pd.Series("no reason is given", predictions.index)).iloc[0]
            raise DataError(f"None of the galaxies could be predicted: {reason}.")
        predictions = predictions[~failed]
    rows = np.asarray(dataset.rows(split), dtype=int)
    truth = _truth(dataset.table.iloc[rows].reset_index(drop=True), predictions.columns)
    truth.insert(0, "row", rows)
    predicted = [name for name in predictions.columns if name == "id" or name not in truth.columns]
    joined = truth.merge(predictions[predicted], on="id", how="inner", validate="one_to_one")
    if joined.empty:
        raise DataError(
            f"The predictions ({len(predictions)} rows) hold none of the {len(rows)} galaxies of the split "
            f"{split or 'all'!r} of {dataset.path}."
        )
    return joined.sort_values("id", kind="stable").reset_index(drop=True)


def _truth(table, predicted):
    """Take what the dataset knows, under names that the predictions have not."""
    theirs = [name for name in table if name in _JOINED or (name in predicted and name not in COLUMNS)]
    table = table.drop(columns=theirs)
    for name in ("log_ml_g", "log_ml_g_err", "log_mstar"):
        if name in table.columns:
            table = table.rename(columns={name: f"true_{name}"})
        elif name != "log_mstar":
            table[f"true_{name}"] = np.nan
    return table


def _kind_of_ids(ids):
    if pd.api.types.is_integer_dtype(ids):
        return "integer"
    return "number" if pd.api.types.is_numeric_dtype(ids) else "text"


def measure_mass_to_light(joined, dataset, split, *, card=None, baselines=True, compare=(), train_rows=None):
    """Measure the M/L of a run, of the baselines and of other runs on the same galaxies.

    Parameters
    ----------
    joined : pandas.DataFrame
        What `join_truth` returned.
    dataset : gzmass.datasets.Dataset
        The dataset.
    split : str or None
        The split that is scored: the baselines do not learn from it.
    card : dict or None, default None
        Card of the run, for its ``calibration`` and its ``metadata``: the baselines get the same, where it has some,
        and of the bounds on R2 that count which belong to its inputs.
    baselines : bool, default True
        Whether to train and score the baselines.
    compare : sequence of tuple
        Other runs: pairs of a name and a predictions table; one without M/L has no row.
    train_rows : array_like of int or None, default None
        Rows that the run learned from, for the baselines; None takes all rows of the split train with M/L.

    Returns
    -------
    dict or str
        Numbers: ``n``, ``table`` (one dict a predictor, the run first: ``name``, ``kind``, what
        `mass_to_light_metrics` returns, and ``versus_run``), ``baselines``, ``explainable`` (for each kind of
        input the reachable R2, and the fraction of it that is reached), ``coverage``, ``interval_source``,
        ``calibrated_on`` (``n`` galaxies, and the levels ``limited`` for which these are too few, or None); or the
        reason why there are none.
    """
    if not np.isfinite(joined["true_log_ml_g"]).any():
        return f"no galaxy of the split {split or 'all'!r} has an M/L label (log_ml_g)"
    if "log_ml_g" not in joined.columns or not np.isfinite(joined["log_ml_g"]).any():
        return "the predictions hold no M/L (log_ml_g)"
    labelled = joined[np.isfinite(joined["true_log_ml_g"])]
    true, predicted = (labelled[name].to_numpy(float) for name in ("true_log_ml_g", "log_ml_g"))
    table = [{"name": own_name(card), "kind": "run", **mass_to_light_metrics(true, predicted)}]

    def add(name, kind, rows, other):
        t, p = true[rows], predicted[rows]
        difference = rmse_difference(t, p, other)
        table.append({"name": name, "kind": kind, **mass_to_light_metrics(t, other), "versus_run": difference})

    result = {"n": table[0]["n"], "table": table, "baselines": None}
    if "in_domain" in labelled.columns:
        inside = labelled["in_domain"].fillna(False).to_numpy(bool)
        if not inside.all():
            result["in_domain"] = mass_to_light_metrics(true[inside], predicted[inside])
    if baselines:
        result["baselines"] = _add_baselines(
            add, dataset, split, labelled["row"].to_numpy(), train_rows, (card or {}).get("metadata") or None
        )
    for name, other in compare:
        if "id" not in other.columns or other["id"].duplicated().any():
            raise DataError(f"The predictions of {str(name)!r} need a column 'id' with each id once.")
        if "log_ml_g" not in other.columns:
            continue  # of votes alone
        values = other.set_index("id")["log_ml_g"].reindex(labelled["id"]).to_numpy(float)
        add(str(name), "compare", np.arange(len(true)), values)
    result["explainable"] = {
        name: {"r2": float(best), "fraction": float(table[0]["r2_dex"] / best)}
        for name, best in _bounds(dataset, card).items()
        if best > 0
    }
    calibration = (card or {}).get("calibration")
    result["coverage"], result["interval_source"] = measure_coverage(labelled, calibration)
    result["calibrated_on"] = _calibrated_on(calibration)
    return result


def _calibrated_on(calibration):
    if not calibration or "n" not in calibration:
        return None
    limited = [item["level"] for item in calibration.get("intervals", []) if item.get("limited")]
    groups = calibration.get("groups")
    if groups:
        sizes = [int(own["n"]) for own in groups["calibrations"]]
        groups = {"by": groups["by"], "edges": [float(edge) for edge in groups["edges"]], "n": sizes}
    return {"n": int(calibration["n"]), "limited": limited, "groups": groups}


def measure_votes(joined, dataset, split):
    """Measure the vote fractions of a run.

    Parameters
    ----------
    joined : pandas.DataFrame
        What `join_truth` returned.
    dataset : gzmass.datasets.Dataset
        The dataset.
    split : str or None
        The split that is scored.

    Returns
    -------
    dict or str
        What `vote_metrics` returns, without the questions that nobody voted on (``unknown`` names them) and those that
        the run has not learnt (``unlearnt``), with ``mean_from`` and ``assumed_volunteers``
        (`gzmass.datasets.Dataset.assumed_volunteers`);
        or the reason why there is nothing to measure.
    """
    tree = dataset.tree
    if tree is None:
        return "the dataset has no decision tree"
    columns = [f"{stem}_fraction" for stem in tree.stems]
    if not set(columns) <= set(joined.columns):
        return "the predictions hold no vote fractions"
    votes = np.asarray(dataset.votes(joined["row"].to_numpy()))
    voted = tree.voted_questions(votes).any(axis=0)
    if not voted.any():
        return f"no galaxy of the split {split or 'all'!r} has votes"
    train = np.asarray(dataset.rows("train", labelled="votes"), dtype=int)
    train_votes = dataset.votes(train) if len(train) else None
    result = vote_metrics(votes, joined[columns].to_numpy(np.float32), tree, train_votes)
    left_out = {q["question"] for q in result["questions"] if q["n"] == 0}
    names = [(question.name, known) for question, known in zip(tree.questions, voted, strict=True)]
    result["unknown"] = [name for name, known in names if name in left_out and not known]
    result["unlearnt"] = [name for name, known in names if name in left_out and known]
    result["questions"] = [q for q in result["questions"] if q["n"] > 0]
    result["mean_from"] = "train" if len(train) else "the scored galaxies"
    result["assumed_volunteers"] = dataset.assumed_volunteers
    return result


def measure_stellar_mass(joined):
    """Measure the stellar masses.

    Parameters
    ----------
    joined : pandas.DataFrame
        What `join_truth` returned.

    Returns
    -------
    dict or str
        ``n`` (masses predicted), ``percentiles`` 5, 50 and 95 of log M*, ``median_sigma`` [dex],
        and, where masses are known, their number ``n_true``, ``rmse_dex``, ``bias_dex``, ``nmad_dex`` and
        ``r2_dex`` of log M*, with ``truth`` saying where they come from; or the reason why there are none.
    """
    if "log_ml_g" not in joined.columns:
        return "the predictions hold no M/L (log_ml_g)"
    luminosity = joined.get("luminosity_g", pd.Series(np.nan, joined.index)).to_numpy(float)
    sigma = joined.get("log_ml_g_sigma", pd.Series(np.nan, joined.index)).to_numpy(float)
    mass, error = stellar_mass(joined["log_ml_g"], sigma, luminosity)
    for name, computed in (("log_mstar", mass), ("log_mstar_sigma", error)):
        if name in joined.columns:
            given = joined[name].to_numpy(float)
            computed[:] = np.where(np.isfinite(given), given, computed)
    known = np.isfinite(mass)
    if not known.any():
        return "no galaxy has a luminosity (luminosity_g), which turns M/L into a mass"
    result = {
        "n": int(known.sum()),
        "percentiles": np.percentile(mass[known], [5, 50, 95]).tolist(),
        "median_sigma": float(np.median(error[known])) if np.isfinite(error[known]).all() else np.nan,
    }
    source = "the M/L label times the luminosity, whose errors are those of M/L"
    truth = product = stellar_mass(joined["true_log_ml_g"], np.nan, luminosity)[0]
    if "true_log_mstar" in joined.columns and joined["true_log_mstar"].notna().any():
        truth = joined["true_log_mstar"].to_numpy(float)
        if not np.allclose(truth, product, atol=1e-3, equal_nan=True):
            source = "the masses of the dataset (log_mstar)"
    numbers = mass_to_light_metrics(truth, mass)
    if numbers["n"]:
        result |= {"truth": source, "n_true": numbers["n"]}
        result |= {key: value for key, value in numbers.items() if "dex" in key}
    return result


def measure_coverage(labelled, calibration=None):
    """Measure how many labels lie inside their intervals, over all galaxies and in thirds.

    Parameters
    ----------
    labelled : pandas.DataFrame
        What `join_truth` returned; galaxies without a label are left out.
    calibration : dict or None, default None
        Calibration of the run, which gives the intervals that the table does not have.

    Returns
    -------
    coverages : list of dict
        One a level: ``level``, ``overall`` (what `gzmass.calibration.coverage` returns) and ``thirds``, three such
        by the name of the quantity.
    source : str
        Where the intervals come from.
    """
    quantities = {
        name: labelled[column].to_numpy(float)
        for name, column in THIRDS.items()
        if column in labelled.columns and _has_thirds(labelled[column].to_numpy(float))
    }
    true = labelled["true_log_ml_g"].to_numpy(float)
    result, source = [], "columns of the predictions table"
    for level in LEVELS:
        bounds = [labelled.get(name) for name in interval_columns(level)]
        scores = interval_scores(calibration, len(labelled), labelled) if calibration else {}
        if bounds[0] is None and interval_columns(level)[0] in scores and "log_ml_g_sigma" in labelled.columns:
            sigma = _model_sigma(labelled, calibration)
            bounds = [labelled["log_ml_g"] + scores[name] * sigma for name in interval_columns(level)]
            source = "calibration in the card of the run"
        if bounds[0] is None and level == 0.68:
            bounds = [labelled.get("log_ml_g_p16"), labelled.get("log_ml_g_p84")]
        if bounds[0] is None or bounds[1] is None:
            continue
        thirds = {name: coverage_in_thirds(values, true, *bounds) for name, values in quantities.items()}
        result.append({"level": level, "overall": coverage(true, *bounds), "thirds": thirds})
    return result, source


def _has_thirds(values):
    known = values[np.isfinite(values)]
    return len(known) >= 3 and known.min() < known.max()


def pit_values(joined, calibration=None):
    """Probability integral transform of the labelled galaxies of a joined table.

    Parameters
    ----------
    joined : pandas.DataFrame
        What `join_truth` returned.
    calibration : dict or None, default None
        Calibration of the run; None means a Gaussian with ``log_ml_g_sigma``.

    Returns
    -------
    numpy.ndarray of float
        Shape (n,), NaN where there is no label or no sigma.
    """
    if "log_ml_g_sigma" not in joined.columns:
        return np.full(len(joined), np.nan)
    sigma = joined["log_ml_g_sigma"].to_numpy(float)
    if not calibration:
        return pit(joined["true_log_ml_g"], joined["log_ml_g"], np.where(sigma > 0, sigma, np.nan))
    sigma = _model_sigma(joined, calibration)
    return pit(joined["true_log_ml_g"], joined["log_ml_g"], np.where(sigma > 0, sigma, np.nan), calibration, joined)


def _bounds(dataset, card):
    """Best R2 that the dataset knows of, by the kind of input; with a card, for the inputs of that run."""
    bounds = bounds_on_r2(dataset.info)
    if card and "metadata" in card and set(_BOUNDS) <= set(bounds):
        own = _BOUNDS["luminosity_g" in card["metadata"]]
        bounds = {name: best for name, best in bounds.items() if name not in _BOUNDS or name == own}
    return bounds


def _add_baselines(add, dataset, split, rows, train_rows, metadata):
    if train_rows is None:
        train_rows = dataset.rows("train", labelled="log_ml")
        source = "the split train"
    else:
        source = "those that the run learned from"
    train_rows = np.setdiff1d(train_rows, dataset.rows(split))
    if len(train_rows) == 0:
        return f"no labelled galaxy outside the split {split or 'all'!r} is left to learn from"
    scored = sample_rows(np.arange(len(rows)))
    try:
        trained = mass_to_light_baselines(dataset, sample_rows(train_rows), rows[scored], metadata)
    except DataError as error:  # an image that they were to learn from is damaged: the run is measured all the same
        return str(error).removesuffix(".")
    for name, values in trained.pop("predictions").items():
        add(name, "baseline", scored, values)
    return {**trained, "learned_from": source}


def _model_sigma(table, calibration):
    """Sigma of the model itself, before it was calibrated."""
    return table["log_ml_g_sigma"].to_numpy(float) / sigma_scale(calibration, len(table), table)
