"""A function mapped over pieces of work in the processes of one machine, in order and in bounded memory."""

import os
import pickle
import queue
import signal
import sys
import traceback
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, resource_tracker

from gzmass.errors import ConfigError, GzmassError

__all__ = ["map_pieces"]

# spawned, not forked: this process may have threads (TensorFlow's), and a fork of those can hang
_SPAWN = get_context("spawn")

# what BLAS libraries, OpenMP, numexpr and Arrow read when they are loaded
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_PATIENCE = 5  # seconds that a process has to tidy up before it is killed


def map_pieces(function, pieces, workers=1, ahead=2):
    """Call a function on every piece of work and give the results in the order of the pieces.

    Pieces are taken as they are needed: at most ``workers * ahead`` of them, results that wait for their turn
    included, are held at a time, so that memory does not grow with their number. When the iterator is closed, or
    something is raised, the processes are ended; a process whose parent was killed ends by itself after its piece.

    Parameters
    ----------
    function : callable
        Takes a piece. With several workers the function, pieces and results are pickled, so it is one of a module (or
        a `functools.partial` of one), and a script does its work under ``if __name__ == "__main__":``. It must leave
        files whole or absent when it is interrupted, as `write_atomically` does.
    pieces : iterable
        The pieces of work; may be a generator without an end.
    workers : int, default 1
        Number of processes, each of which computes with one thread; 1 computes in this process, piece by piece as
        results are asked for.
    ahead : int, default 2
        Pieces that are taken for each worker: one that it works on, and those that wait so that it need not.

    Returns
    -------
    generator
        The results; it raises what `function` raises for a piece, after the results of the pieces before it, and
        `GzmassError` if a worker process dies.

    Raises
    ------
    ConfigError
        `workers` or `ahead` is less than 1.
    """
    for name, value in (("workers", workers), ("ahead", ahead)):
        if value < 1:
            raise ConfigError(f"The number {name!r} must be at least 1. Received: {value}.")
    if workers == 1:
        return (function(piece) for piece in pieces)
    return _map_in_processes(function, pieces, workers, ahead)


def _map_in_processes(function, pieces, workers, ahead):
    # a thread for each process: sending and receiving may block, and neither the caller nor another process waits
    pieces, waiting, started, idle = iter(pieces), deque(), [], queue.SimpleQueue()
    threads = ThreadPoolExecutor(workers)
    try:
        for piece in pieces:
            if len(started) < workers:
                started.append(_Worker(function))
                idle.put(started[-1])
            waiting.append(threads.submit(_hand_to_idle, idle, piece))
            if len(waiting) == workers * ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except _DiedError as died:
        raise GzmassError(died.args[0].death()) from None
    finally:
        for future in waiting:
            future.cancel()
        _end(started)
        threads.shutdown()


def _hand_to_idle(idle, piece):
    worker = idle.get()
    try:
        return worker.compute(piece)
    finally:
        idle.put(worker)


class _Worker:
    """A process and the connection to it."""

    def __init__(self, function):
        self.connection, theirs = _SPAWN.Pipe()
        self.ready = False
        self.process = _SPAWN.Process(target=_serve, args=(theirs, function), daemon=True)
        with _one_thread_each(), _without_interrupts():
            self.process.start()
        theirs.close()  # so that the end of the process is the end of the connection

    def compute(self, piece):
        try:
            self.ready = self.ready or self.connection.recv()
            self.connection.send(piece)
            failed, result = self.connection.recv()
        except (EOFError, OSError):
            raise _DiedError(self) from None
        if failed:
            raise result
        return result

    def death(self):
        """Say how the process ended; for the thread that started it, as only one may wait for a process."""
        self.process.join(_PATIENCE)
        code = self.process.exitcode
        if not self.ready:
            return (
                f"A worker process could not start (exit code {code}); a script that uses several workers must do its "
                'work under `if __name__ == "__main__":`.'
            )
        how = f"was killed by {signal.Signals(-code).name}" if (code or 0) < 0 else f"ended with exit code {code}"
        return (
            f"A worker process {how} at its work, as happens when memory runs out; what is finished is kept, run the "
            "same again to continue, with fewer workers if it happens again."
        )


class _DiedError(Exception):
    """A process is gone; its worker is the argument."""


def _end(workers):
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        worker.process.join(_PATIENCE)
        if worker.process.exitcode is None:
            worker.process.kill()
            worker.process.join()


@contextmanager
def _one_thread_each():
    """Let a process started inside compute with one thread; the libraries read these variables when they load."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _without_interrupts():
    """Let a process started inside not hear Ctrl-C, which a terminal sends to all: this process ends the others."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # begun with the first process, it would unblock the signal again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection, function):
    """Compute piece after piece, in a process of its own, until the connection ends."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # an exception, so that files begun are removed
    try:
        connection.send(True)
        while True:
            piece = connection.recv()
            try:
                message = pickle.dumps((False, function(piece)))
            except Exception as error:  # noqa: BLE001  it is raised again where the result is asked for
                message = pickle.dumps((True, _portable(error)))
            connection.send_bytes(message)
    except (EOFError, OSError):
        return  # nobody waits for results any more


def _portable(error):
    """Make an exception that survives pickling, with the lines where it was raised as a note."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  bytes of this very line
    except Exception:  # noqa: BLE001  an exception can refuse in any way
        return RuntimeError("".join(traceback.format_exception(error)))
    return error
