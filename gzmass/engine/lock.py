"""A directory that one process at a time works in: a file in it that says which."""

import os
import socket
from contextlib import contextmanager, suppress
from pathlib import Path

from gzmass.engine.work import process_lives
from gzmass.errors import ConfigError

__all__ = ["LOCK", "hold_directory", "refuse_held"]

#: Name of the file, in the directory that is held.
LOCK = "running.lock"

_HELD = set()  # by this process, whose number an earlier one may have had


@contextmanager
def hold_directory(out):
    """Keep other processes out of a directory while the block runs.

    Parameters
    ----------
    out : str or pathlib.Path
        The directory; it is made if it is missing.

    Yields
    ------
    pathlib.Path
        The file that says who holds it: host and process number, and in a job of Slurm which and how often it has been
        requeued. What a dead process of this host left is taken over, and what this job left before it was requeued.

    Raises
    ------
    ConfigError
        A process that lives, or one of another host, holds the directory.
    """
    out = Path(out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    file = out / LOCK
    try:
        _take(file)
    except FileExistsError:
        _remove_left_behind(file)
        try:
            _take(file)
        except FileExistsError:  # another was faster
            raise ConfigError(_refusal(file)) from None
    _HELD.add(file)
    try:
        yield file
    finally:
        _HELD.discard(file)
        file.unlink(missing_ok=True)


def refuse_held(out):
    """Refuse a directory in which another process works.

    Parameters
    ----------
    out : str or pathlib.Path
        The directory.

    Raises
    ------
    ConfigError
        A process that lives, or one of another host, holds the directory.
    """
    file = Path(out).resolve() / LOCK
    if file.exists() and file not in _HELD and not _left_behind(file):
        raise ConfigError(_refusal(file))


def _take(file):
    with file.open("x", encoding="utf-8") as stream:
        try:
            stream.write(" ".join([socket.gethostname(), str(os.getpid()), *_job()]) + "\n")
            stream.flush()
        except OSError as error:  # the disk is full: an empty file would keep everybody out
            file.unlink()
            raise OSError(error.errno, error.strerror, str(file.parent)) from None


def _remove_left_behind(file):
    """Remove what a dead process left; refuse the directory if it is held."""
    holder = _holder(file)
    if not _left_behind(file):
        raise ConfigError(_refusal(file))
    aside = file.with_name(f"{LOCK}.{os.getpid()}")
    with suppress(FileNotFoundError):
        file.rename(aside)
        if _holder(aside) != holder:  # another process took it over in between: that was its own
            aside.rename(file)
            raise ConfigError(_refusal(file))
        aside.unlink()


def _holder(file):
    """Host, process number and job; None if the file says none, or is gone."""
    try:
        host, pid, *job = file.read_text(encoding="utf-8").split()
        return host, int(pid), job
    except (OSError, ValueError):
        return None


def _job():
    """Tell which job of Slurm this process is of, and how often that has been requeued; nothing outside of one."""
    job = os.environ.get("SLURM_JOB_ID")
    return [job, os.environ.get("SLURM_RESTART_COUNT", "0")] if job else []


def _left_behind(file):
    """Whether the process that holds a directory is known to be dead: of this host, or of this job before a requeue."""
    if (holder := _holder(file)) is None:
        return not file.exists()
    host, pid, job = holder
    requeued = job[:1] == _job()[:1] != [] and job != _job()
    if requeued or host != socket.gethostname():
        return requeued
    if pid == os.getpid():
        return file not in _HELD
    return not process_lives(pid)


def _refusal(file):
    holder = _holder(file)
    who = f"process {holder[1]} on {holder[0]!r}" if holder else "another process"
    return (
        f"The directory {str(file.parent)!r} is being worked in by {who}; wait for its end, or, if it does not run any "
        f"more, remove {str(file)!r}."
    )
