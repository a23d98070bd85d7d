"""A process that calls one function on what it is sent, and how it came to its end."""

import os
import pickle
import signal
import sys
import traceback
from contextlib import contextmanager
from multiprocessing import get_context, resource_tracker

from gzmass.engine.streams import held_back_errors
from gzmass.errors import GzmassError

__all__ = ["DiedError", "Worker", "end"]

# spawned, not forked: this process may have threads (TensorFlow's), and a fork of those can hang
_SPAWN = get_context("spawn")

# what BLAS libraries, OpenMP, numexpr, Arrow and TensorFlow read when they are loaded
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
_PATIENCE = 5  # seconds that a process has to tidy up before it is killed


class DiedError(Exception):
    """A process is gone; its worker is the argument."""


class Worker:
    """A process that waits for pieces of work, and the connection to it.

    Parameters
    ----------
    function : callable
        What it calls on every piece; a function of a module, or a `functools.partial` of one.
    one_thread : bool, default True
        Whether numerical libraries compute with one thread in it.
    """

    def __init__(self, function, one_thread=True):
        self.connection, theirs = _SPAWN.Pipe()
        self.ready = False
        self.process = _SPAWN.Process(target=_serve, args=(theirs, pickle.dumps(function)), daemon=True)
        with _one_thread_each(one_thread), _without_interrupts():
            self.process.start()
        theirs.close()  # so that the end of the process is the end of the connection

    def compute(self, piece):
        """Send a piece and wait for its result.

        Parameters
        ----------
        piece : object
            The piece of work.

        Returns
        -------
        object
            What the function returned; what it raised is raised here.

        Raises
        ------
        DiedError
            The process is gone.
        """
        self.send(piece)
        if not self.ready:
            self.start_up()
        return self.receive()

    def send(self, piece):
        """Send a piece, without waiting for its result, or for the process to have started.

        Parameters
        ----------
        piece : object
            The piece of work.

        Raises
        ------
        DiedError
            The process is gone.
        """
        try:
            self.connection.send(piece)
        except OSError:
            raise DiedError(self) from None

    def start_up(self):
        """Wait until the process has started: the first that it says.

        Raises
        ------
        DiedError
            The process is gone.
        """
        try:
            self.ready = self.connection.recv()
        except (EOFError, OSError):
            raise DiedError(self) from None

    def receive(self):
        """Wait for the result of the piece that was sent.

        Returns
        -------
        object
            What the function returned; what it raised is raised here.

        Raises
        ------
        DiedError
            The process is gone.
        """
        try:
            failed, result = self.connection.recv()
        except (EOFError, OSError):
            raise DiedError(self) from None
        if failed:
            raise result
        return result

    def death(self):
        """Say how the process ended; for the thread that started it, as only one may wait for a process.

        Returns
        -------
        str
            "was killed by SIGKILL", "ended with exit code 1".

        Raises
        ------
        GzmassError
            It could not even start.
        """
        self.process.join(_PATIENCE)
        code = self.process.exitcode
        if not self.ready and (code is None or code >= 0):
            raise GzmassError(
                f"A worker process could not start (exit code {code}); a script that uses several workers must do its "
                'work under `if __name__ == "__main__":`.'
            )
        return f"was killed by {signal.Signals(-code).name}" if (code or 0) < 0 else f"ended with exit code {code}"


def end(workers):
    """End processes, also those that are at work.

    Parameters
    ----------
    workers : sequence of Worker
        The processes.
    """
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        worker.process.join(_PATIENCE)
        if worker.process.exitcode is None:
            worker.process.kill()
            worker.process.join()


@contextmanager
def _one_thread_each(wanted):
    """Let a process started inside compute with one thread; the libraries read these variables when they load."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS if wanted else (), "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is not None:
                os.environ[name] = value
            else:
                os.environ.pop(name, None)


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
    with held_back_errors():
        function = pickle.loads(function)  # noqa: S301  of this very module; may load TensorFlow
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
