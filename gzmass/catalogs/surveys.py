"""Catalogues as their archives deliver them: which of their columns means what, read from surveys.yaml."""

import numpy as np
import pandas as pd

from gzmass.catalogs.distances import luminosity_distance
from gzmass.catalogs.ids import among, optional_ids
from gzmass.catalogs.packaged import packaged
from gzmass.catalogs.pieces import require_columns
from gzmass.errors import DataError

__all__ = [
    "Selection",
    "columns_of",
    "describe",
    "evaluate",
    "find_column",
    "refuse_without",
    "resolve",
    "surplus_rows",
]

_OF_ONE = ("log10", "distance")  # operations on one column


def describe(*keys):
    """Read a part of surveys.yaml.

    Parameters
    ----------
    *keys : str
        Names from the top of the file downwards.

    Returns
    -------
    dict
        The description.
    """
    description = packaged("surveys.yaml")
    for key in keys:
        description = description[key]
    return description


def find_column(wanted, there):
    """Find a column whatever its case.

    Parameters
    ----------
    wanted : str or sequence of str
        Names to be tried in order, also elements of vectors (``"NAME[3]"``).
    there : sequence of str
        The columns of the table.

    Returns
    -------
    str or None
        The name as the table has it.
    """
    by_case = {name.casefold(): name for name in reversed(there)}
    for name in [wanted] if isinstance(wanted, str) else wanted:
        base, bracket, element = name.partition("[")
        exact = base if base in there else by_case.get(base.casefold())
        if exact is not None:
            return exact + bracket + element
    return None


def resolve(expression, there):
    """Put the names that a table has into an expression of surveys.yaml.

    Parameters
    ----------
    expression : str, list or dict
        As surveys.yaml explains.
    there : sequence of str
        The columns of the table.

    Returns
    -------
    str, dict or None
        The expression with one name for each column, None for a column that is absent.
    """
    if not isinstance(expression, dict):
        return find_column(expression, there)
    ((operation, operand),) = expression.items()
    if operation in _OF_ONE:
        return {operation: resolve(operand, there)}
    return {operation: [resolve(part, there) for part in operand]}


def columns_of(expression):
    """List the columns that an expression of surveys.yaml needs, each a name or a list of names to be tried.

    Parameters
    ----------
    expression : str, list or dict
        As surveys.yaml explains.

    Returns
    -------
    list
        Names and lists of names.
    """
    if not isinstance(expression, dict):
        return [expression]
    ((operation, operand),) = expression.items()
    parts = [operand] if operation in _OF_ONE else operand
    return [column for part in parts for column in columns_of(part)]


def evaluate(expression, value_of, convention):
    """Compute an expression of surveys.yaml.

    Parameters
    ----------
    expression : str, list or dict
        As surveys.yaml explains.
    value_of : callable
        Gives the numbers of a column, NaN where missing, shape (n,).
    convention : dict
        What the numbers assume; ``hubble`` and ``omega_m`` where a distance is computed.

    Returns
    -------
    numpy.ndarray of float
        Shape (n,); NaN where it can not be computed, as the logarithm of what is not positive.
    """
    if not isinstance(expression, dict):
        return value_of(expression)
    ((operation, operand),) = expression.items()
    if operation in _OF_ONE:
        value = evaluate(operand, value_of, convention)
        if operation == "distance":
            return luminosity_distance(value, hubble=convention["hubble"], omega_m=convention["omega_m"])
        return np.log10(np.where(value > 0, value, np.nan))
    first, second = (evaluate(part, value_of, convention) for part in operand)
    return _OF_TWO[operation](first, second)


_OF_TWO = {
    "sum": lambda first, second: first + second,
    "half": lambda high, low: (high - low) / 2,
    "ratio": lambda first, second: first / np.where((first > 0) & (second > 0), second, np.nan),
    "log10_error": lambda value, error: error / np.where(value > 0, value, np.nan) / np.log(10),
}


