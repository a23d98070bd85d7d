"""Telling from a file itself whether it is whole and what its name says it is."""

import bz2
import gzip
import re
import warnings
import zipfile
from pathlib import Path

from astropy.io import fits
from PIL import Image

from gzmass.errors import DataError

__all__ = ["check_file", "check_square_image"]

_CHUNK = 1 << 20
_BLOCK = 2880  # bytes of a block of FITS


def check_file(path, name, unpacked_by_server=False):
    """Refuse a file that is cut short, damaged, or something else than its name says.

    Parameters
    ----------
    path : str or pathlib.Path
        The file, under whatever name it has on disk.
    name : str
        Its proper name, of which the ending counts: .gz, .bz2, .zip, .fits, .jpg; any other is taken as text.
    unpacked_by_server : bool, default False
        Whether plain text is accepted under a name in .gz.

    Returns
    -------
    str
        How the file was verified.

    Raises
    ------
    DataError
        What is wrong with it.
    """
    path, ending = Path(path), Path(name).suffix.lower()
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        raise DataError("it is empty")
    _refuse_web_page(head)
    if ending == ".gz" and head[:2] != b"\x1f\x8b" and unpacked_by_server:
        ending = ".txt"
    check, how = {
        ".gz": (_check_gzip, "gzip checksum"),
        ".bz2": (_check_bzip2, "bzip2 checksum"),
        ".zip": (_check_zip, "zip checksums"),
        ".fits": (_check_fits, "FITS structure"),
        ".jpg": (_check_picture, "JPEG decoded"),
    }.get(ending, (_check_text, "plain text"))
    try:
        check(path, head)
    except DataError:
        raise
    except Exception as error:  # noqa: BLE001  each format has errors of its own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise DataError(f"it is no whole {ending} file ({reason}); it begins with {head[:30]!r}") from None
    return how


def check_square_image(path, name, npix):
    """Refuse a cutout that is not an image of the size that was asked for, or that shows nothing.

    Parameters
    ----------
    path : str or pathlib.Path
        The file, under whatever name it has on disk.
    name : str
        Its proper name, in .fits or .jpg.
    npix : int
        Pixels along a side.

    Returns
    -------
    str
        How the file was verified.

    Raises
    ------
    DataError
        What is wrong with it.
    """
    how = check_file(path, name)
    if name.endswith(".jpg"):
        with Image.open(path) as picture:
            shape, flat = picture.size[::-1], all(low == high for low, high in _extremes(picture))
    else:
        with fits.open(path, memmap=False) as hdus:
            images = [hdu.data.squeeze() for hdu in hdus if hdu.is_image and hdu.data is not None]
        image = next((image for image in images if image.ndim == 2), None)
        if image is None:
            raise DataError("it holds no two-dimensional image")
        finite = image[(image == image) & (abs(image) < float("inf"))]  # noqa: PLR0124  NaN is not equal to itself
        shape, flat = image.shape, not finite.size or finite.min() == finite.max()
    if shape != (npix, npix):
        raise DataError(f"it is an image of {shape[1]} x {shape[0]} pixels, not of {npix} x {npix}")
    if flat:
        raise DataError("the image is empty: the survey has nothing there")
    return f"{how}, {npix} x {npix} pixels"


def _extremes(picture):
    extremes = picture.getextrema()
    return [extremes] if isinstance(extremes[0], (int, float)) else extremes


def _refuse_web_page(head):
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        title = re.search(rb"<title>(.*?)</title>", head, flags=re.IGNORECASE | re.DOTALL)
        shown = f" ({' '.join(title[1].decode('utf-8', 'replace').split())[:60]!r})" if title else ""
        raise DataError(f"the server sent a web page{shown} in its place")


def _read_through(file):
    while file.read(_CHUNK):
        pass


def _check_gzip(path, _):
    with gzip.open(path) as file:
        _read_through(file)


def _check_bzip2(path, _):
    with bz2.open(path) as file:
        _read_through(file)


def _check_zip(path, _):
    with zipfile.ZipFile(path) as archive:
        bad = archive.testzip()
    if bad is not None:
        raise DataError(f"its member {bad!r} is damaged")


def _check_picture(path, _):
    with Image.open(path) as picture:
        picture.load()


def _check_fits(path, head):
    if not head.startswith(b"SIMPLE"):
        raise ValueError("no FITS header")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a header that bends the standard; what is missing is counted below
        with fits.open(path) as hdus:
            last = hdus[len(hdus) - 1].fileinfo()
    size, end = path.stat().st_size, last["datLoc"] + last["datSpan"]
    if size < end:
        raise ValueError(f"{size} of {end} bytes")


def _check_text(_, head):
    if b"\0" in head or head[:2] == b"\x1f\x8b":
        raise DataError(f"it is not text; it begins with {head[:30]!r}")
