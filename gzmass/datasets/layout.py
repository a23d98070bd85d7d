"""The layout of a dataset directory: its version, the names of its files, and what is checked of each."""

import os
from urllib.parse import quote

import pandas as pd
import yaml

from gzmass.catalogs.stellar_mass import MAX_LOG_ML
from gzmass.datasets.catalogue import vote_columns
from gzmass.datasets.split import SPLITS
from gzmass.errors import DataError

__all__ = ["VERSION", "bounds_on_r2", "check_images", "check_table", "image_name", "read_info"]

#: Version of the layout of the directory.
VERSION = 1

# the one written in C, a tenth of the time, where it was built
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_info(path):
    """Read ``dataset.yaml`` of a dataset directory.

    Parameters
    ----------
    path : pathlib.Path
        The directory.

    Returns
    -------
    dict
        Its content.

    Raises
    ------
    DataError
        The file is missing, is damaged, or has another version.
    """
    file = path / "dataset.yaml"
    if not path.is_dir():
        raise DataError(f"The dataset directory {str(path)!r} does not exist.")
    if not file.is_file():
        raise DataError(f"The directory {str(path)!r} is not a finished dataset: it has no dataset.yaml.")
    try:
        info = yaml.load(file.read_text(encoding="utf-8"), _Loader)  # noqa: S506  a safe one
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{str(file)!r} is not a YAML file: {str(error).splitlines()[0]}.") from None
    if not isinstance(info, dict):
        raise DataError(f"{str(file)!r} must be a mapping. Received: {info!r}.")
    if info.get("version") != VERSION:
        raise DataError(f"{str(file)!r} has the version {info.get('version')!r}; this gzmass reads version {VERSION}.")
    for key in ("npix", "content_hash"):
        if key not in info:
            raise DataError(f"{str(file)!r} lacks the key {key!r}.")
    return info


def bounds_on_r2(info):
    """Tell the best R2 of log M/L that can be reached, as far as a dataset knows.

    Parameters
    ----------
    info : dict
        Its ``dataset.yaml``; ``explainable_r2`` is a number, or a mapping from the kind of input to one.

    Returns
    -------
    dict of str to float
        By the kind of input, which is ``inputs`` for a single number; empty where nothing is known.
    """
    bounds = info.get("explainable_r2") or {}
    return bounds if isinstance(bounds, dict) else {"inputs": bounds}


def check_table(table, source, tree=None):
    """Refuse a table that is none of galaxies.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a galaxy.
    source : str
        What the table is called in an error: the file.
    tree : DecisionTree, optional
        The tree of the votes: other columns that end with ``_votes`` may hold anything.

    Raises
    ------
    DataError
        The columns ``id`` or ``split`` are missing, an id is repeated, empty, a float or above 2**63 - 1, a split has
        another name, a vote or the error of a mass-to-light ratio is negative, or the ratio can not be.
    """
    for column in ("id", "split"):
        if column not in table.columns:
            raise DataError(f"The table {source!r} has no column {column!r}; it has {', '.join(table.columns)}.")
    _check_ids(table["id"], source)
    unknown = set(table["split"].unique()) - set(SPLITS)
    if unknown:
        raise DataError(
            f"The column 'split' of {source!r} holds {min(map(str, unknown))!r}; allowed are {', '.join(SPLITS)}."
        )
    for column in vote_columns(tree):
        if column in table:
            _check_values(table, column, table[column] < 0, source, "votes are >= 0 or missing")
    if "log_ml_g" in table:
        limit = f"allowed are {-MAX_LOG_ML:g} to {MAX_LOG_ML:g}"
        _check_values(table, "log_ml_g", table["log_ml_g"].abs() > MAX_LOG_ML, source, limit)
    if "log_ml_g_err" in table:
        _check_values(table, "log_ml_g_err", table["log_ml_g_err"] < 0, source, "errors are >= 0 or missing")


def _check_ids(ids, source):
    if not (pd.api.types.is_integer_dtype(ids) or ids.map(type).eq(str).all()):
        value = ids.tolist()[0] if len(ids) else None
        raise DataError(f"The column 'id' of {source!r} must hold integers or text. Received: {value!r} ({ids.dtype}).")
    if ids.isna().any():
        raise DataError(f"The column 'id' of {source!r} has an empty value in row {int(ids.isna().argmax())}.")
    if pd.api.types.is_integer_dtype(ids) and len(ids) and ids.max() >= 2**63:
        raise DataError(f"The id {ids.max()} of {source!r} is too large: allowed are integers below 2**63, or text.")
    if ids.duplicated().any():
        raise DataError(f"The id {ids[ids.duplicated()].tolist()[0]!r} stands twice in {source!r}; ids must be unique.")


def _check_values(table, column, wrong, source, allowed):
    if wrong.any():
        galaxy, value = table["id"][wrong].tolist()[0], table[column][wrong].iloc[0]
        raise DataError(f"The galaxy {galaxy!r} has {value:g} in the column {column!r} of {source!r}; {allowed}.")


def check_images(path, ids):
    """Refuse a dataset directory in which the image of a galaxy is missing.

    Parameters
    ----------
    path : pathlib.Path
        The directory.
    ids : iterable of int or str
        Ids of the galaxies.

    Raises
    ------
    DataError
        The first image that is missing.
    """
    folder = path / "images"
    there = {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()
    for name in map(image_name, ids):
        if name not in there:
            raise DataError(f"The dataset {str(path)!r} lacks the image {f'images/{name}'!r}.")


def image_name(galaxy_id):
    """Name of the image file of a galaxy.

    Parameters
    ----------
    galaxy_id : int or str
        Id of the galaxy.

    Returns
    -------
    str
        ``<id>.png``, characters that are not safe in a file name percent-encoded.
    """
    return f"{quote(str(galaxy_id), safe=' +')}.png"
