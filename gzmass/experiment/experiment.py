"""Running an experiment: what is missing of its trainings, with those that others start from first; then the tables."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from gzmass.engine import LocalEngine, hold_directory
from gzmass.errors import DataError
from gzmass.experiment.measuring import measure_baselines, measured, run_job
from gzmass.experiment.plan import make_plan
from gzmass.experiment.tables import experiment_table, write_tables

__all__ = ["ExperimentResult", "list_runs", "run_experiment"]


@dataclass(frozen=True)
class ExperimentResult:
    """What came of an experiment.

    Parameters
    ----------
    path : pathlib.Path
        Its folder, with ``results.parquet`` and ``results.md``.
    table : pandas.DataFrame
        One line a training, pretrainings and baselines included.
    failed : list of tuple of str
        Trainings and baselines that there are no numbers of, and the reason.
    """

    path: Path
    table: pd.DataFrame
    failed: list


def run_experiment(config, progress=None, only_tables=False):
    """Run what is missing of an experiment and write its tables.

    A training is known by its configuration, the content of its dataset and what it starts from: what is finished is
    not run again, what was interrupted goes on, what several rows need is run once. A training that fails is listed
    with the reason, and the others go on. The tables are written anew after each training.

    Parameters
    ----------
    config : gzmass.experiment.ExperimentConfig
        The experiment.
    progress : callable, optional
        Called as ``progress(done, total, name, what)``: after each training with its numbers, a dict, which holds
        ``failed`` alone if it failed; before, with one worker, after each epoch with a text.
    only_tables : bool, default False
        Train and measure nothing, baselines included: what is not finished is listed as failed, and numbers stand as
        the version of gzmass that measured them left them.

    Returns
    -------
    ExperimentResult
        The table, and what is missing in it.

    Raises
    ------
    ConfigError
        The configuration of a training is not allowed, or another process runs the experiment; nothing has been run.
    DataError
        A dataset can not be read, and the tables that are there have numbers of trainings on it; nothing has been run.
    """
    plan = make_plan(config)
    _refuse_to_lose_numbers(plan, config)
    if only_tables:
        outcomes = {job.fingerprint: measured(job, any_version=True) for job in plan.jobs}
        return _finish(plan, config, outcomes, _baselines(plan, config, train=False))
    with hold_directory(config.out):
        outcomes = {job.fingerprint: measured(job) for job in plan.jobs}
        known = _baselines(plan, config, train=False)
        for depth in range(1 + max(job.depth for job in plan.jobs)):
            todo = []
            for job in plan.jobs:
                if job.depth == depth and outcomes[job.fingerprint] is None:
                    reason = job.problem or _reason_above(job, outcomes)
                    if reason:
                        outcomes[job.fingerprint] = {"failed": reason}
                    else:
                        todo.append(job)
            for job, numbers in _run(todo, config.workers, outcomes, progress):
                outcomes[job.fingerprint] = numbers
                if progress:
                    progress(_count(outcomes), len(plan.jobs), job.name, numbers)
                write_tables(experiment_table(plan, outcomes, known), plan, config)
        return _finish(plan, config, outcomes, _baselines(plan, config))


def list_runs(config):
    """Say what an experiment would run, and how long it may take.

    Parameters
    ----------
    config : gzmass.experiment.ExperimentConfig
        The experiment.

    Returns
    -------
    list of dict
        For each training, in order: ``name``, ``out``, ``state`` ("finished"; "to be measured", of one that another
        version of gzmass measured, or none; "begun"; "missing"; "can not be run"), ``problem``, the reason why not, or
        None, and ``seconds``: how long it took, or what finished trainings of the same place with another seed took on
        average; None if there is none.

    Raises
    ------
    ConfigError
        The configuration of a training is not allowed.
    """
    plan = make_plan(config)
    found = {job.fingerprint: measured(job) for job in plan.jobs}
    took = {}
    for job in plan.jobs:
        if seconds := (found[job.fingerprint] or {}).get("training_seconds"):
            took.setdefault(_place(job), []).append(seconds)
    runs = []
    for job in plan.jobs:
        numbers = found[job.fingerprint]
        problem = None if numbers else job.problem
        state = "finished" if numbers else "can not be run" if problem else _begun(job.config.out)
        same = took.get(_place(job))
        seconds = numbers.get("training_seconds") if numbers else same and sum(same) / len(same)
        runs.append({"name": job.name, "out": job.config.out, "state": state, "problem": problem, "seconds": seconds})
    return runs


def _begun(out):
    if (out / "card.yaml").is_file():
        return "to be measured"
    return "begun" if (out / "fingerprint.yaml").is_file() else "missing"


def _run(jobs, workers, outcomes, progress):
    """Yield each training with its numbers; of several at a time those first that are done first."""
    if workers == 1:
        for job in jobs:
            yield job, run_job(job, _epochs(job, outcomes, progress))
        return
    for job, numbers, death in LocalEngine(workers).run(partial(run_job, modest=True), jobs):
        yield job, numbers or {"failed": death}


def _epochs(job, outcomes, progress):
    if progress is None:
        return None

    def after_epoch(stage, epoch, epochs, numbers):  # noqa: ARG001
        progress(_count(outcomes), len(outcomes), job.name, f"{stage} {epoch}/{epochs}")

    return after_epoch


def _refuse_to_lose_numbers(plan, config):
    """Refuse to go on where the new tables would lack numbers only since a dataset is away."""
    without = [job for job in plan.jobs if job.problem]
    file = config.out / "results.parquet"
    if without and file.is_file():
        table = pd.read_parquet(file, columns=["name", "failed"])
        known = set(table.loc[table["failed"] == "", "name"])
        for job in without:
            if job.name in known:
                raise DataError(
                    f"The tables in {str(config.out)!r} have numbers of the training {job.name!r}, which would be "
                    f"lost, since its dataset can not be read: {job.problem}"
                )


def _baselines(plan, config, train=True):
    """Baselines of each dataset with the metadata that a row of it has."""
    if not config.baselines:
        return {}
    metadata = {}
    for cell in plan.cells:
        for job in cell.jobs.values():
            if job.problem is None:
                columns = metadata.setdefault(job.config.dataset, [])
                columns += [name for name in job.config.metadata if name not in columns]
    return {path: measure_baselines(path, columns, config.out, train) for path, columns in metadata.items()}


def _finish(plan, config, outcomes, baselines):
    table = experiment_table(plan, outcomes, baselines)
    write_tables(table, plan, config)
    failed = table[table["failed"] != ""]
    return ExperimentResult(config.out, table, list(zip(failed["name"], failed["failed"], strict=True)))


def _reason_above(job, outcomes):
    above = job.needs and outcomes[job.needs.fingerprint].get("failed")
    return above and f"the training {job.needs.name!r}, which it starts from, failed"


def _count(outcomes):
    return sum(found is not None for found in outcomes.values())


def _place(job):
    return job.kind, job.name.rpartition(" seed ")[0]
