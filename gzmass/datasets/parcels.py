"""Images in progress: made for shards and kept in parcels until all are there, found by id wherever they are.

A parcel is a small shard in ``work/``, with ids and images alone. What a parcel or a shard holds is told by its ids, so
an interrupted call leaves nothing that the next one does not find.
"""

import shutil
from contextlib import suppress

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gzmass.datasets.image_store import ImageShards
from gzmass.datasets.layout import image_name
from gzmass.datasets.shards import ShardPiece, read_shard_piece, shard_pieces, write_shard
from gzmass.errors import DataError

__all__ = ["Scattered", "forget_parcels", "read_parcel", "remove_outdated", "remove_parcels", "write_parcel"]


class Scattered:
    """The images of a directory in progress, wherever they are, found by id.

    Parameters
    ----------
    path : pathlib.Path
        The dataset directory.
    parcels : bool, default True
        Whether parcels count, or shards and files alone.

    Attributes
    ----------
    ids : pandas.Series
        Ids of the galaxies whose images are in parcels or shards; files are not listed.
    """

    def __init__(self, path, parcels=True):
        work = path / "work"
        kept = sorted(work.glob("*.parquet")) if parcels else []
        # a parcel is newer than any shard; a shard in its place and one that is to take it differ in parcels only
        shards = [file for folder in (path / "shards", work / "shards") for file in sorted(folder.glob("*.parquet"))]
        pieces, parts, row = [], [], 0
        for file in [*kept, *shards]:
            for group, ids in enumerate(_read_ids(file)):
                pieces.append(ShardPiece(file, group, row, len(ids)))
                parts.append(ids)
                row += len(ids)
        ids = pd.concat(parts, ignore_index=True) if parts else pd.Series([], dtype=object)
        self._folder = path / "images"
        self._encoded = ImageShards(pieces, ids)
        self._rows = np.flatnonzero(~ids.duplicated())
        self.ids = ids.iloc[self._rows].reset_index(drop=True)
        self._index = pd.Index(self.ids)

    def has(self, ids):
        """Say which galaxies have an image.

        Parameters
        ----------
        ids : pandas.Series
            Ids of galaxies, shape (n,).

        Returns
        -------
        numpy.ndarray of bool
            Shape (n,).
        """
        there = self._index.get_indexer(ids) >= 0
        files = {file.name for file in self._folder.glob("*.png")}
        if files:
            there[~there] = [image_name(galaxy_id) in files for galaxy_id in ids[~there]]
        return there

    def read(self, ids):
        """Read images.

        Parameters
        ----------
        ids : pandas.Series
            Ids of galaxies, shape (n,).

        Returns
        -------
        list of bytes
            The PNGs.

        Raises
        ------
        DataError
            There is none of a galaxy, or a parcel or a shard has been damaged.
        """
        places = self._index.get_indexer(ids)
        found = places >= 0
        pngs = np.full(len(ids), None, dtype=object)
        pngs[found] = self._encoded.read(self._rows[places[found]])
        for position in np.flatnonzero(~found):
            name = image_name(ids.iloc[position])
            try:
                pngs[position] = (self._folder / name).read_bytes()
            except FileNotFoundError:
                raise DataError(f"The dataset {str(self._folder.parent)!r} lacks the image {name!r}.") from None
        return pngs.tolist()


def write_parcel(path, name, ids, pngs):
    """Keep some images until all are there.

    Parameters
    ----------
    path : pathlib.Path
        The dataset directory.
    name : str
        Name of the parcel; one of the same name is replaced.
    ids : sequence of int or str
        Ids of the galaxies.
    pngs : sequence of bytes
        Their images.
    """
    write_shard(_parcel(path, name), pd.DataFrame({"id": ids}), pngs)


def read_parcel(path, name):
    """Read a parcel.

    Parameters
    ----------
    path : pathlib.Path
        The dataset directory.
    name : str
        Name of the parcel.

    Returns
    -------
    dict
        Id to PNG; empty where there is no such parcel, or it is damaged.
    """
    kept = {}
    with suppress(DataError):
        for piece in shard_pieces([_parcel(path, name)]):
            table, pngs = read_shard_piece(piece, ["id"])
            kept |= dict(zip(table["id"].tolist(), pngs, strict=True))
    return kept


def remove_outdated(path, names):
    """Remove the records and parcels of what is no longer so, lest it be taken for finished if it is so again.

    Parameters
    ----------
    path : pathlib.Path
        The dataset directory.
    names : iterable of str
        Names of those that count.
    """
    names = set(names)
    for ending in ("json", "parquet"):
        for file in (path / "work").glob(f"*.{ending}"):
            if file.stem not in names:
                file.unlink()


def remove_parcels(path):
    """Remove what was in progress and is finished: parcels, and shards that have not taken their place.

    Parameters
    ----------
    path : pathlib.Path
        The dataset directory.
    """
    for parcel in (path / "work").glob("*.parquet"):
        parcel.unlink()
    shutil.rmtree(path / "work" / "shards", ignore_errors=True)
    with suppress(OSError):  # it is not there, or holds records
        (path / "work").rmdir()


def forget_parcels(path):
    """Remove what is in progress, and the records that say that it is made.

    Parameters
    ----------
    path : pathlib.Path
        The dataset directory.
    """
    for parcel in (path / "work").glob("*.parquet"):
        parcel.with_suffix(".json").unlink(missing_ok=True)
    remove_parcels(path)


def _parcel(path, name):
    return path / "work" / f"{name}.parquet"


def _read_ids(file):
    """Read the ids of each row group; a file that is missing or damaged has none."""
    try:
        with pq.ParquetFile(file) as shard:
            groups = range(shard.num_row_groups)
            return [shard.read_row_group(k, ["id"], use_threads=False)["id"].to_pandas() for k in groups]
    except (OSError, KeyError, pa.ArrowException):
        return []
