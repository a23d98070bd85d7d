"""Files of features written chunk by chunk: Parquet, FITS and CSV."""

import json

import numpy as np
import pandas as pd

from gzmass.engine import write_atomically
from gzmass.errors import DataError
from gzmass.inference.provenance import in_ascii

__all__ = ["FORMATS", "MOST_IN_FITS", "write_feature_file"]

#: Features that a FITS table can hold beside the id: the standard allows 999 columns.
MOST_IN_FITS = 998


def write_feature_file(path, chunks, n, ids, names, record):
    """Write a table of features in the format of the ending of its name.

    Parameters
    ----------
    path : pathlib.Path
        The file; its ending is one of `FORMATS`.
    chunks : iterable of tuple
        Pairs of ids and features, float32, shape (m, k); each becomes a row group in Parquet.
    n : int
        Number of galaxies in all chunks.
    ids : numpy.ndarray
        Their ids, int64 or text.
    names : sequence of str
        Names of the k features.
    record : dict
        Plain data that says where the features come from.

    Raises
    ------
    DataError
        FITS is to hold an id that is not ASCII.
    """
    with write_atomically(path) as temporary:
        FORMATS[path.suffix.lower()](temporary, chunks, n, ids, names, record)


def _parquet(path, chunks, _n, ids, names, record):
    import pyarrow as pa  # noqa: PLC0415 -- only this format needs it
    from pyarrow import parquet  # noqa: PLC0415

    fields = [("id", pa.int64() if ids.dtype.kind == "i" else pa.string()), *((name, pa.float32()) for name in names)]
    schema = pa.schema(fields, metadata={"gzmass": json.dumps(record)})
    with parquet.ParquetWriter(path, schema) as writer:
        for own, values in chunks:
            columns = [pa.array(own, schema.field("id").type), *(pa.array(column) for column in values.T)]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=len(own))


def _csv(path, chunks, _n, _ids, names, _record):
    with path.open("w", encoding="utf-8", newline="") as file:
        for k, (own, values) in enumerate(chunks):
            table = pd.DataFrame(values, columns=names)
            table.insert(0, "id", own)
            table.to_csv(file, index=False, header=k == 0)


def _fits(path, chunks, n, ids, names, record):
    from astropy.io import fits  # noqa: PLC0415 -- slow to load, and only this format needs it

    if ids.dtype.kind != "i":
        if strange := [text for text in ids if not text.isascii()]:
            raise DataError(f"FITS holds no {strange[0]!r}, which is not ASCII; take .parquet or .csv.")
        width = max(map(len, ids))
    id_type, id_form = (">i8", "K") if ids.dtype.kind == "i" else (f"S{width}", f"{width}A")
    row = np.dtype([("id", id_type), ("features", ">f4", (len(names),))])
    columns = [fits.Column("id", id_form), *(fits.Column(name, "E") for name in names)]
    header = fits.BinTableHDU.from_columns(columns).header
    header["NAXIS2"] = n
    for key, value in record.items():
        header.add_comment(in_ascii(f"{key}: {value}"))
    stream = fits.StreamingHDU(str(path), header)
    try:
        for own, values in chunks:
            rows = np.empty(len(own), dtype=row)
            rows["id"], rows["features"] = own.astype(id_type), values
            stream.write(rows.view(np.uint8))
    finally:
        stream.close()


#: Endings of a table of features and what writes them.
FORMATS = {".parquet": _parquet, ".fits": _fits, ".csv": _csv}
