"""Writing a dataset directory: images first, then the table, and dataset.yaml last, whose presence means complete."""

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from gzmass.datasets.layout import VERSION, check_images, check_table, image_name
from gzmass.datasets.split import SPLITS
from gzmass.engine import fingerprint, write_atomically
from gzmass.errors import ConfigError, DataError

__all__ = ["begin_dataset", "encode_png", "write_dataset", "write_image"]

#: Columns of every table, in this order; then the votes, then what else the table holds.
COLUMNS = (
    "id",
    "split",
    "ra",
    "dec",
    "redshift",
    "distance_mpc",
    "luminosity_g",
    "radius_kpc",
    "pixel_scale_arcsec",
    "stretch_scale",
    "log_ml_g",
    "log_ml_g_err",
    "log_mstar",
)

_RECIPE = "recipe.yaml"


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
        The directory, with a folder ``images`` in which every PNG is whole.

    Raises
    ------
    ConfigError
        The directory holds something else, or a dataset that was made by another recipe.
    """
    path = Path(path)
    file = path / _RECIPE
    mark = fingerprint([recipe, None if tree is None else tree.hash])
    if file.is_file():
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or found.get("fingerprint") != mark:
            raise ConfigError(
                f"The directory {str(path)!r} holds a dataset made with another configuration ({_RECIPE} says which); "
                "choose another directory or delete this one."
            )
    elif path.exists() and (not path.is_dir() or any(p for p in path.iterdir() if not p.name.startswith(".partial-"))):
        raise ConfigError(f"The path {str(path)!r} exists and is not a dataset; choose a new or an empty directory.")
    else:
        _write_yaml(file, {"fingerprint": mark, "recipe": recipe})
    images = path / "images"
    images.mkdir(exist_ok=True)
    for partial in images.glob(".partial-*"):
        partial.unlink(missing_ok=True)
    return path


def write_dataset(path, table, images, info, tree=None, recipe=None):
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
        All that decides what the dataset holds; by default `info`.

    Returns
    -------
    pathlib.Path
        The directory.

    Raises
    ------
    DataError
        The table has bad ids, splits, votes or ratios, an image is missing or has another size.
    ConfigError
        The directory holds something else.
    """
    check_table(table, "table")
    recipe = info if recipe is None else recipe
    path = begin_dataset(path, recipe, tree)
    folder, npix = path / "images", int(info["npix"])
    there = {file.name for file in folder.iterdir()}
    for galaxy_id, image in images:
        name = image_name(galaxy_id)
        if name in there:
            continue
        pixels = np.asarray(image)
        if pixels.shape != (npix, npix) or pixels.dtype != np.uint8:
            raise DataError(
                f"The image of the galaxy {galaxy_id!r} must be uint8 of shape ({npix}, {npix}). "
                f"Received: {pixels.dtype} of shape {pixels.shape}."
            )
        write_image(path, galaxy_id, pixels)
    table = _contract_columns(table, tree)
    check_images(path, table["id"])
    (path / "dataset.yaml").unlink(missing_ok=True)  # of an earlier table: it must not vouch for the new one
    with write_atomically(path / "catalog.parquet") as partial:
        table.to_parquet(partial, index=False)
    full = {
        "format": "gzmass-dataset",
        "version": VERSION,
        **info,
        "npix": npix,
        "tree_hash": None if tree is None else tree.hash,
        "tree": None if tree is None else tree.to_dict(),
        "counts": _counts(table),
        "content_hash": _content_hash(path, table),
    }
    _write_yaml(path / "dataset.yaml", full)
    return path


def write_image(path, galaxy_id, pixels):
    """Write the image of one galaxy into a dataset directory, whole or not at all.

    Parameters
    ----------
    path : str or pathlib.Path
        The directory, as `begin_dataset` makes it.
    galaxy_id : int or str
        Id of the galaxy.
    pixels : numpy.ndarray of uint8
        Grey levels, shape (npix, npix).
    """
    # as `write_atomically`, with half of its calls to the system, of which every image costs one set
    partial = f"{path}/images/.partial-{os.getpid()}.png"
    try:
        with open(partial, "wb") as file:  # noqa: PTH123
            file.write(encode_png(pixels))
        os.replace(partial, f"{path}/images/{image_name(galaxy_id)}")  # noqa: PTH105
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


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


def _contract_columns(table, tree):
    table = table.reset_index(drop=True).copy()
    for column in COLUMNS:
        if column not in table.columns:
            table[column] = np.nan
    votes = [] if tree is None else [f"{stem}_votes" for stem in tree.stems]
    missing = [column for column in votes if column not in table.columns]
    table = pd.concat([table, pd.DataFrame(np.nan, index=table.index, columns=missing)], axis=1)
    derived = table["log_ml_g"] + np.log10(table["luminosity_g"].where(table["luminosity_g"] > 0))
    table["log_mstar"] = table["log_mstar"].fillna(derived)
    rest = [column for column in table.columns if column not in {*COLUMNS, *votes}]
    return table[[*COLUMNS, *votes, *rest]]


def _counts(table):
    votes = [column for column in table.columns if column.endswith("_votes")]
    has_votes = (table[votes] > 0).any(axis=1) if votes else pd.Series(data=False, index=table.index)
    has_ml = table["log_ml_g"].notna()
    counts = {}
    for name, rows in [("all", slice(None)), *((split, table["split"] == split) for split in SPLITS)]:
        v, m = has_votes[rows], has_ml[rows]
        counts[name] = {
            "galaxies": len(v),
            "votes": int(v.sum()),
            "log_ml": int(m.sum()),
            "votes_and_log_ml": int((v & m).sum()),
        }
    return counts


def _content_hash(path, table):
    """Hash of the table's values and the image files, in the order of the table."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(",".join(table.columns).encode())
    digest.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
    for galaxy_id in table["id"]:
        with open(f"{path}/images/{image_name(galaxy_id)}", "rb", buffering=0) as file:  # noqa: PTH123
            digest.update(file.read())
    return digest.hexdigest()


def _write_yaml(file, data):
    with write_atomically(file) as partial:
        partial.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110), encoding="utf-8")
