"""Tables of galaxies: ids kept whole, columns named by meaning, rows set aside with a reason."""

import re
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
import pandas as pd
import pyarrow as pa

from gzmass.catalogs.ids import clean_ids
from gzmass.catalogs.k_corrections import TEMPLATE_BANDS
from gzmass.catalogs.photometry import NANOMAGGIES
from gzmass.catalogs.pieces import EXACT, as_stored, iterate_table, require_columns
from gzmass.catalogs.positions import refuse_hours, sexagesimal_degrees
from gzmass.errors import ConfigError, DataError

__all__ = ["UNITS", "concat_set_aside", "named_columns", "read_table", "set_aside_rows"]

#: Units of the columns of a dataset that have one; the luminosity is in solar luminosities of the band itself.
UNITS = {
    "ra": "deg",
    "dec": "deg",
    "redshift": "",
    "distance_mpc": "Mpc",
    "luminosity_g": "Lsun",
    "radius_kpc": "kpc",
    "radius_arcsec": "arcsec",
    "pixel_scale_arcsec": "arcsec",
    **{f"{prefix}{name}": "nanomaggy" for prefix in ("", "colour_") for name in ("flux", "flux_err")},
    **{f"template_{name}_{band}": "nanomaggy" for name in ("flux", "flux_err") for band in TEMPLATE_BANDS},
}
_NANOMAGGY = u.Unit(3.631 * u.uJy)  # AB
_LOGARITHM = re.compile(r"\[(.+)\]|log(?:10)?\((.+)\)")  # as VizieR and others write dex(...)
_NO_UNIT = {"-", "--", "none", "n/a", "unitless", "dimensionless"}


def read_table(path, id_column, columns=None, names=None, missing=(), other_ids=()):
    """Read a table of galaxies.

    Parameters
    ----------
    path : str or pathlib.Path
        Any table that `iterate_table` reads: text between commas, tabs or blanks (also gzipped), Parquet, FITS, ECSV or
        VOTable, told by the ending.
    id_column : str
        Column with the ids; it becomes ``id``.
    columns : sequence of str, optional
        The other columns to read, also elements of vectors (``"NAME[3]"``); by default all of them.
    names : sequence of str, optional
        The names of the columns, for a file of text that does not hold them.
    missing : sequence of float, default ()
        Numbers that stand for a missing value, such as -99.
    other_ids : sequence of str, default ()
        Those of the columns that hold ids of another kind, whose digits are kept as they stand there.

    Returns
    -------
    table : pandas.DataFrame
        ``id`` (int64 or text) and the columns under their own names, missing numbers as NaN; ``attrs["units"]`` has the
        units that the file tells.
    set_aside : pandas.DataFrame
        ``id`` and ``reason`` of the rows without an id.

    Raises
    ------
    DataError
        The file is missing, can not be read or has another ending; a column is missing; ids went through floating-point
        numbers or are repeated; a column ``id`` is asked for beside other ids.
    """
    if id_column != "id" and "id" in (columns or ()):
        raise DataError(
            f"The column 'id' of {str(path)!r} can not be read beside the ids in its column {id_column!r}; give it "
            "another name."
        )
    wanted = None if columns is None else [id_column, *columns]
    (table,) = iterate_table(path, wanted, None, (id_column, *other_ids), names, missing)
    pa.default_memory_pool().release_unused()  # of text it keeps several times the table
    require_columns(table.columns, [id_column], str(path))
    if id_column != "id":
        table = table.drop(columns="id", errors="ignore")  # such as numbers of rows
    empty = table[id_column].isna()
    if not pd.api.types.is_numeric_dtype(table[id_column]):
        empty |= table[id_column].map(lambda value: isinstance(value, str | bytes) and not value.strip()).astype(bool)
    table, set_aside = set_aside_rows(
        table.rename(columns={id_column: "id"}), empty, lambda row: f"row {row.name} of {Path(path).name} has no id"
    )
    table["id"] = clean_ids(table["id"], f"column {id_column!r} of {str(path)!r}")
    repeated = table["id"].duplicated()
    if repeated.any():
        raise DataError(
            f"The id {table['id'][repeated].tolist()[0]!r} stands more than once in the column {id_column!r} of "
            f"{str(path)!r} ({int(repeated.sum())} rows too many); ids must be unique."
        )
    return table.reset_index(drop=True), set_aside


