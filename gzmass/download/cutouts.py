"""Cutouts of the galaxies of a catalogue, a file each: parallel within the servers' limits, continued after a break."""

import shutil
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial as bind
from pathlib import Path

import numpy as np

from gzmass.download.connection import Connection
from gzmass.download.extra import load_extra
from gzmass.download.fetch import fetch_file
from gzmass.download.positions import RADII, read_targets
from gzmass.download.record import CutoutRecord
from gzmass.download.sdss_frames import cut_group, group_by_frame
from gzmass.download.services import SERVICES, check_choices
from gzmass.download.sources import find_source, load_sources
from gzmass.download.verify import check_square_image
from gzmass.engine import hold_directory
from gzmass.errors import ConfigError, DataError

__all__ = ["CutoutSummary", "download_cutouts"]

_IN_A_ROW = 20  # temporary failures one after another: the server is away, and the rest of the list would fail too
_AHEAD = 2  # pieces of work waiting for each thread


@dataclass(frozen=True)
class CutoutSummary:
    """What `download_cutouts` has done.

    Parameters
    ----------
    path : pathlib.Path
        The folder.
    pattern : str
        Names of the files, ``{id}`` standing for the id, as ``images.pattern`` of `gzmass prepare` takes it.
    there : int
        Cutouts in the folder.
    fetched : int
        How many of them came now.
    failed : int
        Galaxies listed in ``failed.csv``.
    """

    path: Path
    pattern: str
    there: int
    fetched: int
    failed: int


def download_cutouts(
    name,
    out,
    catalog,
    *,
    band=None,
    survey=None,
    workers=4,
    connection=None,
    progress=None,
    sources=None,
    **positions,
):
    """Download a cutout of every galaxy of a table.

    Each is a file named by the id; ``cutouts.parquet`` says where each came from, when, and with which SHA-256. What
    could not be had is listed in ``failed.csv`` (id, reason) and tried again by the next call, which fetches nothing
    that is there. The folder is one that ``images.folder`` of `gzmass prepare` takes.

    Parameters
    ----------
    name : str
        Name of a service that `list_sources` names.
    out : str or pathlib.Path
        Folder for the cutouts: new, empty, or of an earlier call for the same kind of cutouts.
    catalog : str or pathlib.Path
        Table of galaxies.
    band : str, optional
        The band, for services that have several.
    survey : str, optional
        Layer of the Legacy Surveys, or id of a HiPS.
    workers : int, default 4
        Cutouts under way at the same time; servers are asked no more often for that.
    connection : Connection, optional
        How servers are asked; by default as the sources say.
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of galaxies.
    sources : dict, optional
        As `load_sources` returns them.
    **positions
        Columns of the table and size of the cutouts, as `gzmass.download.read_targets` takes them.

    Returns
    -------
    CutoutSummary
        What was done.

    Raises
    ------
    ConfigError
        The service, band, survey or size can not be, the folder holds cutouts of another kind, or another process works
        in it.
    DataError
        The table can not be used, or the server fails again and again.
    """
    # numbers of numpy can not be written to YAML and JSON
    positions = {key: value.item() if isinstance(value, np.generic) else value for key, value in positions.items()}
    sources = load_sources() if sources is None else sources
    source = _service(name, sources, workers, positions)
    band, survey = check_choices(name, source, band, survey)
    targets, bad = read_targets(catalog, native_pixel_scale=source.get("native_pixel_scale"), **positions)
    load_extra("pooch")  # if it is missing, that is said before a folder is made
    connection = connection or Connection(sources["seconds_between_requests"])
    requests = {target.id: _request(name, source, target, band, survey) for target in targets}
    with hold_directory(out):
        record = CutoutRecord(Path(out), source["ending"], _settings(name, band, survey, positions), list(requests))
        todo = [target for target in targets if not record.has(target.id, requests[target.id])]
        for galaxy, reason in bad:
            record.fail(galaxy, reason)
        if name == "sdss_cutouts":
            pieces = group_by_frame(todo)
            work = bind(_cut_from_frames, source=source, band=band, out=record.path, connection=connection)
        else:
            pieces = _within(todo, source.get("max_npix"), record)
            work = bind(_fetch_cutout, requests=requests, record=record, connection=connection)
        try:
            with closing(_map_threads(work, pieces, workers, connection)) as results:
                _collect(results, record, requests, len(targets) - len(todo), progress)
            if not connection.closed:
                shutil.rmtree(record.path / "frames", ignore_errors=True)  # what interrupted runs left
        finally:
            record.write()
        there = sum(record.has(target.id, requests[target.id]) for target in targets)
    return CutoutSummary(record.path, f"{{id}}{source['ending']}", there, len(record.fresh), len(record.failed))


