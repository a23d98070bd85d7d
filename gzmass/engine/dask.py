"""Work on the workers of a Dask scheduler: of this machine, of one that runs elsewhere, or of Slurm jobs."""

import logging
import os
import pickle
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial as bind
from itertools import islice
from pathlib import Path

import dask
from distributed import Client, KilledWorker, LocalCluster
from distributed import wait as wait_for
from distributed.comm import CommClosedError

from gzmass._version import __version__
from gzmass.engine.local import ATTEMPTS
from gzmass.errors import ConfigError, GzmassError

__all__ = ["DaskEngine", "dask_engine"]

_DIFFERENT = (
    "The scheduler or its workers can not read what they are sent: they must have the same gzmass, dask and Python as "
    "the machine on which the command is given"
)
_REACHED_WITHIN = 10  # seconds
_LOOK = "2s"  # how often new workers are noticed
_LEAVE_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
_SETTINGS = {
    # a kill from outside is not the fault of the unit that was under way
    "distributed.scheduler.allowed-failures": ATTEMPTS - 1,
    # units wait with us, not with a worker, whose death would be counted against them
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.nanny.pre-spawn-environ.TF_NUM_INTRAOP_THREADS": 1,
    "distributed.nanny.pre-spawn-environ.TF_NUM_INTEROP_THREADS": 1,
    "distributed.nanny.pre-spawn-environ.TF_CPP_MIN_LOG_LEVEL": 3,  # what TensorFlow says of itself when it is loaded
}


@contextmanager
def dask_engine(workers=1, scheduler=None, slurm=None, say=None):
    """Connect to a scheduler, or start one with workers here or on Slurm; close what was started at the end.

    Parameters
    ----------
    workers : int, default 1
        Processes of this machine, where neither a scheduler nor Slurm is given.
    scheduler : str, optional
        Address of a scheduler that runs.
    slurm : str or pathlib.Path, optional
        YAML file of `gzmass.engine.slurm.slurm_cluster`.
    say : callable, optional
        As for `DaskEngine`.

    Yields
    ------
    DaskEngine
        The engine.

    Raises
    ------
    ConfigError
        The scheduler can not be reached, the YAML file has a bad key, or `workers` is less than 1.
    """
    if workers < 1:
        raise ConfigError(f"The number 'workers' must be at least 1. Received: {workers}.")
    # a client whose scheduler was lost does not take itself back as Dask's default: that is put back here
    settings = {**_settings(workers, slurm), "scheduler": dask.config.get("scheduler", None)}
    with dask.config.set(settings), _quiet():
        if scheduler is not None:
            with _reach(scheduler) as client:
                yield DaskEngine(client, say)
            return
        if slurm is not None:
            cluster = _slurm_cluster(slurm)
        else:
            cluster = LocalCluster(workers, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL)
        with cluster, Client(cluster) as client:
            yield DaskEngine(client, say, getattr(cluster, "problem", None))


@dataclass(frozen=True)
class DaskEngine:
    """The engine of a Dask scheduler; `dask_engine` opens one.

    Parameters
    ----------
    client : distributed.Client
        The connection to the scheduler.
    say : callable, optional
        Called with one sentence each time when there are no workers and they are waited for.
    problem : callable, optional
        Called while there are no workers: why, in words or None. What it raises ends the work.
    """

    client: Client
    say: Callable | None = None
    problem: Callable | None = None

    def map(self, function, pieces):
        """Call a function on every piece of work and give the results in the order of the pieces.

        Parameters
        ----------
        function : callable
            As `gzmass.engine.map_pieces` takes it; it is called in the folder in which this process works, which the
            workers must see too.
        pieces : iterable
            The pieces of work, taken as they are needed: two for each thread of the workers.

        Yields
        ------
        object
            The results; what `function` raises for a piece is raised after the results of the pieces before it.

        Raises
        ------
        GzmassError
            The scheduler went away, or the worker of a piece died several times.
        """
        pieces, waiting = iter(pieces), deque()
        with self._losing_the_scheduler():
            try:
                while True:
                    for piece in islice(pieces, max(0, 2 * self._threads() - len(waiting))):
                        waiting.append(self._submit(function, piece))
                    if not waiting:
                        return
                    wait_for(waiting[0])
                    result, death = _outcome(waiting[0])
                    waiting.popleft().release()
                    if death:
                        raise GzmassError(f"A piece of work can not be done: {death}; what is finished is kept.")
                    yield result
            finally:
                self._let_go(waiting)

    def run(self, function, items):
        """Call a function on every item, and go on when that kills a worker.

        Parameters
        ----------
        function : callable
            As for `DaskEngine.map`; what it raises ends the run.
        items : iterable
            Taken as they are needed: one for each thread of the workers, so that a worker that dies has one to answer
            for.

        Yields
        ------
        item : object
            An item that is done, in the order in which they are.
        result : object
            What the function returned; None if the item has no result.
        death : str or None
            If its worker died as often as the scheduler allows: one sentence that says so.

        Raises
        ------
        GzmassError
            The scheduler went away, or a worker does not see the folder.
        """
        items, waiting = iter(items), {}
        with self._losing_the_scheduler():
            try:
                while True:
                    for item in islice(items, max(0, self._threads() - len(waiting))):
                        waiting[self._submit(function, item)] = item
                    if not waiting:
                        return
                    for future in _done(waiting):
                        result, death = _outcome(future)
                        item = waiting.pop(future)
                        future.release()  # a future that is held is computed again when its worker dies
                        yield item, result, death
            finally:
                self._let_go(waiting)

    def _submit(self, function, item):
        # as bytes: the scheduler, which opens what it is sent, would load Keras for nothing
        work = pickle.dumps((function, item))
        return self.client.submit(bind(_as_here, __version__, str(Path.cwd())), work, pure=False)

    def _threads(self):
        """Count the threads of the workers that there are; wait for the first, which may stand in a queue."""
        said = None
        while not (threads := sum(self.client.nthreads().values())):
            waiting = f"waiting for workers of {self.client.scheduler.address}"
            if self.problem and (why := self.problem()):
                waiting = f"{waiting}; {why}"
            if self.say and waiting != said:
                self.say(waiting)
            said = waiting
            time.sleep(1)
        return threads

    def _let_go(self, futures):
        if futures and self.client.status == "running":
            self.client.cancel(list(futures), force=True)

    @contextmanager
    def _losing_the_scheduler(self):
        try:
            yield
        except (CancelledError, OSError) as error:
            lost = isinstance(error, CancelledError | CommClosedError) or self.client.status != "running"
            if not lost:  # an error of the work
                raise
            raise GzmassError(
                f"The scheduler {self.client.scheduler.address!r} went away; what is finished is kept, run the same "
                "command again to go on."
            ) from None


