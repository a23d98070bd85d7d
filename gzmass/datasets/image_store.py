"""Where the encoded images of a dataset are: a file for each, or shards; the rest of the package need not know."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from gzmass.datasets.layout import check_images, image_name
from gzmass.datasets.shards import ShardPiece, read_shard_piece, shard_pieces
from gzmass.errors import DataError

__all__ = ["ImageFiles", "ImageShards", "open_images"]

_PART = 1024  # files that are read at a time


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Images of which each is a PNG file.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.
    ids : pandas.Series
        Ids of the galaxies.
    """

    folder: Path
    ids: pd.Series = field(repr=False)

    def name(self, row):
        """Words for an image in an error.

        Parameters
        ----------
        row : int
            Number of the galaxy.

        Returns
        -------
        str
            Begins a sentence.
        """
        return f"The image {str(self._file(row))!r}"

    def parts(self, rows):
        """Divide galaxies into parts to read at a time.

        Parameters
        ----------
        rows : numpy.ndarray of int
            Numbers of the galaxies, shape (n,).

        Returns
        -------
        list of numpy.ndarray of int
            Positions in `rows`.
        """
        return [np.arange(start, min(start + _PART, len(rows))) for start in range(0, len(rows), _PART)]

    def read(self, rows):
        """Read images.

        Parameters
        ----------
        rows : numpy.ndarray of int
            Numbers of the galaxies, shape (n,).

        Returns
        -------
        list of bytes
            Encoded, in the order of `rows`.

        Raises
        ------
        DataError
            A file is missing or can not be read.
        """
        pngs = self.read_each(rows)
        for png in pngs:
            if isinstance(png, DataError):
                raise png
        return pngs

    def read_each(self, rows):
        """Read images as far as they can be read.

        Parameters
        ----------
        rows : numpy.ndarray of int
            Numbers of the galaxies, shape (n,).

        Returns
        -------
        list of (bytes or DataError)
            Encoded, in the order of `rows`; an error where an image can not be read.
        """
        pngs = []
        for row in rows:
            try:
                with open(self._file(row), "rb", buffering=0) as file:  # noqa: PTH123  half the time of Path's
                    pngs.append(file.read())
            except OSError as error:
                pngs.append(DataError(f"{self.name(row)} can not be read: {error.strerror}."))
        return pngs

    def _file(self, row):
        return f"{self.folder}/{image_name(self.ids.iloc[row])}"


@dataclass(frozen=True, eq=False)
class ImageShards:
    """Images in the row groups of shards.

    Parameters
    ----------
    pieces : list of ShardPiece
        The row groups, in the order of the galaxies.
    ids : pandas.Series
        Ids of the galaxies.
    """

    pieces: list[ShardPiece] = field(repr=False)
    ids: pd.Series = field(repr=False)

    def name(self, row):
        """Words for an image in an error.

        Parameters
        ----------
        row : int
            Number of the galaxy.

        Returns
        -------
        str
            Begins a sentence.
        """
        piece = self.pieces[int(self._numbers(np.asarray([row]))[0])]
        return f"The image of the galaxy {self.ids.iloc[[row]].tolist()[0]!r} in the shard {str(piece.file)!r}"

    def parts(self, rows):
        """Divide galaxies into parts to read at a time: those of a row group.

        Parameters
        ----------
        rows : numpy.ndarray of int
            Numbers of the galaxies, shape (n,).

        Returns
        -------
        list of numpy.ndarray of int
            Positions in `rows`; ascending, and adjacent where the rows are.
        """
        numbers = self._numbers(rows)
        order = np.argsort(numbers, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1) if len(rows) else []

    def read(self, rows):
        """Read images.

        Parameters
        ----------
        rows : numpy.ndarray of int
            Numbers of the galaxies, shape (n,).

        Returns
        -------
        list of bytes
            Encoded, in the order of `rows`; None where a shard holds none.

        Raises
        ------
        DataError
            A shard is missing or damaged, or holds other galaxies than the catalogue has at its place.
        """
        pngs, numbers = [None] * len(rows), self._numbers(rows)
        for positions in self.parts(rows):
            piece = self.pieces[numbers[positions[0]]]
            table, found = read_shard_piece(piece, ["id"])
            here, wanted = table["id"], self.ids.iloc[piece.first_row : piece.first_row + piece.n_rows]
            if not np.array_equal(here.to_numpy(), wanted.to_numpy()):
                raise DataError(
                    f"The shard {str(piece.file)!r} holds other galaxies than catalog.parquet has in the rows "
                    f"{piece.first_row} to {piece.first_row + piece.n_rows - 1}: it is of another dataset."
                )
            for position in positions.tolist():
                pngs[position] = found[rows[position] - piece.first_row]
        return pngs

    def read_each(self, rows):
        """Read images as far as they can be read.

        Parameters
        ----------
        rows : numpy.ndarray of int
            Numbers of the galaxies, shape (n,).

        Returns
        -------
        list of (bytes, None or DataError)
            Encoded, in the order of `rows`; None where a shard holds none, an error for all images of a row group that
            can not be read.
        """
        pngs = [None] * len(rows)
        for positions in self.parts(rows):
            try:
                found = self.read(rows[positions])
            except DataError as error:
                found = [error] * len(positions)
            for position, png in zip(positions.tolist(), found, strict=True):
                pngs[position] = png
        return pngs

    def _numbers(self, rows):
        return np.searchsorted(self._first_rows, rows, side="right") - 1

    @cached_property
    def _first_rows(self):
        return np.asarray([piece.first_row for piece in self.pieces])


def open_images(path, info, ids):
    """Find the images of a dataset, and check that they are all there.

    Parameters
    ----------
    path : pathlib.Path
        The dataset directory.
    info : dict
        Its ``dataset.yaml``.
    ids : pandas.Series
        Ids of the galaxies.

    Returns
    -------
    ImageFiles or ImageShards
        The images; none is read yet.

    Raises
    ------
    DataError
        The storage has another name, an image or a shard is missing, or a shard is damaged or of another dataset.
    """
    storage = info.get("storage", "files")
    if storage == "files":
        check_images(path, ids)
        return ImageFiles(path / "images", ids)
    shards = info.get("shards")
    if storage != "shards" or not isinstance(shards, dict):
        raise DataError(
            f"{str(path / 'dataset.yaml')!r} has the storage {storage!r}; allowed are files, or shards and their list."
        )
    files = [path / "shards" / name for name in shards]
    pieces = shard_pieces(files, [shard.get("hash") for shard in shards.values()])
    if (n := sum(piece.n_rows for piece in pieces)) != len(ids):
        raise DataError(f"The shards of {str(path)!r} hold {n} galaxies, its catalog.parquet {len(ids)}.")
    return ImageShards(pieces, ids)
