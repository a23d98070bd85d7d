"""The engine that was asked for: processes of this machine, or Dask's, here, elsewhere or on Slurm."""

from contextlib import contextmanager
from importlib.util import find_spec

from gzmass.engine.local import LocalEngine
from gzmass.errors import ConfigError

__all__ = ["ENGINES", "open_engine", "require_scale"]

#: Engines by name.
ENGINES = ("local", "dask")


@contextmanager
def open_engine(name="local", workers=1, scheduler=None, slurm=None, say=None):
    """Open an engine, and close what it started at the end.

    Parameters
    ----------
    name : {"local", "dask"}, default "local"
        Processes of this machine, or Dask.
    workers : int, default 1
        Number of processes; `scheduler` and `slurm` have their own.
    scheduler : str, optional
        Dask: address of a scheduler that runs, ``tcp://host:8786``.
    slurm : str or pathlib.Path, optional
        Dask: YAML file of the Slurm jobs that are to be the workers.
    say : callable, optional
        Dask: called with one sentence each time when there are no workers and they are waited for.

    Yields
    ------
    LocalEngine or gzmass.engine.dask.DaskEngine
        An engine with ``map(function, pieces)`` and ``run(function, items)``.

    Raises
    ------
    ConfigError
        There is no such engine, an option of another engine was given, the extra ``scale`` is not installed, or the
        scheduler can not be reached.
    """
    if name not in ENGINES:
        raise ConfigError(f"--engine must be one of {', '.join(ENGINES)}. Received: {name!r}.")
    if name == "local":
        for option, value in (("--scheduler", scheduler), ("--slurm", slurm)):
            if value is not None:
                raise ConfigError(f"The option {option} needs --engine dask. Received: {option} {str(value)!r}.")
        yield LocalEngine(workers)
        return
    if scheduler is not None and slurm is not None:
        raise ConfigError("Of --scheduler and --slurm one can be given, not both.")
    if workers > 1 and (scheduler is not None or slurm is not None):
        raise ConfigError(
            "The option --workers is for processes of this machine: --scheduler and --slurm have workers of their own. "
            f"Received: --workers {workers}."
        )
    require_scale("--engine dask", "distributed")
    from gzmass.engine.dask import dask_engine  # noqa: PLC0415  seconds, and an extra

    with dask_engine(workers, scheduler, slurm, say) as engine:
        yield engine


def require_scale(what, *packages):
    """Refuse what needs the extra ``scale`` where it is not installed.

    Parameters
    ----------
    what : str
        What needs it.
    *packages : str
        The packages of the extra that it needs.

    Raises
    ------
    ConfigError
        One of them is missing.
    """
    for package in packages:
        if find_spec(package) is None:
            raise ConfigError(f"{what} needs the package {package!r}: pip install 'gzmass[scale]'.")
