"""The sample of `prepare`: which galaxies there are, and the image file of each."""

import os

import numpy as np
import pandas as pd

from gzmass.catalogs import clean_ids, named_columns, read_table
from gzmass.errors import DataError
from gzmass.preparation.columns import plain_columns
from gzmass.preparation.tables import check_columns

__all__ = ["find_sample"]

_FEW = 3  # galaxies: the positions of fewer say nothing
_PART = 4096  # files whose names are made at a time


def find_sample(config):
    """Find the galaxies of a dataset and their images.

    Without a list of galaxies every image is one. With a list the dataset holds those of it that have an image.

    Parameters
    ----------
    config : PrepareConfig
        The configuration.

    Returns
    -------
    table : pandas.DataFrame
        ``id`` (int64 or text, ascending, unique), ``file`` (text; missing where images are cut out of frames) and the
        columns of the list of galaxies.
    set_aside : dict of str to pandas.DataFrame
        ``id``, ``file`` and ``reason`` of what can not be used, by where it comes from.
    notes : list of str
        What the user should know.

    Raises
    ------
    DataError
        There is no image, an id belongs to two, a name does not match the pattern, or a table can not be used.
    ConfigError
        A unit is unknown, or can not be converted; a column is named that is not the user's to name.
    """
    listed, set_aside, notes = _listed_galaxies(config)
    if config.images.frames is not None:
        table = listed.assign(file=None)
    else:
        table, more = _image_files(config.images)
        set_aside |= more
        if listed is not None:
            table, listed = _same_ids(table, listed)
            without = listed[~listed["id"].isin(table["id"])]
            set_aside["galaxies without an image"] = pd.DataFrame(
                {"id": without["id"], "file": str(config.galaxies.file), "reason": "there is no image of this galaxy"}
            )
            if unlisted := len(table) - int(table["id"].isin(listed["id"]).sum()):
                notes.append(f"images: {unlisted} of {len(table)} are not of a galaxy in the list")
            images, table = table, table.merge(listed, on="id", validate="one_to_one")
            if table.empty:
                raise DataError(
                    f"None of the {len(listed)} galaxies of {str(config.galaxies.file)!r} has an image: "
                    f"{listed['id'].tolist()[0]!r} against {images['id'].tolist()[0]!r}."
                )
    if table.empty:
        raise DataError(f"The table {str(config.galaxies.file)!r} has no galaxy.")
    if "ra" in table and _may_be_hours(table["ra"]):
        notes.append("galaxies: all right ascensions lie between 0 and 24 and are taken for degrees: are they hours?")
    if config.limit is not None and config.limit < len(table):
        others = len(table) - config.limit
        notes.append(
            f"limit: {config.limit} of {len(table)} galaxies; of the {others} others it says below that they have no "
            "image"
        )
    return table.sort_values("id", ignore_index=True).iloc[: config.limit], set_aside, notes


def _may_be_hours(ra):
    """Tell a doubt, no more: a small field in degrees looks like one in hours, and images without a WCS do not know."""
    return ra.count() >= _FEW and ra.min() >= 0 and ra.max() <= 24


def _listed_galaxies(config):
    part = config.galaxies
    if part is None:
        return None, {}, []
    columns = plain_columns(part.columns)
    check_columns("galaxies", columns)
    theirs = [entry if isinstance(entry, str) else entry["column"] for entry in columns.values()]
    table, bad = read_table(part.file, part.id, theirs)
    table = named_columns(table, columns, str(part.file))
    set_aside = {"galaxies": bad.assign(file=str(part.file))}
    if "ra" in table and "dec" in table:
        wrong = ~(table["ra"].between(-180, 360) & table["dec"].between(-90, 90))
        if wrong.all():
            first = table.iloc[0]
            raise DataError(
                f"No galaxy of {str(part.file)!r} has a position: ra must be -180 to 360 and dec -90 to 90 degrees. "
                f"Received: ra={first['ra']}, dec={first['dec']}."
            )
        if config.images.frames is None:  # an image shows its galaxy wherever that is
            table = table.assign(ra=table["ra"].mask(wrong), dec=table["dec"].mask(wrong))
            notes = [f"galaxies: {int(wrong.sum())} of {len(table)} have no position in degrees"] if wrong.any() else []
            return table, set_aside, notes
        reasons = [
            f"ra={r:g}, dec={d:g} is no position in degrees" for r, d in table.loc[wrong, ["ra", "dec"]].to_numpy()
        ]
        set_aside["positions"] = pd.DataFrame({"id": table["id"][wrong], "file": str(part.file), "reason": reasons})
        table = table[~wrong].reset_index(drop=True)
    return table, set_aside, []


def _image_files(source):
    """Ids and files of all images that there are."""
    if source.table is not None:
        table, bad = read_table(source.table, source.id, [source.file])
        empty = table[source.file].isna()
        folder = source.table.parent
        without = pd.DataFrame({"id": table["id"][empty], "reason": f"the column {source.file!r} is empty"})
        set_aside = pd.concat([bad, without], ignore_index=True).assign(file=str(source.table))
        if empty.all():
            raise DataError(f"The table {str(source.table)!r} names no image in its column {source.file!r}.")
        table = table[~empty] if empty.any() else table  # to choose rows is to copy them
        files = _texts(table[source.file].array, lambda name: str(folder / str(name)))
        return pd.DataFrame({"id": table["id"].to_numpy(), "file": files}), {"list of images": set_aside}
    before, after = source.pattern.split("{id}")
    if source.folder is None:
        names = [path.name for path in source.files]
    elif not source.folder.is_dir():
        raise DataError(f"The folder of images {str(source.folder)!r} does not exist.")
    else:
        with os.scandir(source.folder) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".")]
    fits = np.array([n.startswith(before) and n.endswith(after) and len(n) > len(before) + len(after) for n in names])
    if source.folder is None and not fits.all():
        wrong = min(str(path) for path, fit in zip(source.files, fits, strict=True) if not fit)
        raise DataError(f"The image {wrong!r} does not match the pattern {source.pattern!r}.")
    if not fits.any():
        raise DataError(f"The folder {str(source.folder)!r} has no image that matches the pattern {source.pattern!r}.")
    chosen = np.flatnonzero(fits)
    ids = _texts(chosen, lambda k: names[k][len(before) : len(names[k]) - len(after)])
    ids = clean_ids(ids, f"the file names {source.pattern!r}")
    repeated = ids.duplicated()
    if repeated.any():
        raise DataError(f"The id {ids[repeated].tolist()[0]!r} belongs to two images; ids must be unique.")
    files = _texts(chosen, lambda k: str(source.files[k]) if source.folder is None else f"{source.folder}/{names[k]}")
    return pd.DataFrame({"id": ids, "file": files}), {}


def _texts(values, function):
    """Make a text of each value, in parts: Python's own of all of them would take thrice the memory."""
    parts = (values[k : k + _PART] for k in range(0, len(values), _PART))
    return pd.concat([pd.Series(list(map(function, part))) for part in parts], ignore_index=True)


def _same_ids(table, other):
    """Make the ids of two tables text if those of only one are."""
    if table["id"].dtype != other["id"].dtype:
        return tuple(part.assign(id=part["id"].astype(str)) for part in (table, other))
    return table, other
