"""Telling from a file itself whether it is whole and what its name says it is."""

import bz2
import gzip
import re
import warnings
import zipfile
from contextlib import contextmanager
from pathlib import Path

from astropy.io import fits
from PIL import Image

from gzmass.download.connection import FetchError
from gzmass.errors import DataError

__all__ = ["check_file", "check_square_image"]

_CHUNK = 1 << 20
_TABLES = (".csv", ".tsv", ".dat", ".txt", ".ecsv")
_OTHER_TEXT = (".json", ".yaml", ".xml", ".vot", ".votable")
_WEB_PAGE = re.compile(
    rb"(?>\xef\xbb\xbf|\s+|<\?.*?\?>|<!--.*?-->)*+<(?:!doctype\s+html|html|head|body|script)\b",
    flags=re.IGNORECASE | re.DOTALL,
)


def check_file(path, name, unpacked_by_server=False):
    """Refuse a file that is cut short, damaged, or something else than its name says.

    Parameters
    ----------
    path : str or pathlib.Path
        The file, under whatever name it has on disk.
    name : str
        Its proper name, of which the ending counts: .gz, .bz2, .zip; .fits, .fit, .fz; .jpg, .jpeg; tables and other
        files of text. Of any other it is only seen that it is not empty, and no web page.
    unpacked_by_server : bool, default False
        Whether plain text is accepted under a name in .gz.

    Returns
    -------
    str or None
        How the file was verified; None if its ending says nothing.

    Raises
    ------
    FetchError
        It is empty, or a web page: the server may think better of it.
    DataError
        What is wrong with it.
    """
    path, ending = Path(path), Path(name).suffix.lower()
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        raise FetchError("it is empty")
    _refuse_web_page(head)
    if ending == ".gz" and head[:2] != b"\x1f\x8b" and unpacked_by_server:
        ending = ".txt"
    check, how = {
        ".gz": (_check_gzip, "gzip checksum"),
        ".bz2": (_check_bzip2, "bzip2 checksum"),
        ".zip": (_check_zip, "zip checksums"),
        **dict.fromkeys((".fits", ".fit", ".fz"), (_check_fits, "FITS structure")),
        **dict.fromkeys((".jpg", ".jpeg"), (_check_picture, "JPEG decoded")),
        **dict.fromkeys(_TABLES, (_check_table, "plain text")),
        **dict.fromkeys(_OTHER_TEXT, (_check_text, "plain text")),
    }.get(ending, (None, None))
    if check is not None:
        with _told_as_damage(ending, head):
            check(path, head)
    return how


@contextmanager
def _told_as_damage(ending, head=b""):
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # noqa: BLE001  each format has errors of its own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        begins = f"; it begins with {head[:30]!r}" if head else ""
        raise DataError(f"it is no whole {ending} file ({reason}){begins}") from None


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
    FetchError
        It has another size or shows nothing, which is the service's answer, not to be asked for again; or as
        `check_file` raises it.
    DataError
        What is wrong with it.
    """
    how = check_file(path, name)
    ending = Path(name).suffix
    with _told_as_damage(ending):
        shape, flat = (_picture_shape if ending == ".jpg" else _fits_shape)(path)
    if shape != (npix, npix):
        reason = f"it is an image of {shape[1]} x {shape[0]} pixels, not of {npix} x {npix}"
        raise FetchError(reason, temporary=False)
    if flat:
        raise FetchError("the image is empty: the survey has nothing there", temporary=False)
    return f"{how}, {npix} x {npix} pixels"


def _picture_shape(path):
    """Shape of a picture, and whether all its pixels are the same."""
    with Image.open(path) as picture:
        return picture.size[::-1], all(low == high for low, high in _extremes(picture))


def _fits_shape(path):
    """Shape of the first image with two dimensions, and whether all its pixels that have a value are the same."""
    with fits.open(path, memmap=False) as hdus:
        images = [hdu.data.squeeze() for hdu in hdus if hdu.is_image and hdu.data is not None]
    image = next((image for image in images if image.ndim == 2), None)
    if image is None:
        raise DataError("it holds no two-dimensional image")
    finite = image[(image == image) & (abs(image) < float("inf"))]  # noqa: PLR0124  NaN is not equal to itself
    return image.shape, not finite.size or finite.min() == finite.max()


def _extremes(picture):
    extremes = picture.getextrema()
    return [extremes] if isinstance(extremes[0], (int, float)) else extremes


def _refuse_web_page(head):
    if _WEB_PAGE.match(head):
        title = re.search(rb"<title>(.*?)</title>", head, flags=re.IGNORECASE | re.DOTALL)
        shown = f" ({' '.join(title[1].decode('utf-8', 'replace').split())[:60]!r})" if title else ""
        raise FetchError(f"the server sent a web page{shown} in its place")


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
    with path.open("rb") as file:
        file.seek(end)
        after = file.read(8)
    # an extension that was cut short within its header; anything else that follows is padding
    if size < end or (after and b"XTENSION".startswith(after)):
        raise ValueError(f"{size} bytes, of which the headers announce {end}")


def _check_text(_, head):
    if b"\0" in head or head[:2] == b"\x1f\x8b":
        raise DataError(f"it is not text; it begins with {head[:30]!r}")


def _check_table(path, head):
    _check_text(path, head)
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"<", b"{")):  # an error in XML or JSON
        raise DataError(f"it is no table; it begins with {head[:30]!r}")
