"""Files that are whole or absent, and fingerprints that tell whether finished work is still the right work."""

import hashlib
import json
import os
import secrets
import socket
from contextlib import contextmanager
from pathlib import Path

__all__ = ["fingerprint", "write_atomically"]


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
    # processes of several machines may write into one folder, and their numbers are often the same
    mark = f"{socket.gethostname().split('.')[0]}-{os.getpid()}-{secrets.token_hex(4)}"
    temporary = path.with_name(f".partial-{mark}-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def fingerprint(value):
    """Hash of a value made of dicts, lists, strings, numbers and None.

    Parameters
    ----------
    value : object
        Anything that JSON can hold; the order of the keys of a dict does not matter.

    Returns
    -------
    str
        16 hexadecimal digits of the SHA-256 of the canonical JSON text.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
