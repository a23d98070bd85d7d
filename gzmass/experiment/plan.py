"""What an experiment has to run: trainings with their configurations, each named once, those they start from first."""

import copy
import re
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from gzmass.config import FinetuneConfig, PretrainConfig, make_config, revisions_of, set_key, what_counts
from gzmass.datasets.layout import read_info
from gzmass.engine import fingerprint, held_back_errors
from gzmass.errors import ConfigError, GzmassError

__all__ = ["Cell", "Job", "Plan", "make_plan"]


@dataclass(frozen=True)
class Job:
    """One training.

    Parameters
    ----------
    kind : {"pretrain-gz2", "finetune-ml"}
        The command.
    name : str
        What it is: the name of the pretraining, with the keys in which others of that name differ, or the values on the
        axes; and the seed.
    config : gzmass.config.PretrainConfig or gzmass.config.FinetuneConfig
        Its configuration; ``out`` is a folder of the experiment's, which ends with the first 8 digits of `fingerprint`.
    fingerprint : str
        Hash of the configuration, of the content of the dataset, and of the fingerprint of what it starts from.
    info : dict
        What ``dataset.yaml`` says; empty if it can not be read.
    needs : Job or None
        The training that it starts from, if that is one of the experiment's.
    problem : str or None
        Why it can not be run, if that is known already.
    """

    kind: str
    name: str
    config: PretrainConfig | FinetuneConfig
    fingerprint: str
    info: dict
    needs: "Job | None"
    problem: str | None

    @property
    def depth(self):
        """How many trainings must have been run before it, one after the other.

        Returns
        -------
        int
            0 for one that starts from nothing, or from a run that is there.
        """
        return self.needs.depth + 1 if self.needs else 0


@dataclass(frozen=True)
class Cell:
    """One row of the table.

    Parameters
    ----------
    at : dict of str to str
        Its value of each axis.
    published : dict of str to float
        What was published for it, by metric.
    note : str
        A word on it.
    jobs : dict of int to Job
        The training of each seed.
    """

    at: dict
    published: dict
    note: str
    jobs: dict


@dataclass(frozen=True)
class Plan:
    """All that an experiment has to run.

    Parameters
    ----------
    jobs : list of Job
        Each training once, those that others start from before these; of equals, the first seed first.
    cells : list of Cell
        The rows of the table.
    """

    jobs: list
    cells: list


def make_plan(config):
    """Find out what an experiment has to run.

    Parameters
    ----------
    config : gzmass.experiment.ExperimentConfig
        The experiment.

    Returns
    -------
    Plan
        Its trainings and rows. Nothing is written.

    Raises
    ------
    ConfigError
        The configuration of a training is not allowed; the message names the row, the key and the value.
    """
    planner = _Planner(config)
    rows = [(row.at, row.published, row.note) for row in config.rows or ()]
    if config.rows is None:
        rows = [(dict(zip(config.axes, values, strict=True)), {}, "") for values in product(*config.axes.values())]
    cells = []
    for at, published, note in rows:
        place = {axis: at[axis] for axis in config.axes}
        jobs = {seed: planner.finetuning(place, seed) for seed in config.seeds}
        cells.append(Cell(place, published, note, jobs))
    jobs = sorted(planner.jobs.values(), key=lambda job: (job.depth, config.seeds.index(job.config.seed)))
    named = _named_apart(jobs)
    cells = [replace(cell, jobs={seed: named[job.fingerprint] for seed, job in cell.jobs.items()}) for cell in cells]
    return Plan(list(named.values()), cells)


def _named_apart(jobs):
    """Say in the names of pretrainings that would have the same one what they differ in; jobs by their fingerprints.

    Their folders are called as ever, so that what is finished is found.
    """
    named = {}
    for job in jobs:  # those that others start from first
        name, inherited = job.name, _inherited(job)
        same = [_inherited(one) for one in jobs if one.kind == job.kind == "pretrain-gz2" and one.name == name]
        differs = [f"{key} {value}" for key, value in inherited.items() if any(one[key] != value for one in same)]
        if differs:
            title, _, seed = name.rpartition(" seed ")
            name = f"{title} ({', '.join(differs)}) seed {seed}"
        named[job.fingerprint] = replace(job, name=name, needs=job.needs and named[job.needs.fingerprint])
    return named


def _inherited(job):
    return {"dataset": str(job.config.dataset), **job.config.model.model_dump()}


