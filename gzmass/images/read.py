"""Reading one image in one band from FITS, PNG or JPEG as linear numbers in native byte order."""

import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from PIL import Image

from gzmass.errors import DataError

__all__ = ["read_image"]

_FITS_ENDINGS = (".fits", ".fit", ".fts", ".fits.gz", ".fit.gz", ".fits.fz", ".fits.bz2")
_CHANNELS = {"red": 0, "green": 1, "blue": 2, 0: 0, 1: 1, 2: 2}


def read_image(path, channel=None, hdu=None):
    """Read one image in one band.

    Parameters
    ----------
    path : str or pathlib.Path
        FITS (also compressed), or anything Pillow reads: PNG with 8 or 16 bits, JPEG, TIFF.
    channel : {"red", "green", "blue", 0, 1, 2}, optional
        Channel of a colour image; needed for one, refused for FITS, of no effect on a grey image.
    hdu : int or str, optional
        Number or name of the HDU of a FITS file. By default the first one with a two-dimensional image.

    Returns
    -------
    numpy.ndarray of float32
        Shape (ny, nx), native byte order. NaN where the file has NaN, an infinity or a blank pixel.

    Raises
    ------
    DataError
        The file is missing, can not be read, holds no such channel or HDU, or its image is empty, without a finite
        pixel or flat. The message names the file and the reason.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"The image {str(path)!r} does not exist.")
    is_fits = path.name.lower().endswith(_FITS_ENDINGS)
    image = _read_fits(path, channel, hdu) if is_fits else _read_picture(path, channel, hdu)
    if not image.size:
        raise DataError(f"The image {str(path)!r} is empty.")
    image[~np.isfinite(image)] = np.nan
    finite = image[~np.isnan(image)]
    if not finite.size:
        raise DataError(f"The image {str(path)!r} has no finite pixel.")
    if finite.min() == finite.max():
        raise DataError(f"The image {str(path)!r} is flat: all its pixels are {finite[0]:g}.")
    return image


def _read_fits(path, channel, hdu):
    if channel is not None:
        raise DataError(f"A channel belongs to a colour PNG or JPEG, not to {str(path)!r}. Received: {channel!r}.")
    try:
        with warnings.catch_warnings():
            # a header that bends the standard is no reason to refuse good pixels; pixels that are not there are
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", message=".*truncated.*")
            with path.open("rb") as file, fits.open(file, memmap=False) as hdus:
                image = _first_image(hdus) if hdu is None else _squeezed(hdus[hdu])
                if image is not None:
                    image = np.array(image, dtype=np.float32)
    except (KeyError, IndexError):
        raise DataError(f"The FITS file {str(path)!r} has no HDU {hdu!r}.") from None
    except Exception as error:  # noqa: BLE001  astropy raises a dozen kinds for a damaged file
        raise DataError(f"The FITS file {str(path)!r} can not be read: {_first_line(error)}.") from None
    if image is None:
        where = "no HDU" if hdu is None else f"in its HDU {hdu!r} not"
        raise DataError(f"The FITS file {str(path)!r} has {where} a two-dimensional image.")
    return image


def _first_image(hdus):
    return next((image for image in map(_squeezed, hdus) if image is not None), None)


def _squeezed(hdu):
    """Return the pixels of an image HDU without axes of length 1; None if these are not two-dimensional."""
    if not hdu.is_image or hdu.data is None:
        return None
    image = np.squeeze(hdu.data)
    return image if image.ndim == 2 else None


def _read_picture(path, channel, hdu):
    if hdu is not None:
        raise DataError(f"An HDU belongs to a FITS file, not to {str(path)!r}. Received: {hdu!r}.")
    if channel is not None and channel not in _CHANNELS:
        raise DataError(f"A channel is one of {', '.join(map(repr, _CHANNELS))}. Received: {channel!r}.")
    try:
        with Image.open(path) as picture:
            picture.load()
            pixels = np.asarray(picture.convert("RGB") if picture.mode in {"P", "CMYK", "YCbCr"} else picture)
    except Exception as error:  # noqa: BLE001  Pillow raises OSError, SyntaxError, ValueError and its own
        raise DataError(f"The image {str(path)!r} can not be read: {_first_line(error)}.") from None
    if pixels.ndim == 3 and pixels.shape[2] == 2:  # grey with transparency
        pixels = pixels[..., 0]
    if pixels.ndim == 3:
        if channel is None:
            raise DataError(f"The image {str(path)!r} is in colour: name the channel, 'red', 'green' or 'blue'.")
        pixels = pixels[..., _CHANNELS[channel]]
    return np.array(pixels, dtype=np.float32)


def _first_line(error):
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
