"""Reading a dataset directory: its table, its labels and its pixels, which are decoded once for training."""

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gzmass.datasets.catalogue import has_votes, vote_columns
from gzmass.datasets.image_store import ImageFiles, ImageShards, open_images
from gzmass.datasets.layout import check_table, read_info
from gzmass.datasets.pixels import decode_images, open_pixels, row_numbers, write_pixels
from gzmass.datasets.split import SPLITS
from gzmass.engine import remove_left_behind
from gzmass.errors import DataError
from gzmass.tree import DecisionTree, load_tree

__all__ = ["Dataset", "open_dataset"]

_LABELS = ("votes", "log_ml")


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset directory, opened by `open_dataset`.

    Parameters
    ----------
    path : pathlib.Path
        The directory.
    info : dict
        What stands in ``dataset.yaml``.
    table : pandas.DataFrame
        One row a galaxy, with the columns of the dataset contract; NaN where a value is missing.
    tree : DecisionTree or None
        The tree of the votes; None in a dataset without votes.
    encoded : ImageFiles or ImageShards
        Where the PNGs of the galaxies are.
    """

    path: Path
    info: dict = field(repr=False)
    table: pd.DataFrame = field(repr=False)
    tree: DecisionTree | None
    encoded: ImageFiles | ImageShards = field(repr=False)

    def __len__(self):
        return len(self.table)

    @property
    def npix(self):
        """Side of the images.

        Returns
        -------
        int
            In pixels.
        """
        return self.info["npix"]

    @property
    def assumed_volunteers(self):
        """How many volunteers a galaxy is taken to have had, where the catalogue tells fractions without their number.

        Returns
        -------
        float or None
            The number behind the votes of every galaxy; None where votes were counted.
        """
        columns = self.info.get("columns") or {}
        return (columns.get("<stem>_votes") or {}).get("n_votes")

    @property
    def vote_columns(self):
        """Columns of the votes, in the order of the tree's answers.

        Returns
        -------
        list of str
            ``<stem>_votes`` for each answer; empty without a tree.
        """
        return vote_columns(self.tree)

    def rows(self, split=None, labelled=None):
        """Numbers of the rows of a split that have a label.

        Parameters
        ----------
        split : {"train", "val", "test"}, optional
            By default all of them.
        labelled : {"votes", "log_ml"} or tuple of these, optional
            Only galaxies with a vote, or a mass-to-light ratio, or any of several.

        Returns
        -------
        numpy.ndarray of int
            Row numbers, ascending.

        Raises
        ------
        DataError
            There is no such split or label.
        """
        keep = np.ones(len(self.table), dtype=bool)
        if split is not None:
            if split not in SPLITS:
                raise DataError(f"A split is one of {', '.join(SPLITS)}. Received: {split!r}.")
            keep &= (self.table["split"] == split).to_numpy()
        if labelled is not None:
            keep &= np.any([self._has_label(label) for label in np.atleast_1d(labelled).tolist()], axis=0)
        return np.flatnonzero(keep)

    def require_rows(self, split=None, labelled=None):
        """Give the rows of a split that have a label, of which there must be at least one.

        Parameters
        ----------
        split : {"train", "val", "test"}, optional
            By default all of them.
        labelled : {"votes", "log_ml"} or tuple of these, optional
            Only galaxies with a vote, or a mass-to-light ratio, or any of several.

        Returns
        -------
        numpy.ndarray of int
            Row numbers, ascending, at least one.

        Raises
        ------
        DataError
            There is no such galaxy, split or label.
        """
        rows = self.rows(split, labelled)
        if not len(rows):
            which = "The dataset" if split is None else f"The split {split!r} of the dataset"
            wanted = "galaxies" if labelled is None else " or ".join(np.atleast_1d(labelled).tolist())
            count = len(self.rows(split))
            raise DataError(f"{which} {str(self.path)!r} has no {wanted}: none of its {count} galaxies can be used.")
        return rows

    def images(self, rows=None):
        """Pixels of galaxies: out of `pixels` where they have been decoded, else decoded now.

        Parameters
        ----------
        rows : str or array_like of int or bool, optional
            Name of a split, row numbers, or a mask of all galaxies; by default all of them.

        Returns
        -------
        numpy.ndarray of uint8
            Grey levels, shape (n, npix, npix, 1).

        Raises
        ------
        DataError
            An image is missing, can not be read, or has another size than ``dataset.yaml`` says.
        """
        rows = self._row_numbers(rows)
        return (self.pixels[rows] if self._is_decoded else decode_images(self.encoded, rows, self.npix))[..., None]

    def readable_images(self, rows=None):
        """Pixels of galaxies as far as they can be read, for work that goes on without the others.

        Parameters
        ----------
        rows : str or array_like of int or bool, optional
            Name of a split, row numbers, or a mask of all galaxies; by default all of them.

        Returns
        -------
        pixels : numpy.ndarray of uint8
            Grey levels, shape (n, npix, npix, 1); 0 where there is no image.
        reasons : numpy.ndarray of object
            Why there is no image, shape (n,); "" where there is one.
        """
        rows = self._row_numbers(rows)
        reasons = np.full(len(rows), "", dtype=object)
        if self._is_decoded:
            return self.pixels[rows][..., None], reasons
        return decode_images(self.encoded, rows, self.npix, reasons)[..., None], reasons

    def pngs(self, rows=None):
        """Images of galaxies as they are stored.

        Parameters
        ----------
        rows : str or array_like of int or bool, optional
            Name of a split, row numbers, or a mask of all galaxies; by default all of them.

        Returns
        -------
        list of bytes
            The PNGs.

        Raises
        ------
        DataError
            An image can not be read.
        """
        return self.encoded.read(self._row_numbers(rows))

    def votes(self, rows=None):
        """Weight of the votes for each answer.

        Parameters
        ----------
        rows : str or array_like of int or bool, optional
            Name of a split, row numbers, or a mask of all galaxies; by default all of them.

        Returns
        -------
        numpy.ndarray of float32
            Shape (n, n_answers), >= 0, NaN where missing.

        Raises
        ------
        DataError
            The dataset has no decision tree.
        """
        if self.tree is None:
            raise DataError(f"The dataset {str(self.path)!r} has no votes: its dataset.yaml names no decision tree.")
        return self._columns(self.vote_columns, rows)

    def log_ml(self, rows=None):
        """Logarithm of the mass-to-light ratio and its error.

        Parameters
        ----------
        rows : str or array_like of int or bool, optional
            Name of a split, row numbers, or a mask of all galaxies; by default all of them.

        Returns
        -------
        numpy.ndarray of float32
            ``log_ml_g`` and ``log_ml_g_err``, log10 of solar units, shape (n, 2); NaN where missing.
        """
        return self._columns(["log_ml_g", "log_ml_g_err"], rows)

    def metadata(self, columns, rows=None):
        """Columns of the table as numbers.

        Parameters
        ----------
        columns : sequence of str
            Names of numerical columns.
        rows : str or array_like of int or bool, optional
            Name of a split, row numbers, or a mask of all galaxies; by default all of them.

        Returns
        -------
        numpy.ndarray of float32
            Physical units, shape (n, len(columns)), NaN where missing.

        Raises
        ------
        DataError
            There is no such numerical column.
        """
        numerical = [c for c in self.table.columns if c != "id" and self.table[c].dtype.kind in "fiub"]
        for column in columns:
            if column not in numerical:
                raise DataError(
                    f"The dataset {str(self.path)!r} has no numerical column {column!r}; it has "
                    f"{', '.join(c for c in numerical if not c.endswith('_votes'))} and the votes."
                )
        return self._columns(list(columns), rows)

    def batches(
        self, rows=None, batch_size=64, shuffle=False, seed=0, metadata=(), targets=("votes", "log_ml"), **kwargs
    ):
        """Batches for ``fit``, ``evaluate`` and ``predict`` of a Keras model on any backend.

        Parameters
        ----------
        rows : str or array_like of int or bool, optional
            Name of a split, row numbers, or a mask of all galaxies; by default all of them.
        batch_size : int, default 64
            Galaxies a batch; the last batch has what is left.
        shuffle : bool, default False
            Whether each epoch has an order of its own, a pure function of seed and epoch.
        seed : int, default 0
            Seed of the order.
        metadata : sequence of str, default ()
            Columns of the input ``metadata``; without any the input is left out.
        targets : sequence of str, default ("votes", "log_ml")
            Labels to give; without any the batches hold inputs only.
        **kwargs : dict
            ``workers`` and the like of ``keras.utils.PyDataset``.

        Returns
        -------
        gzmass.datasets.batches.Batches
            A ``keras.utils.PyDataset`` of ``({"image": ..., "metadata": ...}, {"votes": ..., "log_ml": ...})``.
        """
        from gzmass.datasets.batches import Batches  # noqa: PLC0415  imports Keras, which takes seconds

        return Batches(self, self._row_numbers(rows), batch_size, shuffle, seed, metadata, targets, **kwargs)

    @cached_property
    def pixels(self):
        """Pixels of all galaxies, decoded once into a file of the directory, from which rows are read.

        The file ``cache/pixels-<content hash>.npy`` can be deleted at any time. Where the directory can not be written,
        the pixels are decoded into memory.

        Returns
        -------
        gzmass.datasets.pixels.PixelFile or numpy.ndarray of uint8
            Shape (n, npix, npix), read-only; indexed with row numbers or a slice.

        Raises
        ------
        DataError
            An image is missing, can not be read, or has another size than ``dataset.yaml`` says.
        """
        file, shape = self._pixel_file, (len(self.table), self.npix, self.npix)
        found = open_pixels(file, shape)
        if found is not None:
            return found
        if not os.access(self.path, os.W_OK):
            pixels = decode_images(self.encoded, np.arange(len(self.table)), self.npix)
            pixels.flags.writeable = False
            return pixels
        for old in set(file.parent.glob("pixels-*.npy")) - {file}:  # another process may have just finished this one
            old.unlink(missing_ok=True)
        remove_left_behind(file.parent)  # a kill while pixels are decoded leaves as much again
        write_pixels(file, self.encoded, *shape[:2])
        return open_pixels(file, shape)

    @property
    def _is_decoded(self):
        shape = (len(self.table), self.npix, self.npix)
        return "pixels" in vars(self) or open_pixels(self._pixel_file, shape) is not None

    @property
    def _pixel_file(self):
        return self.path / "cache" / f"pixels-{self.info['content_hash']}.npy"

    def _row_numbers(self, rows):
        if rows is None:
            return np.arange(len(self.table))
        if isinstance(rows, str):
            return self.rows(rows)
        return row_numbers(rows, len(self.table))

    def _columns(self, columns, rows):
        rows = self._row_numbers(rows)
        values = np.full((len(rows), len(columns)), np.nan, dtype=np.float32)
        for position, column in enumerate(columns):
            if column in self.table.columns:
                values[:, position] = self.table[column].to_numpy()[rows]
        return values

    def _has_label(self, label):
        if label not in _LABELS:
            raise DataError(f"A label is one of {', '.join(_LABELS)}. Received: {label!r}.")
        if label == "log_ml":
            return np.isfinite(self.log_ml()[:, 0])
        return has_votes(self.table, self.tree)


def open_dataset(path):
    """Open a dataset directory and check that it is whole.

    Parameters
    ----------
    path : str or pathlib.Path
        The directory.

    Returns
    -------
    Dataset
        Its table, labels and pixels.

    Raises
    ------
    DataError
        The directory, its ``dataset.yaml``, its table, an image or a shard is missing, a shard is damaged or of another
        dataset, the layout has another version, or the table has ids that are repeated or no integers or text, an
        unknown split, negative votes or an impossible M/L.
    """
    path = Path(path)
    if not path.is_dir():
        raise DataError(f"The dataset {str(path)!r} does not exist.")
    info = read_info(path)
    catalogue = path / "catalog.parquet"
    if not catalogue.is_file():
        raise DataError(f"The dataset {str(path)!r} has no catalog.parquet.")
    try:
        # the memory of each Arrow column is given back as soon as it is converted
        table = pq.read_table(catalogue).to_pandas(self_destruct=True)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"The table {str(catalogue)!r} can not be read: {str(error).splitlines()[0]}.") from None
    tree = None if info.get("tree") is None else load_tree(info["tree"])
    check_table(table, str(catalogue), tree)
    if pd.api.types.is_integer_dtype(table["id"]):
        table["id"] = table["id"].astype(np.int64)  # a table of someone else may have another width
    return Dataset(path, info, table, tree, open_images(path, info, table["id"]))
