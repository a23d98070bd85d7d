"""Preparing a dataset directory out of images and catalogues; it goes on where it was interrupted."""

import json
import shutil
from dataclasses import asdict, dataclass, replace
from functools import partial as bind
from pathlib import Path

import numpy as np
import pandas as pd

from gzmass.catalogs import read_table
from gzmass.datasets.layout import image_name, read_info
from gzmass.datasets.prepare_config import PrepareConfig, plain_columns
from gzmass.datasets.prepare_images import FLUXES, MEASURED, Galaxy, prepare_image
from gzmass.datasets.prepare_photometry import add_photometry, check_photometry
from gzmass.datasets.prepare_sample import find_sample
from gzmass.datasets.prepare_tables import read_catalogs
from gzmass.datasets.split import split_by_id
from gzmass.datasets.write import begin_dataset, write_dataset, write_image
from gzmass.engine import fingerprint, map_pieces, write_atomically
from gzmass.errors import DataError
from gzmass.images.frames import index_frames
from gzmass.images.stretch import SKY_GREY
from gzmass.tree import load_tree

__all__ = ["PrepareConfig", "Summary", "prepare"]

_PIECE = 64  # images in one piece of work for a process

_TEXT = ("reason", "centre_status")


@dataclass(frozen=True)
class Summary:
    """What `prepare` made.

    Parameters
    ----------
    path : pathlib.Path
        The dataset directory.
    counts : dict
        For "all" and each split the numbers of ``galaxies``, with ``votes``, with ``log_ml``, with both.
    set_aside : dict of str to int
        How many images and rows of tables are listed in ``quarantine.csv``, by where they come from.
    notes : list of str
        What the user should know: questions that are absent, galaxies without an image, no labels at all.
    matches : list of dict
        For each table how its rows found their galaxies, as in ``dataset.yaml``.
    """

    path: Path
    counts: dict
    set_aside: dict
    notes: list
    matches: list


def prepare(config, progress=None):
    """Make a dataset directory out of images and catalogues.

    A galaxy is an image; votes and mass-to-light ratios are joined to it by id or position, and it may have both, one
    or none. What can not be used is listed in ``quarantine.csv`` (id, file, reason), the rest goes on. Interrupted and
    called again, it keeps the images that are finished and gives the same bytes. The page ``preparation.html`` shows
    what was done.

    Parameters
    ----------
    config : PrepareConfig
        The configuration.
    progress : callable, optional
        Called with the number of finished images and their total, now and then.

    Returns
    -------
    Summary
        Path, counts, what was set aside, notes and matches.

    Raises
    ------
    ConfigError
        The directory holds something else or a dataset of another configuration, or a key has a bad value.
    DataError
        A table can not be used, tables contradict each other, there is no image, or no image at all can be used.
    """
    sample, set_aside, notes = find_sample(config)
    catalogs = read_catalogs(config, sample)
    set_aside |= catalogs.set_aside
    check_photometry(config, catalogs.table, catalogs.convention)
    table = catalogs.table
    table["split"] = _splits(config, table["id"])
    tree = None if config.votes is None else load_tree(config.votes.tree)
    frames = None
    if config.images.frames is not None:
        part = config.images
        frames = index_frames(_frame_files(part.frames), part.hdu, part.plane, part.mask)
        set_aside["frames"] = pd.DataFrame(
            [(None, str(path), reason) for path, reason in frames.set_aside], columns=["id", "file", "reason"]
        )
    recipe = _recipe(config)
    existed = Path(config.out).exists()
    out = begin_dataset(config.out, recipe, tree)
    images = _make_images(config, table, frames, out, progress)
    bad = images["reason"].notna()
    if bad.all():
        if not (out / "dataset.yaml").is_file():
            _take_back(out, existed)
        first = images["reason"].iloc[0]
        raise DataError(f"None of the {len(images)} images can be used; the first one: {first}")
    files = table["file"].where(table["file"].notna(), config.images.frames)
    set_aside["images"] = pd.DataFrame({"id": table["id"], "file": files, "reason": images["reason"]})[bad]
    sources = table.set_index("id")[
        [c for c in ("file", "ra", "dec", "radius_arcsec", "pixel_scale_arcsec") if c in table]
    ]
    table = pd.concat([table.drop(columns="file"), images], axis=1)[~bad].reset_index(drop=True)
    table["pixel_scale_arcsec"] = table.pop("native_scale_arcsec") * table["side"] / config.npix
    table, convention, more = add_photometry(config, table, catalogs.convention)
    table = table.drop(columns=["reason", "side", *_not_asked(config)])
    _write_quarantine(out, set_aside)
    write_dataset(out, table, (), _info(config, catalogs, convention), tree, recipe)
    counts = read_info(out)["counts"]
    notes = [*notes, *catalogs.notes, *more]
    if not counts["all"]["votes"] and not counts["all"]["log_ml"]:
        notes.append("no galaxy has a label: the dataset serves prediction only")
    listed = {name: len(part) for name, part in set_aside.items() if len(part)}
    summary = Summary(out, counts, listed, notes, catalogs.matches)
    from gzmass.datasets.preparation_page import write_page  # noqa: PLC0415  matplotlib takes a second

    write_page(config, summary, lambda ids: _galaxies(config, sources.loc[ids].reset_index()), frames)
    return summary


