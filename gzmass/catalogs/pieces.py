"""Tables read in pieces, so that memory does not grow with the file: text, FITS, Parquet, ECSV and VOTable."""

import re
import warnings
from functools import partial as bind
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from astropy.io import fits
from astropy.table import Table
from astropy.utils.exceptions import AstropyWarning

from gzmass.catalogs.text import open_unpacked, read_layout, with_whole_rows
from gzmass.errors import DataError

__all__ = ["EXACT", "ROWS", "as_stored", "column_names", "iterate_table", "require_columns"]

#: Rows of a piece, unless something else is asked for.
ROWS = 50_000

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".dat": r"\s+", ".txt": r"\s+"}
_WHOLE = {".ecsv": "ascii.ecsv", ".vot": "votable", ".votable": "votable", ".xml": "votable"}
_FITS = (".fits", ".fit")
_ENDINGS = (*_SEPARATORS, *_FITS, ".parquet", *_WHOLE)
_PARSED = 2**14  # rows of a text that are parsed at a time where all of them are asked for
_PIECE_BYTES = 2**25  # of a FITS table whose rows are long
#: Largest integer up to which a floating-point number holds every one.
EXACT = 2**53
_INTEGERS = {
    getattr(pa, name.lower())(): getattr(pd, f"{name}Dtype")()
    for name in ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
}


def iterate_table(path, columns=None, rows=ROWS, id_columns=(), names=None, missing=()):
    """Read a table piece by piece.

    Parameters
    ----------
    path : str or pathlib.Path
        CSV, TSV, columns of text between blanks (``.dat``, ``.txt``), each also gzipped (told by the first bytes, not
        by the name), FITS, Parquet, ECSV or VOTable, told by the ending. The last two are held in memory as a whole.
    columns : sequence of str, optional
        The columns to read, in this order; ``"NAME[3]"`` is element 3, counted from 0, of a column of vectors. By
        default all columns, of FITS, ECSV and VOTable those that are no vectors.
    rows : int or None, default 50000
        Rows of a piece at most; None reads one piece with all of them.
    id_columns : sequence of str, default ()
        Columns with ids: in files of text these are handed on as text, digit by digit.
    names : sequence of str, optional
        The names of the columns, for a file of text without a line of names.
    missing : sequence of float, default ()
        Numbers that stand for a missing value, such as -99.

    Yields
    ------
    pandas.DataFrame
        A piece; the index is the number of the row in the file, counted from 0. Missing numbers are NaN, or NA in
        a column of integers too large for a floating-point number; ``attrs["units"]`` has the text of the unit by
        column, for those of which the file tells one: text and Parquet tell none.

    Raises
    ------
    DataError
        The file is missing, can not be read or has another ending; a column is missing; `names` do not fit.
    """
    path, ending = _known(path)
    if names is not None and ending not in _SEPARATORS:
        raise DataError(f"The table {str(path)!r} names its columns itself; only {', '.join(_SEPARATORS)} take names.")
    columns = None if columns is None else list(dict.fromkeys(columns))
    try:
        if ending in _SEPARATORS:
            read = bind(_iterate_text, path, _SEPARATORS[ending], columns, id_columns=set(id_columns), names=names)
            pieces = [_whole_text(read)] if rows is None else read(rows)
        elif ending in _FITS:
            pieces = _iterate_fits(path, columns, rows or ROWS)
            pieces = [pd.concat(pieces)] if rows is None else pieces
        elif ending == ".parquet":
            pieces = _iterate_parquet(path, columns, rows)
        else:
            pieces = _slices(Table.read(path, format=_WHOLE[ending]), columns, rows, str(path))
        for piece in pieces:
            plain = {name: _plain(piece[name], missing, name in id_columns) for name in columns or piece.columns}
            whole = pd.DataFrame(plain, index=piece.index, copy=False)
            whole.attrs["units"] = piece.attrs.get("units", {})
            yield whole
    except DataError:
        raise
    except Exception as error:  # noqa: BLE001  each reader raises kinds of its own
        raise _unreadable(path, error) from None


def column_names(path, names=None):
    """Give the names of the columns of a table.

    Parameters
    ----------
    path : str or pathlib.Path
        Any table that `iterate_table` reads.
    names : sequence of str, optional
        As for `iterate_table`.

    Returns
    -------
    list of str
        The names in the order of the file, columns of vectors among them.

    Raises
    ------
    DataError
        As for `iterate_table`.
    """
    path, ending = _known(path)
    try:
        if ending in _SEPARATORS:
            return list(read_layout(path, _SEPARATORS[ending], names)[0])
        if ending in _FITS:
            with fits.open(path) as hdus:
                return _table_hdu(hdus, path).columns.names
        if ending == ".parquet":
            return pq.read_schema(path).names
        return Table.read(path, format=_WHOLE[ending]).colnames
    except DataError:
        raise
    except Exception as error:  # noqa: BLE001  each reader raises kinds of its own
        raise _unreadable(path, error) from None


