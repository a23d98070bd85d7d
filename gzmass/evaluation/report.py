"""Evaluate a predictions table: metrics.json, the joined table, plots and a self-contained report.html."""

import base64
import json
import math
import platform
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import sklearn

from gzmass._version import __version__
from gzmass.engine import write_atomically
from gzmass.errors import DataError
from gzmass.evaluation import plots
from gzmass.evaluation.measure import (
    join_truth,
    measure_mass_to_light,
    measure_stellar_mass,
    measure_votes,
    pit_values,
)
from gzmass.evaluation.page import render
from gzmass.pages import image_png, to_png

__all__ = ["evaluate"]

GALLERY = 8  # galaxies in each row of pictures


def evaluate(
    predictions,
    dataset,
    split="test",
    out="evaluation",
    *,
    card=None,
    baselines=True,
    compare=(),
    train_rows=None,
    name=None,
):
    """Measure predictions against the labels of a dataset and write the report.

    Writes into `out`: ``predictions.parquet`` (joined with the truth), ``plots/*.png``, ``metrics.json``
    and ``report.html``, the last of them last. The result does not depend on the order of the rows.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Predictions table; only the galaxies of the split count.
    dataset : gzmass.datasets.Dataset
        The dataset with images, labels and votes.
    split : str or None, default "test"
        ``"train"``, ``"val"``, ``"test"``, or None for all galaxies.
    out : str or pathlib.Path, default "evaluation"
        Folder to write to.
    card : dict or None, default None
        Card of the run: what it holds is printed in the report; its ``calibration`` gives the intervals
        if the table has none, its ``name`` the title.
    baselines : bool, default True
        Whether to train the baselines (see `gzmass.evaluation.baselines`).
    compare : sequence of tuple, default ()
        Other runs: pairs of a name and a predictions table.
    train_rows : array_like of int or None, default None
        Rows whose M/L the run learned from, for the baselines; None takes the split train.
    name : str or None, default None
        Name of the run in the report; None takes that of the card.

    Returns
    -------
    dict
        All numbers, as in metrics.json (there NaN is null): ``mass_to_light``, ``votes`` and
        ``stellar_mass``, each None where it is absent, with the reason in ``absent``.

    Raises
    ------
    DataError
        The predictions do not belong to the split, or there is neither an M/L nor a vote to compare with.
    """
    out, card = Path(out), dict(card or {})
    joined = join_truth(predictions, dataset, split)
    sections = {
        "mass_to_light": measure_mass_to_light(
            joined, dataset, split, card=card, baselines=baselines, compare=compare, train_rows=train_rows
        ),
        "votes": measure_votes(joined, dataset, split),
        "stellar_mass": measure_stellar_mass(joined),
    }
    absent = {key: value for key, value in sections.items() if isinstance(value, str)}
    if {"mass_to_light", "votes"} <= set(absent):
        raise DataError(
            f"{dataset.path}: there is nothing to evaluate: {absent['mass_to_light']}, and {absent['votes']}."
        )
    numbers = {
        "name": str(name or card.get("name") or "run"),
        "dataset": str(dataset.info.get("name") or Path(dataset.path).name),
        "label_kind": str(dataset.info.get("label_kind") or "measured"),
        "band": str(dataset.info.get("band") or "g"),
        "split": split or "all",
        "n_galaxies": len(dataset.rows(split)),
        "n_predicted": len(joined),
        "n_labelled": int(np.isfinite(joined["true_log_ml_g"]).sum()),
        "out_of_domain": _out_of_domain(joined),
        **{key: None if key in absent else value for key, value in sections.items()},
        "absent": absent,
        "versions": _versions(),
    }
    figures = _draw(numbers, joined, card.get("calibration"))
    galleries = _galleries(joined, dataset)
    html = render(numbers, figures, galleries, card)
    with write_atomically(out / "predictions.parquet") as path:
        joined.drop(columns="row").to_parquet(path, index=False)
    for key, (png, _) in figures.items():
        with write_atomically(out / "plots" / f"{key}.png") as path:
            path.write_bytes(base64.b64decode(png))
    with write_atomically(out / "metrics.json") as path:
        path.write_text(json.dumps(_plain(numbers), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    with write_atomically(out / "report.html") as path:
        path.write_text(html, encoding="utf-8")
    return numbers


def _draw(numbers, joined, calibration):
    # a dict of (PNG as base64 text, caption) by the name of the file
    kind = numbers["label_kind"] if numbers["label_kind"] == "proxy" else "true"
    figures = {}
    if ml := numbers["mass_to_light"]:
        true, predicted = joined["true_log_ml_g"].to_numpy(float), joined["log_ml_g"].to_numpy(float)
        figures["predicted_against_true"] = (
            plots.predicted_against_true(true, predicted, kind),
            f"Predicted against {kind} M/L. Band and line: central 68 % and median of the prediction.",
        )
        figures["residual_against_true"] = (
            plots.residual_plot(true, predicted - true, plots.log_ml_label(kind)),
            "Residual against the label. A slope is regression to the mean.",
        )
        figures["residual_against_predicted"] = (
            plots.residual_plot(predicted, predicted - true, plots.log_ml_label("predicted")),
            "Residual against the prediction. Here a good predictor shows no slope.",
        )
        figures["rmse"] = (
            plots.rmse_plot(
                [row["name"] for row in ml["table"]],
                [row["rmse_dex"] for row in ml["table"]],
                [row["rmse_dex_error"] for row in ml["table"]],
                "RMSE of log M/L [dex]",
            ),
            "The run beside the baselines and the runs it is compared with.",
        )
        if ml["coverage"]:
            figures["coverage"] = (
                plots.coverage_plot(ml["coverage"]),
                "Share of galaxies inside their intervals; error bars are binomial.",
            )
        if np.isfinite(values := pit_values(joined, calibration)).any():
            figures["pit"] = (
                plots.pit_histogram(values),
                "Where the labels fall in their predicted distributions: flat if these are right.",
            )
    if votes := numbers["votes"]:
        figures["votes_rmse"] = (
            plots.vote_rmse_plot(votes["questions"]),
            "Error of the predicted fractions of each question, weighted by its votes.",
        )
        for question in votes["questions"]:
            figures[f"reliability_{_file_name(question['question'])}"] = (
                plots.reliability_plot(question["reliability"], question["question"]),
                question["text"],
            )
    return {key: (base64.b64encode(to_png(figure)).decode(), caption) for key, (figure, caption) in figures.items()}


def _galleries(joined, dataset):
    if "log_ml_g" not in joined.columns:
        return {}
    residual = (joined["log_ml_g"] - joined["true_log_ml_g"]).to_numpy(float)
    known = np.flatnonzero(np.isfinite(residual))
    order = known[np.argsort(np.abs(residual[known]), kind="stable")]
    if len(order) == 0:
        return {}
    middle = max((len(order) - GALLERY) // 2, 0)
    chosen = {
        "Best": order[:GALLERY],
        "Median": order[middle : middle + GALLERY],
        "Worst": order[::-1][:GALLERY],
    }
    galleries = {}
    for title, places in chosen.items():
        images = np.asarray(dataset.images(joined["row"].to_numpy()[places]))
        galleries[title] = [
            {
                "id": str(joined["id"].iloc[place]),
                "true": float(joined["true_log_ml_g"].iloc[place]),
                "predicted": float(joined["log_ml_g"].iloc[place]),
                "sigma": float(joined["log_ml_g_sigma"].iloc[place]) if "log_ml_g_sigma" in joined else math.nan,
                "png": base64.b64encode(image_png(image)).decode(),
            }
            for place, image in zip(places, images, strict=True)
        ]
    return galleries


def _out_of_domain(joined):
    if "in_domain" not in joined.columns:
        return None
    outside = ~joined["in_domain"].fillna(value=False).astype(bool)
    reasons = joined.get("out_of_domain_reason", pd.Series("", joined.index))[outside].fillna("").astype(str)
    # "image_sky 61 above 44" is another text for each galaxy: what is counted is the quantity and the side
    kinds = reasons.str.split("; ").explode().str.replace(r" \S+ (below|above) \S+$", r" \1 its range", regex=True)
    return {
        "n": int(outside.sum()),
        "reasons": {k: int(v) for k, v in sorted(kinds.value_counts().items()) if k},
    }


def _file_name(text):
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in text)


def _versions():
    return {
        "gzmass": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pandas": pd.__version__,
        "scikit-learn": sklearn.__version__,
        "matplotlib": mpl.__version__,
    }


def _plain(value):
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
