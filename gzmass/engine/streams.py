"""What libraries in C++ write to the standard error stream past Python."""

import os
import sys
import tempfile
from contextlib import contextmanager

__all__ = ["held_back_errors"]


@contextmanager
def held_back_errors():
    """Keep what is written to the standard error stream, also past Python, from being seen unless the block fails.

    TensorFlow writes lines about its build at every start, before any setting of its own is read.

    Yields
    ------
    None
    """
    with tempfile.TemporaryFile() as held_back:
        stderr = os.dup(2)
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except BaseException:
            held_back.seek(0)
            os.write(stderr, held_back.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