def _done(waiting):
    try:
        return wait_for(list(waiting), timeout=_LOOK, return_when="FIRST_COMPLETED").done
    except TimeoutError:
        return ()


def _outcome(future):
    if future.status == "cancelled":  # by nobody here
        raise CancelledError
    if future.status != "error":
        return future.result(), None
    error = future.exception()
    if isinstance(error, KilledWorker):
        return None, f"its worker died at each of {error.allowed_failures + 1} attempts"
    if "deserializ" in str(error):
        raise GzmassError(f"{_DIFFERENT}.") from error
    raise error


def _as_here(version, folder, work):
    """Call a function on a worker, in the folder in which the command was given and by the same gzmass."""
    if version != __version__:
        raise GzmassError(
            f"A worker on {socket.gethostname()!r} has gzmass {__version__}, the machine on which the command is given "
            f"{version}: install the same."
        )
    with _working_in(folder):
        function, item = _opened(work)
        return function(item)


def _opened(work):
    try:
        return pickle.loads(work)  # noqa: S301  it comes from the command
    except (ImportError, AttributeError) as error:
        raise GzmassError(f"{_DIFFERENT} ({error})") from None


_FOLDER = threading.Condition()
_IN_USE = {}  # the folder of this process, by how many of its threads


@contextmanager
def _working_in(folder):
    """Hold the folder of this process, which all its threads share: pieces of another command wait for it."""
    with _FOLDER:
        _FOLDER.wait_for(lambda: not _IN_USE or folder in _IN_USE)
        try:
            os.chdir(folder)
        except OSError as error:
            raise GzmassError(
                f"A worker on {socket.gethostname()!r} can not use the folder {folder!r} ({error.strerror}): workers "
                "must see the same files as the machine on which the command is given."
            ) from None
        _IN_USE[folder] = _IN_USE.get(folder, 0) + 1
    try:
        yield
    finally:
        with _FOLDER:
            _IN_USE[folder] -= 1
            if not _IN_USE[folder]:
                del _IN_USE[folder]
                _FOLDER.notify_all()


@contextmanager
def _reach(address):
    try:
        client = Client(address, timeout=_REACHED_WITHIN)
    except (OSError, ValueError, TypeError) as error:
        why = f"no answer within {_REACHED_WITHIN} s" if isinstance(error, OSError) else str(error)
        raise ConfigError(f"The scheduler {address!r} can not be reached: {why}.") from None
    with client:
        yield client


def _settings(workers, slurm):
    settings = dict(_SETTINGS)
    if slurm is not None or workers == 1:  # a worker that is alone may use all the cores it was given
        settings = {key: value for key, value in settings.items() if "THREADS" not in key}
    if slurm is None:  # the terminal interrupts the workers of this machine too, which end with their scheduler
        settings["distributed.worker.preload"] = [_LEAVE_INTERRUPTS]
    return settings


def _slurm_cluster(file):
    """Start a cluster of Slurm jobs; importing dask-jobqueue makes an interruption end the process with success."""
    on_interrupt = signal.getsignal(signal.SIGINT)
    from gzmass.engine.slurm import slurm_cluster  # noqa: PLC0415

    signal.signal(signal.SIGINT, on_interrupt)
    return slurm_cluster(file)


_LOUD = {"distributed", "asyncio", "tornado"}


@contextmanager
def _quiet():
    """Keep Dask's log, lines of several modules about one event, from the terminal; what matters is raised."""
    # some modules have a level of their own
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in _LOUD]
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
