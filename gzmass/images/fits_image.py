"""The image in a FITS file: which HDU it is, which plane of it, and which of its pixels are missing."""

import re
import warnings
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from gzmass.errors import DataError
from gzmass.images.header import band_names

__all__ = ["FitsImage", "find_image", "reading"]

# words in the name or type of an HDU that say: this is about the image, it is not the image
_AUXILIARY = re.compile(
    "MA?SK|BADPIX|BPM|DQ|FLAGS?|QUALITY|WEIGHTS?|WGT|WHT|WT|IVAR|INVVAR|VAR|VARIANCE|ERR|ERRORS?|SIGMA|STD|STDDEV|RMS|"
    "NOISE|UNC|UNCERTAINTY|PSF|BKG|BACKGROUND|SKY|SEG|SEGM|SEGMENTATION|EXP|EXPTIME|EXPOSURE|COVERAGE|CON|CTX|NPIX|NIMG"
)
_SCIENCE = re.compile("SCI|SCIENCE")
# words in the name of an HDU that name a band: one letter, or as HST and JWST, Euclid and GALEX call theirs
_BAND = re.compile("[UGRIZYJHK]|KS|F[0-9]{3,4}[A-Z]{1,2}|VIS|[NF]UV")
# an array of colours written as it was has its planes along NAXIS1; no image of a galaxy is so narrow
_MOST_COLOURS = 4


@dataclass(frozen=True)
class FitsImage:
    """One plane of one image HDU of an open FITS file.

    Attributes
    ----------
    hdu : astropy.io.fits.ImageHDU or PrimaryHDU or CompImageHDU
        The HDU, of an open file.
    key : tuple of (int or None)
        One entry an axis of the HDU's array: the number of the plane, or None for the two axes of the image.
    mask : FitsImage or None
        The image whose pixels other than zero are missing in this one.
    """

    hdu: object
    key: tuple
    mask: object = None

    @property
    def shape(self):
        """Size of the image.

        Returns
        -------
        tuple of int
            (ny, nx), in pixels.
        """
        return tuple(n for n, at in zip(self.hdu.shape, self.key, strict=True) if at is None)

    def read(self, rows=None, columns=None):
        """Pixels as linear numbers.

        Parameters
        ----------
        rows, columns : slice, optional
            The part to read; the file is read no further than these rows. By default all of the image.

        Returns
        -------
        numpy.ndarray of float32
            Shape (ny, nx), native byte order, a copy; NaN where the pixel is NaN, infinite, blank or masked.
        """
        if rows is None:
            pixels = self.hdu.data[self._key(slice(None))]
        else:  # whole rows lie together in the file: faster than the columns of each
            pixels = self.hdu.section[self._key(rows)][:, columns]
        with np.errstate(over="ignore"):
            pixels = np.array(pixels, dtype=np.float32)
        missing = ~np.isfinite(pixels)
        if self.mask is not None:
            missing |= self.mask.read(rows, columns) != 0
        if missing.any():
            pixels[missing] = np.nan
        return pixels

    def _key(self, rows):
        first = self.key.index(None)
        return tuple((rows if i == first else slice(None)) if at is None else at for i, at in enumerate(self.key))