def require_columns(there, wanted, source):
    """Refuse a table that lacks a column.

    Parameters
    ----------
    there : sequence of str
        The columns of the table.
    wanted : sequence of str
        The columns it needs, also ``"NAME[3]"``.
    source : str
        What the table is called in an error: the file.

    Returns
    -------
    list of tuple
        For each wanted column the name of the column in the table, and the element or None.

    Raises
    ------
    DataError
        A column is missing.
    """
    there, found = list(there), []
    for column in wanted:
        element = re.fullmatch(r"(.+)\[(\d+)\]", column)
        if column in there:
            found.append((column, None))
        elif element and element[1] in there:
            found.append((element[1], int(element[2])))
        else:
            shown = ", ".join(map(str, there[:20])) + (", ..." if len(there) > 20 else "")
            raise DataError(f"The table {source!r} has no column {column!r}; it has {shown}.")
    return found


def _known(path):
    path = Path(path)
    if not path.is_file():
        raise DataError(f"The table {str(path)!r} does not exist.")
    name = path.name.lower().removesuffix(".gz")
    ending = next((e for e in _ENDINGS if name.endswith(e)), None)
    if ending is None or (path.name.lower().endswith(".gz") and ending not in (*_SEPARATORS, *_FITS)):
        raise DataError(
            f"The table {str(path)!r} must have one of the endings {', '.join(_ENDINGS)}; text and FITS also with .gz."
        )
    return path, ending


def _unreadable(path, error):
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return DataError(f"The table {str(path)!r} can not be read: {reason}.")


def _whole_text(read):
    """Read all rows of a text in parts: of many rows at once the parser takes several times the memory of the table."""
    parts = []
    for part in read(_PARSED):
        parts.append(part)
        if not part.dtypes.equals(parts[0].dtypes):
            # what a column holds is told by all of its rows
            return next(read(None))
    return pd.concat(parts)


def _iterate_text(path, separator, columns, rows, id_columns, names):
    names, skipped = read_layout(path, separator, names)
    if columns is not None:
        require_columns(names, columns, str(path))
    with open_unpacked(path) as file:
        rows_of_file = with_whole_rows(file, path, separator, len(names), skipped)
        reader = pd.read_csv(
            rows_of_file, sep=separator, names=names, header=None, skiprows=skipped, usecols=columns, index_col=False,
            # text first: a single missing id would make pandas read all of them as floating-point numbers
            dtype=dict.fromkeys(id_columns & set(names), "string"), dtype_backend="numpy_nullable",
            skipinitialspace=True, comment="#" if separator == r"\s+" else None, low_memory=False,
            iterator=True,
        )  # fmt: skip
        piece = None
        while piece is None or (rows and len(piece) == rows):
            try:
                piece = reader.get_chunk(rows)
            except StopIteration:
                if piece is not None:
                    return
                piece = pd.DataFrame({name: pd.Series(dtype=object) for name in columns or names})
            yield piece


