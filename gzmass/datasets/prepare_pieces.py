"""The images of `prepare`: made in pieces by several processes, and kept as long as what they are made of stays."""

import json
from functools import partial as bind
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd

from gzmass.datasets.layout import decode_png, image_name
from gzmass.datasets.prepare_images import FLUXES, MEASURED, Galaxy, prepare_image
from gzmass.datasets.write import write_image
from gzmass.engine import fingerprint, map_pieces, write_atomically
from gzmass.errors import DataError

__all__ = ["galaxies_of", "make_images", "recipe_of", "remove_strangers"]

_PIECE = 64  # images in one piece of work for a process

_TEXT = ("reason", "centre_status")


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
    return config.model_dump(mode="json", exclude={"out", "workers"})


def make_images(config, table, frames, out, progress):
    """Make the PNG of every galaxy; what is finished and still there is kept.

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

    Returns
    -------
    pandas.DataFrame
        One row a galaxy, in the order of the table: ``reason`` (None if the image is good) and `MEASURED`, without the
        fluxes that nobody asked for.
    """
    order = np.arange(len(table))
    state = None
    if frames is not None:
        # what lies in one frame is cut out of it in one go
        order = np.lexsort((table["ra"], np.floor(table["dec"] / 0.2)))
        state = [(str(path), *_state(path)) for path in frames.paths]
    make = bind(_make_piece, config, out, frames, state)
    pieces = (galaxies_of(config, table.iloc[order[k : k + _PIECE]]) for k in range(0, len(table), _PIECE))
    parts, done = [], 0
    for rows in map_pieces(make, pieces, config.workers):
        # columns take a tenth of the memory of the rows
        part = pd.DataFrame(rows, columns=["reason", *MEASURED])
        parts.append(part.astype({name: object if name in _TEXT else float for name in part}))
        done += len(rows)
        if progress is not None:
            progress(done, len(table))
    images = pd.concat(parts, ignore_index=True)
    images.index = order
    measured = config.photometry is not None and config.photometry.measures_images
    # what a table gives is not measured
    return images.sort_index().drop(columns=[name for name in FLUXES if name in table or not measured])


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


def _make_piece(config, out, frames, frames_state, galaxies):
    """Make some PNGs and then the record that says so; of files that have not changed only missing PNGs are made."""
    state = [(*galaxy, *_state(galaxy.file), *_state(galaxy.colour_file)) for galaxy in galaxies]
    record = out / "work" / f"{fingerprint([recipe_of(config), frames_state, state])}.json"
    found = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else [None] * len(galaxies)
    rows = [
        row
        if row is not None and (row[0] is not None or _image_file(out, galaxy).is_file())
        else _make_image(config, out, frames, galaxy)
        for galaxy, row in zip(galaxies, found, strict=True)
    ]
    if rows != found:
        with write_atomically(record) as partial:
            partial.write_text(json.dumps(rows), encoding="utf-8")
    return rows


def _make_image(config, out, frames, galaxy):
    try:
        made = prepare_image(config, galaxy, frames)
    except DataError as error:
        _image_file(out, galaxy).unlink(missing_ok=True)
        return str(error), *[None] * len(MEASURED)
    write_image(out, galaxy.id, made.pixels)
    return None, *made.measured.values()


def _state(file):
    try:
        stat = Path(file).stat()
    except (OSError, TypeError):
        return None, None
    return stat.st_size, stat.st_mtime_ns


def _image_file(out, galaxy):
    return out / "images" / image_name(galaxy.id)


def remove_strangers(out, ids, npix):
    """Remove the PNGs of galaxies that an earlier call knew and that are gone since.

    Parameters
    ----------
    out : pathlib.Path
        The dataset directory.
    ids : iterable of int or str
        Ids of the galaxies that there are.
    npix : int
        Side of the images; what is no 8-bit grey PNG of this side is nobody's image and stays.
    """
    known = {image_name(galaxy_id) for galaxy_id in ids}
    for file in sorted((out / "images").glob("*.png")):
        if file.name in known or file.name != image_name(unquote(file.stem)):
            continue
        try:
            decode_png(file, npix)
        except DataError:
            continue
        file.unlink()