class _Planner:
    """Makes the jobs of an experiment, each once."""

    def __init__(self, config):
        self.config = config
        self.jobs = {}
        self.infos = {}

    def finetuning(self, at, seed, above=()):
        """Job of one place on the axes, and of what it starts from."""
        name, place = " ".join(at.values()), tuple(at.items())  # names of two places may be the same
        if place in above:
            raise ConfigError(f"The training {name!r} of the experiment {str(self.config.out)!r} starts from itself.")
        data = _merged(self.config.finetune, *(self.config.axes[axis][value] for axis, value in at.items()))
        return self._job("finetune-ml", name, data, seed, at=at, above=(*above, place))

    def pretraining(self, key, data, seed, above):
        """Job of a pretraining, on the dataset and with the network of what starts from it."""
        if key in above:
            raise ConfigError(f"The key 'pretrain.{key}.init_from' lets the pretraining {key!r} start from itself.")
        inherited = {part: data[part] for part in ("dataset", "model") if part in data}
        data = _merged(inherited, self.config.pretrain[key])
        return self._job("pretrain-gz2", f"pretraining {key}", data, seed, at=None, above=(*above, key))

    def _job(self, kind, name, data, seed, *, at, above):
        source = f"The training {name!r} of the experiment {str(self.config.out)!r}"
        for key in ("out", "seed"):
            if key in data:
                raise ConfigError(f"{source}: the key {key!r} has the value {data[key]!r}, but the experiment sets it.")
        start = data.pop("init_from", None)
        needs, start_hash = self._start(start, data, seed, at, above, source)
        given = {**data, "seed": seed, "out": self.config.out}
        if start is not None:
            given["init_from"] = needs.config.out if needs else str(start)
        config = make_config({"finetune-ml": FinetuneConfig, "pretrain-gz2": PretrainConfig}[kind], given, source)
        info, problem = self._info(config.dataset)
        revisions = revisions_of(config)
        identity = fingerprint(
            {
                "kind": kind,
                # a key that comes with a later version, at its default, changes no fingerprint
                "config": what_counts(config, defaults=False),
                "seed": seed,
                "dataset": info.get("content_hash", str(config.dataset)),
                "init_from": start_hash,
                **({"revisions": revisions} if revisions else {}),
            }
        )
        if identity not in self.jobs:
            title = f"{name} seed {seed}"
            folder = re.sub(r"[^A-Za-z0-9.+]+", "-", title)[:120]
            config = config.model_copy(update={"out": self.config.out / f"{folder}-{identity[:8]}"})
            self.jobs[identity] = Job(kind, title, config, identity, info, needs, problem)
        return self.jobs[identity]

    def _start(self, start, data, seed, at, above, source):
        """Find the job that a training starts from, if it is one of the experiment, and the hash of the start."""
        if start is None:
            return None, None
        if isinstance(start, dict):
            changed = {str(axis): str(value) for axis, value in start.items()}
            for axis, value in changed.items():
                if at is None or value not in self.config.axes.get(axis, ()):
                    raise ConfigError(
                        f"{source}: the key 'init_from' has the value {start!r}; allowed are values on the axes "
                        f"{', '.join(self.config.axes)}, in which the training to start from differs."
                    )
            job = self.finetuning({**at, **changed}, seed, above)
            return job, job.fingerprint
        if str(start) in self.config.pretrain:
            job = self.pretraining(str(start), data, seed, above)
            return job, job.fingerprint
        if not (Path(str(start)) / "card.yaml").is_file():
            names = ", ".join(self.config.pretrain) or "there are none"
            raise ConfigError(
                f"{source}: the key 'init_from' has the value {str(start)!r}, which is neither a pretraining of the "
                f"experiment ({names}) nor a finished run."
            )
        with held_back_errors():
            from gzmass.training.claim import start_mark  # noqa: PLC0415 -- loads Keras, which few experiments need for this
        try:
            return None, start_mark(str(start))
        except GzmassError as error:
            raise ConfigError(f"{source}: the key 'init_from' has the value {str(start)!r}: {error}") from None

    def _info(self, path):
        if path not in self.infos:
            try:
                info = read_info(path)
            except GzmassError as error:
                self.infos[path] = {}, str(error)
            else:
                tested = info.get("counts", {}).get("test", {}).get("galaxies", 1)
                problem = None if tested else f"the dataset {str(path)!r} has no galaxies in the split test"
                self.infos[path] = info, problem
        return self.infos[path]


def _merged(base, *changes):
    """Set keys of plain data: whole keys first, then those with a dot, which go into what the others have set."""
    data = {}
    for deep in (False, True):
        for change in (base, *changes):
            for key, value in change.items():
                if ("." in key) == deep:
                    data.pop(key, None)
                    set_key(data, key, copy.deepcopy(value))
    return data
