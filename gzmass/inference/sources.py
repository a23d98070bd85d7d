"""Where galaxies to be predicted lie, file by file: a dataset directory, shards, or a HATS catalogue."""

import hashlib
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gzmass.datasets.layout import read_info
from gzmass.datasets.shards import HASH_KEY, written_dataset
from gzmass.engine import fingerprint
from gzmass.engine.choose import require_scale
from gzmass.errors import DataError

__all__ = ["GalaxyFile", "Source", "find_galaxies"]

_MAGIC = b"PAR1"  # the first and the last bytes of a Parquet file
_SHOWN = 12  # names of columns in an error


@dataclass(frozen=True)
class GalaxyFile:
    """A Parquet file of galaxies.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    groups : tuple of int
        Rows of each of its row groups.
    pixel : tuple of (int, int) or None
        In a HATS catalogue order and number of its HEALPix pixel.
    mark : str
        Hash of its footer, in which stand the place, size and range of all that it holds.
    hash : str or None
        Hash of its content, where the footer has one.
    dataset : dict or None
        Mark and stretch of the dataset of which it is a shard, where the footer has them.
    """

    path: Path
    groups: tuple
    pixel: tuple | None
    mark: str
    hash: str | None
    dataset: dict | None = None

    @property
    def n_rows(self):
        """Number of galaxies.

        Returns
        -------
        int
            The sum of the row groups.
        """
        return sum(self.groups)


@dataclass(frozen=True)
class Source:
    """Galaxies to be predicted; `find_galaxies` makes one.

    Parameters
    ----------
    name : str
        What was named: a directory, or the first of several files.
    kind : {"dataset", "shards", "hats"}
        What it is.
    files : tuple of GalaxyFile
        The files, in order.
    schema : pyarrow.Schema
        Their columns.
    id_column, image_column : str or None
        Where ids and images stand; without a column of images they are ``images/<id>.png`` in `folder`.
    folder : pathlib.Path or None
        What paths of images are relative to; None for the folder of the file that they stand in.
    info : dict
        What is known of all images: of a dataset directory its ``dataset.yaml``, of shards the stretch that they
        say, else nothing.
    positions : tuple of (str, str) or None
        Columns of right ascension and declination [deg].
    healpix_column : str or None
        Column of the HEALPix pixel of order 29.
    """

    name: str
    kind: str
    files: tuple
    schema: pa.Schema
    id_column: str
    image_column: str | None
    folder: Path | None
    info: dict
    positions: tuple | None
    healpix_column: str | None = None

    @property
    def n_rows(self):
        """Number of galaxies.

        Returns
        -------
        int
            Over all files.
        """
        return sum(file.n_rows for file in self.files)

    @property
    def numerical(self):
        """Columns of numbers.

        Returns
        -------
        list of str
            Their names.
        """
        kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
        return [field.name for field in self.schema if any(is_kind(field.type) for is_kind in kinds)]

    @property
    def mark(self):
        """Fingerprint of the galaxies.

        Returns
        -------
        str
            The same for the same files of the same names, wherever they lie.
        """
        files = [[file.path.name, file.pixel, file.mark] for file in self.files]
        return fingerprint([self.kind, self.info.get("content_hash"), self.id_column, self.image_column, files])


def find_galaxies(paths, id_column="id", image_column="image"):
    """Find the galaxies that are to be predicted; of the files only the footers are read.

    Parameters
    ----------
    paths : str, pathlib.Path or sequence of these
        A dataset directory, a HATS catalogue, a folder of shards, or shards: Parquet files with ids and images.
    id_column : str, default "id"
        Column of the ids, of shards and of a HATS catalogue.
    image_column : str, default "image"
        Column of the images there: 8-bit PNG files as bytes, alone or in a struct with the field ``bytes``; or the
        paths of such files, relative to the folder of the shards or of the catalogue.

    Returns
    -------
    Source
        The galaxies.

    Raises
    ------
    DataError
        There is nothing, a file is missing or damaged, files do not belong together, or a column is missing.
    ConfigError
        For a HATS catalogue the extra ``scale`` is not installed.
    """
    paths = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    first = paths[0]
    if len(paths) == 1 and first.is_dir():
        if (first / "dataset.yaml").is_file() or (first / "recipe.yaml").is_file():
            return _dataset(first)
        if any((first / name).is_file() for name in ("hats.properties", "properties", "collection.properties")):
            return _hats(first, id_column, image_column)
        shards = sorted(file for file in first.glob("*.parquet") if not file.name.startswith((".", "_")))
        if (first / "card.yaml").is_file():
            raise DataError(f"{str(first)!r} is a run, no galaxies: runs come first, then what they are to predict.")
        if not shards:
            raise DataError(f"The folder {str(first)!r} is no dataset, no HATS catalogue, and has no Parquet files.")
        return _shards(str(first), shards, id_column, image_column)
    if len(paths) == 1 and not first.exists():
        raise DataError(f"There is no dataset, HATS catalogue or shard at {str(first)!r}.")
    if missing := [path for path in paths if not path.is_file()]:
        raise DataError(f"The shard {str(missing[0])!r} does not exist.")
    return _shards(str(first), paths, id_column, image_column)


