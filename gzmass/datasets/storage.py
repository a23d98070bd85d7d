"""How the images of a dataset are stored: a PNG file each, or shards; and how the one becomes the other."""

import os
import shutil
import socket
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from gzmass.datasets.layout import image_name
from gzmass.datasets.parcels import Scattered, forget_parcels
from gzmass.datasets.shards import GROUP_ROWS, shard_hash, shard_rows, write_shard, written_dataset, written_hash
from gzmass.engine import RECIPE, fingerprint
from gzmass.errors import ConfigError, DataError

__all__ = [
    "STORAGES",
    "check_storage",
    "pack_images",
    "place_shards",
    "remove_files",
    "remove_shards",
    "settle_files",
    "unpack_images",
    "write_png",
]

#: How the images of a dataset can be stored.
STORAGES = ("files", "shards")

_HOST = socket.gethostname().split(".")[0]


def check_storage(storage):
    """Refuse a storage that there is not.

    Parameters
    ----------
    storage : str
        What was asked for.

    Raises
    ------
    ConfigError
        It is none of `STORAGES`.
    """
    if storage not in STORAGES:
        raise ConfigError(f"A storage is one of {', '.join(STORAGES)}. Received: storage={storage!r}.")


def pack_images(path, table, npix, digest, read, stretch=None):
    """Write the shards of a dataset into ``work/shards/``, but for those that are the same as before.

    Parameters
    ----------
    path : pathlib.Path
        The dataset directory.
    table : pandas.DataFrame
        The catalogue.
    npix : int
        Side of the images.
    digest : hashlib.blake2b
        Has taken in the table, takes in the images, in the order of the table.
    read : callable
        Takes row numbers, an array, and gives their PNGs.
    stretch : dict, optional
        How the images were stretched; it stands in each shard, with a mark of the dataset.

    Returns
    -------
    dict
        For each shard ``rows`` and ``hash``, as `place_shards` and ``dataset.yaml`` take it.

    Raises
    ------
    DataError
        What `read` raises.
    """
    step, new, shards = shard_rows(npix), path / "work" / "shards", {}
    # two bands, say, may have one table: their recipes are two
    recipe = path / RECIPE
    made = recipe.read_text(encoding="utf-8") if recipe.is_file() else None
    dataset = {"mark": fingerprint([digest.hexdigest(), npix, stretch, made]), "stretch": stretch}
    for start in range(0, len(table), step):
        part = table.iloc[start : start + step]
        pngs = read(np.arange(start, start + len(part)))
        for png in pngs:
            digest.update(png)
        name = f"part-{len(shards):05d}.parquet"
        shards[name] = {"rows": len(part), "hash": shard_hash(part, pngs)}
        if not any(_is(folder / name, shards[name]["hash"], dataset) for folder in (path / "shards", new)):
            write_shard(new / name, part, pngs, dataset)
    return shards


def place_shards(path, shards):
    """Move the shards to their place, and remove those that are none of them.

    Parameters
    ----------
    path : pathlib.Path
        The dataset directory.
    shards : dict
        As `pack_images` gave it.
    """
    folder, new = path / "shards", path / "work" / "shards"
    folder.mkdir(exist_ok=True)
    for name, shard in shards.items():
        if _hash(new / name) == shard["hash"]:
            (new / name).replace(folder / name)
    for file in folder.glob("*.parquet"):
        if file.name not in shards:
            file.unlink()
    shutil.rmtree(new, ignore_errors=True)
    with suppress(OSError):  # records and parcels are in it
        new.parent.rmdir()


def unpack_images(path, ids, read):
    """Write images as files; what they come from stays.

    Parameters
    ----------
    path : pathlib.Path
        The dataset directory.
    ids : pandas.Series
        Ids of the galaxies.
    read : callable
        Takes row numbers, an array, and gives their PNGs.

    Raises
    ------
    DataError
        What `read` raises.
    """
    (path / "images").mkdir(exist_ok=True)
    for start in range(0, len(ids), GROUP_ROWS):
        rows = np.arange(start, min(start + GROUP_ROWS, len(ids)))
        for galaxy_id, png in zip(ids.iloc[rows].tolist(), read(rows), strict=True):
            write_png(path, galaxy_id, png)


def settle_files(path):
    """Make files of what earlier calls have put into parcels and shards, so that there is one image of a galaxy.

    Parameters
    ----------
    path : pathlib.Path
        The dataset directory; it is not finished any more if there were shards.

    Raises
    ------
    DataError
        A shard is damaged.
    """
    if not (path / "shards").is_dir() and not any((path / "work").glob("*.parquet")):
        return
    found = Scattered(path)
    unpack_images(path, found.ids, lambda rows: found.read(found.ids.iloc[rows]))
    (path / "dataset.yaml").unlink(missing_ok=True)
    remove_shards(path)


def write_png(path, galaxy_id, png):
    """Write the image of one galaxy as a file, whole or not at all.

    Parameters
    ----------
    path : str or pathlib.Path
        The dataset directory.
    galaxy_id : int or str
        Id of the galaxy.
    png : bytes
        The image, encoded.
    """
    # as `write_atomically`, with half of its calls to the system, of which every image costs one set; a worker of Dask
    # may have several threads
    partial = f"{path}/images/.partial-{_HOST}-{os.getpid()}-{threading.get_ident()}.png"
    try:
        with open(partial, "wb") as file:  # noqa: PTH123
            file.write(png)
        os.replace(partial, f"{path}/images/{image_name(galaxy_id)}")  # noqa: PTH105
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def remove_files(path, ids):
    """Remove the image files of galaxies.

    Parameters
    ----------
    path : pathlib.Path
        The dataset directory.
    ids : iterable of int or str
        Ids of the galaxies.
    """
    if not (path / "images").is_dir():
        return
    for name in map(image_name, ids):
        (path / "images" / name).unlink(missing_ok=True)
    with suppress(OSError):  # something of someone else is in it
        (path / "images").rmdir()


def remove_shards(path):
    """Remove shards and what is in progress.

    Parameters
    ----------
    path : pathlib.Path
        The dataset directory.
    """
    forget_parcels(path)
    shutil.rmtree(path / "shards", ignore_errors=True)


def _is(file, wanted, dataset):
    """Whether a shard holds what is wanted, and says so of its dataset."""
    return _hash(file) == wanted and written_dataset(pq.read_metadata(file).metadata) == dataset


def _hash(file):
    """Hash of a shard; None for one that is missing or damaged."""
    with suppress(DataError):
        return written_hash(file)
    return None