@contextmanager
def reading(path):
    """Turn whatever goes wrong while a FITS file is read into one sentence that names the file.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Yields
    ------
    None

    Raises
    ------
    DataError
        Anything was raised in the block; a `DataError` goes through as it is.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a header that bends the standard is no reason to refuse good pixels
            yield
    except DataError:
        raise
    except Exception as error:  # noqa: BLE001  astropy raises a dozen kinds for a damaged file
        raise DataError(f"The FITS file {str(path)!r} can not be read: {_reason(path, error)}.") from None


def find_image(hdus, path, hdu=None, plane=None, mask=None):
    """Find the image in an open FITS file.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
        The open file.
    path : pathlib.Path
        Its name, for messages.
    hdu : int or str, optional
        Number or name of the HDU. By default the one named SCI, else the first image whose name (EXTNAME) and type
        (EXTTYPE) do not say that it is a mask, a weight, an error, a PSF or the like. Needed when there is one for
        each of several bands, as their names or the keywords FILTER or BAND say.
    plane : int or str, optional
        Number (from 0) or band of the plane of a cube; needed when it has several.
    mask : int or str, optional
        Number or name of the HDU whose pixels other than zero are missing in the image.

    Returns
    -------
    FitsImage
        Where the image is; nothing of its pixels has been read.

    Raises
    ------
    DataError
        The file has no such HDU, image, plane or mask, or leaves open which band or plane is meant.
    """
    chosen = _first_image(hdus, path) if hdu is None else _named(hdus, path, hdu)
    key = _key_of(chosen, path, plane)
    image = FitsImage(chosen, key)
    if mask is None:
        return image
    masking = _named(hdus, path, mask)
    if masking.shape == chosen.shape:
        found = FitsImage(masking, key)
    else:
        found = FitsImage(masking, _key_of(masking, path, None))
    if found.shape != image.shape:
        raise DataError(
            f"The mask {mask!r} of the FITS file {str(path)!r} has {_size(found)} pixels, its image {_size(image)}."
        )
    return FitsImage(chosen, key, found)


def _first_image(hdus, path):
    passed, found = [], {}
    for hdu in hdus:
        if _image_axes(hdu) is None:
            continue
        if hdu.name == "PRIMARY":  # most files: their header need not be searched
            return hdu
        rank = _likeliness(hdu.name.upper(), str(hdu.header.get("EXTTYPE", "")).upper())
        if rank == "science":
            return hdu
        if rank is None:
            passed.append(hdu.name)
        else:
            found.setdefault(rank, []).append(hdu)
    for rank in ("image", "kind of science"):
        if rank in found:
            _refuse_several_bands(hdus, found[rank], path)
            return found[rank][0]
    beside = f" besides {', '.join(passed)}: if one of these is it, name that HDU" if passed else ""
    raise DataError(f"The FITS file {str(path)!r} has no HDU with a two-dimensional image{beside}.")


def _refuse_several_bands(hdus, images, path):
    if len(images) == 1:
        return
    bands = {band: hdu for hdu in reversed(images) if (band := _band(hdu)) is not None}
    if len(bands) > 1:
        listed = ", ".join(f"{hdu.name or hdus.index(hdu)!r} ({band})" for band, hdu in reversed(bands.items()))
        raise DataError(f"The FITS file {str(path)!r} has images in several bands: name one HDU of {listed}.")


def _band(hdu):
    """Band of an image HDU as its header or its name tells, in capitals; None if neither does."""
    for keyword in ("FILTER", "BAND"):
        if isinstance(band := hdu.header.get(keyword), str) and band.strip():
            return band.strip().upper()
    words = re.findall("[A-Z0-9]+", hdu.name.upper())
    return next((word for word in words if _BAND.fullmatch(word)), None)


def _likeliness(name, kind):
    """Tell how an HDU is named: as the science image, as any image, as a kind of science image; None if as no image."""
    words, kinds = (re.findall("[A-Z]+", text) for text in (name, kind))
    auxiliary = any(map(_AUXILIARY.fullmatch, words + kinds))
    if words and all(map(_SCIENCE.fullmatch, words)) and not auxiliary:
        return "science"
    if not auxiliary:
        return "image"
    # the last word says what it is: PSF_MATCHED_SCI is an image, SCI_VAR is none
    return "kind of science" if words and _SCIENCE.fullmatch(words[-1]) else None


def _named(hdus, path, hdu):
    try:
        found = hdus[hdu]
    except (KeyError, IndexError):
        raise DataError(f"The FITS file {str(path)!r} has no HDU {hdu!r}.") from None
    if _image_axes(found) is None:
        raise DataError(f"The FITS file {str(path)!r} has in its HDU {hdu!r} not a two-dimensional image.")
    return found


def _image_axes(hdu):
    """Return the axes longer than 1 of an image or a cube of images: two or three; None if it is neither."""
    if not hdu.is_image or 0 in hdu.shape:
        return None
    axes = [axis for axis, n in enumerate(hdu.shape) if n > 1]
    return axes if len(axes) in {2, 3} else None


def _key_of(hdu, path, plane):
    axes = _image_axes(hdu)
    key = [None if axis in axes else 0 for axis in range(len(hdu.shape))]
    across = None
    if len(axes) == 3:
        across = axes[2] if hdu.shape[axes[2]] <= _MOST_COLOURS else axes[0]
    n_planes = 1 if across is None else hdu.shape[across]
    number = 0 if plane is None and n_planes == 1 else _plane_number(hdu, path, n_planes, plane)
    if across is not None:
        key[across] = number
    return tuple(key)


def _plane_number(hdu, path, n_planes, plane):
    names = band_names(hdu.header, n_planes)
    if isinstance(plane, str) and plane in names:
        return names.index(plane)
    if isinstance(plane, int | np.integer) and 0 <= plane < n_planes:
        return int(plane)
    bands = f", or by its band, one of {', '.join(map(repr, names))}" if names else ""
    raise DataError(
        f"The image in the FITS file {str(path)!r} has {n_planes} plane{'s'[: n_planes > 1]}: name one by its number, "
        f"0 to {n_planes - 1}{bands}. Received: plane={plane!r}."
    )


def _size(image):
    return f"{image.shape[1]} x {image.shape[0]}"


def _reason(path, error):
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    with path.open("rb") as file:
        head = file.read(24)
    if not head:
        return "it is empty"
    if not head.startswith((b"SIMPLE", b"\x1f\x8b", b"BZh", b"PK", b"\x1f\x9d", b"\xfd7zXZ", b"XTENSION")):
        return f"it is no FITS file, it begins with {head!r}"
    text = str(error).strip() or type(error).__name__
    if isinstance(error, EOFError) or re.search("cannot reshape|buffer is too small", text):
        return "it is cut short, it ends before its pixels do"
    return text.splitlines()[0].rstrip(".")
