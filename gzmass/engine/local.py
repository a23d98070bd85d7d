"""Work in the processes of one machine: pieces in order and in bounded memory, or units that may kill their process."""

import queue
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait

from gzmass.engine.processes import DiedError, Worker, end
from gzmass.errors import ConfigError, GzmassError

__all__ = ["ATTEMPTS", "LocalEngine", "map_pieces"]

#: How often a unit is begun whose process dies: a kill from outside is not its fault.
ATTEMPTS = 3


def map_pieces(function, pieces, workers=1, ahead=2, engine=None):
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
    engine : LocalEngine or gzmass.engine.dask.DaskEngine, optional
        What to compute with instead: its ``map`` is called, which has workers of its own.

    Returns
    -------
    generator
        The results; it raises what `function` raises for a piece, after the results of the pieces before it, and
        `GzmassError` if the process that works on a piece dies each of `ATTEMPTS` times.

    Raises
    ------
    ConfigError
        `workers` or `ahead` is less than 1.
    """
    _check_positive(workers=workers, ahead=ahead)
    if engine is not None:
        return engine.map(function, pieces)
    if workers == 1:
        return (function(piece) for piece in pieces)
    return _map_in_processes(function, pieces, workers, ahead)


@dataclass(frozen=True)
class LocalEngine:
    """The engine of one machine: a pool of processes.

    Parameters
    ----------
    workers : int, default 1
        Number of processes; of several each computes with one thread.
    """

    workers: int = 1

    def __post_init__(self):
        _check_positive(workers=self.workers)

    def map(self, function, pieces):
        """Call a function on every piece of work and give the results in the order of the pieces.

        Parameters
        ----------
        function : callable
            As `map_pieces` takes it.
        pieces : iterable
            The pieces of work.

        Returns
        -------
        generator
            The results, as `map_pieces` gives them.
        """
        return map_pieces(function, pieces, self.workers)

    def run(self, function, items):
        """Call a function on every item, and go on when that kills a process.

        Parameters
        ----------
        function : callable
            As `map_pieces` takes it; it always runs in another process, also with one worker. What it raises ends
            the run.
        items : iterable
            Taken as they are needed.

        Yields
        ------
        item : object
            An item that is done, in the order in which they are.
        result : object
            What the function returned; None if the item has no result.
        death : str or None
            If the process died at this item each of `ATTEMPTS` times: one sentence that says so.

        Raises
        ------
        GzmassError
            A process can not even start.
        """
        tasks = ((item, 1) for item in items)
        again, started, idle, busy = deque(), [], [], {}
        try:
            while True:
                while len(busy) < self.workers and (task := again.popleft() if again else next(tasks, None)):
                    if not idle:
                        idle.append(Worker(function, one_thread=self.workers > 1))
                        started.append(idle[-1])
                    worker = idle.pop()
                    busy[worker.connection] = worker, task
                    with suppress(DiedError):  # its connection has ended, and receiving from it says so
                        worker.send(task[0])
                if not busy:
                    return
                for connection in wait(list(busy)):
                    worker, (item, attempt) = busy[connection]
                    if not worker.ready and _starts(worker):
                        continue
                    del busy[connection]
                    try:
                        result = worker.receive()
                    except DiedError:
                        started.remove(worker)
                        if attempt < ATTEMPTS:
                            again.append((item, attempt + 1))
                        else:
                            yield item, None, f"its worker process {worker.death()} at each of {ATTEMPTS} attempts"
                    else:
                        idle.append(worker)
                        yield item, result, None
        finally:
            end(started)


def _starts(worker):
    """Take note that a process has started; or that it has ended before, which only a kill from outside may do."""
    with suppress(DiedError):
        worker.start_up()
        return True
    worker.death()
    return False


def _check_positive(**numbers):
    for name, value in numbers.items():
        if value < 1:
            raise ConfigError(f"The number {name!r} must be at least 1. Received: {value}.")


def _map_in_processes(function, pieces, workers, ahead):
    # a thread for each process: sending and receiving may block, and neither the caller nor another process waits
    waiting, pool = deque(), _Pool(function)
    threads = ThreadPoolExecutor(workers)
    try:
        for piece in pieces:
            if pool.size < workers:
                pool.grow()
            waiting.append(threads.submit(pool.compute, piece))
            if len(waiting) == workers * ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
        pool.close()
        threads.shutdown()


class _Pool:
    """Processes that threads hand pieces to; one that dies is replaced."""

    def __init__(self, function):
        self.size = 0
        self._function, self._started, self._idle = function, [], queue.SimpleQueue()
        self._lock, self._closed = threading.Lock(), False  # a process is started with changes to the environment

    def grow(self):
        self.size += 1
        self._idle.put(self._start())

    def _start(self):
        with self._lock:
            if self._closed:
                raise GzmassError("The work was ended.")
            self._started.append(Worker(self._function))
            return self._started[-1]

    def compute(self, piece):
        """Compute a piece in an idle process; in another if that one dies."""
        worker = self._idle.get()
        try:
            for _ in range(ATTEMPTS):
                try:
                    return worker.compute(piece)
                except DiedError:
                    death = worker.death()
                    worker = self._start()
            raise GzmassError(
                f"A worker process {death} at its work, at each of {ATTEMPTS} attempts, as happens when memory runs "
                "out; what is finished is kept, run the same again to continue, with fewer workers if it happens again."
            )
        finally:
            self._idle.put(worker)

    def close(self):
        with self._lock:
            self._closed = True
        end(self._started)
