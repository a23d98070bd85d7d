"""Reading one image in one band from FITS, PNG or JPEG as linear numbers in native byte order."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from astropy.io import fits
from PIL import Image

from gzmass.errors import DataError
from gzmass.images.fits_image import find_image, reading
from gzmass.images.header import celestial_wcs, flux_unit, pixel_scale

__all__ = ["LinearImage", "check_pixels", "read_image", "read_linear_image"]

_FITS_ENDINGS = (".fits", ".fit", ".fts", ".fz", ".gz", ".bz2")
_MODES_OF_8_BITS = {"L", "LA", "RGB", "RGBA"}
_CONVERTED = {"P", "PA", "CMYK", "YCbCr", "LAB", "HSV"}  # modes whose numbers are no red, green and blue
_CHANNELS = {"red": 0, "green": 1, "blue": 2, 0: 0, 1: 1, 2: 2}


@dataclass(frozen=True, eq=False)
class LinearImage:
    """An image in one band, and what its file says of it.

    Attributes
    ----------
    pixels : numpy.ndarray of float32
        Shape (ny, nx), native byte order, proportional to flux; NaN where a pixel is missing.
    pixel_scale_arcsec : float or None
        Side of a pixel in arcsec, as the square root of its area; None when the file does not tell.
    unit : str or None
        Unit of the pixels (BUNIT); None when the file does not tell.
    header : astropy.io.fits.Header or None
        Header of the image's HDU; None for a PNG or JPEG.
    """

    pixels: np.ndarray
    pixel_scale_arcsec: float | None = None
    unit: str | None = None
    header: fits.Header | None = None

    @cached_property
    def wcs(self):
        """World coordinate system of the pixels, built when it is first asked for.

        Returns
        -------
        astropy.wcs.WCS or None
            The two axes on the sky; None when the file has no celestial WCS.
        """
        return None if self.header is None else celestial_wcs(self.header)


def read_image(path, channel=None, hdu=None, plane=None, mask=None):
    """Read the pixels of one image in one band.

    Parameters
    ----------
    path : str or pathlib.Path
        FITS, plain or compressed (``.gz``, ``.bz2``, or by tiles as in ``.fits.fz``), or anything Pillow reads: PNG
        with 8 or 16 bits, JPEG, TIFF.
    channel : {"red", "green", "blue", 0, 1, 2}, optional
        Channel of a colour image; needed for one, refused for FITS, of no effect on a grey image.
    hdu : int or str, optional
        Number or name of the HDU of a FITS file. By default the one named SCI, else the first image whose name and type
        do not say that it is a mask, a weight, an error, a PSF or the like. Needed when there is one for each of
        several bands.
    plane : int or str, optional
        Plane of a FITS cube: its number, from 0, or its band where the header names the bands (``BANDS``, ``BAND0``,
        ``FILTER1``, ``CTYPE3``). Needed for a cube of several planes.
    mask : int or str, optional
        Number or name of the HDU of a FITS file whose pixels other than zero are missing in the image.

    Returns
    -------
    numpy.ndarray of float32
        Shape (ny, nx), native byte order, scaled by BSCALE and BZERO. NaN where the file has NaN, an infinity, a blank
        (BLANK) or a masked pixel.

    Raises
    ------
    DataError
        The file is missing or can not be read; it has no such channel, HDU, plane or mask; or its image is empty,
        without a finite pixel or flat. The message names the file and the reason.
    """
    return _read(path, channel, hdu, plane, mask, header=False).pixels


def read_linear_image(path, channel=None, hdu=None, plane=None, mask=None):
    """Read one image in one band with its pixel scale, unit and world coordinates.

    Parameters
    ----------
    path : str or pathlib.Path
        As for `read_image`.
    channel : {"red", "green", "blue", 0, 1, 2}, optional
        As for `read_image`.
    hdu : int or str, optional
        As for `read_image`.
    plane : int or str, optional
        As for `read_image`.
    mask : int or str, optional
        As for `read_image`.

    Returns
    -------
    LinearImage
        The pixels; their scale in arcsec from the WCS, or from a keyword such as PIXSCALE where there is no WCS; the
        unit from BUNIT. A PNG or JPEG tells none of these.

    Raises
    ------
    DataError
        As from `read_image`.
    """
    return _read(path, channel, hdu, plane, mask, header=True)


def check_pixels(pixels, where):
    """Refuse pixels that show nothing.

    Parameters
    ----------
    pixels : numpy.ndarray of float
        Shape (ny, nx); NaN where missing, otherwise finite.
    where : str
        What they are, to begin the message with: "The image 'a.fits'".

    Raises
    ------
    DataError
        There is no pixel, no finite pixel, or they all have the same value.
    """
    if not pixels.size:
        raise DataError(f"{where} is empty.")
    low = np.fmin.reduce(pixels, axis=None)
    if np.isnan(low):
        raise DataError(f"{where} has no finite pixel.")
    if low == np.fmax.reduce(pixels, axis=None):
        raise DataError(f"{where} is flat: all its pixels are {low:g}.")


def _read(path, channel, hdu, plane, mask, header):
    path = Path(path)
    if not path.is_file():
        raise DataError(f"The image {str(path)!r} does not exist.")
    if _is_fits(path):
        if channel is not None:
            raise DataError(f"A channel belongs to a colour PNG or JPEG, not to {str(path)!r}. Received: {channel!r}.")
        image = _read_fits(path, hdu, plane, mask, header)
    else:
        for name, value in {"HDU": hdu, "plane": plane, "mask": mask}.items():
            if value is not None:
                raise DataError(f"A {name} belongs to a FITS file, not to {str(path)!r}. Received: {value!r}.")
        image = LinearImage(_read_picture(path, channel))
    check_pixels(image.pixels, f"The image {str(path)!r}")
    return image


def _is_fits(path):
    if path.name.lower().endswith(_FITS_ENDINGS):
        return True
    with path.open("rb") as file:
        return file.read(9) == b"SIMPLE  ="


def _read_fits(path, hdu, plane, mask, header):
    # uint=False: otherwise BLANK is passed over in unsigned integers
    with reading(path), path.open("rb") as file, fits.open(file, memmap=False, uint=False) as hdus:
        image = find_image(hdus, path, hdu, plane, mask)
        pixels = image.read()
        if not header:
            return LinearImage(pixels)
        own, primary = image.hdu.header, hdus[0].header
        return LinearImage(pixels, pixel_scale(own, primary, f"The image {str(path)!r}"), flux_unit(own, primary), own)


def _read_picture(path, channel):
    if channel is not None and channel not in list(_CHANNELS):
        raise DataError(f"A channel is one of {', '.join(map(repr, _CHANNELS))}. Received: {channel!r}.")
    try:
        with Image.open(path) as picture:
            # Pillow drops the lower 8 bits of each channel without a word
            is_cut = picture.mode in _MODES_OF_8_BITS and any(";16" in str(tile) for tile in picture.tile)
            picture.load()
            pixels = np.asarray(picture.convert("RGB") if picture.mode in _CONVERTED else picture)
    except Exception as error:  # noqa: BLE001  Pillow raises OSError, SyntaxError, ValueError and its own
        text = str(error).strip() or type(error).__name__
        raise DataError(f"The image {str(path)!r} can not be read: {text.splitlines()[0].rstrip('.')}.") from None
    if is_cut:
        raise DataError(
            f"The image {str(path)!r} has 16 bits in each channel, which are read of grey images alone: save the "
            "channel as one of these."
        )
    if pixels.ndim == 3 and pixels.shape[2] == 2:  # grey with transparency
        pixels = pixels[..., 0]
    if pixels.ndim == 3:
        if channel is None:
            raise DataError(f"The image {str(path)!r} is in colour: name the channel, 'red', 'green' or 'blue'.")
        pixels = pixels[..., _CHANNELS[channel]]
    pixels = np.array(pixels, dtype=np.float32)
    pixels[~np.isfinite(pixels)] = np.nan
    return pixels
