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

# all in seconds, but for the first
_ASKED_IN_VAIN = 5  # times, with no job left that may bring a worker: then none will
_LONGEST_WAIT = 900.0  # for what may pass, such as a restart of Slurm's own server
_PAUSE, _LONGEST_PAUSE = 2.0, 60.0  # before Slurm is asked again, each time twice as long
_LOOK = 30.0  # between looks at the queue
_GONE = 20.0  # without a worker, after which a job that had some is taken for ended
_PASSES = re.compile("timed out|unable to contact|connection|temporarily", re.IGNORECASE)

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
        ours = {"scheduler_options": {"dashboard_address": ":0"}, "job_name": "gzmass-worker", "processes": 1}
        cluster = _Cluster(**{**ours, **settings})
    except (TypeError, ValueError, RuntimeError) as error:
        said = " ".join(str(error).split())
        raise ConfigError(f"The Slurm configuration {str(file)!r} can not be used: {said}") from None
    cluster.adapt(Adaptive=_Asking, minimum_jobs=jobs, maximum_jobs=jobs)
    return cluster


class _Job(SLURMJob):
    """A Slurm job that keeps why it was refused: what is raised here would stop the cluster from asking for others."""

    job_id_regexp = r"Submitted batch job (?P<job_id>\d+)"  # before which a site may have its own words

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        self.problem = None
        self.asked = time.monotonic()
        self.listed, self.missed = False, 0  # whether the queue has shown it, and looks at which it did not
        self.came, self.gone_since = False, None  # whether a worker of it was here, and since when none is

    async def start(self):
        try:
            await super().start()
        except (OSError, RuntimeError) as error:
            self.problem = _said(error)
        except ValueError:
            pass  # it was taken, under a number that can not be read: its worker comes, and ends with the scheduler
        self.status = Status.running  # as far as the cluster is concerned
        self.asked = time.monotonic()

    async def close(self):
        self.status = Status.closing
        await super().close()
        self.status = Status.closed


class _Cluster(SLURMCluster):
    """A cluster that gives up jobs which bring no worker any more, so that others are asked for in their place."""

    job_cls = _Job

    def __init__(self, **settings):
        self.again_at, self.cautious = 0.0, False
        self._problem, self._in_vain, self._in_vain_since, self._looked = None, 0, 0.0, 0.0
        super().__init__(**settings)

    def problem(self):
        """Tell why jobs brought no worker, None where there is no reason; an error if none will."""
        often = self._in_vain >= _ASKED_IN_VAIN and not _PASSES.search(self._problem)
        if self._in_vain and (often or time.monotonic() - self._in_vain_since > _LONGEST_WAIT):
            raise GzmassError(f"Slurm was asked {self._in_vain} times, and no job brought a worker; {self._problem}.")
        return self._problem

    async def give_up_lost(self):
        """Give up the jobs that were refused, that ended before their worker began, or whose workers are gone."""
        here, now = {str(worker["name"]) for worker in self.scheduler_info["workers"].values()}, time.monotonic()
        for name, job in self.workers.items():
            if any(f"{worker}-".startswith(f"{name}-") for worker in here):  # of several processes a number follows
                job.came, job.gone_since = True, None
                self._problem, self._in_vain = None, 0
            elif job.came:
                job.gone_since = job.gone_since or now
        over = {name for name, job in self.workers.items() if job.gone_since and now - job.gone_since > _GONE}
        problems = {name: job.problem for name, job in self.workers.items() if job.problem}
        problems |= await self._ended(now)
        for name in over | set(problems):
            self.worker_spec.pop(name, None)
            if job := self.workers.pop(name, None):
                await job.close()
        if problems:
            self._give_pause(list(problems.values())[-1].rstrip("."))

    def _give_pause(self, problem):
        """Ask again later, and only one job at a time; count it in vain if there is no other job to hope for."""
        now, self.cautious = time.monotonic(), True
        if self.workers:
            self._problem, self._in_vain, self.again_at = problem, 0, now + _LONGEST_PAUSE
            return
        self._in_vain_since = self._in_vain_since if self._in_vain else now
        self._problem, self._in_vain = problem, self._in_vain + 1
        self.again_at = now + min(_PAUSE * 2 ** min(self._in_vain - 1, 10), _LONGEST_PAUSE)

    async def _ended(self, now):
        """Find the jobs that ended before they brought a worker, and what is to be said of each."""
        jobs = {name: job for name, job in self.workers.items() if job.job_id and not (job.came or job.problem)}
        jobs = {name: job for name, job in jobs.items() if now - job.asked > _LOOK}
        if not jobs or now - self._looked < _LOOK:
            return {}
        self._looked = now
        queued = await _queued([job.job_id for job in jobs.values()])
        ended = {}
        for name, job in jobs.items() if queued is not None else ():
            job.listed, job.missed = job.listed or job.job_id in queued, job.missed + (job.job_id not in queued)
            if job.job_id not in queued and (job.listed or job.missed > 1):
                ended[name] = (
                    f"the job {job.job_id} ended before its worker began, and what it wrote says why "
                    f"(slurm-{job.job_id}.out, if no other file was asked for)"
                )
        return ended


class _Asking(Adaptive):
    """What decides each second how many jobs there should be."""

    async def recommendations(self, target):
        await self.cluster.give_up_lost()
        if time.monotonic() < self.cluster.again_at:
            return {"status": "same"}
        found = await super().recommendations(target)
        if found["status"] == "up" and self.cluster.cautious:
            found["n"] = min(found["n"], len(self.plan) + 1)
        elif found["status"] == "same":
            self.cluster.cautious = False
        return found


def _said(error):
    """Give what sbatch said, without the words around it of dask-jobqueue."""
    _, _, words = str(error).partition("stderr:\n")
    words = " ".join((words or str(error)).split())
    return words if words.startswith("sbatch") else f"sbatch: {words}"


async def _queued(numbers):
    """Those of some jobs that wait, run or end; None if Slurm does not say."""
    if shutil.which("squeue") is None:
        return None
    command = ["squeue", "--noheader", "--format=%i", f"--jobs={','.join(numbers)}"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    try:
        said, error = await asyncio.wait_for(process.communicate(), _LOOK)
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
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
