"""Files that are whole or absent, and fingerprints that tell whether finished work is still the right work."""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
from contextlib import contextmanager
from pathlib import Path

from gzmass.errors import DataError

__all__ = ["fingerprint", "partial_name", "process_lives", "remove_left_behind", "require_space", "write_atomically"]

_PARTIAL = re.compile(r"\.partial-(?P<host>.+)-(?P<process>\d+)-[0-9a-f]{8}-")


@contextmanager
def write_atomically(path):
    """Write a file under a temporary name and rename it when the block ends without an error.

    A reader, or the same command started again after an interruption, sees the whole file or none.

    Parameters
    ----------
    path : str or pathlib.Path
        The file to make; its folder is made if it is missing.

    Yields
    ------
    pathlib.Path
        The temporary path to write to: in the same folder and with the same ending as `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(partial_name(path.name))
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.filename is None and error.errno == errno.ENOSPC:  # it says that a disk is full, and not which
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def partial_name(name):
    """Name what is in progress, so that it is told from what is finished, and whose it is.

    Parameters
    ----------
    name : str
        What it is to be called when it is finished.

    Returns
    -------
    str
        The name with ``.partial-``, the host, the number of this process and something of its own before it.
    """
    # processes of several machines may write into one folder, and their numbers are often the same
    return f".partial-{_host()}-{os.getpid()}-{secrets.token_hex(4)}-{name}"


def remove_left_behind(folder):
    """Remove what processes of this host have begun in a folder and did not live to finish.

    Parameters
    ----------
    folder : pathlib.Path
        The folder; if it is missing there is nothing to do.
    """
    for path in folder.glob(".partial-*"):
        made = _PARTIAL.match(path.name)
        if made is None or made["host"] != _host() or process_lives(int(made["process"])):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _host():
    return socket.gethostname().split(".")[0]


def process_lives(process):
    """Tell whether a process of this host lives.

    Parameters
    ----------
    process : int
        Its number.

    Returns
    -------
    bool
        False if there is none of that number.
    """
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is of someone else
        return True
    return True


def require_space(path, n_bytes):
    """Refuse to begin a file for which the disk has no space.

    For writers that do not end well when the space runs out.

    Parameters
    ----------
    path : str or pathlib.Path
        The file to make, in a folder that is there.
    n_bytes : int
        Bytes that it still needs.

    Raises
    ------
    DataError
        There is less space.
    """
    path = Path(path)
    free = shutil.disk_usage(path.parent).free
    if n_bytes > free:
        raise DataError(
            f"{path.name!r} needs {n_bytes / 1e6:.0f} MB more in {str(path.parent)!r}, where {free / 1e6:.0f} MB are "
            "free."
        )


def fingerprint(value):
    """Hash of a value made of dicts, lists, strings, numbers and None.

    Parameters
    ----------
    value : object
        Anything that JSON can hold, the order of the keys of a dict does not matter; a date or a path counts as its
        text.

    Returns
    -------
    str
        16 hexadecimal digits of the SHA-256 of the canonical JSON text.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
