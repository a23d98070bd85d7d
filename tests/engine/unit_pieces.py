"""Functions for the workers of test_units and test_dask; small, since each process imports it."""

import errno
import os
import signal
import time
from pathlib import Path


def write(work, path):
    """Write a unit; its work says what goes wrong."""
    what, folder = work
    mark = path.name.split("-")[-1]
    with (folder / f"{mark}.begun").open("a") as file:
        file.write(f"{os.getpid()}\n")
    if what == "raise":
        raise ValueError("the unit\nis bad")
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "full":
        raise OSError(errno.ENOSPC, "No space left on device")
    if what == "wait":
        time.sleep(60)
    path.write_text(mark)
    if what == "slow":
        time.sleep(0.3)


def double(piece):
    return 2 * piece


def fail(piece):
    if piece == 2:
        raise ValueError("piece two")
    return piece


def here(_piece):
    return str(Path.cwd())
