"""Preparing a dataset directory out of images and catalogues; it goes on where it was interrupted."""

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from gzmass.catalogs import read_table
from gzmass.datasets.catalogue import contract_columns
from gzmass.datasets.dataset import Dataset
from gzmass.datasets.image_store import open_images
from gzmass.datasets.layout import read_info
from gzmass.datasets.parcels import remove_outdated
from gzmass.datasets.split import SPLITS, split_by_id
from gzmass.datasets.storage import settle_files
from gzmass.datasets.write import hold_dataset, write_dataset
from gzmass.engine import write_atomically
from gzmass.engine.lock import LOCK
from gzmass.errors import DataError
from gzmass.images.frames import index_frames
from gzmass.preparation.config import PrepareConfig
from gzmass.preparation.examples import choose_examples
from gzmass.preparation.info import describe
from gzmass.preparation.photometry import add_photometry, check_photometry
from gzmass.preparation.pieces import galaxies_of, make_images, recipe_of, remove_strangers
from gzmass.preparation.sample import find_sample
from gzmass.preparation.tables import read_catalogs
from gzmass.preparation.values import refuse_other_units
from gzmass.tree import load_tree

__all__ = ["PrepareConfig", "Summary", "prepare"]


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


def prepare(config, progress=None, engine=None):
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
    engine : gzmass.engine.LocalEngine or gzmass.engine.dask.DaskEngine, optional
        Where images are made, as `gzmass.engine.open_engine` gives it; by default ``config.workers`` processes.

    Returns
    -------
    Summary
        Path, counts, what was set aside, notes and matches.

    Raises
    ------
    ConfigError
        The directory holds something else or a dataset of another configuration, or a key has a bad value.
    DataError
        A table can not be used, tables contradict each other, luminosities or distances have another unit, no ratio can
        be a galaxy's, there is no image, or no image at all can be used.
    """
    sample, set_aside, notes = find_sample(config)
    catalogs = read_catalogs(config, sample)
    refuse_other_units(catalogs.table)
    check_photometry(config, catalogs.table, catalogs.convention)
    table = catalogs.table
    table["split"] = _splits(config, table["id"])
    # of all galaxies there is to be one table in memory: what has been used is let go, here and below
    catalogs = replace(catalogs, table=None)
    del sample
    pa.default_memory_pool().release_unused()  # it keeps what was freed
    tree = None if config.votes is None else load_tree(config.votes.tree)
    frames, bad_frames = _frames(config.images)
    recipe = recipe_of(config)
    existed = Path(config.out).exists()
    with hold_dataset(config.out, recipe, tree) as out:
        if config.storage == "files":
            settle_files(out)
        images, names = make_images(config, table, frames, out, progress, engine)
        if images["reason"].notna().all():
            if not (out / "dataset.yaml").is_file():
                _take_back(out, existed)
            first = images["reason"].iloc[0]
            raise DataError(f"None of the {len(images)} images can be used; the first one: {first}")
        remove_strangers(out, table["id"][images["reason"].isna()], config.npix)
        bad_images = _bad_images(config, table, images)
        set_aside = {**set_aside, **catalogs.set_aside, "frames": bad_frames, "images": bad_images}
        prepared = _with_images(config, table, images)
        examples = choose_examples(prepared)
        shown = table[table["id"].isin(set().union(*examples.values()))]
        galaxies = {galaxy.id: galaxy for galaxy in galaxies_of(config, shown)}
        del table, images, shown
        prepared, convention, more = add_photometry(config, prepared, catalogs.convention)
        _write_quarantine(out, set_aside)
        remove_outdated(out, names)
        table = contract_columns(_with_radius(prepared), tree)
        del prepared
        write_dataset(out, table, (), describe(config, catalogs, convention), tree, recipe, config.storage)
        info = read_info(out)
        counts = info["counts"]
        notes = [*notes, *catalogs.notes, *more]
        if not counts["all"]["votes"] and not counts["all"]["log_ml"]:
            notes.append("no galaxy has a label: the dataset serves prediction only")
        listed = {name: len(part) for name, part in set_aside.items() if len(part)}
        summary = Summary(out, counts, listed, notes, catalogs.matches)
        from gzmass.preparation.page import write_page  # noqa: PLC0415  matplotlib takes a second

        dataset = Dataset(out, info, table, tree, open_images(out, info, table["id"]))
        write_page(config, dataset, summary, examples, galaxies, frames)
        return summary


def _frames(part):
    """Index the survey frames, if there are any; and say which of them can not be used."""
    bad = pd.DataFrame(columns=["id", "file", "reason"])
    if part.frames is None:
        return None, bad
    anchor = Path(part.frames).anchor
    paths = sorted(Path(anchor or ".").glob(str(Path(part.frames).relative_to(anchor))))
    if not paths:
        raise DataError(f"No file matches images.frames, {part.frames!r}.")
    frames = index_frames(paths, part.hdu, part.plane, part.mask)
    return frames, pd.DataFrame([(None, str(path), why) for path, why in frames.set_aside], columns=bad.columns)


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
    if len(unknown := found[~found.isin(SPLITS)]):
        raise DataError(
            f"The column {split.column!r} of {str(split.file)!r} holds {unknown.iloc[0]!r}; allowed are "
            f"{', '.join(SPLITS)}."
        )
    return found


def _bad_images(config, table, images):
    bad = images["reason"].notna()
    files = table["file"][bad]
    files = files.where(files.notna(), config.images.frames)
    return pd.DataFrame({"id": table["id"][bad], "file": files, "reason": images["reason"][bad]})


def _with_images(config, table, images):
    """Confine the table to the galaxies with a good image, and add what was measured in these."""
    good = images["reason"].isna()
    table = pd.concat([table.drop(columns="file"), images.drop(columns=["reason", *_not_asked(config)])], axis=1)
    if not good.all():  # to choose rows is to copy them
        table = table[good].reset_index(drop=True)
    table["pixel_scale_arcsec"] = table.pop("native_scale_arcsec") * table.pop("side") / config.npix
    return table


def _with_radius(table):
    """Add the radius in kpc where the catalogues give it in arcsec only: an angle times the distance to the angle."""
    if not {"radius_arcsec", "distance_mpc", "redshift"} <= set(table) or "radius_kpc" in table:
        return table
    angle = np.radians(table["radius_arcsec"].where(table["radius_arcsec"] > 0) / 3600)
    return table.assign(radius_kpc=1e3 * angle * table["distance_mpc"] / (1 + table["redshift"]) ** 2)


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


def _take_back(out, existed):
    """Remove what was made of a dataset without any image: its recipe is as likely to be wrong as the images."""
    for made in [out / "recipe.yaml", out / LOCK, *(out / "work").glob("*.json"), *(out / "work").glob("*.parquet")]:
        made.unlink(missing_ok=True)
    for folder in (out / "work", out / "images", *([] if existed else [out])):
        with suppress(OSError):  # it is not there, or holds something of someone else
            folder.rmdir()


def _write_quarantine(out, set_aside):
    parts = [part[["id", "file", "reason"]].astype(object) for part in set_aside.values() if len(part)]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["id", "file", "reason"])
    with write_atomically(out / "quarantine.csv") as partial:
        table.to_csv(partial, index=False)
