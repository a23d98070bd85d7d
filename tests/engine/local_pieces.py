"""Functions for the processes of test_local, and a script that is killed; small, since each process imports it."""

import os
import signal
import sys
import time
from pathlib import Path

from gzmass.engine import map_pieces, write_atomically

THREADS = "OMP_NUM_THREADS"


class StubbornError(Exception):
    """An exception that pickle can write and not read."""

    def __init__(self, first, second):
        super().__init__(f"{first} {second}")


def square(piece):
    return piece * piece


def sleep_first(piece):
    time.sleep(0.3 if piece == 0 else 0)
    return piece


def fail_at_three(piece):
    if piece == 3:
        raise OSError("piece three")
    return piece


def fail_stubbornly(piece):
    raise StubbornError(piece, "stubborn")


def unpicklable(piece):
    return lambda: piece


def large(piece):
    return piece[::-1]


def die(piece):
    if piece == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return piece


def die_once(folder, piece):
    """Kill the process at every other piece, the first time that it is begun."""
    begun = Path(folder) / f"{piece}.begun"
    if piece % 2 and not begun.exists():
        begun.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return piece


def environment(piece):
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    return piece, os.getpid(), (os.environ.get(THREADS), signal.SIGINT in blocked)


def touch_and_wait(folder, piece):
    """Begin a file, say so, and never end."""
    with write_atomically(Path(folder) / f"{piece}.txt") as partial:
        partial.write_text("half")
        (Path(folder) / f"{piece}.pid").write_text(str(os.getpid()))
        time.sleep(60 if piece else 0)
    return piece


def touch_and_nap(folder, piece):
    (Path(folder) / f"{piece}.pid").write_text(str(os.getpid()))
    time.sleep(0.2)
    return piece


if __name__ == "__main__":
    from functools import partial

    function = {"wait": touch_and_wait, "nap": touch_and_nap}[sys.argv[2]]
    list(map_pieces(partial(function, sys.argv[1]), range(1, 100), workers=2))
