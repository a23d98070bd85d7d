"""Workers that are Slurm jobs, as a YAML file of dask-jobqueue's keys describes them."""

import difflib
import inspect
import shutil
from pathlib import Path

from dask_jobqueue import SLURMCluster
from dask_jobqueue.core import Job, JobQueueCluster
from dask_jobqueue.slurm import SLURMJob

from gzmass.engine.yaml_files import read_yaml
from gzmass.errors import ConfigError

__all__ = ["slurm_cluster"]

# what is ours to set
_NOT_KEYS = {
    "self", "scheduler", "name", "n_workers", "job_cls", "loop", "asynchronous", "scheduler_cls", "config_name",
    "security", "job_kwargs", "base_class_kwargs", "silence_logs", "header_skip", "extra", "job_extra", "env_extra",
    "project",
}  # fmt: skip


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
        The cluster; jobs that have not begun, or were ended, are asked for until there are as many as wanted.

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
        cluster = SLURMCluster(**{"scheduler_options": {"dashboard_address": ":0"}, **settings})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"The Slurm configuration {str(file)!r} can not be used: {error}") from None
    cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)
    return cluster


def _read(file):
    try:
        settings = read_yaml(file, repr(str(file)), ConfigError)
    except OSError as error:
        raise ConfigError(f"The Slurm configuration {str(file)!r} can not be read: {error.strerror}.") from None
    if not isinstance(settings, dict):
        raise ConfigError(f"The Slurm configuration {str(file)!r} must be a mapping. Received: {settings!r}.")
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
    for key in ("jobs", "cores"):
        if type(settings[key]) is not int or settings[key] < 1:
            raise ConfigError(f"{key!r} of {file!r} must be a whole number from 1 on. Received: {settings[key]!r}.")
    if not isinstance(settings.get("walltime", ""), str):  # YAML reads 12:00:00 as a number, that of its seconds
        raise ConfigError(f"'walltime' of {file!r} must stand in quotes, as '12:00:00'.")
