"""From scratch against pretrained on votes, at several numbers of M/L labels and seeds: a table of held-out results.

    python benchmarks/label_efficiency.py DATASET OUT [--labels 100 500 1000 all] [--seeds 0 1 2] [--metadata NAME ...]

Each run is a run directory below OUT and is not made again when it is there; OUT/results.csv has one row a run,
OUT/results.md the means and the spread over the seeds. The lengths below were chosen on validation galaxies; the test
split is looked at once, here. With a fixed schedule and its last weights no label of the validation split chooses
anything: they only calibrate the intervals.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd

from gzmass.config import FinetuneConfig, PretrainConfig
from gzmass.datasets import open_dataset
from gzmass.engine import write_atomically
from gzmass.evaluation import coverage, mass_to_light_metrics, vote_metrics
from gzmass.evaluation.baselines import mass_to_light_baselines
from gzmass.evaluation.calibration import LEVELS, interval_columns
from gzmass.inference import predict
from gzmass.training import finetune_ml, pretrain_gz2

#: Steps of 64 galaxies by number of labels: more labels are worth more steps. The same for both kinds of start.
STEPS = {100: 300, 500: 600, 1000: 800}
STEPS_ALL = 1500
STEPS_HEADS = 150
STEPS_PRETRAINING = 1500
#: A pretrained trunk is moved more slowly, and the votes go on being learnt, so that it does not forget them.
RATE = {"scratch": 1e-3, "pretrained": 3e-4}
#: Columns of the table in words.
COLUMNS = {
    "rmse_dex": "RMSE [dex]",
    "r2_dex": "R2",
    "coverage_68": "in 68 % [%]",
    "coverage_90": "in 90 % [%]",
    "coverage_95": "in 95 % [%]",
    "votes_rmse": "votes RMSE",
}
VOTE_LOSS_WEIGHT = {"scratch": 0.0, "pretrained": 0.02}


def main():
    """Make what is missing, then the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--labels", nargs="+", default=["100", "500", "1000", "all"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--metadata", nargs="*", default=[])
    arguments = parser.parse_args()
    dataset = open_dataset(arguments.dataset)
    rows = _baselines(dataset, arguments.metadata)
    for seed in arguments.seeds:
        pretrained = pretrain_gz2(
            PretrainConfig(
                dataset=arguments.dataset,
                out=arguments.out / f"pretrained-seed{seed}",
                seed=seed,
                stages=[{"name": "votes", "steps": STEPS_PRETRAINING, "keep": "last"}],
            )
        )
        rows.append({"start": "pretrained", "n_labels": "votes only", "seed": seed, **_votes(pretrained, dataset)})
        for text in arguments.labels:
            n_labels = None if text == "all" else int(text)
            for start in ("scratch", "pretrained"):
                run = finetune_ml(_finetune(arguments, pretrained, seed, n_labels, start))
                row = {"start": start, "n_labels": text, "seed": seed, "n_train": run.card["n_train"]}
                rows.append({**row, **_mass_to_light(run, dataset), **_votes(run, dataset)})
                print(rows[-1], flush=True)
        _write(pd.DataFrame(rows), arguments.out)


def _finetune(arguments, pretrained, seed, n_labels, start):
    heads = {"name": "heads", "train": "heads", "steps": STEPS_HEADS, "learning_rate": 1e-3, "keep": "last"}
    steps = STEPS.get(n_labels, STEPS_ALL)
    everything = {"name": "all", "train": "all", "steps": steps, "learning_rate": RATE[start], "keep": "last"}
    return FinetuneConfig(
        dataset=arguments.dataset,
        out=arguments.out / f"{start}-{n_labels or 'all'}-seed{seed}",
        init_from=pretrained.path if start == "pretrained" else None,
        seed=seed,
        n_labels=n_labels,
        metadata=arguments.metadata,
        vote_loss_weight=VOTE_LOSS_WEIGHT[start],
        stages=[heads, everything] if start == "pretrained" else [everything],
    )


def _baselines(dataset, metadata):
    """Boosting on simple statistics of the image, and the constant, with all labels."""
    test = dataset.rows("test", "log_ml")
    found = mass_to_light_baselines(dataset, dataset.rows("train", "log_ml"), test, metadata)
    true = dataset.log_ml(test)[:, 0]
    rows = []
    for name, predicted in found["predictions"].items():
        measured = mass_to_light_metrics(true, predicted)
        numbers = {key: measured[key] for key in ("rmse_dex", "r2_dex")}
        rows.append({"start": f"baseline: {name}", "n_labels": "all", "seed": 0, **numbers})
    return rows


def _mass_to_light(run, dataset):
    """Numbers on the test split."""
    predictions = predict(run, dataset, "test")
    true = dataset.log_ml("test")[:, 0]
    measured = mass_to_light_metrics(true, predictions["log_ml_g"])
    row = {key: measured[key] for key in ("rmse_dex", "r2_dex", "bias_dex", "rmse_linear", "r2_linear")}
    for level in LEVELS:
        lower, upper = interval_columns(level)
        row[f"coverage_{100 * level:.0f}"] = coverage(true, predictions[lower], predictions[upper])["coverage"]
    return row


def _votes(run, dataset):
    """RMSE over the known answers on the test split, for a run with a morphology head."""
    if run.tree is None:
        return {}
    predictions = predict(run, dataset, "test")
    fractions = predictions[[f"{stem}_fraction" for stem in run.tree.stems]].to_numpy()
    train = dataset.votes(dataset.rows("train", "votes"))
    joint = vote_metrics(dataset.votes("test"), fractions, run.tree, train)["joint"]
    return {"votes_rmse": joint["rmse"], "votes_rmse_mean": joint["rmse_mean"]}


def _write(table, out):
    with write_atomically(out / "results.csv") as temporary:
        table.to_csv(temporary, index=False)
    mean = table.groupby(["n_labels", "start"], sort=False)[list(COLUMNS)].mean()
    spread = table.groupby(["n_labels", "start"], sort=False)[list(COLUMNS)].std(ddof=1)
    lines = ["| labels | start | " + " | ".join(COLUMNS.values()) + " |", "|---|---|" + "--:|" * len(COLUMNS)]
    for labels, start in mean.index:
        cells = [_cell(mean.loc[(labels, start), name], spread.loc[(labels, start), name], name) for name in COLUMNS]
        lines.append(f"| {labels} | {start} | " + " | ".join(cells) + " |")
    answers = table["votes_rmse_mean"].mean()
    lines += ["", f"Predicting the mean vote of the training galaxies: {answers:.4f}."]
    with write_atomically(out / "results.md") as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cell(mean, spread, name):
    if np.isnan(mean):
        return ""
    digits, factor = (1, 100) if name.startswith("coverage") else (4 if name == "votes_rmse" else 3, 1)
    error = "" if np.isnan(spread) else f" ± {factor * spread:.{digits}f}"
    return f"{factor * mean:.{digits}f}{error}"


if __name__ == "__main__":
    main()
