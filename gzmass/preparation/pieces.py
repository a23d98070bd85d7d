"""The images of `prepare`: made in pieces by several processes, and kept as long as what they are made of stays."""

import json
import os
import re
import sys
from functools import partial as bind
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd

from gzmass.datasets.layout import image_name
from gzmass.datasets.parcels import Scattered, read_parcel, write_parcel
from gzmass.datasets.png import decode_png
from gzmass.datasets.storage import write_png
from gzmass.datasets.write import encode_png
from gzmass.engine import fingerprint, map_pieces, write_atomically
from gzmass.errors import DataError
from gzmass.preparation.images import FLUXES, MEASURED, REVISION, Galaxy, prepare_image

__all__ = ["galaxies_of", "make_images", "recipe_of", "remove_strangers"]

_PIECE = 64  # images in one piece of work for a process


def recipe_of(config):
    """All of a configuration that decides what the dataset holds.

    Parameters
    ----------
    config : PrepareConfig
        The configuration.

    Returns
    -------
    dict
        Plain data.
    """
    return config.model_dump(mode="json", exclude={"out", "workers", "storage"})


def make_images(config, table, frames, out, progress, engine=None):
    """Make the image of every galaxy, a PNG file or one in a parcel; what is finished and still there is kept.

    Parameters
    ----------
    config : PrepareConfig
        The configuration.
    table : pandas.DataFrame
        ``id`` and ``file``, and where they are known ``ra``, ``dec``, ``radius_arcsec``, ``pixel_scale_arcsec``.
    frames : gzmass.images.FrameIndex or None
        The survey frames, where images are cut out of these.
    out : pathlib.Path
        The dataset directory, as `begin_dataset` makes it.
    progress : callable or None
        Called with the number of finished images and their total, now and then.
    engine : gzmass.engine.LocalEngine or gzmass.engine.dask.DaskEngine, optional
        Where they are made; by default ``config.workers`` processes.

    Returns
    -------
    images : pandas.DataFrame
        One row a galaxy, in the order of the table: ``reason`` (None if the image is good) and `MEASURED`, without the
        fluxes that nobody asked for.
    names : list of str
        Names of the pieces, of their records and of their parcels.
    """
    order = np.arange(len(table))
    state = None
    if frames is not None:
        # what lies in one frame is cut out of it in one go
        order = np.lexsort((table["ra"], np.floor(table["dec"] / 0.2)))
        state = [(str(path), *_state(path)) for path in frames.paths]
    make = bind(_make_piece, config, out, frames, state)
    packed = (
        Scattered(out, parcels=False).has(table["id"]) if config.storage == "shards" else np.zeros(len(table), bool)
    )
    chosen = (order[k : k + _PIECE] for k in range(0, len(table), _PIECE))
    pieces = ((galaxies_of(config, table.iloc[rows]), packed[rows].tolist()) for rows in chosen)
    images = _empty_columns(config, table)
    names, done = [], 0
    for name, rows in map_pieces(make, pieces, config.workers, engine=engine):
        names.append(name)
        places = order[done : done + len(rows)]
        for column, values in zip(("reason", *MEASURED), zip(*rows, strict=True), strict=True):
            if column in images:
                # the few words of a status are one object each, not one for each galaxy
                images[column][places] = list(map(_shared, values)) if column == "centre_status" else values
        done += len(rows)
        if progress is not None:
            progress(done, len(table))
    series = {name: pd.Series(values, dtype=values.dtype, copy=False) for name, values in images.items()}
    return pd.DataFrame(series, copy=False), names


def _empty_columns(config, table):
    """Arrays for what is going to be known of the images; fluxes that nobody asks for have none."""
    measured = config.photometry is not None and config.photometry.measures_images
    columns = {}
    for name in ("reason", *MEASURED):
        if name in {"reason", "centre_status"}:
            columns[name] = np.full(len(table), None, dtype=object)
        elif name not in FLUXES or (measured and name not in table):  # what a table gives is not measured
            columns[name] = np.full(len(table), np.nan)
    return columns


def _shared(word):
    return None if word is None else sys.intern(word)


def galaxies_of(config, table):
    """Put together what is known of galaxies before their images are opened.

    Parameters
    ----------
    config : PrepareConfig
        The configuration.
    table : pandas.DataFrame
        As for `make_images`.

    Returns
    -------
    list of Galaxy
        One a row.
    """
    empty = pd.Series(np.nan, index=table.index)
    numbers = {name: table.get(name, empty) for name in ("ra", "dec", "radius_arcsec", "pixel_scale_arcsec")}
    if config.pixel_scale_arcsec is not None:
        numbers["pixel_scale_arcsec"] = numbers["pixel_scale_arcsec"].fillna(config.pixel_scale_arcsec)
    pattern = None if config.photometry is None else config.photometry.colour_pattern
    ids, files = table["id"].tolist(), table["file"].tolist()
    colour_files = [None] * len(ids)
    if pattern is not None:
        before, after = config.images.pattern.split("{id}")
        names = [Path(file).name[len(before) : -len(after) or None] for file in files]
        colour_files = [str(config.images.folder / pattern.replace("{id}", name)) for name in names]
    rows = zip(ids, files, colour_files, *(column.astype(float).tolist() for column in numbers.values()), strict=True)
    return [Galaxy(*row) for row in rows]


