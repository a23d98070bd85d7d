"""Compilation of the loops over pixels for which numpy has no quick word, by numba."""

import os
from pathlib import Path

from numba import njit

__all__ = ["compiled"]


def compiled(function):
    """Compile a function when it is first called, and keep the machine code for other processes and later runs.

    The code is kept in the folder that the environment variable ``NUMBA_CACHE_DIR`` names, else in ``__pycache__``
    beside the source. Where neither can be written every process compiles for itself, which takes seconds.

    numba tells by the file of a function alone whether what it kept is still good: what a compiled function calls, and
    the constants that it knows, therefore stand in the same file.

    Parameters
    ----------
    function : callable
        Of numbers and arrays, in the part of Python that numba understands.

    Returns
    -------
    callable
        The same function, compiled; floating-point arithmetic is not reordered, and other threads run meanwhile.
    """
    cache = Path(function.__code__.co_filename).parent / "__pycache__"
    nearest = cache if cache.is_dir() else cache.parent
    kept = "NUMBA_CACHE_DIR" in os.environ or os.access(nearest, os.W_OK)
    return njit(function, error_model="numpy", nogil=True, cache=kept)
