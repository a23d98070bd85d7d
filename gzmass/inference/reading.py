"""Reading galaxies out of Parquet files, with their images decoded, ahead of the network."""

import io
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from gzmass.datasets.layout import image_name
from gzmass.datasets.png import decode_png
from gzmass.errors import DataError

__all__ = ["Reading", "Rows", "compute_ahead", "first_npix", "no_galaxies", "read_ahead", "read_galaxies"]

_READ = 1024  # rows that are read, decoded and handed on at a time


@dataclass(frozen=True)
class Reading:
    """What is read of every file.

    Parameters
    ----------
    columns : tuple of str
        Columns, as far as they are there.
    id_column, image_column : str or None
        As in `gzmass.inference.sources.Source`.
    folder : pathlib.Path or None
        What paths of images are relative to; None for the folder of the file that they stand in.
    npix : int
        Side of the images [px].
    split : str or None
        Only galaxies of this split.
    """

    columns: tuple
    id_column: str
    image_column: str | None
    folder: Path | None
    npix: int
    split: str | None = None


@dataclass(frozen=True)
class Rows:
    """Rows of a file that are a unit of work.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    first, n_rows : int
        Number of the first row in the file, and how many.
    """

    path: Path
    first: int
    n_rows: int


def read_ahead(items):
    """Iterate in a thread of its own, so that the next items are made while one is worked on.

    Parameters
    ----------
    items : iterable
        At most two of them are held. What it raises is raised after the items before it.

    Yields
    ------
    object
        The items.
    """
    items, end = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        waiting = deque(pool.submit(next, items, end) for _ in range(2))
        try:
            while (item := waiting.popleft().result()) is not end:
                waiting.append(pool.submit(next, items, end))
                yield item
        finally:
            pool.shutdown(cancel_futures=True)


def compute_ahead(function, items, threads=2):
    """Call a function on items in threads of their own, while the consumer works on earlier results.

    Parameters
    ----------
    function : callable
        Takes an item.
    items : iterable
        Taken as they are needed, in the thread of the consumer: at most ``threads + 1`` of them are held.
    threads : int, default 2
        How many items are worked on at once.

    Yields
    ------
    object
        The results, in the order of the items. What the function raises is raised in its turn.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def read_galaxies(reading, rows):
    """Read galaxies and decode their images.

    Parameters
    ----------
    reading : Reading
        What is read.
    rows : Rows
        Which galaxies.

    Yields
    ------
    table : pandas.DataFrame
        The columns of some galaxies.
    pixels : numpy.ndarray of uint8
        Their images, shape (n, npix, npix).
    reasons : numpy.ndarray of str
        Why there is no image, shape (n,); empty where there is one.

    Raises
    ------
    DataError
        The file is missing or damaged.
    """
    with ThreadPoolExecutor(2) as pool:  # decoding is a tenth of the work
        for table, images in _read(reading, rows):
            yield table, *_decode(reading, reading.folder or rows.path.parent, images, pool)


def no_galaxies(reading, rows):
    """Give what `read_galaxies` yields, of no galaxy.

    Parameters
    ----------
    reading : Reading
        What is read.
    rows : Rows
        Galaxies of the file.

    Returns
    -------
    table, pixels, reasons
        The columns without rows.
    """
    schema = pq.read_schema(rows.path)
    table = schema.empty_table().select(_wanted(reading, schema, images=False)).to_pandas()
    return table, np.empty((0, reading.npix, reading.npix), np.uint8), np.empty(0, object)


def _wanted(reading, schema, *, images=True):
    names = [reading.id_column, *reading.columns, *(["split"] if reading.split else [])]
    names += [reading.image_column] if images and reading.image_column else []
    return [name for name in dict.fromkeys(names) if name in schema.names]


def _read(reading, rows):
    """Yield tables of some rows and their images, encoded or as paths; only the pages at hand are in memory."""
    try:
        with pq.ParquetFile(rows.path, buffer_size=1 << 20, page_checksum_verification=True) as file:
            starts = np.cumsum([0, *(file.metadata.row_group(k).num_rows for k in range(file.num_row_groups))])
            end = rows.first + rows.n_rows
            groups = [k for k in range(file.num_row_groups) if starts[k] < end and starts[k + 1] > rows.first]
            position = int(starts[groups[0]]) if groups else 0
            names = _wanted(reading, file.schema_arrow)
            for batch in file.iter_batches(_READ, row_groups=groups, columns=names, use_threads=False):
                kept = batch.slice(max(0, rows.first - position), max(0, end - max(position, rows.first)))
                position += len(batch)
                if len(kept):
                    if missing := kept[reading.id_column].null_count:  # beside which whole ids would lose their digits
                        raise DataError(
                            f"The column {reading.id_column!r} of {str(rows.path)!r} must hold an id for each galaxy. "
                            f"Received: {missing} missing ones."
                        )
                    table, images = _split(reading, kept)
                    yield table, images
    except FileNotFoundError:
        raise DataError(f"The file {str(rows.path)!r} does not exist.") from None
    except (OSError, pa.ArrowException) as error:
        if getattr(error, "errno", None):
            raise
        raise DataError(f"The file {str(rows.path)!r} can not be read: {' '.join(str(error).split())}") from None


def _split(reading, batch):
    """Take the images out of rows, and the rows out that are not asked for."""
    if reading.split:
        batch = batch.filter(pc.equal(batch["split"], reading.split))
    if reading.image_column is None:
        images = [Path("images") / image_name(galaxy_id) for galaxy_id in batch[reading.id_column].to_pylist()]
    else:
        images = batch[reading.image_column]
        if pa.types.is_struct(images.type):
            images = pc.struct_field(images, "bytes")
        images = images.to_pylist()
        batch = batch.drop_columns(reading.image_column)
    return batch.to_pandas(), images


def _decode(reading, folder, images, pool):
    pixels = np.zeros((len(images), reading.npix, reading.npix), dtype=np.uint8)
    reasons = np.full(len(images), "", dtype=object)

    def decode(start):
        for k in range(start, min(start + 64, len(images))):
            try:
                data = images[k]
                if isinstance(data, str | Path):
                    data = (folder / data).read_bytes()
                pixels[k] = decode_png(data, reading.npix)
            except DataError as error:
                reasons[k] = str(error)
            except OSError as error:
                reasons[k] = f"the image {str(images[k])!r} can not be read: {error.strerror}"

    list(pool.map(decode, range(0, len(images), 64)))
    return pixels, reasons


def first_npix(source):
    """Measure the first image that can be read.

    Parameters
    ----------
    source : gzmass.inference.sources.Source
        The galaxies.

    Returns
    -------
    int or None
        Its side [px]; None if there is none among the first rows.
    """
    reading = Reading((), source.id_column, source.image_column, source.folder, 0)
    folder = source.folder or source.files[0].path.parent
    for _, images in _read(reading, Rows(source.files[0].path, 0, _READ)):
        for image in images:
            try:
                data = (folder / image).read_bytes() if isinstance(image, str | Path) else image
                with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
                    return picture.size[0]
            except (OSError, TypeError, Image.DecompressionBombError):
                continue
    return None