def _service(name, sources, workers, positions):
    """Entry of a service; refuses what can be refused before the table is read."""
    kind, source = find_source(name, sources)
    if kind != "cutouts":
        raise ConfigError(f"{name!r} is a file, which takes no catalogue of galaxies.")
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ConfigError(f"workers must be a whole number of at least 1. Received: {workers!r}.")
    if name == "sdss_cutouts" and (positions.get("npix") or positions.get("pixel_scale")):
        raise ConfigError("sdss_cutouts keeps the pixels of the frames (0.396 arcsec): `gzmass prepare` resamples.")
    return source


def _settings(name, band, survey, positions):
    """Collect what the cutouts of one folder have in common."""
    sizes = {key: positions.get(key) for key in ("size_arcsec", "radius_column", "npix", "pixel_scale")}
    if sizes["radius_column"] is not None:
        sizes["radii"] = positions.get("radii") or RADII
    settings = {"name": name, "band": band, "survey": survey, **sizes}
    return {key: value for key, value in settings.items() if value is not None}


def _collect(results, record, requests, done, progress):
    """Note what comes; stop when the server is away."""
    total, in_a_row = len(requests), 0
    for piece in results:
        for target, result in piece:
            if isinstance(result, DataError):
                record.fail(target.id, str(result))
                in_a_row = in_a_row + 1 if getattr(result, "temporary", False) else 0
            else:
                record.add(target, requests[target.id], result)
                in_a_row = 0
            done += 1
            if progress is not None:
                progress(done, total)
            if in_a_row == _IN_A_ROW:
                raise DataError(f"{_IN_A_ROW} cutouts in a row could not be had, the last one: {result}")


def _request(name, source, target, band, survey):
    """Say in one string what is asked for: the address, or, for frames, what is cut from them."""
    if name in SERVICES:
        return SERVICES[name](source, target, band, survey)
    return f"{source['frames']}#band={band}&ra={target.ra:.7f}&dec={target.dec:.7f}&side={target.side_arcsec:g}"


def _within(targets, max_npix, record):
    """Targets one by one, without those that are larger than the service makes them."""
    for target in targets:
        if max_npix is not None and target.npix > max_npix:
            record.fail(target.id, f"{target.npix} pixels along a side; the service makes {max_npix} at most")
        else:
            yield [target]


def _fetch_cutout(piece, requests, record, connection):
    (target,) = piece
    path = record.file(target.id)
    try:
        check = bind(check_square_image, npix=target.npix)
        fetched = fetch_file(requests[target.id], path, check=check, connection=connection)
    except DataError as error:
        return [(target, error)]
    return [(target, {"sha256": fetched.sha256})]


def _cut_from_frames(piece, source, band, out, connection):
    results = []
    for target, result in cut_group(piece, source, band, out, connection):
        if isinstance(result, dict):
            file = out / f"{target.id}.fits"
            result["sha256"] = load_extra("pooch").file_hash(str(file), alg="sha256")
        results.append((target, result))
    return results


def _map_threads(work, pieces, workers, connection):
    """Results of pieces of work in their order, few pieces taken ahead; ends all waiting when it is left early."""
    pieces, pending = iter(pieces), deque()
    pool = ThreadPoolExecutor(workers)
    try:
        while True:
            while len(pending) < workers * _AHEAD and (piece := next(pieces, None)) is not None:
                pending.append(pool.submit(work, piece))
            if not pending:
                break
            yield pending.popleft().result()
    except BaseException:
        connection.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
