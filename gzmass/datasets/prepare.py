"""Preparing a dataset directory out of images and catalogues; it goes on where it was interrupted."""

import json
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial as bind
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from gzmass.catalogs import clean_ids, named_columns, read_kaggle, read_mass_to_light, read_table, read_votes
from gzmass.datasets.layout import image_name, read_info
from gzmass.datasets.prepare_config import PrepareConfig
from gzmass.datasets.split import split_by_id
from gzmass.datasets.write import begin_dataset, encode_png, write_dataset
from gzmass.engine import fingerprint, write_atomically
from gzmass.errors import ConfigError, DataError
from gzmass.images import SKY_GREY, crop_centre, log_stretch, read_image, resample
from gzmass.tree import load_tree

__all__ = ["PrepareConfig", "Summary", "prepare"]

_CHUNK = 256  # images in one piece of work for a process


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
        What the user should know: questions that are absent, catalogue rows without an image, no labels at all.
    """

    path: Path
    counts: dict
    set_aside: dict
    notes: list


def prepare(config, progress=None):
    """Make a dataset directory out of images and catalogues.

    A galaxy is an image; votes and mass-to-light ratios are joined to it by id, and it may have both, one or none. What
    can not be used is listed in ``quarantine.csv`` (id, file, reason), the rest goes on. Interrupted and called again,
    it keeps the images that are finished and gives the same bytes.

    Parameters
    ----------
    config : PrepareConfig
        The configuration.
    progress : callable, optional
        Called with the number of finished images and their total, now and then.

    Returns
    -------
    Summary
        Path, counts, what was set aside and notes.

    Raises
    ------
    ConfigError
        The directory holds something else or a dataset of another configuration, or a key has a bad value.
    DataError
        A table can not be used, there is no image, or no image at all can be used.
    """
    files = _image_files(config)
    tables, set_aside, notes = _read_tables(config)
    table, joined = _join(pd.DataFrame({"id": list(files)}), tables)
    notes += joined
    table["split"] = _splits(config, table["id"])
    tree = None if config.votes is None else load_tree(config.votes.tree)
    recipe = _recipe(config)
    existed = Path(config.out).exists()
    out = begin_dataset(config.out, recipe, tree)
    images = _make_images(config, files, out, progress)
    bad = images["reason"].notna()
    if bad.all():
        first = images.iloc[0]
        if not (out / "dataset.yaml").is_file():
            # nothing but the recipe, which is as likely to be wrong as the images
            for made in out.iterdir():
                shutil.rmtree(made) if made.is_dir() else made.unlink()
            if not existed:
                out.rmdir()
        raise DataError(f"None of the {len(images)} images can be used; the first one: {first['reason']}")
    set_aside["images"] = images.loc[bad, ["id", "file", "reason"]]
    images["id"] = images["id"].astype(table["id"].dtype)
    good = table.merge(images.loc[~bad, ["id", "stretch_scale", "side"]], on="id", validate="one_to_one")
    if config.pixel_scale_arcsec is not None or "pixel_scale_arcsec" in good:
        native = good.get("pixel_scale_arcsec", pd.Series(np.nan, index=good.index))
        if config.pixel_scale_arcsec is not None:
            native = native.fillna(config.pixel_scale_arcsec)
        good["pixel_scale_arcsec"] = native * good["side"] / config.npix  # of the pixels that a network sees
    _write_quarantine(out, set_aside)
    write_dataset(out, good.drop(columns="side"), (), _info(config), tree, recipe)
    counts = read_info(out)["counts"]
    if not counts["all"]["votes"] and not counts["all"]["log_ml"]:
        notes.append("no galaxy has a label: the dataset serves prediction only")
    return Summary(out, counts, {name: len(part) for name, part in set_aside.items() if len(part)}, notes)


def _image_files(config):
    """Image file of each galaxy, in the order of the ids."""
    source = config.images
    before, after = source.pattern.split("{id}")
    if source.folder is None:
        paths = list(source.files)
    elif not source.folder.is_dir():
        raise DataError(f"The folder of images {str(source.folder)!r} does not exist.")
    else:
        paths = [Path(entry.path) for entry in os.scandir(source.folder) if not entry.name.startswith(".")]
    matching = [p for p in paths if p.name.startswith(before) and p.name.endswith(after)]
    matching = [p for p in matching if len(p.name) > len(before) + len(after)]
    if source.folder is None and len(matching) < len(paths):
        wrong = min(set(paths) - set(matching))
        raise DataError(f"The image {str(wrong)!r} does not match the pattern {source.pattern!r}.")
    if not matching:
        raise DataError(f"The folder {str(source.folder)!r} has no image that matches the pattern {source.pattern!r}.")
    names = pd.Series([p.name[len(before) : len(p.name) - len(after)] for p in matching])
    ids = clean_ids(names, f"the file names {source.pattern!r}")
    repeated = ids.duplicated()
    if repeated.any():
        raise DataError(f"The id {ids[repeated].tolist()[0]!r} belongs to two images; ids must be unique.")
    files = sorted(zip(ids.tolist(), matching, strict=True))
    return dict(files[: config.limit])


def _read_tables(config):
    """Read the catalogues: tables by name, rows set aside by name, notes."""
    tables, set_aside, notes = {}, {}, []
    if (votes := config.votes) is not None:
        if votes.format == "kaggle":
            result = read_kaggle(votes.file, votes.tree, votes.n_votes, votes.q6_sums_to_one, votes.id)
        else:
            result = read_votes(votes.file, votes.tree, votes.columns, votes.id)
        tables["votes"], set_aside["votes"], found = result
        notes += [f"votes: {note}" for note in found]
    if (ml := config.mass_to_light) is not None:
        _check_columns("mass_to_light", ml.columns)
        result = read_mass_to_light(ml.file, ml.id, _plain(ml.columns), ml.where)
        tables["mass_to_light"], set_aside["mass_to_light"], unused = result
        if unused:
            notes.append(f"mass_to_light: {unused} rows left out because {ml.where} is false")
    if (other := config.metadata) is not None:
        _check_columns("metadata", other.columns)
        columns = _plain(other.columns)
        theirs = [c if isinstance(c, str) else c["column"] for c in columns.values()]
        table, set_aside["metadata"] = read_table(other.file, other.id, theirs)
        tables["metadata"] = named_columns(table, columns, str(other.file))
    for name, part in set_aside.items():
        part["file"] = str(getattr(config, name).file)
    return tables, set_aside, notes


def _check_columns(key, columns):
    for column in columns:
        if column in {"id", "split", "stretch_scale"} or column.endswith("_votes"):
            raise ConfigError(f"The key {key}.columns can not hold {column!r}: gzmass makes that column itself.")
        if key == "metadata" and column in {"log_ml_g", "log_ml_g_err"}:
            raise ConfigError(f"The key metadata.columns can not hold {column!r}: the key mass_to_light.columns does.")


def _join(table, tables):
    """Join the catalogues to the galaxies that have an image; say how many have none."""
    notes = []
    for name, other in tables.items():
        if other["id"].dtype != table["id"].dtype:
            table, other = (part.assign(id=part["id"].astype(str)) for part in (table, other))  # noqa: PLW2901
        twice = set(table.columns) & set(other.columns) - {"id"}
        if twice:
            raise ConfigError(f"The column {min(twice)!r} is given twice; the key {name} gives it again.")
        without = int((~other["id"].isin(table["id"])).sum())
        if without == len(other):
            example = f": {other['id'].tolist()[0]!r} against {table['id'].tolist()[0]!r}" if len(other) else ""
            raise DataError(f"None of the {len(other)} ids of the table of {name} is that of an image{example}.")
        if without:
            notes.append(f"{name}: {without} of {len(other)} galaxies have no image")
        table = table.merge(other, on="id", how="left", validate="one_to_one")
    return table, notes


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


def _make_images(config, files, out, progress):
    """Make the PNG of every galaxy; one row each of id, file, reason (None if good), stretch_scale and side."""
    items = list(files.items())
    chunks = [items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK)]
    make = bind(_make_chunk, config, out)
    done, parts = 0, []
    pool = None if config.workers == 1 else ProcessPoolExecutor(config.workers, mp_context=get_context("spawn"))
    try:
        for part in map(make, chunks) if pool is None else pool.map(make, chunks):
            parts.extend(part)
            done += len(part)
            if progress is not None:
                progress(done, len(items))
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)
    images = pd.DataFrame(parts, columns=["id", "file", "reason", "stretch_scale", "side"])
    return images.astype({"reason": object, "stretch_scale": float, "side": float})


def _make_chunk(config, out, items):
    """Make some PNGs and then the record that says so; with that record and unchanged files nothing is left to do."""
    state = [(i, str(file), *_state(file)) for i, file in items]
    record = out / "work" / f"{fingerprint([_recipe(config), state])}.json"
    if record.is_file():
        return json.loads(record.read_text(encoding="utf-8"))
    rows = [_make_image(config, out, *item) for item in items]
    with write_atomically(record) as partial:
        partial.write_text(json.dumps(rows), encoding="utf-8")
    return rows


def _make_image(config, out, galaxy_id, file):
    target = out / "images" / image_name(galaxy_id)
    try:
        image = crop_centre(read_image(file, config.images.channel, config.images.hdu), config.crop)
        side = len(image)
        scale = None if config.stretch.scale == "auto" else config.stretch.scale
        pixels, scale = log_stretch(resample(image, config.npix), scale)
    except DataError as error:
        target.unlink(missing_ok=True)
        return galaxy_id, str(file), str(error), None, None
    with write_atomically(target) as partial:
        partial.write_bytes(encode_png(pixels))
    return galaxy_id, str(file), None, scale, side


def _state(file):
    try:
        stat = file.stat()
    except OSError:
        return None, None
    return stat.st_size, stat.st_mtime_ns


def _recipe(config):
    """All of the configuration that decides what the dataset holds."""
    return config.model_dump(mode="json", exclude={"out", "workers"})


def _info(config):
    """Describe images, labels and columns for dataset.yaml."""
    ml = config.mass_to_light
    info = {
        "npix": config.npix,
        "band": config.band,
        "stretch": {**config.stretch.model_dump(), "sky_grey": SKY_GREY},
        "crop": config.crop,
        "image_pixel_scale_arcsec": config.pixel_scale_arcsec,
        "label_kind": None if ml is None else ml.kind,
        "label_source": None if ml is None else ml.source,
        "imf": None if ml is None else ml.imf,
        "solar_magnitude": None if ml is None else ml.solar_magnitude,
        "cosmology": None if ml is None else ml.cosmology,
        "split": config.split.model_dump(mode="json"),
        "columns": {},
    }
    for part in (ml, config.metadata):
        for ours, theirs in {} if part is None else _plain(part.columns).items():
            column = {"column": theirs} if isinstance(theirs, str) else theirs
            info["columns"][ours] = {"file": str(part.file), **column}
    if config.votes is not None:
        votes = config.votes.model_dump(mode="json")
        info["columns"]["<stem>_votes"] = {key: votes[key] for key in ("file", "format", "n_votes", "q6_sums_to_one")}
    return info


def _plain(columns):
    return {k: v if isinstance(v, str) else v.model_dump(exclude_none=True) for k, v in columns.items()}


def _write_quarantine(out, set_aside):
    parts = [part[["id", "file", "reason"]] for part in set_aside.values() if len(part)]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["id", "file", "reason"])
    with write_atomically(out / "quarantine.csv") as partial:
        table.to_csv(partial, index=False)
