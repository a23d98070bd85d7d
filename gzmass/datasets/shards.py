"""Shards: Parquet files of galaxies with their images as PNG bytes, which Hugging Face `datasets` reads as images."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gzmass.engine import write_atomically
from gzmass.errors import DataError

__all__ = [
    "GROUP_ROWS",
    "HASH_KEY",
    "ShardPiece",
    "read_shard_piece",
    "shard_hash",
    "shard_pieces",
    "shard_rows",
    "write_shard",
    "written_dataset",
    "written_hash",
]

#: Rows of a row group, the least that is read at a time.
GROUP_ROWS = 1024

_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

# where `datasets` looks for columns that are more than their Arrow type
_HUGGING_FACE = json.dumps({"info": {"features": {"image": {"_type": "Image"}}}}).encode()

#: Key of the footer for the hash of what a shard holds.
HASH_KEY = b"gzmass_hash"
_DATASET = b"gzmass_dataset"


@dataclass(frozen=True)
class ShardPiece:
    """A row group of a shard: what is read at a time.

    Parameters
    ----------
    file : pathlib.Path
        The shard.
    row_group : int
        Number of the row group in the file.
    first_row : int
        Number of its first galaxy, counted over all shards of the dataset: its row in ``catalog.parquet``.
    n_rows : int
        Number of its galaxies.
    """

    file: Path
    row_group: int
    first_row: int
    n_rows: int


def shard_rows(npix):
    """Say how many galaxies go into a shard: as many as make some 30 MB, in whole row groups.

    Parameters
    ----------
    npix : int
        Side of the images.

    Returns
    -------
    int
        8,192 for 69 px.
    """
    return GROUP_ROWS * max(1, round(8 * (69 / npix) ** 2))


def shard_pieces(paths, hashes=None):
    """List the row groups of shards; only their footers are read.

    Parameters
    ----------
    paths : sequence of str or pathlib.Path
        The shards, in the order of the rows of the catalogue.
    hashes : sequence of str or None, optional
        The hash that each shard must have, as ``dataset.yaml`` says; None for one that another program wrote.

    Returns
    -------
    list of ShardPiece
        In the order of the rows.

    Raises
    ------
    DataError
        A shard is missing or damaged, has no column ``id`` or ``image``, or another hash.
    """
    pieces, row = [], 0
    for path, wanted in zip(map(Path, paths), hashes or [None] * len(paths), strict=True):
        footer = _footer(path)
        if wanted is not None and _hash(footer) != wanted:
            raise DataError(
                f"The shard {str(path)!r} is not the one that dataset.yaml lists: it is of another dataset, or changed."
            )
        for group in range(footer.num_row_groups):
            pieces.append(ShardPiece(path, group, row, footer.row_group(group).num_rows))
            row += pieces[-1].n_rows
    return pieces


def read_shard_piece(piece, columns=None):
    """Read a row group of a shard.

    Parameters
    ----------
    piece : ShardPiece
        Which.
    columns : sequence of str, optional
        Columns of the table to read; by default all of them.

    Returns
    -------
    table : pandas.DataFrame
        The columns without the image, one row a galaxy.
    pngs : list of bytes or None
        The image of each galaxy, encoded; None where the shard holds none.

    Raises
    ------
    DataError
        The shard is missing or damaged, or has no such column.
    """
    try:
        with pq.ParquetFile(piece.file, page_checksum_verification=True) as file:
            known = file.schema_arrow.names
            wanted = known if columns is None else [*columns, "image"]
            if missing := [name for name in wanted if name not in known]:
                raise DataError(f"The shard {str(piece.file)!r} has no column {missing[0]!r}.")
            read = file.read_row_group(piece.row_group, columns=wanted, use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(piece.file, error) from None
    image = read["image"].combine_chunks()
    data = image.field("bytes") if pa.types.is_struct(image.type) else image
    return read.drop_columns("image").to_pandas(), data.to_pylist()


def write_shard(file, table, pngs, dataset=None):
    """Write a shard, whole or not at all.

    Parameters
    ----------
    file : str or pathlib.Path
        The file to make.
    table : pandas.DataFrame
        One row a galaxy, with at least ``id``.
    pngs : sequence of bytes or None
        The image of each galaxy, encoded; None where it has none.
    dataset : dict, optional
        What stands in the footer of the dataset that the shard is of, and `written_dataset` gives: plain data.
    """
    columns = pa.Table.from_pandas(table, preserve_index=False)
    images = pa.StructArray.from_arrays(
        [pa.array(pngs, pa.binary()), pa.nulls(len(table), pa.string())], fields=list(_IMAGE)
    )
    columns = columns.add_column(columns.schema.get_field_index("id") + 1, pa.field("image", _IMAGE), images)
    extra = {b"huggingface": _HUGGING_FACE, HASH_KEY: shard_hash(table, pngs).encode()}
    if dataset is not None:
        extra[_DATASET] = json.dumps(dataset).encode()
    columns = columns.replace_schema_metadata({**(columns.schema.metadata or {}), **extra})
    plain = [name for name in columns.column_names if name != "image"]
    with write_atomically(file) as partial:
        pq.write_table(
            columns,
            partial,
            row_group_size=GROUP_ROWS,
            # a PNG is compressed and like no other: neither a dictionary nor a second compression nor bounds help
            compression={**dict.fromkeys(plain, "zstd"), "image.bytes": "none", "image.path": "none"},
            use_dictionary=plain,
            write_statistics=plain,
            write_page_checksum=True,
        )


def shard_hash(table, pngs):
    """Hash of what a shard holds; it stands in the footer and in ``dataset.yaml``, so that a strange shard is noticed.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a galaxy.
    pngs : sequence of bytes or None
        The images.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    digest = hashlib.blake2b(digest_size=8)
    digest.update(",".join(table.columns).encode())
    digest.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
    for png in pngs:
        digest.update(png or b"")
    return digest.hexdigest()


def written_hash(file):
    """Read the hash in the footer of a shard.

    Parameters
    ----------
    file : str or pathlib.Path
        The shard.

    Returns
    -------
    str or None
        As `shard_hash` gave it; None where the shard was written by another program.

    Raises
    ------
    DataError
        The shard is missing or damaged, or has no column ``id`` or ``image``.
    """
    return _hash(_footer(file))


def written_dataset(metadata):
    """Read which dataset a shard is of.

    Parameters
    ----------
    metadata : dict of bytes or None
        The metadata in the footer of the shard.

    Returns
    -------
    dict or None
        As `write_shard` took it: ``mark``, the same for all shards of a dataset and for no other, and ``stretch``, as
        in ``dataset.yaml``. None where the shard says nothing of it.
    """
    found = (metadata or {}).get(_DATASET)
    return None if found is None else json.loads(found)


def _footer(file):
    """Footer of a shard, checked."""
    try:
        footer = pq.read_metadata(file)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(file, error) from None
    names = {footer.schema.column(k).path.split(".")[0] for k in range(footer.num_columns)}
    for name in ("id", "image"):
        if name not in names:
            raise DataError(f"The shard {str(file)!r} has no column {name!r}.")
    return footer


def _hash(footer):
    found = (footer.metadata or {}).get(HASH_KEY)
    return None if found is None else found.decode()


def _unreadable(file, error):
    if isinstance(error, FileNotFoundError):
        return DataError(f"The shard {str(file)!r} does not exist.")
    return DataError(f"The shard {str(file)!r} can not be read: {str(error).splitlines()[0].rstrip('.')}.")