def _dataset(path):
    info = read_info(path)
    if info.get("storage") == "shards":
        files = _listed_shards(path, info)
        image_column = "image"
    else:
        files, image_column = _read_footers([path / "catalog.parquet"]), None
    schema = _one_schema(files)
    columns = _columns(schema, files[0].path, "id", image_column)
    return Source(str(path), "dataset", files, schema, *columns, path, info, _positions(schema))


def _listed_shards(path, info):
    """Open the shards that dataset.yaml lists, and see that they are those."""
    files = _read_footers([path / "shards" / name for name in _shards_of(path, info)])
    _refuse_strangers(path, info, files)
    return files


def _shards_of(path, info):
    listed = info.get("shards", {})
    if not isinstance(listed, dict) or not all(isinstance(shard, dict) for shard in listed.values()):
        raise DataError(f"The dataset.yaml of {str(path)!r} is damaged: its key 'shards' is no list of shards.")
    return listed


def _shards(name, paths, id_column, image_column):
    """Shards by themselves; what a dataset directory around them says of them is believed, then their footers."""
    homes = [path.resolve().parent.parent for path in paths]
    infos = {home: read_info(home) for home in sorted(set(homes)) if (home / "dataset.yaml").is_file()}
    files = _read_footers(paths)
    if len({info["content_hash"] for info in infos.values()}) > 1:
        one, other, *_ = map(str, infos)
        raise DataError(f"The shards belong to several datasets, {one!r} and {other!r}: take one at a time.")
    for home, info in infos.items():
        _refuse_strangers(home, info, [file for file, theirs in zip(files, homes, strict=True) if theirs == home])
        if stray := [file for file, theirs in zip(files, homes, strict=True) if theirs not in infos]:
            raise DataError(
                f"The shard {str(stray[0].path)!r} does not lie in the dataset {str(home)!r}, of which others are: "
                "take those of the dataset, or others, not both."
            )
    schema = _one_schema(files)
    _refuse_twice(files)
    said = _one_dataset(files)
    columns = _columns(schema, files[0].path, id_column, image_column)
    # of a part of a dataset the fingerprint must not be that of the whole
    info = {key: value for info in infos.values() for key, value in info.items() if key != "content_hash"} or said
    return Source(name, "shards", files, schema, *columns, None, info, _positions(schema))


def _refuse_twice(files):
    """Refuse a shard that is given twice, or as a copy."""
    seen = {}
    for file in files:
        for what in {file.path.resolve(), file.hash if file.n_rows else None} - {None}:
            if (other := seen.setdefault(what, file)) is not file:
                raise DataError(
                    f"The shards {str(other.path)!r} and {str(file.path)!r} hold the same galaxies: take one of them."
                )


def _one_dataset(files):
    """Refuse shards that say they are of different datasets; give what all of them say of their images."""
    marked = {file.dataset["mark"]: file for file in files if file.dataset}
    if len(marked) > 1:
        one, other, *_ = (str(file.path) for file in marked.values())
        raise DataError(f"The shards {one!r} and {other!r} belong to several datasets: take one at a time.")
    if not marked or any(file.dataset is None for file in files) or not files[0].dataset["stretch"]:
        return {}
    return {"stretch": files[0].dataset["stretch"]}


def _refuse_strangers(path, info, files):
    """Refuse shards that are not those that the dataset.yaml of their directory lists."""
    for file in files:
        listed = _shards_of(path, info).get(file.path.name, {})
        # a hash may be missing, where another program has written the list
        if (file.n_rows, listed.get("hash", file.hash)) != (listed.get("rows"), file.hash):
            raise DataError(
                f"The shard {str(file.path)!r} is none of the dataset {str(path)!r}, whose dataset.yaml lists another "
                "of this name or none: shards of several datasets were mixed, or one was changed."
            )


