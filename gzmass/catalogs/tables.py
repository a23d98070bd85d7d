"""Reading tables by their ending, with ids that stay 64-bit integers or text and columns named by meaning."""

from pathlib import Path

import astropy.units as u
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.table import Table

from gzmass.errors import ConfigError, DataError

__all__ = ["UNITS", "clean_ids", "named_columns", "read_table", "set_aside_rows"]

#: Units of the columns of a dataset that have one; the luminosity is in solar luminosities of the band itself.
UNITS = {
    "ra": "deg",
    "dec": "deg",
    "redshift": "",
    "distance_mpc": "Mpc",
    "luminosity_g": "Lsun",
    "radius_kpc": "kpc",
    "pixel_scale_arcsec": "arcsec",
}

_ASTROPY_FORMATS = {
    ".fits": "fits",
    ".fits.gz": "fits",
    ".fit": "fits",
    ".ecsv": "ascii.ecsv",
    ".vot": "votable",
    ".votable": "votable",
    ".xml": "votable",
}
_CSV_ENDINGS = (".csv", ".csv.gz")
_ENDINGS = (*_CSV_ENDINGS, ".parquet", *_ASTROPY_FORMATS)


def read_table(path, id_column, columns=None):
    """Read a table of galaxies.

    Parameters
    ----------
    path : str or pathlib.Path
        CSV (also gzipped), Parquet, FITS, ECSV or VOTable, told by the ending.
    id_column : str
        Column with the ids; it becomes ``id``.
    columns : sequence of str, optional
        The other columns to read; by default all of them.

    Returns
    -------
    table : pandas.DataFrame
        ``id`` (int64 or text) and the columns under their own names, missing numbers as NaN.
    set_aside : pandas.DataFrame
        ``id`` and ``reason`` of the rows without an id.

    Raises
    ------
    DataError
        The file is missing, can not be read or has another ending; a column is missing; ids went through floating-point
        numbers or are repeated.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"The table {str(path)!r} does not exist.")
    name = path.name.lower()
    if not name.endswith(_ENDINGS):
        raise DataError(f"The table {str(path)!r} must have one of the endings {', '.join(_ENDINGS)}.")
    read = _read_csv if name.endswith(_CSV_ENDINGS) else _read_parquet if name.endswith(".parquet") else _read_astropy
    wanted = None if columns is None else list(dict.fromkeys([id_column, *columns]))
    try:
        table = read(path, id_column, wanted)
    except DataError:
        raise
    except Exception as error:  # noqa: BLE001  each reader raises kinds of its own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise DataError(f"The table {str(path)!r} can not be read: {reason}.") from None
    empty = table[id_column].isna() | (table[id_column].astype(str) == "")
    table, set_aside = set_aside_rows(
        table.rename(columns={id_column: "id"}), empty, lambda row: f"row {row.name} of {path.name} has no id"
    )
    table["id"] = clean_ids(table["id"], f"column {id_column!r} of {str(path)!r}")
    repeated = table["id"].duplicated()
    if repeated.any():
        raise DataError(
            f"The id {table['id'][repeated].tolist()[0]!r} stands more than once in the column {id_column!r} of "
            f"{str(path)!r} ({int(repeated.sum())} rows too many); ids must be unique."
        )
    return table.reset_index(drop=True), set_aside


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
    text = values.map(lambda v: v.decode() if isinstance(v, bytes) else str(v)).str.strip()
    as_float = text.str.fullmatch(r"[+-]?\d+\.\d*([eE][+-]?\d+)?|[+-]?\d+[eE]\+?\d+")
    if pd.api.types.is_float_dtype(values) or (len(text) and as_float.all()):
        example = "" if not len(text) else f" Received: {text.iloc[0]}."
        raise DataError(
            f"The ids in {where} went through floating-point numbers, which do not hold the digits of a 64-bit id; "
            f"give them as integers or text.{example}"
        )
    whole = text.str.fullmatch(r"-?[1-9]\d{0,18}|0")
    if len(text) and whole.all():
        integers = [int(v) for v in text]
        if max(integers) <= np.iinfo(np.int64).max and min(integers) >= np.iinfo(np.int64).min:
            return pd.Series(np.array(integers, dtype=np.int64), index=values.index)
    return text


def named_columns(table, mapping, source):
    """Take columns by the names of the dataset contract, in its units.

    Parameters
    ----------
    table : pandas.DataFrame
        With a column ``id``.
    mapping : dict
        Our column to theirs: a name, or a dict of ``column`` and either ``unit`` (an astropy unit, converted to that of
        `UNITS`) or ``scale`` (a factor).
    source : str
        What the table is called in an error: the file.

    Returns
    -------
    pandas.DataFrame
        ``id`` and our columns as float64, infinities as NaN.

    Raises
    ------
    DataError
        A column does not exist or is not numerical.
    ConfigError
        A unit is unknown, or can not be converted.
    """
    out = {"id": table["id"]}
    for ours, given in mapping.items():
        entry = {"column": given} if isinstance(given, str) else given
        theirs = entry["column"]
        _require_columns(table.columns, [theirs], source)
        numbers = pd.to_numeric(table[theirs], errors="coerce").astype(np.float64)
        unreadable = numbers.isna() & table[theirs].notna()
        if unreadable.any():
            value = table[theirs][unreadable].iloc[0]
            if value == value:  # noqa: PLR0124  NaN in a nullable column is missing, not unreadable
                raise DataError(f"The column {theirs!r} of {source!r} must hold numbers. Received: {value}.")
        numbers = numbers.where(np.isfinite(numbers))
        out[ours] = numbers * float(entry.get("scale") or 1.0) * _conversion(ours, entry.get("unit"))
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


def _conversion(ours, unit):
    if unit is None:
        return 1.0
    if ours not in UNITS:
        raise ConfigError(f"The column {ours!r} takes no unit; those with one are {', '.join(UNITS)}.")
    try:
        return u.Unit(unit).to(UNITS[ours])
    except (ValueError, TypeError, u.UnitConversionError):
        raise ConfigError(
            f"The unit of {ours!r} must be one that converts to {UNITS[ours] or 'a plain number'}. Received: {unit!r}."
        ) from None


def _require_columns(there, wanted, source):
    for column in wanted:
        if column not in there:
            shown = ", ".join(map(str, list(there)[:20])) + (", ..." if len(there) > 20 else "")
            raise DataError(f"The table {source!r} has no column {column!r}; it has {shown}.")


def _read_csv(path, id_column, wanted):
    header = pd.read_csv(path, nrows=0, skipinitialspace=True)
    _require_columns(header.columns, wanted or [id_column], str(path))
    # text first: a single missing id would make pandas read all of them as floating-point numbers
    return pd.read_csv(path, usecols=wanted, dtype={id_column: "string"}, skipinitialspace=True)


def _read_parquet(path, id_column, wanted):
    file = pq.ParquetFile(path)
    _require_columns(file.schema_arrow.names, wanted or [id_column], str(path))
    table = file.read(columns=wanted)
    whole = pa.types.is_integer(table.schema.field(id_column).type)
    # objects keep every digit of an integer beside a null, which would otherwise become a floating-point number
    ids = table.column(id_column).to_pandas(integer_object_nulls=True)
    frame = table.drop_columns([id_column]).to_pandas()
    frame.insert(0, id_column, ids.astype("Int64") if whole and ids.dtype == object else ids)
    return frame


def _read_astropy(path, id_column, wanted):
    name = path.name.lower()
    ending = next(e for e in _ASTROPY_FORMATS if name.endswith(e))
    table = Table.read(path, format=_ASTROPY_FORMATS[ending])
    _require_columns(table.colnames, wanted or [id_column], str(path))
    names = wanted or [c for c in table.colnames if table[c].ndim == 1]
    return table[names].to_pandas()
