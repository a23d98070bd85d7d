"""Writing a dataset directory: images first, then the table, and dataset.yaml last, whose presence means complete."""

import hashlib
import io
import os
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from gzmass.datasets.catalogue import contract_columns, has_votes, table_parts, write_catalogue
from gzmass.datasets.dataset import open_dataset
from gzmass.datasets.image_store import ImageFiles
from gzmass.datasets.layout import VERSION, check_images, check_table, image_name
from gzmass.datasets.parcels import Scattered, forget_parcels, remove_parcels, write_parcel
from gzmass.datasets.shards import GROUP_ROWS
from gzmass.datasets.split import SPLITS
from gzmass.datasets.storage import (
    check_storage,
    pack_images,
    place_shards,
    remove_files,
    remove_shards,
    settle_files,
    unpack_images,
    write_png,
)
from gzmass.engine import RECIPE, fingerprint, hold_directory, refuse_another, refuse_held, write_atomically, write_yaml
from gzmass.errors import DataError

__all__ = ["begin_dataset", "change_storage", "encode_png", "hold_dataset", "write_dataset"]


@contextmanager
def hold_dataset(path, recipe, tree=None):
    """Begin a dataset directory, or find it begun, and keep other processes out of it during the block.

    Parameters
    ----------
    path : str or pathlib.Path
        The directory.
    recipe : dict
        All that decides what the dataset will hold, as plain data.
    tree : DecisionTree, optional
        The tree of the votes.

    Yields
    ------
    pathlib.Path
        The directory, as `begin_dataset` makes it.

    Raises
    ------
    ConfigError
        As from `begin_dataset`; then nothing is written into it.
    """
    path = Path(path)
    refuse_another(path, recipe, _mark(recipe, tree), "dataset files")
    with hold_directory(path):
        yield begin_dataset(path, recipe, tree)


def begin_dataset(path, recipe, tree=None):
    """Make a dataset directory, or find the one that an interrupted call with the same recipe has begun.

    Parameters
    ----------
    path : str or pathlib.Path
        The directory.
    recipe : dict
        All that decides what the dataset will hold, as plain data.
    tree : DecisionTree, optional
        The tree of the votes.

    Returns
    -------
    pathlib.Path
        The directory, in which every file is whole, with a folder ``images``.

    Raises
    ------
    ConfigError
        The directory holds something else, or a dataset that was made by another recipe, or another process works in
        it.
    """
    path = Path(path)
    mark = _mark(recipe, tree)
    begun = refuse_another(path, recipe, mark, "dataset files")
    refuse_held(path)  # the beginnings of files that are removed here are its own
    if not begun:
        write_yaml(path / RECIPE, {"fingerprint": mark, "recipe": recipe})
    (path / "images").mkdir(exist_ok=True)
    for folder in ("images", "shards", "work", "work/shards"):
        with suppress(FileNotFoundError), os.scandir(path / folder) as entries:
            for name in [entry.name for entry in entries if entry.name.startswith(".partial-")]:
                (path / folder / name).unlink(missing_ok=True)
    return path


def _mark(recipe, tree):
    return fingerprint([recipe, None if tree is None else tree.hash])


def write_dataset(path, table, images, info, tree=None, recipe=None, storage="files"):
    """Write a dataset directory; interrupted and called again, it goes on where it was.

    Parameters
    ----------
    path : str or pathlib.Path
        The directory: new, empty, or begun by a call with the same recipe.
    table : pandas.DataFrame
        One row a galaxy, with at least ``id`` and ``split``. Missing columns of the contract are added as NaN;
        ``log_mstar`` is computed from ``log_ml_g`` and ``luminosity_g`` (log10 of solar masses) where it is missing.
    images : iterable of (id, numpy.ndarray of uint8)
        Images of shape (npix, npix), in any order. Those that are in the directory already are kept, so that only
        the others need to be given.
    info : dict
        What goes into ``dataset.yaml``, with at least ``npix``; plain data. Counts, tree and content hash are added.
    tree : DecisionTree, optional
        The tree of the votes.
    recipe : dict, optional
        All that decides what the dataset holds, its storage aside; by default `info`.
    storage : {"files", "shards"}, default "files"
        How the images are stored: a PNG file each, or shards. The content hash does not depend on it.

    Returns
    -------
    pathlib.Path
        The directory.

    Raises
    ------
    DataError
        The table has bad ids, splits, votes or ratios, an image is missing or has another size.
    ConfigError
        The directory holds something else, or the storage is no other.
    """
    check_storage(storage)
    check_table(table, "table", tree)
    recipe = info if recipe is None else recipe
    path, npix = begin_dataset(path, recipe, tree), int(info["npix"])
    if storage == "files":
        settle_files(path)
    _add_images(path, images, npix, storage)
    table = contract_columns(table, tree)
    if storage == "shards":
        found = Scattered(path)
        stored = _store_images(path, table, npix, storage, lambda rows: found.read(table["id"].iloc[rows]), info)
    else:
        check_images(path, table["id"])
        stored = _store_images(path, table, npix, storage, ImageFiles(path / "images", table["id"]).read, info)
    (path / "dataset.yaml").unlink(missing_ok=True)  # of an earlier table: it must not vouch for the new one
    if storage == "shards":
        place_shards(path, stored["shards"])
    with write_atomically(path / "catalog.parquet") as partial:
        write_catalogue(partial, table)
    full = {
        "format": "gzmass-dataset",
        "version": VERSION,
        **info,
        "npix": npix,
        "tree_hash": None if tree is None else tree.hash,
        "tree": None if tree is None else tree.to_dict(),
        "counts": _counts(table, tree),
        **stored,
    }
    write_yaml(path / "dataset.yaml", full)
    if storage == "shards":
        remove_parcels(path)
        remove_files(path, table["id"])
    return path


