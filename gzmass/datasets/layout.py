"""The layout of a dataset directory: its version, the names of its files, and what is checked of each."""

import os
from urllib.parse import quote

import pandas as pd
import yaml

from gzmass.catalogs.stellar_mass import MAX_LOG_ML
from gzmass.datasets.split import SPLITS
from gzmass.errors import DataError

__all__ = ["VERSION", "check_images", "check_table", "image_name", "read_info"]

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


def check_table(table, source):
    """Refuse a table that is none of galaxies.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a galaxy.
    source : str
        What the table is called in an error: the file.

    Raises
    ------
    DataError
        The columns ``id`` or ``split`` are missing, an id is repeated, empty or a float, a split has another name, a
        vote is negative, or a mass-to-light ratio can not be.
    """
    for column in ("id", "split"):
        if column not in table.columns:
            raise DataError(f"The table {source!r} has no column {column!r}; it has {', '.join(table.columns)}.")
    ids = table["id"]
    if not (pd.api.types.is_integer_dtype(ids) or ids.map(type).eq(str).all()):
        value = ids.tolist()[0] if len(ids) else None
        raise DataError(f"The column 'id' of {source!r} must hold integers or text. Received: {value!r} ({ids.dtype}).")
    if ids.isna().any():
        raise DataError(f"The column 'id' of {source!r} has an empty value in row {int(ids.isna().argmax())}.")
    if ids.duplicated().any():
        raise DataError(f"The id {ids[ids.duplicated()].tolist()[0]!r} stands twice in {source!r}; ids must be unique.")
    unknown = set(table["split"].unique()) - set(SPLITS)
    if unknown:
        raise DataError(
            f"The column 'split' of {source!r} holds {min(map(str, unknown))!r}; allowed are {', '.join(SPLITS)}."
        )
    for column in table.columns:
        if column.endswith("_votes"):
            _check_values(table, column, table[column] < 0, source, "votes are >= 0 or missing")
        elif column == "log_ml_g":
            limit = f"allowed are {-MAX_LOG_ML:g} to {MAX_LOG_ML:g}"
            _check_values(table, column, table[column].abs() > MAX_LOG_ML, source, limit)


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
