"""Evaluate a predictions table: metrics.json, the joined table, plots and a self-contained report.html."""

import json
import math
import platform
import re
from collections import Counter
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import sklearn

from gzmass._version import __version__
from gzmass.engine import write_atomically
from gzmass.errors import ConfigError, DataError
from gzmass.evaluation import plots
from gzmass.evaluation.compare import compare_runs
from gzmass.evaluation.galleries import mass_to_light_galleries, most_out_of_domain, vote_examples
from gzmass.evaluation.measure import (
    join_truth,
    measure_mass_to_light,
    measure_stellar_mass,
    measure_votes,
    pit_values,
)
from gzmass.evaluation.page import render
from gzmass.evaluation.residuals import residual_groups, residual_quantities, running_percentiles
from gzmass.evaluation.tree_figure import tree_svg
from gzmass.evaluation.wording import label_band, mean_of, own_name
from gzmass.pages import image_png, to_png

__all__ = ["evaluate", "refuse_other_folder"]

PICTURE = 160  # pixels a side of a galaxy's picture, at most: the page stays below some MB
TITLES = {"best": "Best predictions", "median": "Median predictions", "worst": "Worst predictions"}
OUTSIDE = "Most out of domain"
_WRITTEN = {"predictions.parquet", "plots", "metrics.json", "report.html"}


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
    n_seen=0,
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
    n_seen : int, default 0
        How many galaxies of the split the run was made with (`gzmass.training.count_seen`): the report says so.
    name : str or None, default None
        Name of the run in the report; None takes that of the card.

    Returns
    -------
    dict
        All numbers, as in metrics.json (there NaN is null): ``mass_to_light``, ``votes`` and
        ``stellar_mass``, each None where it is absent, with the reason in ``absent``; ``compared``, the runs
        side by side.

    Raises
    ------
    ConfigError
        The folder holds something else than a report.
    DataError
        The predictions do not belong to the split, or there is neither an M/L nor a vote to compare with.
    """
    out, card = Path(out), dict(card or {})
    refuse_other_folder(out)
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
    labelled = joined[np.isfinite(joined["true_log_ml_g"])]
    quantities = []
    if "mass_to_light" not in absent:
        quantities = residual_quantities(labelled, dataset)
        sections["mass_to_light"] |= _residual_numbers(labelled, dataset, quantities)
    numbers = {
        "name": str(name or card.get("name") or "run"),
        "dataset": str(dataset.info.get("name") or Path(dataset.path).resolve().name),
        "label_kind": str(dataset.info.get("label_kind") or "measured"),
        "band": str(dataset.info.get("band") or ""),
        "label_band": label_band(dataset.info),
        "split": split or "all",
        "n_galaxies": len(dataset.rows(split)),
        "n_predicted": len(joined),
        "n_labelled": len(labelled),
        "n_seen": int(n_seen),
        "out_of_domain": _out_of_domain(joined),
        **{key: None if key in absent else value for key, value in sections.items()},
        "absent": absent,
        "compared": compare_runs(joined, dataset, split, sections, compare, own_name(card)),
        "versions": _versions(),
    }
    figures = _draw(numbers, labelled, quantities, card)
    examples = _examples(joined, dataset) if numbers["votes"] else []
    html = render(numbers, figures, _galleries(joined, dataset), examples, card)
    with write_atomically(out / "predictions.parquet") as path:
        table = joined.drop(columns="row")
        # dictionaries serve text: of numbers that all differ they only take time
        texts = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
        table.to_parquet(path, index=False, use_dictionary=texts)
    for file in set((out / "plots").glob("*.png")) - {out / "plots" / f"{key}.png" for key in figures}:
        file.unlink()  # of an earlier report
    for key, (png, _) in figures.items():
        with write_atomically(out / "plots" / f"{key}.png") as path:
            path.write_bytes(png)
    with write_atomically(out / "metrics.json") as path:
        path.write_text(json.dumps(_plain(numbers), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    with write_atomically(out / "report.html") as path:
        path.write_text(html, encoding="utf-8")
    return numbers


def refuse_other_folder(out):
    """Refuse a folder for a report that holds something else.

    Parameters
    ----------
    out : pathlib.Path
        The folder; need not exist.

    Raises
    ------
    ConfigError
        It is a file, or holds what no report has.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"The report needs a folder, and {str(out)!r} is a file.")
    others = [p.name for p in out.iterdir() if p.name not in _WRITTEN] if out.exists() else []
    if others := [name for name in others if not name.startswith(".")]:
        raise ConfigError(
            f"The folder {str(out)!r} holds something else than a report ({min(others)!r}): give another."
        )


def _residual_numbers(labelled, dataset, quantities):
    residual = (labelled["log_ml_g"] - labelled["true_log_ml_g"]).to_numpy(float)
    return {
        "residuals": {quantity.name: running_percentiles(quantity.values, residual) for quantity in quantities},
        "groups": residual_groups(labelled, dataset, quantities),
    }


