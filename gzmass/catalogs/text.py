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
_CLOSED = re.compile(rb'(?:[^"]|"")*"(?!")')  # the rest of a field in quotes, in which two quotes stand for one


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
        blanks = self._separator is None
        # as pandas reads: only at the start of a field does a quote open, behind blanks; elsewhere it is a letter (5")
        self._start = re.compile(rb'\s*"?' if blanks else rb' *"?')
        self._end = re.compile(rb"\s+|#" if blanks else re.escape(self._separator))
        self._line = b""  # what has begun in the bytes so far
        self._n_lines = self._n_fields = 0  # of the file, and of a row that began in an earlier line
        self._is_inside = False  # the quotes of such a row

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
        if self._is_inside or b'"' in line:
            self._go_on(line)
            if self._is_inside:  # it goes on in the next line
                return
            n, self._n_fields = self._n_fields, 0
        else:
            n = self._count(line)
        if self._separator is not None and n == self._n_columns + 1:  # nothing, behind a separator at the end
            n -= line.rstrip(b"\r ").endswith(self._separator)
        if n not in {0, self._n_columns}:
            raise DataError(
                f"The table {str(self._path)!r} has {self._n_columns} columns and in its line {self._n_lines} "
                f"{n} field{'s' if n > 1 else ''}."
            )

    def _count(self, line):
        """Count the fields of a row without quotes; 0 for an empty line or a comment."""
        if self._separator is None:
            return len(line.partition(b"#")[0].split())
        return line.count(self._separator) + 1 if line.strip() else 0

    def _go_on(self, line):
        """Count the fields of a row with quotes as far as a line goes."""
        place, is_begun = 0, self._is_inside
        while True:
            if not is_begun:
                start = self._start.match(line, place)
                place = start.end()
                self._is_inside = start.group().endswith(b'"')
                if self._separator is None and not self._is_inside and line[place : place + 1] in {b"", b"#"}:
                    return
                self._n_fields += 1
            if self._is_inside:
                closed = _CLOSED.match(line, place)
                if closed is None:
                    return
                place, self._is_inside = closed.end(), False
            end = self._end.search(line, place)
            if end is None or end.group() == b"#":
                return
            place, is_begun = end.end(), False


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