def _iterate_fits(path, columns, rows):
    """Read rows as bytes and let astropy decode each piece: a memory map would keep every page it touched."""
    whole = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)  # a truncated file is refused below
        with fits.open(path) as hdus:
            hdu = _table_hdu(hdus, path)
            if isinstance(hdu, fits.BinTableHDU):
                header, start, infos = hdu.header.copy(), hdu.fileinfo()["datLoc"], hdu.columns
            else:
                whole = Table.read(hdu)  # numbers as text: rare and small
    if whole is not None:
        yield from _slices(whole, columns, rows, str(path))
        return
    if columns is None:
        columns = [c.name for c in infos if not (infos.dtype[c.name].shape or "P" in c.format or "Q" in c.format)]
    found = require_columns(infos.names, columns, str(path))
    units = _units({column: infos[name].unit for column, (name, _) in zip(columns, found, strict=True)})
    length, n_rows = header["NAXIS1"], header["NAXIS2"]
    size = max(1, min(rows, _PIECE_BYTES // max(1, length)))
    with open_unpacked(path) as file:
        file.seek(start)
        for first in range(0, max(n_rows, 1), size):
            n = min(size, n_rows - first)
            data = file.read(n * length)
            if len(data) < n * length:
                there = first + len(data) // length
                raise DataError(f"The table {str(path)!r} ends after {there} of its {n_rows} rows.")
            piece = _decode(header, data, n, columns, found, first, path)
            piece.attrs["units"] = units
            yield piece


def _units(units):
    texts = {column: "" if unit is None else str(unit).strip() for column, unit in units.items()}
    return {column: text for column, text in texts.items() if text}


def _table_hdu(hdus, path):
    for hdu in hdus:
        if isinstance(hdu, (fits.BinTableHDU, fits.TableHDU)):
            return hdu
    raise DataError(f"The file {str(path)!r} holds no table.")


def _decode(header, data, n, columns, found, first, path):
    """Make a piece of n rows of a FITS table out of their bytes."""
    header = header.copy()
    header["NAXIS2"], header["PCOUNT"] = n, 0
    header.remove("THEAP", ignore_missing=True)
    block = data + bytes(-len(data) % 2880)
    hdu = fits.BinTableHDU.fromstring(header.tostring().encode("ascii") + block, uint=True)
    stored, piece = hdu.data.view(np.ndarray), {}
    for column, (name, element) in zip(columns, found, strict=True):
        if str(hdu.columns[name].format).lstrip("01").startswith(("P", "Q")):
            raise DataError(
                f"The column {column!r} of {str(path)!r} can not be read: its rows have different lengths (TFORM "
                f"{hdu.columns[name].format})."
            )
        # of what is stored, before scale and zero point: that is what the null is a value of
        null = hdu.columns[name].null
        absent = None if null is None else _element(stored[name], element, column, path) == null
        values = _element(hdu.data[name], element, column, path)
        values = np.asarray(values).astype(values.dtype.newbyteorder("="))
        piece[column] = pd.Series(values)
        if absent is not None and values.dtype.kind in "iu":
            piece[column] = pd.Series(pd.array(values, dtype=str(values.dtype).replace("i", "I").replace("u", "U")))
            piece[column][absent] = pd.NA
        elif absent is not None and values.dtype.kind == "f":
            piece[column][absent] = np.nan
    return pd.DataFrame(piece, columns=columns).set_axis(range(first, first + n))


def _element(values, element, column, path):
    if element is None and getattr(values, "ndim", 1) == 1:
        return values
    length = values.shape[1] if values.ndim == 2 else None
    if element is None or length is None or element >= length:
        has = f"a column of {length} elements" if length else "no column of vectors"
        raise DataError(
            f"The column {column!r} of {str(path)!r} can not be read: it is {has}, and 'NAME[0]' is the first."
        )
    return values[:, element]


def _slices(table, columns, rows, path):
    columns = columns or [c for c in table.colnames if table[c].ndim == 1]
    found = require_columns(table.colnames, columns, path)
    chosen = Table({c: _element(table[n], e, c, path) for c, (n, e) in zip(columns, found, strict=True)})
    frame = chosen.to_pandas()
    frame.attrs["units"] = _units({c: table[n].unit for c, (n, _) in zip(columns, found, strict=True)})
    for first in range(0, max(len(frame), 1), rows or max(len(frame), 1)):
        yield frame.iloc[first : first + (rows or len(frame))]


def _iterate_parquet(path, columns, rows):
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        # astropy writes a masked column as two, the values under the mask and, of true and false, the mask
        masks = {name: f"{name}.mask" for name in schema.names if f"{name}.mask" in schema.names}
        masks = {name: mask for name, mask in masks.items() if pa.types.is_boolean(schema.field(mask).type)}
        there = [name for name in schema.names if name not in masks.values()]
        found = require_columns(schema.names, there if columns is None else columns, str(path))
        inner = dict.fromkeys(name for name, _ in found)
        inner = list(inner | dict.fromkeys(masks[name] for name in inner if name in masks))
        first = 0
        # a file without rows may have no batches
        in_batches = rows and file.metadata.num_rows > rows
        batches = file.iter_batches(rows, columns=inner) if in_batches else [file.read(columns=inner)]
        for batch in batches:
            arrays = [_arrow_column(batch, name, element, masks.get(name)) for name, element in found]
            # nullable integers keep every digit beside a null, which would otherwise make them floating-point
            piece = pa.table(arrays, names=columns or there).to_pandas(types_mapper=_INTEGERS.get, ignore_metadata=True)
            yield piece.set_axis(range(first, first + len(piece)))
            first += len(piece)


def _arrow_column(batch, name, element, mask):
    values = batch.column(name)
    if element is not None:
        values = pc.list_element(values, element)
    return values if mask is None else pc.if_else(batch.column(mask), pa.scalar(None, values.type), values)


def as_stored(numbers, dtype):
    """Give numbers as a column of some type holds them: one of float32 has -99.9 as its nearest number.

    Parameters
    ----------
    numbers : sequence of float
        The numbers.
    dtype : numpy.dtype or pandas.api.extensions.ExtensionDtype
        The type of the column.

    Returns
    -------
    list of float
        The numbers, and for a column of float32 their nearest ones.
    """
    nearest = np.array(numbers, dtype=np.float32).tolist() if dtype in ("float32", "Float32") else []
    return [*numbers, *nearest]


def _plain(values, missing, is_id):
    """Turn nullable into plain columns wherever no digit is lost, and the numbers that mean missing into NaN or NA."""
    if missing and pd.api.types.is_string_dtype(values):
        values = values.mask(values.str.strip().isin([f"{number:g}" for number in missing]).astype(bool))
    elif missing and pd.api.types.is_numeric_dtype(values):
        absent = values.isin(as_stored(missing, values.dtype))
        if absent.any():
            integer = pd.api.types.is_integer_dtype(values) and isinstance(values.dtype, np.dtype)
            values = (values.astype("Int64") if integer else values).mask(absent)
    if isinstance(values.array, pd.arrays.FloatingArray):
        return values.astype(float)
    if not isinstance(values.array, pd.arrays.IntegerArray):
        return values
    if not values.hasnans:
        return values.astype(values.dtype.numpy_dtype)
    exact = not is_id and not values.isna().all() and values.abs().max() < EXACT
    return values.astype(float) if exact else values
