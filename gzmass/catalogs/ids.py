"""Ids of galaxies: 64-bit integers or text, never floating-point numbers."""

import numpy as np
import pandas as pd

from gzmass.errors import DataError

__all__ = ["among", "clean_ids", "optional_ids"]

_FLOAT = r"[+-]?\d+\.\d*([eE][+-]?\d+)?|[+-]?\d+[eE]\+?\d+"
_WHOLE = r"-?[1-9]\d{0,18}|0"


def clean_ids(values, where):
    """Turn ids into 64-bit integers if all of them are, else into text.

    Parameters
    ----------
    values : pandas.Series
        Ids without missing values. Text with leading zeros stays text.
    where : str
        What the ids are called in an error: column and file.

    Returns
    -------
    pandas.Series
        Of int64 or text.

    Raises
    ------
    DataError
        The ids are, or were once, floating-point numbers: these do not hold the last digits of a 64-bit id.
    """
    if pd.api.types.is_integer_dtype(values):
        if len(values) and int(values.max()) > np.iinfo(np.int64).max:
            return values.astype(str)
        return values.astype(np.int64)
    try:
        text = values.map(lambda v: v.decode() if isinstance(v, bytes) else str(v)).str.strip()
    except UnicodeDecodeError as error:
        raise DataError(f"The ids in {where} must be text in UTF-8. Received: {error.object!r}.") from None
    as_float = text.str.fullmatch(_FLOAT)
    whole = text.str.fullmatch(_WHOLE)
    if pd.api.types.is_float_dtype(values) or (as_float.any() and (as_float | whole).all()):
        example = "" if not len(text) else f" Received: {text[as_float].iloc[0] if as_float.any() else text.iloc[0]}."
        raise DataError(
            f"The ids in {where} went through floating-point numbers, which do not hold the digits of a 64-bit id; "
            f"give them as integers or text.{example}"
        )
    if len(text) and whole.all():
        try:
            return pd.Series(text.to_numpy(dtype=object).astype(np.int64), index=values.index)
        except OverflowError:
            return text
    return text


def optional_ids(values, where):
    """Turn ids of which some may be missing into 64-bit integers or text.

    Parameters
    ----------
    values : pandas.Series
        Ids; missing are NA, NaN, None and empty text.
    where : str
        What the ids are called in an error: column and file.

    Returns
    -------
    pandas.Series
        As `clean_ids` gives them; with missing ones Int64 or text with NA, so that no digit is lost beside them.

    Raises
    ------
    DataError
        The ids that are there went through floating-point numbers.
    """
    there = values.notna() & (values.astype(str).str.strip() != "")
    if there.all():
        return clean_ids(values, where)
    if not there.any():
        return pd.Series(pd.NA, index=values.index, dtype="Int64")
    ids = clean_ids(values[there], where)
    return ids.astype("Int64" if ids.dtype == np.int64 else "string").reindex(values.index)


def among(ids, wanted):
    """Say which ids are among others, be they integers or text.

    Parameters
    ----------
    ids, wanted : pandas.Series
        As `clean_ids` or `optional_ids` gives them.

    Returns
    -------
    numpy.ndarray of bool
        Shape (n,); an integer and its text are the same id, a missing one is never among others.
    """
    if pd.api.types.is_integer_dtype(ids) != pd.api.types.is_integer_dtype(wanted):
        ids, wanted = (part.astype("string") for part in (ids, wanted))
    return (ids.isin(wanted.dropna()) & ids.notna()).to_numpy(dtype=bool)
