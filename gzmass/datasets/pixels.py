"""Decoded pixels: from encoded images by several threads, into memory or into a file that is read row by row."""

import os
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from gzmass.datasets.png import decode_png
from gzmass.engine import write_atomically
from gzmass.errors import DataError

__all__ = ["PixelFile", "decode_images", "open_pixels", "row_numbers", "write_pixels"]

_BLOCK = 256  # images that a thread holds decoded


class PixelFile:
    """Images in an ``.npy`` file, of which those asked for are read.

    A memory map would count every page that was ever looked at as memory of this process, in the end the whole file,
    which batch systems that watch resident memory kill. Reading takes as long and leaves nothing behind.

    Parameters
    ----------
    file : str or pathlib.Path
        The file; it may be deleted while it is open.

    Attributes
    ----------
    shape : tuple of int
        (n, npix, npix).
    dtype : numpy.dtype
        Type of a pixel.
    """

    def __init__(self, file):
        mapped = np.load(file, mmap_mode="r")
        self.shape, self.dtype = mapped.shape, mapped.dtype
        self._file, self._offset = file, mapped.offset
        self._row_bytes = mapped[:1].nbytes
        self._descriptor = os.open(file, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    def __reduce__(self):
        return PixelFile, (self._file,)

    def __len__(self):
        return self.shape[0]

    def __array__(self, dtype=None, copy=None):
        pixels = self[:]
        return pixels if dtype is None else pixels.astype(dtype, copy=bool(copy))

    def __getitem__(self, rows):
        rows = np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else row_numbers(rows, len(self))
        if len(wrong := rows[(rows < -len(self)) | (rows >= len(self))]):
            raise IndexError(f"The {len(self)} images have no row {wrong[0]}.")
        pixels = np.empty((len(rows), *self.shape[1:]), self.dtype)
        for image, row in zip(pixels, (rows % max(len(self), 1)).tolist(), strict=True):
            if os.preadv(self._descriptor, [image], self._offset + row * self._row_bytes) != self._row_bytes:
                raise DataError(f"The file of decoded pixels {str(self._file)!r} was cut short; delete it.")
        return pixels


def row_numbers(rows, n):
    """Take row numbers, or a mask, as row numbers.

    Parameters
    ----------
    rows : array_like of int or bool
        Row numbers, or which of all rows, shape (n,).
    n : int
        Number of all rows.

    Returns
    -------
    numpy.ndarray of int64
        Row numbers.

    Raises
    ------
    DataError
        They are neither whole numbers nor a mask of all rows.
    """
    rows = np.asarray(rows)
    if rows.dtype == bool and rows.shape == (n,):
        return np.flatnonzero(rows)
    if rows.dtype.kind not in "iu" and rows.size:
        raise DataError(
            f"Rows are chosen by whole numbers, or by a mask of all {n} rows. Received: values of type {rows.dtype} "
            f"and shape {rows.shape}."
        )
    return rows.astype(np.int64)


def open_pixels(file, shape):
    """Open a file of decoded pixels, if it is there and is that of the dataset.

    Parameters
    ----------
    file : pathlib.Path
        The file.
    shape : tuple of int
        Shape that it must have.

    Returns
    -------
    PixelFile, numpy.memmap or None
        None where it must be made first.
    """
    try:
        # not every system can read at a position
        pixels = PixelFile(file) if hasattr(os, "preadv") else np.load(file, mmap_mode="r")
    except (OSError, ValueError):  # it is not there, or was damaged
        return None
    return pixels if pixels.shape == shape and pixels.dtype == np.uint8 else None


def write_pixels(file, images, n, npix):
    """Decode all images into a file, in bounded memory.

    Parameters
    ----------
    file : pathlib.Path
        The file to make, whole or not at all.
    images : gzmass.datasets.image_store.ImageFiles or ImageShards
        The images.
    n : int
        Their number.
    npix : int
        Their side.

    Raises
    ------
    DataError
        The first image that can not be read, or has another size.
    """
    with write_atomically(file) as partial:
        # the header; and the length, so that the threads can write anywhere
        offset = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=(n, npix, npix)).offset

        def keep(positions, pixels):
            with open(partial, "r+b", buffering=0) as open_file:  # noqa: PTH123  unbuffered
                open_file.seek(offset + int(positions[0]) * npix * npix)
                written = open_file.write(pixels)
            if written != pixels.nbytes:
                raise OSError(None, "the disk is full", str(file))

        _decode(images, np.arange(n), npix, keep)


def decode_images(images, rows, npix, reasons=None):
    """Decode some images into memory.

    Parameters
    ----------
    images : gzmass.datasets.image_store.ImageFiles or ImageShards
        The images.
    rows : numpy.ndarray of int
        Which, shape (n,).
    npix : int
        Their side.
    reasons : numpy.ndarray of object, optional
        Where the reasons are written why images can not be read or have another size, shape (n,). With it none of
        them is an error, and their pixels are 0.

    Returns
    -------
    numpy.ndarray of uint8
        Shape (n, npix, npix).

    Raises
    ------
    DataError
        The first image that can not be read, or has another size, without `reasons`.
    """
    pixels = np.empty((len(rows), npix, npix), dtype=np.uint8)

    def keep(positions, some):
        pixels[positions] = some

    _decode(images, rows, npix, keep, reasons)
    return pixels


def _decode(images, rows, npix, keep, reasons=None):
    """Decode part after part in several threads; `keep` takes positions in `rows`, in sequence, and their pixels."""

    def decode(positions):
        pngs = images.read(rows[positions]) if reasons is None else images.read_each(rows[positions])
        for start in range(0, len(positions), _BLOCK):
            part = positions[start : start + _BLOCK]
            pixels = np.empty((len(part), npix, npix), dtype=np.uint8)
            for k, position in enumerate(part.tolist()):
                try:
                    if isinstance(pngs[start + k], DataError):
                        raise pngs[start + k]
                    pixels[k] = decode_png(pngs[start + k], npix)
                except DataError as error:
                    if reasons is None:
                        raise DataError(f"{images.name(rows[position])} can not be used: {error}.") from None
                    pixels[k], reasons[position] = 0, str(error).rstrip(".")
            keep(part, pixels)

    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for _ in pool.map(decode, images.parts(rows)):
            pass
