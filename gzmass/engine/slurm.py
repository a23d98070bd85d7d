"""Workers that are Slurm jobs, as a YAML file of dask-jobqueue's keys describes them."""

import asyncio
import difflib
import inspect
import re
import shutil
import time
from pathlib import Path

from dask.utils import parse_bytes
from dask_jobqueue import SLURMCluster
from dask_jobqueue.core import Job, JobQueueCluster
from dask_jobqueue.slurm import SLURMJob
from distributed import Adaptive, Status

from gzmass.engine.yaml_files import read_yaml
from gzmass.errors import ConfigError, GzmassError

__all__ = ["slurm_cluster"]

_ASKED_IN_VAIN = 5  # times, all without a worker: then there will be none
_PAUSE = 2.0  # seconds before Slurm is asked again, each time twice as long
_LONGEST_PAUSE = 60.0
_LOOK = 10.0  # seconds between looks at the queue

# what is ours to set
_NOT_KEYS = {
    "self", "scheduler", "name", "n_workers", "job_cls", "loop", "asynchronous", "scheduler_cls", "config_name",
    "security", "job_kwargs", "base_class_kwargs", "silence_logs", "header_skip", "extra", "job_extra", "env_extra",
    "project",
}  # fmt: skip
_WHOLE_NUMBERS = ("jobs", "cores", "processes", "job_cpu")
_TEXTS = ("queue", "account", "interface", "job_mem", "shebang", "python", "local_directory", "log_directory")
_LISTS = ("job_extra_directives", "job_directives_skip", "job_script_prologue", "worker_extra_args")
_WALLTIME = re.compile(r"(\d+-)?\d+(:\d+){0,2}")


def slurm_cluster(file):
    """Start a scheduler here, and ask Slurm for its workers.

    Parameters
    ----------
    file : str or pathlib.Path
        YAML file: ``jobs``, how many jobs to ask for, and arguments of ``dask_jobqueue.SLURMCluster``, of which
        ``cores`` and ``memory`` are required.

    Returns
    -------
    dask_jobqueue.SLURMCluster
        The cluster; jobs that Slurm refused, or that ended, are asked for again. Its method ``problem`` tells why there
        are none.

    Raises
    ------
    ConfigError
        The file is missing or is no mapping, a key is unknown, missing or has a bad value, or there is no ``sbatch``
        on this machine.
    """
    settings = _read(Path(file))
    jobs = settings.pop("jobs")
    if shutil.which("sbatch") is None:
        raise ConfigError("There is no command 'sbatch' on this machine: --slurm works where Slurm jobs are submitted.")
    try:
        # a port that is free: others on a login node have clusters too
        ours = {"scheduler_options": {"dashboard_address": ":0"}, "job_name": "gzmass-worker"}
        cluster = _Cluster(**{**ours, **settings})
    except (TypeError, ValueError, RuntimeError) as error:
        said = " ".join(str(error).split())
        raise ConfigError(f"The Slurm configuration {str(file)!r} can not be used: {said}") from None
    cluster.adapt(Adaptive=_Asking, minimum_jobs=jobs, maximum_jobs=jobs)
    return cluster


class _Job(SLURMJob):
    """A Slurm job that keeps why it was refused: what is raised here would stop the cluster from asking for others."""

    problem = None
    asked = float("inf")  # when, on the clock of `time.monotonic`

    async def start(self):
        try:
            await super().start()
        except (OSError, RuntimeError, ValueError) as error:
            _, _, stderr = str(error).partition("stderr:\n")
            self.problem = f"sbatch: {' '.join((stderr or str(error)).split())}"
            self.status = Status.running  # as far as the cluster is concerned
        self.asked = time.monotonic()

    async def close(self):
        await super().close()
        self.status = Status.closed


