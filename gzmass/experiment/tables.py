"""The tables of an experiment: a line for each training as Parquet, means and spreads over the seeds as Markdown."""

import numpy as np
import pandas as pd

from gzmass.datasets.layout import bounds_on_r2
from gzmass.engine import write_atomically
from gzmass.experiment.config import AFTER_AXES, BEFORE_AXES, METRICS

__all__ = ["experiment_table", "write_tables"]

# left out of the Markdown, whose columns are few
_UNSHOWN = {"bias_dex"}
_DIGITS = {"votes_rmse": 4, "training_seconds": 0} | dict.fromkeys(("coverage_68", "coverage_90", "coverage_95"), 1)


def experiment_table(plan, outcomes, baselines):
    """Put all numbers into one tidy table.

    Parameters
    ----------
    plan : gzmass.experiment.plan.Plan
        The trainings and rows.
    outcomes : dict of str to dict or None
        What was measured of each training, by its fingerprint; None or ``failed`` alone if nothing was.
    baselines : dict of pathlib.Path to dict
        For each dataset the numbers of its baselines by their names; ``failed`` alone if nothing was measured.

    Returns
    -------
    pandas.DataFrame
        One line a training of a row and seed, then one a pretraining, then one a baseline: ``kind``, ``name``,
        ``dataset``, ``row`` (from 0), the axes, ``note``, ``seed``, ``run`` (the run directory), ``n_train``,
        ``n_test``, the metrics of the test split, ``published_<metric>``, and ``failed``, the reason where there are no
        numbers. Errors in dex or linear M/L [solar units], coverage as a fraction, ``training_seconds`` of all stages.
    """
    lines = []
    for index, cell in enumerate(plan.cells):
        for seed, job in cell.jobs.items():
            published = {f"published_{metric}": value for metric, value in cell.published.items()}
            place = {"row": index, **cell.at, "note": cell.note, "seed": seed}
            lines.append({**_line(job, outcomes), **place, **published})
    lines += [{**_line(job, outcomes), "seed": job.config.seed} for job in plan.jobs if job.kind == "pretrain-gz2"]
    for path, found in baselines.items():
        kind = {"kind": "baseline", "dataset": str(path)}
        if "failed" in found:
            lines.append({**kind, "name": f"baselines of {path}", "failed": found["failed"]})
        else:
            lines += [{**kind, "name": name, "failed": "", **numbers} for name, numbers in found.items()]
    table = pd.DataFrame(lines)
    published = [name for name in table if name.startswith("published_")]
    *after, failed = AFTER_AXES
    table = table.reindex(columns=[*BEFORE_AXES, *plan.cells[0].at, *after, *published, failed])
    for name in ("row", "seed", "n_train", "n_test"):
        table[name] = table[name].astype("Int64")
    return table


def write_tables(table, plan, config):
    """Write the table, and what a reader wants to see of it.

    Parameters
    ----------
    table : pandas.DataFrame
        What `experiment_table` returned.
    plan : gzmass.experiment.plan.Plan
        The trainings and rows.
    config : gzmass.experiment.ExperimentConfig
        The experiment; ``results.parquet`` and ``results.md`` are written to its folder.
    """
    with write_atomically(config.out / "results.parquet") as temporary:
        table.to_parquet(temporary, index=False)
    with write_atomically(config.out / "results.md") as temporary:
        temporary.write_text(_markdown(table, plan, config), encoding="utf-8")


def _markdown(table, plan, config):
    trainings = table[table["kind"] == "finetune-ml"]
    others = {kind: table[(table["kind"] == kind) & (table["failed"] == "")] for kind in ("pretrain-gz2", "baseline")}
    parts = [_introduction(table, plan, config), _rows(trainings, plan)]
    if len(pretrainings := others["pretrain-gz2"]):
        names = pretrainings["name"].str.extract(r"pretraining (.*) seed \d+$", expand=False)
        parts.append(_others("pretraining", pretrainings.assign(name=names)))
    if len(others["baseline"]):
        parts.append(_others("baseline", others["baseline"]))
    if len(missing := table[table["failed"] != ""].drop_duplicates(["name", "run"])):
        reasons = zip(missing["name"], missing["failed"], strict=True)
        parts.append(
            "\n".join(["Without numbers:", "", *(f"- {_one_line(name)}: {reason}" for name, reason in reasons)])
        )
    return "\n\n".join(parts) + "\n"


