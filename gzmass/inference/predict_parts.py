"""Predictions of many galaxies: a directory of Parquet parts, made by one machine or many, that LSDB can open."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial as bind
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gzmass._version import __version__
from gzmass.engine import LocalEngine, Unit, claim_directory, fingerprint, run_units
from gzmass.errors import DataError
from gzmass.inference.ensemble import refuse_different_cards
from gzmass.inference.parts import PART_KEY, Job, columns_looked_at, make_part
from gzmass.inference.reading import Reading, Rows, first_npix
from gzmass.inference.rows import STRETCH_UNKNOWN, refuse_other_size, refuse_other_tree
from gzmass.inference.sources import Source, find_galaxies
from gzmass.models.run import read_card, run_mark

__all__ = ["PartsSummary", "predict_parts"]

# a small set is cut so that several workers have something to do, a large one into units that fit in memory
_UNITS = 64
_LEAST, _MOST = 4096, 131_072


@dataclass(frozen=True)
class PartsSummary:
    """What `predict_parts` made.

    Parameters
    ----------
    path : pathlib.Path
        The directory.
    n_rows : int
        Galaxies in the table.
    n_failed : int
        Those that could not be predicted: ``status`` is "failed".
    n_outside : int
        Those outside of what the run was trained on.
    n_units : int
        Units of work.
    n_found : int
        Units that were finished before.
    failed_units : list of (str, str)
        Name and reason of the units that failed; they are listed in ``failed_units.csv``.
    hats : pathlib.Path or None
        HATS catalogue that `lsdb.open_catalog` opens.
    note : str or None
        Why there is no HATS catalogue, or who is not in it.
    """

    path: Path
    n_rows: int
    n_failed: int
    n_outside: int
    n_units: int
    n_found: int
    failed_units: list
    hats: Path | None
    note: str | None


def predict_parts(runs, galaxies, out, engine=None, split=None, progress=None, say=None):
    """Predict M/L, stellar mass and vote fractions of galaxies, in units of work that each write a Parquet file.

    Interrupted at any point and called again, it makes what is missing. A galaxy whose image can not be read stands in
    the table with ``status`` "failed" and the reason. A unit that fails is listed in ``failed_units.csv`` and the
    others go on. Of a HATS catalogue the partitioning is kept, and `out` is a HATS catalogue; of other galaxies with
    ``ra`` and ``dec`` one is made in ``out/hats`` at the end, where the extra ``scale`` is installed.

    Parameters
    ----------
    runs : str, pathlib.Path or sequence of these
        A finished run, or several, which are averaged as `load_ensemble` does.
    galaxies : gzmass.inference.sources.Source, str, pathlib.Path or sequence of these
        What `gzmass.inference.find_galaxies` found, or what it takes.
    out : str or pathlib.Path
        The directory to make, or to go on with.
    engine : gzmass.engine.LocalEngine or gzmass.engine.dask.DaskEngine, optional
        Where it is computed, as `gzmass.engine.open_engine` gives it; by default one process of this machine.
    split : {"train", "val", "test"}, optional
        Only the galaxies of this split; by default all.
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of galaxies.
    say : callable, optional
        Called with a sentence when something else begins, or is not known.

    Returns
    -------
    PartsSummary
        What was made.

    Raises
    ------
    DataError
        A run, a file or a column is missing or can not be used, the images have another size, the galaxies have votes
        of another tree, or the runs can not be averaged.
    ConfigError
        The directory holds something else, or predictions of another run, configuration or input, or another process
        works in it.
    GzmassError
        The work can not go on: the disk is full, the scheduler went away; what is finished is kept.
    """
    runs = [Path(run).resolve() for run in ([runs] if isinstance(runs, str | Path) else runs)]
    cards = [read_card(run) for run in runs]
    refuse_different_cards(runs, cards)
    source = galaxies if isinstance(galaxies, Source) else find_galaxies(galaxies)
    out = Path(out).resolve()
    recipe = {
        "version of gzmass": __version__,
        "run": [run_mark(*pair) for pair in zip(runs, cards, strict=True)],
        "input": source.mark,
        "split": split or "all",
    }
    _refuse_misfits(runs, cards, source, split)
    metadata = columns_looked_at(cards, source.numerical)
    kept = [(name, name) for name in source.positions or ()]
    if source.healpix_column:
        kept = [("_healpix_29", source.healpix_column), *kept]
    columns = (*metadata, *(theirs for _, theirs in kept))
    folder, npix = source.folder and source.folder.resolve(), cards[0]["npix"]
    stretch = source.info.get("stretch")
    if say and stretch is None:
        say(STRETCH_UNKNOWN)
    job = Job(
        runs=tuple(map(str, runs)),
        marks=tuple(recipe["run"]),
        reading=Reading(columns, source.id_column, source.image_column, folder, npix, split),
        metadata=tuple(metadata),
        kept=tuple(kept),
        positions=source.positions if source.kind == "hats" else None,
        stretch=stretch,
        mark=fingerprint(recipe),
    )
    units, engine = _units(source, out), engine or LocalEngine()
    with claim_directory(out, recipe, "predictions"):
        if not all(unit.output.is_file() for unit in units):  # a catalogue of fewer units is none of these
            root = out if source.kind == "hats" else out / "hats"
            for name in ("hats.properties", "properties"):  # what LSDB opens a catalogue by
                (root / name).unlink(missing_ok=True)
        ran = run_units(engine, bind(make_part, job), units, out, progress)
        counts = _counts(units, job.mark)
        hats, note = _finish(source, out, [unit.output for unit in units if unit.output.is_file()], engine, say)
    sums = [sum(count[key] for count in counts) for key in ("rows", "failed", "outside")]
    if not (sums[0] or ran.failed):
        raise DataError(f"There are no galaxies of the split {split or 'all'!r} in {source.name!r}.")
    return PartsSummary(out, *sums, len(units), ran.found, ran.failed, hats, note)


def _refuse_misfits(runs, cards, source, split):
    card = cards[0]
    npix = source.info.get("npix") or first_npix(source)
    if npix is not None:
        refuse_other_size(runs[0], card, npix, source.name)
    for run, one in zip(runs, cards, strict=True):
        refuse_other_tree(run, one, source.info.get("tree_hash"), source.name)
        for name in one["metadata"]:
            if name not in source.numerical:
                raise DataError(
                    f"The run {str(run)!r} needs the numerical metadata column {name!r}, which {source.name!r} lacks."
                )
    if split and "split" not in source.schema.names:
        raise DataError(f"There is no column 'split' in {source.name!r}: only --split all can be predicted.")
    if not source.n_rows:
        raise DataError(f"There are no galaxies in {source.name!r}.")


def _units(source, out):
    """Cut files into units; where images stand in the files, between row groups, since these are read as a whole."""
    size = min(max(source.n_rows // _UNITS, _LEAST), _MOST)
    units, root = [], os.path.commonpath([_absolute(file.path).parent for file in source.files])
    for number, file in enumerate(source.files):
        if not file.n_rows:
            continue
        if source.image_column is None:
            bounds = list(range(0, file.n_rows, size))
        else:
            bounds, held, first = [0], 0, 0
            for n_rows in file.groups:
                if held and held + n_rows > size:
                    bounds.append(first)
                    held = 0
                held += n_rows
                first += n_rows
        folder = out / "parts"
        if file.pixel:
            order, pixel = file.pixel
            folder = out / "dataset" / f"Norder={order}" / f"Dir={pixel // 10_000 * 10_000}" / f"Npix={pixel}"
        for first, end in zip(bounds, [*bounds[1:], file.n_rows], strict=True):
            output = folder / f"part-{number:06d}-{first:09d}.parquet"
            # a catalogue has files of one name in many folders
            name = f"{_absolute(file.path).relative_to(root)} rows {first} to {end - 1}"
            units.append(Unit(name, output, end - first, Rows(_absolute(file.path), first, end - first)))
    return units


def _absolute(path):
    return path.parent.resolve() / path.name  # of a link: paths of images are relative to where it stands


def _counts(units, mark):
    """Read what the parts say of themselves, and see that each is of this table."""

    def read(unit):
        if not unit.output.is_file():
            return {"rows": 0, "failed": 0, "outside": 0}
        try:
            found = json.loads((pq.read_schema(unit.output).metadata or {}).get(PART_KEY, b"{}"))
        except (pa.ArrowException, ValueError):  # cut off, as by a power cut
            found = {}
        if found.get("fingerprint") != mark:
            raise DataError(
                f"The part {str(unit.output)!r} is damaged or was not made by this run from these galaxies; delete "
                "it and run the same command again."
            )
        return found

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(read, units))


def _finish(source, out, parts, engine, say):
    """Make of the parts what LSDB opens, where the galaxies have positions: the catalogue, and what is to be said."""
    if source.positions is None or not parts:
        return None, None
    if source.kind == "hats":
        from gzmass.catalogs.hats_output import write_hats_metadata  # noqa: PLC0415  an extra

        write_hats_metadata(out, *source.positions)
        return out, None
    with ThreadPoolExecutor(16) as pool:
        n_rows, n_placed = (sum(counts) for counts in zip(*pool.map(_count_placed, parts), strict=True))
    if not n_placed:
        return None, None
    if find_spec("hats_import") is None:
        return None, "the same command makes a HATS catalogue of it once pip install 'gzmass[scale]' is done"
    catalogue = out / "hats"
    if not (catalogue / "hats.properties").is_file():
        if say:
            say("sorting the parts into a HATS catalogue")
        from gzmass.catalogs.hats_output import import_parts  # noqa: PLC0415  an extra

        import_parts(catalogue, parts, n_placed, getattr(engine, "client", None))
    without = n_rows - n_placed
    return catalogue, f"{without} galaxies without a position are not in the HATS catalogue" if without else None


def _count_placed(part):
    table = pq.read_table(part, columns=["ra", "dec"])
    placed = np.isfinite(table["ra"].to_numpy()) & (np.abs(table["dec"].to_numpy()) <= 90)
    return len(table), int(placed.sum())
