"""A table of text: whether it is compressed, its columns, where its rows begin, and that each has all its fields."""

import csv
import gzip
import io
import re
from contextlib import contextmanager

from gzmass.errors import DataError

__all__ = ["is_number", "open_unpacked", "read_layout", "with_whole_rows"]

_GZIP = b"\x1f\x8b"
_BUFFER = 1 << 20  # bytes that are looked at in one go
_QUOTED = re.compile(rb'"[^"]*"')


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
    if len(named) == len(lines[0]) and any(is_number(cell) for cell in lines[0]):
        return named, first
    if all(is_number(cell) for cell in lines[0]):
        raise DataError(f"The table {str(path)!r} has no names of columns: it begins with {lines[0][0]}; give them.")
    if blanks and len(lines) == 2 and len(lines[1]) != len(lines[0]):
        raise DataError(
            f"The table {str(path)!r} has {len(lines[0])} names of columns and {len(lines[1])} values in its first row."
        )
    return lines[0], first + 1


def with_whole_rows(file, path, separator, n_columns, skipped):
    r"""Check, while a file is read, that each row has as many fields as there are columns.

    A parser that fills short rows up and cuts long ones would shift the values of what follows under other names.

    Parameters
    ----------
    file : file
        Binary, from `open_unpacked`.
    path : pathlib.Path
        What it is called in an error.
    separator : str
        Between the columns: a character, or ``r"\s+"``.
    n_columns : int
        Number of columns.
    skipped : int
        Lines before the first row.

    Returns
    -------
    io.BufferedReader
        The same bytes; reading raises `DataError` at a row with another number of fields. One empty field more, after
        a separator at the end of the line, is allowed.
    """
    return io.BufferedReader(_WholeRows(file, path, separator, n_columns, skipped), _BUFFER)


class _WholeRows(io.RawIOBase):
    def __init__(self, file, path, separator, n_columns, skipped):
        self._file, self._path, self._n_columns, self._skipped = file, path, n_columns, skipped
        self._separator = None if separator == r"\s+" else separator.encode()
        self._line, self._row, self._n_lines = b"", b"", 0  # what has begun in the bytes so far

    def readable(self):
        return True

    def readinto(self, buffer):
        data = self._file.read(len(buffer))
        *lines, self._line = (self._line + data).split(b"\n")
        if not data:
            lines, self._line = [self._line], b""
        for line in lines:
            self._check(line)
        buffer[: len(data)] = data
        return len(data)

    def _check(self, line):
        self._n_lines += 1
        if self._n_lines <= self._skipped:
            return
        self._row += line
        if self._row.count(b'"') % 2:  # it goes on in the next line
            return
        n, self._row = self._count(self._row), b""
        if n not in {0, self._n_columns}:
            raise DataError(
                f"The table {str(self._path)!r} has {self._n_columns} columns and in its line {self._n_lines} "
                f"{n} field{'s' if n > 1 else ''}."
            )

    def _count(self, row):
        """Count the fields of a row; 0 for an empty line or a comment."""
        if self._separator is None:
            row = row.partition(b"#")[0]
        if not row.strip():
            return 0
        if b'"' in row:
            row = _QUOTED.sub(b"_", row)
        if self._separator is None:
            return len(row.split())
        n = row.count(self._separator) + 1
        return n - (n == self._n_columns + 1 and row.rstrip(b"\r ").endswith(self._separator))


def _given(names, lines, first, path):
    if len(lines[0]) != len(names):
        raise DataError(f"The table {str(path)!r} has {len(lines[0])} columns; expected are {len(names)}.")
    # somebody may have put the line of names there
    header = [cell.casefold() for cell in lines[0]] == [name.casefold() for name in names]
    return names, first + header


def _split(line, separator):
    if separator == r"\s+":
        return line.partition("#")[0].split()
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True))]


def is_number(cell):
    """Tell whether text is a number.

    Parameters
    ----------
    cell : str
        The text.

    Returns
    -------
    bool
        Whether `float` takes it.
    """
    try:
        float(cell)
    except ValueError:
        return False
    return True