def _introduction(table, plan, config):
    infos = {str(job.config.dataset): job.info for job in plan.jobs if job.info}
    words = ["RMSE and R2 are those of M/L, in dex those of log10 M/L."]
    if len(config.seeds) > 1:
        words.append(f"± is the standard deviation over the seeds {', '.join(map(str, config.seeds))}.")
    lines = [" ".join(words)]
    for path, info in infos.items():
        counts = info.get("counts", {})
        known = [f"{counts[split]['log_ml']} in {split}" for split in counts if split != "all"]
        said = ["galaxies with M/L: " + ", ".join(known)]
        if info.get("label_kind") == "proxy":
            said.append("its M/L is a proxy, no mass-to-light ratio")
        for what, value in bounds_on_r2(info).items():
            if np.isfinite(value):  # it is not without M/L
                said.append(f"best reachable R2 [dex] from {what.replace('_', ' ')} {value:.3f}")
        voted = table.loc[table["dataset"] == path, "votes_rmse_mean"].dropna()
        if len(voted):
            said.append(f"predicting the mean votes of train: RMSE {voted.iloc[0]:.4f}")
        lines.append(f"- {path}: {'; '.join(said)}.")
    return lines[0] + "\n\n" + "\n".join(lines[1:])


def _rows(table, plan):
    """One line a row: its place on the axes, each metric, and beside it what was published."""
    axes = list(plan.cells[0].at)
    shown = _known(table)
    published = {metric for cell in plan.cells for metric in cell.published}
    noted = any(cell.note for cell in plan.cells)
    head = [*axes, *(["note"] if noted else []), "seeds"]
    left = len(head) - 1
    for metric in shown:
        head += [METRICS[metric], *(["published"] if metric in published else [])]
    lines = []
    for index, cell in enumerate(plan.cells):
        own = table[(table["row"] == index) & (table["failed"] == "")]
        cells = [*cell.at.values(), *([cell.note] if noted else []), str(len(own))]
        for metric in shown:
            cells.append(_mean_and_spread(own[metric], metric))
            if metric in published:
                cells.append(_as_published(cell.published.get(metric)))
        lines.append(cells)
    return _table(head, lines, left)


def _others(what, table):
    """One line for each name and dataset, with how many galaxies it learnt from."""
    shown = _known(table)
    lines = []
    for (name, dataset), own in table.groupby(["name", "dataset"], sort=False):
        learnt = " to ".join(f"{n:,}" for n in sorted({own["n_train"].min(), own["n_train"].max()}))
        lines.append([name, dataset, learnt, *(_mean_and_spread(own[metric], metric) for metric in shown)])
    return _table([what, "dataset", "galaxies", *(METRICS[metric] for metric in shown)], lines, 2)


def _known(table):
    return [metric for metric in METRICS if metric not in _UNSHOWN and table[metric].notna().any()]


def _mean_and_spread(values, metric):
    values = values.dropna().to_numpy(dtype=float)
    if not len(values):
        return ""
    factor, digits = (100 if metric.startswith("coverage") else 1), _DIGITS.get(metric, 3)
    spread = f" ± {factor * np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{round(factor * values.mean(), digits) + 0.0:.{digits}f}{spread}"  # + 0.0: no minus before a zero


def _as_published(value):
    if value is None:
        return ""
    return f"{value:.3f}" if round(value, 3) == value else str(value)


def _table(head, lines, left):
    rule = "|" + "---|" * left + "--:|" * (len(head) - left)
    return "\n".join([_line_of(head), rule, *map(_line_of, lines)])


def _line_of(cells):
    return "| " + " | ".join(_one_line(cell).replace("|", r"\|") for cell in cells) + " |"


def _one_line(text):
    return " ".join(text.split())


def _line(job, outcomes):
    numbers = outcomes[job.fingerprint] or {"failed": job.problem or "not finished"}
    line = {"kind": job.kind, "name": job.name, "dataset": str(job.config.dataset), "run": str(job.config.out)}
    return {**line, "failed": "", **numbers}
