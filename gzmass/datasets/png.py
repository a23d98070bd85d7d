"""The PNGs of a dataset, decoded: those of 8-bit grey by compiled code, all others by Pillow."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from gzmass.errors import DataError
from gzmass.images.png_filters import undo_filters

__all__ = ["decode_png"]

_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


def decode_png(data, npix):
    """Decode one image of a dataset.

    Plain 8-bit grey is what `encode_png` writes. Pillow takes twice as long for images as small as these, and holds
    Python's lock meanwhile; it gets all others, and has the same pixels.

    Parameters
    ----------
    data : bytes or None
        The PNG.
    npix : int
        Side it must have.

    Returns
    -------
    numpy.ndarray of uint8
        Grey levels, shape (npix, npix).

    Raises
    ------
    DataError
        With the reason: there is no image, it is no PNG, or not an 8-bit grey image of that size.
    """
    if data is None:
        raise DataError("there is no image")
    pixels = _decode_grey(data, npix)
    if pixels is None:
        try:
            with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
                pixels, is_indexed = np.asarray(picture), picture.mode in {"P", "PA"}
        except Exception as error:  # noqa: BLE001  Pillow raises OSError, SyntaxError, ValueError and its own
            reason = "it is no PNG" if not data.startswith(b"\x89PNG") else str(error).splitlines()[0]
            raise DataError(f"the image can not be read: {reason}") from None
        if is_indexed:
            raise DataError("the image has a palette, and its pixels are no grey levels")
    if pixels.shape != (npix, npix) or pixels.dtype != np.uint8:
        size = " x ".join(map(str, pixels.shape))
        raise DataError(f"the image has {size} pixels of type {pixels.dtype} instead of {npix} x {npix} of 8-bit grey")
    return pixels


def _decode_grey(data, npix):
    """Decode a PNG of 8-bit grey that holds nothing beside its pixels; None if it is another, or is cut short."""
    try:
        *size, bits, colour, compression, filters, interlacing, checksum = struct.unpack_from(">IIBBBBBI", data, 16)
        known = (*size, bits, colour, compression, filters, interlacing) == (npix, npix, 8, 0, 0, 0, 0)
        if not (known and data.startswith(_START) and zlib.crc32(data[12:29]) == checksum):
            return None
        compressed, place = [], 33
        while (chunk := struct.unpack_from(">I4s", data, place))[1] == b"IDAT":
            compressed.append(data[place + 8 : place + 8 + chunk[0]])
            place += 12 + chunk[0]
    except struct.error:
        return None
    if chunk[1] != b"IEND":
        return None
    stream, length = zlib.decompressobj(), npix * (npix + 1)
    try:
        filtered = stream.decompress(b"".join(compressed), length + 1)  # not what a bomb would make of it
    except zlib.error:
        return None
    if len(filtered) != length or not stream.eof:
        return None
    pixels = np.empty((npix, npix), dtype=np.uint8)
    return pixels if undo_filters(np.frombuffer(filtered, dtype=np.uint8).reshape(npix, -1), pixels) else None