class _Cluster(SLURMCluster):
    """A cluster that gives up jobs which will never bring a worker, so that others are asked for in their place."""

    job_cls = _Job

    def __init__(self, **settings):
        self.asked_in_vain, self.again_at = 0, 0.0
        self._problem, self._seen, self._looked = None, set(), 0.0
        super().__init__(**settings)

    def problem(self):
        """Tell why the last jobs brought no worker, None where there is no reason; an error if none will."""
        if self.asked_in_vain >= _ASKED_IN_VAIN:
            raise GzmassError(f"Slurm was asked {_ASKED_IN_VAIN} times, and no job brought a worker; {self._problem}.")
        return self._problem

    async def give_up_lost(self):
        """Give up the jobs that were refused, or that ended before their worker began."""
        here = {str(worker["name"]) for worker in self.scheduler_info["workers"].values()}
        came = {name for name in self.workers if any(f"{worker}-".startswith(f"{name}-") for worker in here)}
        if came - self._seen:
            self.asked_in_vain, self._problem = 0, None
        self._seen |= came
        lost = {name: job.problem for name, job in self.workers.items() if job.problem}
        lost |= await self._ended({name: self.workers[name] for name in set(self.workers) - self._seen - set(lost)})
        for name, self._problem in lost.items():
            self.worker_spec.pop(name, None)
            await self.workers.pop(name).close()
        if lost:
            self.asked_in_vain += 1
            self.again_at = time.monotonic() + min(_PAUSE * 2 ** (self.asked_in_vain - 1), _LONGEST_PAUSE)

    async def _ended(self, jobs):
        """Those of some jobs that Slurm does not know any more, and what is said of them."""
        now = time.monotonic()
        jobs = {name: job for name, job in jobs.items() if now - job.asked > _LOOK}
        if not jobs or now - self._looked < _LOOK:
            return {}
        self._looked = now
        queued = await _queued([job.job_id for job in jobs.values()])
        return {
            name: f"the job {job.job_id} ended before its worker began, and what it wrote says why "
            f"(slurm-{job.job_id}.out, if no other file was asked for)"
            for name, job in jobs.items()
            if queued is not None and job.job_id not in queued
        }


class _Asking(Adaptive):
    """What decides each second how many jobs there should be."""

    async def recommendations(self, target):
        await self.cluster.give_up_lost()
        if time.monotonic() < self.cluster.again_at:
            return {"status": "same"}
        return await super().recommendations(target)


async def _queued(numbers):
    """Those of some jobs that wait, run or end; None if Slurm does not say."""
    if shutil.which("squeue") is None:
        return None
    command = ["squeue", "--noheader", "--format=%i", f"--jobs={','.join(numbers)}"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    said, error = await process.communicate()
    if process.returncode and b"Invalid job id" not in error:  # which it says of a single one
        return None
    return set(said.decode().split())


def _read(file):
    try:
        settings = read_yaml(file, repr(str(file)), ConfigError)
    except OSError as error:
        raise ConfigError(f"The Slurm configuration {str(file)!r} can not be read: {error.strerror}.") from None
    if not isinstance(settings, dict):
        what = "nothing" if settings is None else repr(settings)
        raise ConfigError(f"The Slurm configuration {str(file)!r} must be a mapping of keys. Received: {what}.")
    sources = (JobQueueCluster, SLURMJob, Job)
    allowed = {"jobs"}.union(*(inspect.signature(source.__init__).parameters for source in sources)) - _NOT_KEYS
    for key in settings:
        if key not in allowed:
            near = difflib.get_close_matches(str(key), allowed, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; allowed are {', '.join(sorted(allowed))}."
            raise ConfigError(f"The Slurm configuration {str(file)!r} has an unknown key {key!r}{hint}")
    _check_values(settings, str(file))
    return settings


def _check_values(settings, file):
    for key in ("jobs", "cores", "memory"):
        if key not in settings:
            raise ConfigError(f"The Slurm configuration {file!r} lacks the key {key!r}.")
    rules = {
        **dict.fromkeys(_WHOLE_NUMBERS, (_is_whole, "a whole number from 1 on")),
        **dict.fromkeys(_TEXTS, (lambda value: isinstance(value, str), "text")),
        **dict.fromkeys(_LISTS, (_is_list_of_texts, 'a list of lines, as ["--gres=gpu:1"]')),
        "memory": (_is_memory, "text such as '8GB'"),
        # YAML reads 12:00:00 as a number, that of its seconds
        "walltime": (lambda value: isinstance(value, str) and _WALLTIME.fullmatch(value), "in quotes, as '12:00:00'"),
    }
    for key, value in settings.items():
        allowed, what = rules.get(key, (None, None))
        if allowed and not allowed(value):
            raise ConfigError(f"{key!r} of {file!r} must be {what}. Received: {value!r}.")


def _is_whole(value):
    return type(value) is int and value >= 1


def _is_list_of_texts(value):
    return isinstance(value, list) and all(isinstance(line, str) for line in value)


def _is_memory(value):
    try:
        return isinstance(value, str) and parse_bytes(value) > 0
    except ValueError:
        return False