def _frame_files(pattern):
    root = Path(Path(pattern).anchor or ".")
    paths = sorted(root.glob(str(Path(pattern).relative_to(Path(pattern).anchor))))
    if not paths:
        raise DataError(f"No file matches images.frames, {pattern!r}.")
    return paths


def _splits(config, ids):
    split = config.split
    if split.file is None:
        return split_by_id(ids, split.fractions, split.salt)
    table, _ = read_table(split.file, split.id, [split.column])
    given = dict(zip(table["id"].astype(str), table[split.column], strict=True))
    found = ids.astype(str).map(given)
    if found.isna().any():
        raise DataError(
            f"The table {str(split.file)!r} gives no split for the galaxy {ids[found.isna()].tolist()[0]!r}."
        )
    return found


def _make_images(config, table, frames, out, progress):
    """Make the PNG of every galaxy; one row each, in the order of the table: reason (None if good) and `MEASURED`."""
    order = np.arange(len(table))
    state = None
    if frames is not None:
        # what lies in one frame is cut out of it in one go
        order = np.lexsort((table["ra"], np.floor(table["dec"] / 0.2)))
        state = [(str(path), *_state(path)) for path in frames.paths]
    make = bind(_make_piece, config, out, frames, state)
    pieces = (_galaxies(config, table.iloc[order[k : k + _PIECE]]) for k in range(0, len(table), _PIECE))
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
    return images.sort_index().drop(columns=[] if measured else [*FLUXES])


def _galaxies(config, table):
    """Make one piece of work: the galaxies of some rows."""
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
    """Make some PNGs and then the record that says so; with that record and unchanged files nothing is left to do."""
    state = [(*galaxy, *_state(galaxy.file), *_state(galaxy.colour_file)) for galaxy in galaxies]
    record = out / "work" / f"{fingerprint([_recipe(config), frames_state, state])}.json"
    if record.is_file():
        return json.loads(record.read_text(encoding="utf-8"))
    rows = [_make_image(config, out, frames, galaxy) for galaxy in galaxies]
    with write_atomically(record) as partial:
        partial.write_text(json.dumps(rows), encoding="utf-8")
    return rows


def _make_image(config, out, frames, galaxy):
    try:
        made = prepare_image(config, galaxy, frames)
    except DataError as error:
        (out / "images" / image_name(galaxy.id)).unlink(missing_ok=True)
        return str(error), *[None] * len(MEASURED)
    write_image(out, galaxy.id, made.pixels)
    return None, *made.measured.values()


def _state(file):
    try:
        stat = Path(file).stat()
    except (OSError, TypeError):
        return None, None
    return stat.st_size, stat.st_mtime_ns


def _take_back(out, existed):
    """Remove a dataset that holds nothing but its recipe, which is as likely to be wrong as the images."""
    for made in out.iterdir():
        shutil.rmtree(made) if made.is_dir() else made.unlink()
    if not existed:
        out.rmdir()


def _recipe(config):
    """All of the configuration that decides what the dataset holds."""
    return config.model_dump(mode="json", exclude={"out", "workers"})


def _not_asked(config):
    """Columns that say nothing because the step they belong to was not asked for."""
    columns = []
    if config.cutout.centre == "keep":
        columns += ["centre_status", "centre_offset_arcsec"]
    if config.cutout.neighbours == "none":
        columns.append("filled_fraction")
    if config.images.frames is None and config.images.mask is None:
        columns.append("missing_fraction")
    return columns


def _info(config, catalogs, convention):
    """Describe images, labels and columns for dataset.yaml."""
    first = config.mass_to_light[0] if config.mass_to_light else None
    info = {
        "npix": config.npix,
        "band": config.band,
        "stretch": {**config.stretch.model_dump(), "sky_grey": SKY_GREY},
        "cutout": config.cutout.model_dump(exclude_none=True),
        "image_pixel_scale_arcsec": config.pixel_scale_arcsec,
        "label_kind": None if first is None else first.kind,
        "label_source": convention.source,
        "imf": convention.imf,
        "solar_magnitude": convention.solar_magnitude,
        "cosmology": catalogs.cosmology,
        "convention": asdict(replace(convention, source=None)) if config.mass_to_light or config.photometry else None,
        "matches": catalogs.matches,
        "split": config.split.model_dump(mode="json"),
        "columns": {},
    }
    for part in (config.galaxies, *config.metadata, *config.mass_to_light, config.photometry):
        for ours, theirs in {} if part is None else plain_columns(part.columns).items():
            column = {"column": theirs} if isinstance(theirs, str) else theirs
            info["columns"][ours] = {"file": str(part.file), **column}
    if config.votes is not None:
        votes = config.votes.model_dump(mode="json")
        keys = {
            "kaggle": ("n_votes", "q6_sums_to_one"),
            "galaxy_zoo_2": ("statistic",),
            "columns": ("columns",),
        }[config.votes.format]
        info["columns"]["<stem>_votes"] = {key: votes[key] for key in ("file", "format", *keys)}
    return info


def _write_quarantine(out, set_aside):
    parts = [part[["id", "file", "reason"]].astype(object) for part in set_aside.values() if len(part)]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["id", "file", "reason"])
    with write_atomically(out / "quarantine.csv") as partial:
        table.to_csv(partial, index=False)