def _hats(path, id_column, image_column):
    require_scale("A HATS catalogue", "hats")
    import hats  # noqa: PLC0415  seconds, and an extra
    from hats.io import paths as hats_paths  # noqa: PLC0415

    try:
        catalog = hats.read_hats(path)
        catalog = getattr(catalog, "main_catalog", catalog)  # of a collection
        info, pixels = catalog.catalog_info, catalog.get_healpix_pixels()
    except Exception as error:  # noqa: BLE001  of pydantic, of jproperties, of the file system
        raise DataError(f"The HATS catalogue {str(path)!r} can not be read: {' '.join(str(error).split())}") from None
    found = []
    for pixel in pixels:
        place = Path(str(hats_paths.pixel_catalog_file(catalog.catalog_path, pixel, npix_suffix=info.npix_suffix)))
        parts = sorted(place.glob("*.parquet")) if place.is_dir() else [place]
        found += [(part, (int(pixel.order), int(pixel.pixel))) for part in parts]
    if not found:
        raise DataError(f"The HATS catalogue {str(path)!r} has no partitions.")
    files = _read_footers(*zip(*found, strict=True))
    schema = _one_schema(files)
    columns = _columns(schema, files[0].path, id_column, image_column)
    healpix = info.healpix_column if info.healpix_order in (None, 29) else None
    healpix = healpix if healpix in schema.names else None
    return Source(str(path), "hats", files, schema, *columns, path, {}, (info.ra_column, info.dec_column), healpix)


def _read_footers(paths, pixels=None):
    """Read the footers of files, many at a time: on a network they take as long as the way there and back."""
    with ThreadPoolExecutor(16) as pool:
        return tuple(pool.map(_read_footer, paths, pixels or [None] * len(paths)))


def _read_footer(path, pixel):
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 8))
            length, magic = struct.unpack("<I4s", file.read(8)) if size > 12 else (0, b"")
            if magic != _MAGIC or length > size - 12:
                raise DataError(f"The shard {str(path)!r} is damaged: it is no whole Parquet file.")
            file.seek(size - 8 - length)
            digest = hashlib.blake2b(file.read(length), digest_size=8)
            digest.update(str(size).encode())
        footer = pq.read_metadata(path)
    except FileNotFoundError:
        raise DataError(f"The shard {str(path)!r} does not exist.") from None
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"The shard {str(path)!r} can not be read: {str(error).splitlines()[0]}.") from None
    groups = tuple(footer.row_group(k).num_rows for k in range(footer.num_row_groups))
    own = (footer.metadata or {}).get(HASH_KEY)
    return GalaxyFile(path, groups, pixel, digest.hexdigest(), own and own.decode(), written_dataset(footer.metadata))


def _one_schema(files):
    """Give the columns of files, which must have the same."""
    schema = pq.read_schema(files[0].path)
    with ThreadPoolExecutor(16) as pool:
        for file, other in zip(files, pool.map(lambda file: pq.read_schema(file.path), files), strict=True):
            if not other.equals(schema):
                names = {field.name for field in set(schema).symmetric_difference(other)} or {"another order"}
                raise DataError(
                    f"The files {str(files[0].path)!r} and {str(file.path)!r} do not belong together: they differ in "
                    f"the column {min(names)!r}."
                )
    return schema


def _columns(schema, path, id_column, image_column):
    for column, option in ((id_column, "--id"), (image_column, "--images")):
        if column is not None and column not in schema.names:
            names = [name for name in schema.names if not name.endswith("_votes")]
            shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
            raise DataError(f"The file {str(path)!r} has no column {column!r} ({option}); it has {shown}.")
    kind = schema.field(id_column).type
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise DataError(f"The column {id_column!r} of {str(path)!r} must hold integers or text. Received: {kind}.")
    if image_column is not None:
        kind = schema.field(image_column).type
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            kind = kind.field("bytes").type
        good = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_string, pa.types.is_large_string)
        if not any(is_kind(kind) for is_kind in good):
            raise DataError(
                f"The column {image_column!r} of {str(path)!r} must hold PNG files as bytes, or their paths. "
                f"Received: {kind}."
            )
    return id_column, image_column


def _positions(schema):
    return ("ra", "dec") if {"ra", "dec"} <= set(schema.names) else None
