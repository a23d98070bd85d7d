"""What the benchmarks share: the option --short, timing in turns, and tables in Markdown."""

import argparse
import time
from importlib.util import find_spec

import numpy as np

__all__ = ["missing", "parser", "print_table", "spread", "take_turns"]


def parser(doc):
    """Make a parser with the option that `make bench` uses.

    Parameters
    ----------
    doc : str
        The docstring of the script, shown by ``--help``.

    Returns
    -------
    argparse.ArgumentParser
        It knows ``--short``.
    """
    own = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    own.add_argument("--short", action="store_true", help="a minute or less, for make bench")
    return own


def take_turns(ways, turns=15, clock=time.perf_counter):
    """Time functions one after the other, turn by turn, so that a busy machine slows all alike.

    Each is called once before, for what is loaded or compiled then. The order moves on by one in each turn. A function
    must have its result when it returns: a backend that works ahead must be waited for in it.

    Parameters
    ----------
    ways : dict of str to callable
        The functions by name, without arguments.
    turns : int, default 15
        How often each is called.
    clock : callable, default time.perf_counter
        ``time.process_time`` where one thread does all the work: what else runs on the machine does not count then.

    Returns
    -------
    dict of str to numpy.ndarray
        Seconds of each call, shape (turns,). The ratio of two arrays has a value for each turn: `spread` shows them.
    """
    names = list(ways)
    for name in names:
        ways[name]()
    seconds = {name: np.empty(turns) for name in names}
    for turn in range(turns):
        for name in np.roll(names, -turn):
            start = clock()
            ways[name]()
            seconds[name][turn] = clock() - start
    return seconds


def spread(values, form=".2f"):
    """Write the median of values, and in brackets the quartiles.

    Parameters
    ----------
    values : array_like of float
        A value for each turn.
    form : str, default ".2f"
        How a number is written.

    Returns
    -------
    str
        Such as ``"0.93 (0.91-0.96)"``.
    """
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return f"{middle:{form}} ({low:{form}}-{high:{form}})"


def print_table(title, columns, rows, note=None):
    """Print a table in Markdown, its columns padded; numbers belong to the right.

    Parameters
    ----------
    title : str
        What is measured, on what.
    columns : sequence of str
        Their names, with units.
    rows : sequence of sequence
        What stands in them; the first is the name of the row.
    note : str, optional
        A sentence below: what is wanted, what was left out and why.
    """
    cells = [[str(cell) for cell in row] for row in [columns, *rows]]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    print(f"\n### {title}\n")
    for row in [cells[0], rule, *cells[1:]]:
        padded = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print(f"| {' | '.join([row[0].ljust(widths[0]), *padded])} |")
    if note:
        print(f"\n{note}")
    print(flush=True)


def missing(package):
    """Say why something is left out, if a package that it needs is not installed.

    Parameters
    ----------
    package : str
        Name of its module.

    Returns
    -------
    str or None
        A sentence; None if it is installed.
    """
    return None if find_spec(package) else f"Left out: the package {package!r} is not installed."