class Selection:
    """The rows of a catalogue that are wanted, and why others are set aside.

    Parameters
    ----------
    source : str
        What the catalogue is called in an error: its file.
    ids : iterable of int or str, optional
        Only galaxies with these ids are wanted, missing ones name none; by default all.

    Attributes
    ----------
    set_aside : list of pandas.DataFrame
        ``id`` and ``reason`` of the rows set aside so far.
    """

    def __init__(self, source, ids=None):
        self.source = source
        self.set_aside = []
        self._wanted = None if ids is None else optional_ids(pd.Series(list(ids), dtype=object), "the ids to be kept")

    def ids(self, raw, name):
        """Clean the ids of a piece, and find the rows that have one and are wanted.

        Parameters
        ----------
        raw : pandas.Series
            The ids as the file has them.
        name : str
            Their column in the file.

        Returns
        -------
        ids : pandas.Series
            Of int64 or text, only the rows that are kept, with their index.
        """
        ids = optional_ids(raw, f"column {name!r} of {self.source!r}")
        there = ids.notna().to_numpy()
        if not there.all():
            reasons = [f"row {row} of {self.source} has no id" for row in ids.index[~there]]
            self.set_aside.append(pd.DataFrame({"id": None, "reason": reasons}, dtype=object))
            ids = ids[there].astype(np.int64 if pd.api.types.is_integer_dtype(ids) else str)
        return ids if self._wanted is None else ids[among(ids, self._wanted)]

    def drop(self, table, bad, reason):
        """Set rows of a table aside.

        Parameters
        ----------
        table : pandas.DataFrame
            With a column ``id``.
        bad : array_like of bool
            Which rows.
        reason : callable
            Takes the rows set aside and gives their reasons.

        Returns
        -------
        pandas.DataFrame
            The other rows.
        """
        bad = np.asarray(bad, dtype=bool)
        if not bad.any():
            return table
        rows = table[bad]
        self.set_aside.append(pd.DataFrame({"id": rows["id"].astype(object), "reason": list(reason(rows))}))
        return table[~bad]


def surplus_rows(ids, order, rule, selection):
    """Find the rows to be left out so that one of each galaxy is kept, and note them as set aside.

    Parameters
    ----------
    ids : pandas.Series
        Ids, with an index of unique rows.
    order : pandas.Series of float
        The row with the smallest value is kept, among equal ones the first; NaN come last.
    rule : str
        What is kept, in words.
    selection : Selection
        Takes note of the rows left out.

    Returns
    -------
    numpy.ndarray of bool
        Shape (n,).
    """
    surplus = np.zeros(len(ids), dtype=bool)
    if not _all_differ(ids):
        twice = ids.duplicated(keep=False).to_numpy()
        ranked = pd.DataFrame({"id": ids[twice], "order": order[twice], "row": np.flatnonzero(twice)})
        ranked = ranked.sort_values("order", kind="stable")
        surplus[ranked["row"][ranked["id"].duplicated()]] = True
        left_out = ids[surplus].tolist()
        reasons = [f"the id {i!r} stands more than once; {rule} is kept" for i in left_out]
        selection.set_aside.append(pd.DataFrame({"id": left_out, "reason": reasons}, dtype=object))
    return surplus


def _all_differ(ids):
    if ids.dtype != np.int64:
        return ids.is_unique
    ordered = np.sort(ids.to_numpy())  # a third of the memory of a hash table
    return bool((ordered[1:] != ordered[:-1]).all())


def refuse_without(there, wanted, source):
    """Refuse a catalogue that lacks all of the columns that would do.

    Parameters
    ----------
    there : sequence of str
        Its columns.
    wanted : str or sequence of str
        The names that would do.
    source : str
        What it is called in the error.

    Raises
    ------
    DataError
        None of the names is there.
    """
    if find_column(wanted, there) is None:
        names = [wanted] if isinstance(wanted, str) else wanted
        if len(names) == 1:
            require_columns(there, names, source)
        raise DataError(
            f"The table {source!r} has none of the columns {', '.join(names)}; it has {', '.join(there[:20])}."
        )