def _make_piece(config, out, frames, frames_state, piece):
    """Make some images, then the record that says so.

    Of files that have not changed only images are made that are missing, or another call's by now, and those whose file
    the system could not read, which may have passed.
    """
    galaxies, packed = piece
    state = [(*galaxy, *_state(galaxy.file), *_state(galaxy.colour_file)) for galaxy in galaxies]
    name = fingerprint([REVISION, recipe_of(config), frames_state, state])
    record = out / "work" / f"{name}.json"
    rows, written = before = _read_record(record, len(galaxies))
    rows, passing, made = list(rows), {}, {}
    kept = read_parcel(out, name) if config.storage == "shards" and record.is_file() else {}
    if config.storage == "files":
        there = [_is_as_written(out, *pair) for pair in zip(galaxies, written, strict=True)]
    else:
        there = [is_packed or galaxy.id in kept for galaxy, is_packed in zip(galaxies, packed, strict=True)]
    for k, galaxy in enumerate(galaxies):
        if rows[k] is not None and (there[k] or rows[k][0] is not None):
            continue
        row, png, may_pass = _make_image(config, frames, galaxy)
        rows[k], passing[k] = None if may_pass else row, row
        if png is not None:
            made[galaxy.id] = png
    written = _keep(config.storage, out, name, galaxies, kept, made)
    if (rows, written) != before:
        with write_atomically(record) as partial:
            partial.write_text(json.dumps({"rows": rows, "files": written}), encoding="utf-8")
    return name, [passing.get(k, row) for k, row in enumerate(rows)]


def _read_record(record, n):
    """Read what is known of the images of a piece, and of the files with these; None where nothing is."""
    if not record.is_file():
        return [None] * n, [None] * n
    known = json.loads(record.read_text(encoding="utf-8"))
    return (known["rows"], known["files"]) if isinstance(known, dict) else (known, [None] * n)


def _keep(storage, out, name, galaxies, kept, made):
    """Write the images that were made, into the parcel or as files; of files tell size and time of change."""
    if storage == "shards":
        if made:
            images = kept | made
            write_parcel(out, name, list(images), list(images.values()))
        return [None] * len(galaxies)
    if made:
        # from here on the images are no longer those that a finished dataset tells of
        (out / "dataset.yaml").unlink(missing_ok=True)
    for galaxy_id, png in made.items():
        write_png(out, galaxy_id, png)
    return [list(_state(_image_file(out, galaxy))) for galaxy in galaxies]


def _is_as_written(out, galaxy, written):
    """Tell whether the file of an image is that which the record is of, and not one that a later call has made."""
    state = _state(_image_file(out, galaxy))
    return None not in state and (written is None or list(state) == written)


def _make_image(config, frames, galaxy):
    """Make one image: what the record says of it, the PNG or None, and whether another try may give one."""
    try:
        made = prepare_image(config, galaxy, frames)
    except DataError as error:
        # an OSError without a number is astropy's, of what stands in the file
        may_pass = getattr(error.__cause__ or error.__context__, "errno", None) is not None
        return [str(error), *[None] * len(MEASURED)], None, may_pass
    return [None, *made.measured.values()], encode_png(made.pixels), False


def _state(file):
    if file is None:
        return None, None
    try:
        stat = os.stat(file)  # noqa: PTH116  a third of the time of Path's
    except OSError:
        return None, None
    return stat.st_size, stat.st_mtime_ns


def _image_file(out, galaxy):
    return out / "images" / image_name(galaxy.id)


def remove_strangers(out, ids, npix):
    """Remove the PNGs of galaxies that an earlier call knew or could make an image of; the dataset is then unfinished.

    Parameters
    ----------
    out : pathlib.Path
        The dataset directory.
    ids : pandas.Series
        Ids of the galaxies that have an image.
    npix : int
        Side of the images; what is no 8-bit grey PNG of this side is nobody's image and stays.
    """
    index = pd.Index(ids)
    with os.scandir(out / "images") as entries:
        strange = [entry.name for entry in entries if _is_stranger(entry.name, index)]
    for file in (out / "images" / name for name in strange):
        try:
            decode_png(file.read_bytes(), npix)
        except DataError:
            continue
        (out / "dataset.yaml").unlink(missing_ok=True)
        file.unlink()


def _is_stranger(name, index):
    """Say whether a file has the name of an image of a galaxy that is not there."""
    text = unquote(name.removesuffix(".png"))
    if name != image_name(text):
        return False
    if not pd.api.types.is_integer_dtype(index):
        return text not in index
    return re.fullmatch(r"0|-?[1-9]\d*", text) is None or int(text) not in index