def _draw(numbers, labelled, quantities, card):
    # a dict of (PNG, caption) by the name of the file
    kind, band = numbers["label_kind"] if numbers["label_kind"] == "proxy" else "true", numbers["label_band"]
    figures = {}
    if ml := numbers["mass_to_light"]:
        true, predicted = labelled["true_log_ml_g"].to_numpy(float), labelled["log_ml_g"].to_numpy(float)
        figures["predicted_against_true"] = (
            plots.predicted_against_true(true, predicted, kind, band),
            f"Predicted against {kind} M/L. Band and line: central 68 % and median of the prediction.",
        )
        captions = {
            "M/L label": "Residual against the label. A slope is regression to the mean.",
            "predicted M/L": "Residual against the prediction. Here a good predictor shows no slope.",
        }
        for quantity in quantities:
            label = quantity.label or plots.log_ml_label(
                "predicted" if quantity.name == "predicted M/L" else kind, band
            )
            caption = captions.get(quantity.name, f"Residual against {quantity.title}.")
            key = _file_name(f"residual_against_{quantity.name}", figures)
            running = ml["residuals"][quantity.name]
            figures[key] = (plots.residual_plot(quantity.values, predicted - true, label, running), caption)
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
        # of a mixture of runs the table has not the distribution itself, which a PIT needs
        values = np.empty(0) if "ensemble" in card else pit_values(labelled, card.get("calibration"))
        if np.isfinite(values).any():
            figures["pit"] = (
                plots.pit_histogram(values, (ml["calibrated_on"] or {}).get("n")),
                "Where the labels fall in their predicted distributions: flat if these are right.",
            )
    if votes := numbers["votes"]:
        figures["votes_rmse"] = (
            plots.vote_rmse_plot(votes["questions"], mean_of(votes)),
            "Error of the predicted fractions of each question, weighted by its votes.",
        )
        for question in votes["questions"]:
            figures[_file_name(f"reliability_{question['question']}", figures)] = (
                plots.reliability_plot(question),
                question["text"],
            )
    return {key: (to_png(figure), caption) for key, (figure, caption) in figures.items()}


def _galleries(joined, dataset):
    chosen = {TITLES[name]: places for name, places in mass_to_light_galleries(joined).items()}
    chosen[OUTSIDE] = most_out_of_domain(joined)
    galleries = {}
    for title, places in chosen.items():
        if len(places):
            images = dataset.images(joined["row"].to_numpy()[places])
            rows = joined.iloc[places].to_dict("records")
            galleries[title] = [_galaxy(row, image) for row, image in zip(rows, images, strict=True)]
    for galaxy, place in zip(galleries.get(OUTSIDE, []), chosen[OUTSIDE], strict=True):
        galaxy["note"] = _why_outside(joined.iloc[place])
    return galleries


def _galaxy(row, image):
    return {
        "id": str(row["id"]),
        "true": float(row["true_log_ml_g"]),
        "predicted": float(row.get("log_ml_g", math.nan)),
        "sigma": float(row.get("log_ml_g_sigma", math.nan)),
        "note": "",
        "png": image_png(image, PICTURE),
    }


def _why_outside(row):
    score = row.get("domain_score", math.nan)
    reason = row.get("out_of_domain_reason")
    parts = [f"score {score:.3g}"] if np.isfinite(score) else []
    return "; ".join([*parts, *([reason] if isinstance(reason, str) and reason else [])])


def _examples(joined, dataset):
    tree, examples = dataset.tree, []
    for name, place in vote_examples(joined, dataset).items():
        galaxy, row = str(joined["id"].iloc[place]), [joined["row"].iloc[place]]
        fractions = [joined[f"{stem}_fraction"].iloc[place] for stem in tree.stems]
        title = f"Decision tree of galaxy {galaxy}: predicted and voted fraction of each answer"
        examples.append(
            {
                "title": f"{TITLES[name][:-1]} of the votes",
                "id": galaxy,
                "png": image_png(dataset.images(row)[0], PICTURE),
                "svg": tree_svg(tree, fractions, dataset.votes(row)[0], title),
            }
        )
    return examples


def _out_of_domain(joined):
    if "in_domain" not in joined.columns:
        return None
    outside = ~joined["in_domain"].fillna(value=False).astype(bool)
    reasons = joined.get("out_of_domain_reason", pd.Series("", joined.index))[outside].fillna("").astype(str)
    # "image_sky 61 above 44" is another text for each galaxy: what is counted is the quantity and the side
    kinds = "; ".join(reasons)
    for side in ("below", "above"):
        kinds = re.sub(rf" [^\s;]+ {side} [^\s;]+(?=; |$)", f" {side} its range", kinds)
    return {"n": int(outside.sum()), "reasons": {k: n for k, n in sorted(Counter(kinds.split("; ")).items()) if k}}


def _file_name(text, taken):
    """Make a name that every file system takes, and that no other figure has."""
    name = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in text)[:60]
    return name if name not in taken else f"{name}_{len(taken)}"


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