def named_columns(table, mapping, source, judge_hours=True):
    """Take columns by the names of the dataset contract, in its units.

    Parameters
    ----------
    table : pandas.DataFrame
        With a column ``id``; the units in ``attrs["units"]``, as `read_table` puts them there, are those of columns
        that are given neither a unit nor a scale.
    mapping : dict
        Our column to theirs: a name, or a dict of ``column`` and, as far as needed, ``unit`` (an astropy unit, also a
        logarithmic one such as ``dex(Lsun)``, converted to that of `UNITS`) or ``scale`` (a factor), and ``missing``
        (numbers that stand for a missing value).
    source : str
        What the table is called in an error: the file.
    judge_hours : bool, default True
        Whether right ascensions without a unit are refused if they look like hours; a piece of a table can not tell.

    Returns
    -------
    pandas.DataFrame
        ``id`` and our columns as float64, infinities as NaN. Positions may be sexagesimal text, which
        needs no unit: right ascensions in hours, declinations in degrees.

    Raises
    ------
    DataError
        A column does not exist or is not numerical, or has in the table a unit that can not be converted, or right
        ascensions without a unit look like hours.
    ConfigError
        A unit is unknown, or can not be converted.
    """
    out, own = {"id": table["id"]}, table.attrs.get("units", {})
    for ours, given in mapping.items():
        entry = {"column": given} if isinstance(given, str) else given
        theirs = entry["column"]
        require_columns(table.columns, [theirs], source)
        numbers, in_degrees = _numbers(table[theirs], ours, f"column {theirs!r} of {source!r}")
        missing = as_stored(entry.get("missing") or [], table[theirs].dtype)
        numbers = numbers.where(np.isfinite(numbers) & ~numbers.isin(missing))
        if not in_degrees:
            numbers = _in_our_unit(numbers, ours, entry, own.get(theirs), source)
        out[ours] = numbers
    if (
        judge_hours
        and {"ra", "dec"} <= set(mapping)
        and (isinstance(mapping["ra"], str) or not mapping["ra"].get("unit"))
    ):
        refuse_hours(out["ra"], out["dec"], repr(source))
    return pd.DataFrame(out)


def set_aside_rows(table, bad, reason):
    """Take rows out of a table and say why.

    Parameters
    ----------
    table : pandas.DataFrame
        With a column ``id``.
    bad : pandas.Series of bool
        Which rows.
    reason : callable
        Gives the reason for a row.

    Returns
    -------
    table : pandas.DataFrame
        The other rows.
    set_aside : pandas.DataFrame
        ``id`` and ``reason`` of the rows taken out.
    """
    rows = table[bad]
    # row by row the ids apart from the numbers: a row of both would turn a 64-bit id into a floating-point number
    reasons = [reason(row) for _, row in rows.iterrows()]
    listed = list(zip(rows["id"].tolist(), reasons, strict=True))
    return table[~bad].copy(), pd.DataFrame(listed, columns=["id", "reason"])


def _in_our_unit(numbers, ours, entry, own, source):
    if entry.get("scale") is not None:
        return numbers * float(entry["scale"])
    if (unit := entry.get("unit")) is not None:
        if ours not in UNITS:
            raise ConfigError(f"The column {ours!r} takes no unit; those with one are {', '.join(UNITS)}.")
        converted = _converted(numbers, ours, unit)
        if converted is None:
            raise ConfigError(
                f"The unit of {ours!r} must be one that converts to {UNITS[ours] or 'a plain number'}. "
                f"Received: {unit!r}."
            )
        return converted
    if own is None or not UNITS.get(ours) or own.lower() in _NO_UNIT:
        return numbers
    converted = _converted(numbers, ours, own)
    if converted is None:
        raise DataError(
            f"The column {entry['column']!r} of {source!r} is in {own!r}, and {ours!r} in {UNITS[ours]}: give the unit "
            "that the column has, or the scale of its numbers."
        )
    return converted


def _converted(numbers, ours, unit):
    """Numbers in the unit of a column of ours; None if theirs is unknown or does not convert."""
    target = UNITS[ours]
    if target == "nanomaggy":
        if unit.lower() in NANOMAGGIES:
            return numbers
        target = _NANOMAGGY
    if logarithm := _LOGARITHM.fullmatch(unit):
        unit = f"dex({logarithm[1] or logarithm[2]})"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)  # a spelling that the standards discourage
        try:
            values = u.Unit(unit).to(target, numbers.to_numpy())  # values: logarithmic units have no factor
        except (ValueError, TypeError, u.UnitConversionError):
            return None
    return pd.Series(values, index=numbers.index, dtype=float)


def concat_set_aside(tables):
    """Put lists of rows that were set aside one after another.

    Parameters
    ----------
    tables : sequence of pandas.DataFrame
        Each with ``id`` and ``reason``.

    Returns
    -------
    pandas.DataFrame
        ``id`` and ``reason``, in the same order; whole ids stay whole beside missing ones.
    """
    tables = [table.astype({"id": object}) for table in tables if len(table)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["id", "reason"])


def _numbers(values, ours, where):
    """Numbers of a column, and whether they were sexagesimal text, which is in degrees by now."""
    numbers = pd.to_numeric(values, errors="coerce")
    if pd.api.types.is_integer_dtype(numbers) and (numbers.abs() > EXACT).any():
        raise DataError(
            f"The {where} holds integers above 2**53, which would lose digits as numbers; ids are matched by id and "
            "match.through."
        )
    numbers = numbers.astype(np.float64)
    unreadable = numbers.isna() & values.notna()
    if unreadable.any():
        value = values[unreadable].iloc[0]
        if ours in {"ra", "dec"} and isinstance(value, str):
            return sexagesimal_degrees(values, ours, where), True
        if value == value:  # noqa: PLR0124  NaN in a nullable column is missing, not unreadable
            raise DataError(f"The {where} must hold numbers. Received: {value}.")
    return numbers, False
