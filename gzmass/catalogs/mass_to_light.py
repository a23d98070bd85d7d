"""Tables of stellar mass-to-light ratios and masses, with named columns."""

import numpy as np
import pandas as pd

from gzmass.catalogs.tables import concat_set_aside, named_columns, read_table, set_aside_rows
from gzmass.errors import DataError

__all__ = ["MAX_LOG_ML", "read_mass_to_light"]

#: Largest |log10 M/L| that a stellar population can have, with a wide margin; beyond it stands a mistake.
MAX_LOG_ML = 3.0


def read_mass_to_light(path, id_column, columns, where=None):
    """Read mass-to-light ratios, and what belongs to them, from a table with named columns.

    Parameters
    ----------
    path : str or pathlib.Path
        Any table that `read_table` reads.
    id_column : str
        Column with the ids.
    columns : dict
        Our column to theirs, as `named_columns` takes it: ``log_ml_g`` (log10 of solar units) or ``ml_g`` (linear),
        ``log_ml_g_err`` or ``ml_g_err``, ``log_mstar``, ``luminosity_g`` and other columns of the dataset contract.
    where : str, optional
        Column of true and false: only the rows where it is true are used.

    Returns
    -------
    table : pandas.DataFrame
        ``id``, ``log_ml_g`` and the other columns; NaN where missing.
    set_aside : pandas.DataFrame
        ``id`` and ``reason`` of the rows without an id or with a ratio or an error that can not be.
    n_unused : int
        How many rows `where` left out.

    Raises
    ------
    DataError
        The file can not be read, a column is missing or unknown, or every ratio is out of range.
    """
    if ("log_ml_g" in columns) == ("ml_g" in columns):
        raise DataError(f"Name the mass-to-light ratio of {str(path)!r} as either 'log_ml_g' or 'ml_g'.")
    if {"ml_g_err", "log_ml_g"} <= set(columns) or {"log_ml_g_err", "ml_g"} <= set(columns):
        raise DataError(f"Ratio and error of {str(path)!r} must both be logarithmic or both linear.")
    theirs = [entry if isinstance(entry, str) else entry["column"] for entry in columns.values()]
    table, set_aside = read_table(path, id_column, [*theirs, *([where] if where else [])])
    if where is not None:
        used = _true(table[where], where, str(path))
        n_unused = int((~used).sum())
        table = table[used].reset_index(drop=True)
    else:
        n_unused = 0
    values = named_columns(table, columns, str(path))
    ratio = "ml_g" if "ml_g" in columns else "log_ml_g"
    given = values[ratio].copy()
    error = f"{ratio}_err"
    given_error = values[error].copy() if error in values else pd.Series(np.nan, index=values.index)
    if ratio == "ml_g":
        values["log_ml_g"] = np.log10(given.where(given > 0))
        if error in values:
            values["log_ml_g_err"] = given_error / given / np.log(10)
        values = values.drop(columns=[c for c in ("ml_g", "ml_g_err") if c in values])
    bad = given.notna() & ~(values["log_ml_g"].abs() <= MAX_LOG_ML)
    low, high = (-MAX_LOG_ML, MAX_LOG_ML) if ratio == "log_ml_g" else (10**-MAX_LOG_ML, 10**MAX_LOG_ML)
    allowed = f"allowed are {low:g} to {high:g}"

    def reason(row):
        return f"{ratio} = {given[row.name]:g}, {allowed}"

    if len(bad) and bad.sum() == given.notna().sum() > 0:
        first = given[bad].iloc[0]
        column = theirs[list(columns).index(ratio)]
        raise DataError(
            f"No value of {ratio} in the column {column!r} of {str(path)!r} can be used: {allowed}. "
            f"Received: {first:g}."
        )
    values, out_of_range = set_aside_rows(values, bad, reason)
    values, negative = set_aside_rows(
        values,
        given_error[values.index] < 0,
        lambda row: (
            f"{error} = {given_error[row.name]:g}, allowed are values >= 0; a number that stands for none is named "
            "by the key 'missing' of the column"
        ),
    )
    return values.reset_index(drop=True), concat_set_aside([set_aside, out_of_range, negative]), n_unused


def _true(values, column, source):
    text = values.astype(str).str.strip().str.lower()
    true, false = (
        text.isin(["true", "1", "1.0", "t", "yes"]),
        text.isin(["false", "0", "0.0", "f", "no", "nan", "<na>"]),
    )
    known = true | false
    if not known.all():
        raise DataError(
            f"The column {column!r} of {source!r} must hold true and false. Received: {text[~known].iloc[0]}."
        )
    return true
