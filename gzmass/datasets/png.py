"""The PNGs of a dataset, decoded: those of 8-bit grey by compiled code, all others by Pillow."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from gzmass.errors import DataError

__all__ = ["decode_png"]

_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_GREY = (8, 0, 0, 0, 0)  # bits, colour, compression, filter, interlacing


def decode_png(data, npix):
    """Decode one image of a dataset.

    Pillow takes twice as long for images as small as these, and holds Python's lock meanwhile; what it
    gives is the same.

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
    pixels = _decode_grey(data)
    if pixels is None:
        try:
            with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
                pixels = np.asarray(picture)
        except Exception as error:  # noqa: BLE001  Pillow raises OSError, SyntaxError, ValueError and its own
            reason = "it is no PNG" if not data.startswith(b"\x89PNG") else str(error).splitlines()[0]
            raise DataError(f"the image can not be read: {reason}") from None
    if pixels.shape != (npix, npix) or pixels.dtype != np.uint8:
        size = " x ".join(map(str, pixels.shape))
        raise DataError(f"the image has {size} pixels of type {pixels.dtype} instead of {npix} x {npix} of 8-bit grey")
    return pixels


def _decode_grey(data):
    """Decode a PNG of 8-bit grey that holds nothing beside its pixels; None if it is of another kind, or cut short."""
    from gzmass.images.png_filters import undo_filters  # noqa: PLC0415  numba takes half a second to load

    if not data.startswith(_START):
        return None
    try:
        width, height, *kind = struct.unpack_from(">IIBBBBB", data, 16)
        if tuple(kind) != _GREY:
            return None
        compressed, place = [], 33
        while (chunk := struct.unpack_from(">I4s", data, place))[1] == b"IDAT":
            compressed.append(data[place + 8 : place + 8 + chunk[0]])
            place += 12 + chunk[0]
        if chunk[1] != b"IEND":
            return None
        filtered = zlib.decompress(b"".join(compressed))
    except struct.error:
        return None
    except zlib.error:  # of which Pillow would take no notice if there are enough bytes
        raise DataError("the image can not be read: its pixels have not the checksum that they should have") from None
    if not width or len(filtered) != height * (width + 1):
        return None
    pixels = np.empty((height, width), dtype=np.uint8)
    return pixels if undo_filters(np.frombuffer(filtered, dtype=np.uint8).reshape(height, -1), pixels) else None