def change_storage(path, storage):
    """Store the images of a finished dataset in another way, in place; interrupted, it can be called again.

    Table and content hash stay as they are. A decoded cache stays, too.

    Parameters
    ----------
    path : str or pathlib.Path
        The dataset directory.
    storage : {"files", "shards"}
        A PNG file for each galaxy, which can be looked at; or shards, for numbers that a folder can not hold.

    Raises
    ------
    DataError
        The dataset can not be opened, or an image is missing.
    ConfigError
        The storage is no other.
    """
    check_storage(storage)
    dataset = open_dataset(path)
    path, table, read = dataset.path, dataset.table, dataset.encoded.read
    forget_parcels(path)  # of a preparation that was interrupted: they are of another table
    if dataset.info.get("storage", "files") != storage:
        if storage == "files":
            unpack_images(path, table["id"], read)
        stored = _store_images(path, table, dataset.npix, storage, read, dataset.info)
        if storage == "shards":
            place_shards(path, stored["shards"])
        kept = {key: value for key, value in dataset.info.items() if key not in {"shards", *stored}}
        write_yaml(path / "dataset.yaml", {**kept, **stored})
    if storage == "shards":
        remove_files(path, table["id"])
    else:
        remove_shards(path)


def encode_png(pixels):
    """Encode one image as PNG.

    Parameters
    ----------
    pixels : numpy.ndarray of uint8
        Grey levels, shape (npix, npix).

    Returns
    -------
    bytes
        The file.
    """
    buffer = io.BytesIO()
    # noise hardly compresses: the higher levels take thrice the time for a file 3 % smaller
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _add_images(path, images, npix, storage):
    """Add those images that the directory does not have."""
    images = iter(images)
    first = next(images, None)
    if first is None:
        return
    there = {file.name for file in (path / "images").iterdir()}
    if storage == "shards":
        there |= set(map(image_name, Scattered(path).ids.tolist()))
    new = ((i, _encode(i, image, npix)) for i, image in chain([first], images) if image_name(i) not in there)
    if storage == "files":
        for galaxy_id, png in new:
            write_png(path, galaxy_id, png)
        return
    while part := list(islice(new, GROUP_ROWS)):
        ids, pngs = zip(*part, strict=True)
        write_parcel(path, fingerprint(list(map(str, ids))), ids, pngs)


def _encode(galaxy_id, image, npix):
    pixels = np.asarray(image)
    if pixels.shape != (npix, npix) or pixels.dtype != np.uint8:
        raise DataError(
            f"The image of the galaxy {galaxy_id!r} must be uint8 of shape ({npix}, {npix}). "
            f"Received: {pixels.dtype} of shape {pixels.shape}."
        )
    return encode_png(pixels)


def _store_images(path, table, npix, storage, read, info):
    """Write the shards, if it is to be shards, but do not place them; give what dataset.yaml says of the images.

    The content hash is that of the table's values and the PNGs, in the order of the table.
    """
    digest = hashlib.blake2b(digest_size=8)
    digest.update(",".join(table.columns).encode())
    for part in table_parts(table):
        digest.update(pd.util.hash_pandas_object(part, index=False).to_numpy().tobytes())
    if storage == "shards":
        shards = pack_images(path, table, npix, digest, read, info.get("stretch"))
        return {"storage": storage, "shards": shards, "content_hash": digest.hexdigest()}
    for start in range(0, len(table), GROUP_ROWS):
        for png in read(np.arange(start, min(start + GROUP_ROWS, len(table)))):
            digest.update(png)
    return {"storage": storage, "content_hash": digest.hexdigest()}


def _counts(table, tree):
    voted, has_ml = has_votes(table, tree), table["log_ml_g"].notna().to_numpy()
    counts = {}
    for name, rows in [("all", slice(None)), *((split, table["split"] == split) for split in SPLITS)]:
        v, m = voted[rows], has_ml[rows]
        counts[name] = {
            "galaxies": len(v),
            "votes": int(v.sum()),
            "log_ml": int(m.sum()),
            "votes_and_log_ml": int((v & m).sum()),
        }
    return counts
