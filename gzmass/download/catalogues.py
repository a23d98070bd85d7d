"""Whole files by name: catalogues and archives of images, each recorded with its origin and checksum."""

import json
import tempfile
from datetime import UTC, datetime
from functools import partial as bind
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from gzmass.download.connection import Connection, FetchError
from gzmass.download.extra import load_extra
from gzmass.download.fetch import fetch_file
from gzmass.download.sources import find_source, load_sources
from gzmass.download.verify import check_file
from gzmass.engine import hold_directory, write_yaml
from gzmass.errors import ConfigError, DataError

__all__ = ["download_file"]

_ZENODO = "https://zenodo.org/api/records"


def download_file(name, out, connection=None, progress=None, sources=None):
    """Download a file that `list_sources` names.

    The origin, time and SHA-256 of each file stand in ``downloads.yaml`` of the folder. A file that is there, and is
    still what is recorded, is not fetched again; one that has been damaged is. A file on the server that is no longer
    the recorded one is refused.

    Parameters
    ----------
    name : str
        Name of the source.
    out : str or pathlib.Path
        Folder for the file.
    connection : Connection, optional
        How servers are asked; by default as the sources say.
    progress : callable, optional
        Called as ``progress(done, total)`` with bytes; the total is None if the server does not tell.
    sources : dict, optional
        As `load_sources` returns them.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ConfigError
        There is no file of that name, the extra ``download`` is not installed, or another process works in the folder.
    DataError
        It can not be had, verified or written, or a file of unknown origin stands in its place.
    """
    sources = load_sources() if sources is None else sources
    kind, source = find_source(name, sources)
    if kind != "files":
        raise ConfigError(f"{name!r} is no file but a service of cutouts: it needs a catalogue of galaxies.")
    file_hash = load_extra("pooch").file_hash  # if it is missing, that is said before a folder is made
    connection = connection or Connection(sources["seconds_between_requests"])
    manifest = Path(out) / "downloads.yaml"
    path = Path(out) / (source["file"] if "file" in source else Path(urlsplit(source["address"]).path).name)
    with hold_directory(out):
        recorded = _read_manifest(manifest)
        held_to = recorded[path.name]["sha256"] if path.name in recorded else None
        if path.exists():
            if held_to is None:
                raise DataError(
                    f"{str(path)!r} is there already, and {str(manifest)!r} does not say where it came from: move it "
                    "away."
                )
            if file_hash(str(path), alg="sha256") == held_to:
                return path
        url, checksum, licence = _locate(source, path.name, connection)
        entry = {"name": name, "licence": licence or source["licence"], "cite": source["cite"]}
        check = bind(check_file, unpacked_by_server=source.get("unpacked_by_server", False))
        # the record comes before the name: a file without a record would be refused by the next call
        accept = bind(_record, manifest, recorded, entry)
        return fetch_file(url, path, checksum, check, connection, progress, accept).path


def _record(manifest, recorded, entry, fetched):
    """Add a file to the record; refuse one that is not the recorded one."""
    held_to = recorded.get(fetched.path.name, {}).get("sha256", fetched.sha256)
    if fetched.sha256 != held_to:
        raise DataError(
            f"The file at {fetched.url} is no longer the one that is recorded in {str(manifest)!r} (sha256 "
            f"{fetched.sha256} instead of {held_to}): download it into another folder."
        )
    recorded[fetched.path.name] = {
        "name": entry["name"],
        "url": fetched.url,
        "downloaded": datetime.now(UTC).isoformat(timespec="seconds"),
        "size": fetched.size,
        "sha256": fetched.sha256,
        "verified_by": list(fetched.verified),
        "last_modified": fetched.last_modified,
        "licence": entry["licence"],
        "cite": entry["cite"],
    }
    write_yaml(manifest, recorded)


def _read_manifest(path):
    if not path.exists():
        return {}
    try:
        recorded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        recorded = None
    entries = recorded.values() if isinstance(recorded, dict) else [None]
    if not all(isinstance(entry, dict) and "sha256" in entry for entry in entries):
        raise DataError(f"{str(path)!r} is not a record of downloads: move it away.")
    return recorded


def _locate(source, file, connection):
    """Address of a file, its checksum where one is known beforehand, and the licence that its archive states."""
    if "zenodo" not in source:
        return source["address"], source["checksum"], None
    url = f"{source.get('api', _ZENODO)}/{source['zenodo']}"
    with tempfile.TemporaryDirectory() as folder:
        answer = fetch_file(url, Path(folder) / "record.json", connection=connection).path.read_text(encoding="utf-8")
    try:
        record = json.loads(answer)
        entry = next(entry for entry in record["files"] if entry["key"] == file)
        licence = record["metadata"].get("license", {}).get("id")
        return entry["links"]["self"], source["checksum"] or entry["checksum"], licence
    except (ValueError, TypeError, KeyError, AttributeError, StopIteration):
        raise FetchError(f"The answer of {url} does not describe the file {file!r}.", temporary=False) from None
