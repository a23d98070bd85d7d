"""The beginning of a table of text: whether it is compressed, what its columns are called, where its rows begin."""

import csv
import gzip
from contextlib import contextmanager

from gzmass.errors import DataError

__all__ = ["open_unpacked", "read_layout"]

_GZIP = b"\x1f\x8b"


@contextmanager
def open_unpacked(path):
    """Open a file for reading bytes, unpacked if it is gzipped.

    The first bytes decide and not the name: some servers hand out a ``.gz`` already unpacked.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Yields
    ------
    file
        Binary, to be read from the start.
    """
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        if not packed:
            yield file
        else:
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield unpacked


def read_layout(path, separator, names=None):
    r"""Find the names of the columns, and how many lines stand before the first row.

    Lines that begin with ``#`` are comments; the last of them may hold the names, as TOPCAT writes it.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    separator : str
        Between the columns: a character, or ``r"\s+"``.
    names : sequence of str, optional
        The names, for a file that does not hold them.

    Returns
    -------
    names : list of str
        The names of the columns.
    skipped : int
        How many lines stand before the first row.

    Raises
    ------
    DataError
        The file is empty, has no line of names and none are given, or has another number of columns than names.
    """
    lines, comment, first = [], None, 0
    with open_unpacked(path) as file:
        for raw in file:
            line = raw.decode("utf-8-sig" if not first else "utf-8", errors="replace").rstrip("\r\n")
            if line.strip() and not line.startswith("#"):
                lines.append(_split(line, separator))
                if len(lines) == 2:
                    break
            elif not lines:
                comment = line[1:] if line.startswith("#") else comment
            first += not lines
    if not lines:
        raise DataError(f"The table {str(path)!r} is empty.")
    if names is not None:
        return _given(list(names), lines, first, path)
    blanks = separator == r"\s+"
    named = [] if comment is None else _split(comment, separator)
    if len(named) == len(lines[0]) and any(_is_number(cell) for cell in lines[0]):
        return named, first
    if all(_is_number(cell) for cell in lines[0]):
        raise DataError(f"The table {str(path)!r} has no names of columns: it begins with {lines[0][0]}; give them.")
    if blanks and len(lines) == 2 and len(lines[1]) != len(lines[0]):
        raise DataError(
            f"The table {str(path)!r} has {len(lines[0])} names of columns and {len(lines[1])} values in its first row."
        )
    return lines[0], first + 1


def _given(names, lines, first, path):
    if len(lines[0]) != len(names):
        raise DataError(f"The table {str(path)!r} has {len(lines[0])} columns; expected are {len(names)}.")
    # somebody may have put the line of names there
    header = [cell.casefold() for cell in lines[0]] == [name.casefold() for name in names]
    return names, first + header


def _split(line, separator):
    if separator == r"\s+":
        return line.split()
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True))]


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True
