"""Cutouts from the frames of SDSS: which frames show a galaxy, and the square cut from them."""

import csv
import math
import shutil
from functools import partial
from itertools import groupby
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
from astropy.io import fits

from gzmass.download.connection import FetchError
from gzmass.download.fetch import fetch_file
from gzmass.engine import write_atomically
from gzmass.errors import DataError
from gzmass.images.frames import cut_from_frames, index_frames

__all__ = ["cut_group", "frame_address", "frame_of_objid", "group_by_frame"]

_RERUN = 301  # of the frames of DR8 and later
_SKY_VERSION = 2  # in the objid of DR8 and later; earlier ones number their fields in another way


def frame_of_objid(objid):
    """Read run, camera column and field from an SDSS objid of DR8 or later.

    Parameters
    ----------
    objid : int or str
        The id.

    Returns
    -------
    tuple of int or None
        Run, camera column, field; None if it is no such id.

    Notes
    -----
    Bits as in the glossary of SDSS: 59-62 sky version, 48-58 rerun, 32-47 run, 29-31 camera column, 16-27 field.
    """
    if not isinstance(objid, int) or objid < 0:
        return None
    if (objid >> 59, (objid >> 48) & 0x7FF) != (_SKY_VERSION, _RERUN):
        return None
    camcol = (objid >> 29) & 0x7
    return ((objid >> 32) & 0xFFFF, camcol, (objid >> 16) & 0xFFF) if 1 <= camcol <= 6 else None


def frame_address(root, frame, band):
    """Address of a frame in the Science Archive Server.

    Parameters
    ----------
    root : str
        Address of the rerun.
    frame : tuple of int
        Run, camera column, field.
    band : str
        The band.

    Returns
    -------
    str
        The address.
    """
    run, camcol, field = frame
    return f"{root}/{run}/{camcol}/frame-{band}-{run:06d}-{camcol}-{field:04d}.fits.bz2"


def group_by_frame(targets):
    """Put galaxies of one frame together, so that it is fetched once.

    Parameters
    ----------
    targets : list of Target
        The galaxies.

    Yields
    ------
    list of Target
        Galaxies of one frame by their ids, or one galaxy of which the frame is not known.
    """
    known = [target for target in targets if frame_of_objid(target.id)]
    for _, group in groupby(sorted(known, key=lambda t: frame_of_objid(t.id)), key=lambda t: frame_of_objid(t.id)):
        yield list(group)
    yield from ([target] for target in targets if not frame_of_objid(target.id))


def cut_group(group, source, band, out, connection):
    """Fetch the frames that show some galaxies, cut them out and remove the frames.

    The frame that an SDSS objid names is taken first; where there is none, or the square reaches over its edge,
    SkyServer is asked which frames show the primary objects within the square.

    Parameters
    ----------
    group : list of Target
        As `group_by_frame` yields them.
    source : dict
        Entry of the service in the table of sources.
    band : str
        The band.
    out : pathlib.Path
        Folder for the cutouts.
    connection : Connection
        How servers are asked.

    Yields
    ------
    target : Target
        A galaxy.
    result : dict or DataError
        ``frames`` and ``missing_fraction`` of the cutout, or why there is none.
    """
    home = frame_of_objid(group[0].id)
    folder = Path(out) / "frames" / ("-".join(map(str, home)) if home else str(group[0].id))
    fetch = partial(_fetch_frame, failed={}, source=source, band=band, folder=folder, connection=connection)
    for target in group:
        try:
            frames, image = _cut(target, home, fetch, partial(_ask_for_frames, target, source, folder, connection))
            _write(Path(out) / f"{target.id}.fits", image)
            missing = float(np.isnan(image.pixels).mean())
            yield target, {"frames": " ".join(frames), "missing_fraction": missing}
        except DataError as error:
            yield target, error
    if not connection.closed:  # interrupted: the parts that are there are continued
        shutil.rmtree(folder, ignore_errors=True)


def _cut(target, home, fetch, ask):
    """Cut one galaxy out; the names of its frames and the image."""
    if home is not None:
        paths = [fetch(home)]
        try:
            image = cut_from_frames(index_frames(paths), target.ra, target.dec, target.side_arcsec)
        except DataError:
            image = None  # the id names a frame that shows only part of the galaxy
        if image is not None and not np.isnan(image.pixels).any():
            return [path.name for path in paths], image
    frames = ask()
    if home is not None:
        frames = [home, *(frame for frame in frames if frame != home)]
    paths = [fetch(frame) for frame in frames]
    image = cut_from_frames(index_frames(paths), target.ra, target.dec, target.side_arcsec)
    return [path.name for path in paths], image


def _fetch_frame(frame, failed, source, band, folder, connection):
    """Fetch a frame, unless it is there, or could not be had for another galaxy of the group."""
    if frame in failed:
        raise failed[frame]
    url = frame_address(source["frames"], frame, band)
    path = folder / url.rsplit("/", 1)[-1]
    if not path.is_file():
        try:
            fetch_file(url, path, connection=connection)
        except DataError as error:
            failed[frame] = error
            raise
    return path


def _ask_for_frames(target, source, folder, connection):
    """Frames that hold the primary objects within the circle around a square."""
    radius = target.side_arcsec / math.sqrt(2) / 60
    circle = f"{target.ra:.7f},{target.dec:.7f},{radius:.4f}"  # degrees, arcmin
    query = f"SELECT DISTINCT run, camcol, field FROM dbo.fGetNearbyObjEq({circle})"  # noqa: S608  numbers alone
    url = f"{source['search']}?{urlencode({'cmd': query, 'format': 'csv'})}"
    answer = folder / f"{target.id}.csv"
    try:
        lines = fetch_file(url, answer, connection=connection).path.read_text(encoding="utf-8").splitlines()
        answer.unlink()
        rows = csv.DictReader(line for line in lines if line.strip() and not line.startswith("#"))
        frames = [(int(row["run"]), int(row["camcol"]), int(row["field"])) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise FetchError(f"the answer of {url} is no list of frames", temporary=False) from None
    if not frames:
        raise DataError("SDSS has no object there: the position is outside of its imaging")
    return sorted(frames)


def _write(path, image):
    header = image.header.copy()
    header["BUNIT"] = image.unit or "nanomaggy"
    with write_atomically(path) as partial:
        fits.PrimaryHDU(image.pixels, header).writeto(partial)
