"""What is cut short, damaged or something else is refused; what is whole is not."""

import bz2
import gzip
import io
import zipfile

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from gzmass.download.verify import check_file, check_square_image
from gzmass.errors import DataError

TEXT = b"".join(b"%d 0.5\n" % k for k in range(20_000))


def fits_bytes(*images):
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(images[0]), *(fits.ImageHDU(image) for image in images[1:])]).writeto(file)
    return file.getvalue()


def jpeg_bytes(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def packed_fits(pixels):
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels)]).writeto(file)
    return file.getvalue()


def zip_bytes():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in "ab":
            archive.writestr(name, TEXT)
    return file.getvalue()


RAMP = np.arange(10_000, dtype=np.float32).reshape(100, 100)
COLOUR = (np.arange(3 * 64 * 64) % 251).astype(np.uint8).reshape(64, 64, 3)
WHOLE = {
    "table.dat.gz": (gzip.compress(TEXT), "gzip checksum"),
    "frame.fits.bz2": (bz2.compress(fits_bytes(RAMP)), "bzip2 checksum"),
    "images.zip": (zip_bytes(), "zip checksums"),
    "image.fits": (fits_bytes(RAMP, RAMP), "FITS structure"),
    "image.fit": (fits_bytes(RAMP), "FITS structure"),
    "image.fits.fz": (packed_fits(RAMP), "FITS structure"),
    "image.jpg": (jpeg_bytes(COLOUR), "JPEG decoded"),
    "image.JPEG": (jpeg_bytes(COLOUR), "JPEG decoded"),
    "table.csv": (TEXT, "plain text"),
}


def check(tmp_path, name, data, **options):
    path = tmp_path / f"{name}.part"  # the name that it has while it is verified
    path.write_bytes(data)
    return check_file(path, name, **options)


@pytest.mark.parametrize("name", WHOLE)
def test_whole_files_pass(tmp_path, name):
    data, how = WHOLE[name]
    assert check(tmp_path, name, data) == how


@pytest.mark.parametrize("name", [name for name in WHOLE if name != "table.csv"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_files_cut_short_are_refused(tmp_path, name, share):
    data, _ = WHOLE[name]
    with pytest.raises(DataError, match=r"it is no whole|it is empty"):
        check(tmp_path, name, data[: int(share * len(data))])


@pytest.mark.parametrize("name", ["table.dat.gz", "frame.fits.bz2", "images.zip"])
def test_a_wrong_byte_in_the_middle_is_found(tmp_path, name):
    data = bytearray(WHOLE[name][0])
    data[len(data) // 3] ^= 0x55
    with pytest.raises(DataError, match=r"it is no whole|is damaged"):
        check(tmp_path, name, bytes(data))


@pytest.mark.parametrize("name", WHOLE)
def test_another_thing_under_the_name_is_refused(tmp_path, name):
    with pytest.raises(DataError, match="web page"):
        check(tmp_path, name, b"\n <HTML><body>no</body>")
    with pytest.raises(DataError, match="it is empty"):
        check(tmp_path, name, b"")
    if name != "table.csv":
        with pytest.raises(DataError, match="begins with b'no such layer'"):
            check(tmp_path, name, b"no such layer")


@pytest.mark.parametrize("name", ["image.png", "table.parquet", "table.tar.xz", "weights"])
def test_of_other_formats_nothing_is_known(tmp_path, name):
    assert check(tmp_path, name, b"\0" * 100) is None
    with pytest.raises(DataError, match="web page"):
        check(tmp_path, name, b"<html>")


def test_fits_cut_within_the_header_of_an_extension_is_refused(tmp_path):
    data = fits_bytes(RAMP, RAMP)
    first = len(fits_bytes(RAMP))
    for end in (first + 1, first + 80, first + 2000):
        with pytest.raises(DataError, match=rf"{end} bytes, of which the headers announce {first}"):
            check(tmp_path, "image.fits", data[:end])
    for padding in (b"\0" * 2880, b" " * 100):  # which some writers add
        assert check(tmp_path, "image.fits", data + padding) == "FITS structure"


@pytest.mark.parametrize(
    "page",
    [
        b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN">',
        b"<!-- proxy -->\n<!-- 2 --><html>",
        b"\xef\xbb\xbf<!DOCTYPE html>",
        b"<head><meta></head>",
        b"<script>location = 1</script>",
    ],
)
@pytest.mark.parametrize("name", ["table.csv", "table.vot", "image.fits"])
def test_web_pages_of_all_kinds(tmp_path, name, page):
    with pytest.raises(DataError, match="web page"):
        check(tmp_path, name, page)


def test_comments_without_end_cost_no_time(tmp_path):
    assert check(tmp_path, "table.vot", b"<!---->" * 600) == "plain text"


@pytest.mark.parametrize(
    "start", [b'{"error": 1}', b'\xef\xbb\xbf\n {"error": 1}', b"<Error><Code>AccessDenied</Code>"]
)
def test_an_error_in_the_place_of_a_table(tmp_path, start):
    for ending in (".csv", ".tsv", ".dat", ".txt", ".ecsv"):
        with pytest.raises(DataError, match="it is no table; it begins with b'"):
            check(tmp_path, f"table{ending}", start)
    for ending in (".xml", ".vot", ".votable", ".json"):
        assert check(tmp_path, f"table{ending}", start) == "plain text"
    assert check(tmp_path, "table.csv", b"\xef\xbb\xbfid,ra\n") == "plain text"


def test_packed_bytes_are_no_text(tmp_path):
    for data in (gzip.compress(TEXT), b"\0\1\2"):
        with pytest.raises(DataError, match="not text"):
            check(tmp_path, "table.csv", data)


def test_a_gz_that_the_server_unpacked_passes_only_where_that_is_known(tmp_path):
    assert check(tmp_path, "GSWLC-X2.dat.gz", TEXT, unpacked_by_server=True) == "plain text"
    assert check(tmp_path, "GSWLC-X2.dat.gz", gzip.compress(TEXT), unpacked_by_server=True) == "gzip checksum"
    with pytest.raises(DataError, match=r"no whole \.gz file"):
        check(tmp_path, "GSWLC-X2.dat.gz", TEXT)


def square(tmp_path, name, data, npix=100):
    path = tmp_path / f"{name}.part"
    path.write_bytes(data)
    return check_square_image(path, name, npix)


def test_cutouts_that_are_what_was_asked_for_pass(tmp_path):
    assert square(tmp_path, "1.fits", fits_bytes(RAMP)) == "FITS structure, 100 x 100 pixels"
    assert square(tmp_path, "1.fits", fits_bytes(RAMP[None])) == "FITS structure, 100 x 100 pixels"
    holes = np.where(RAMP < 50, np.nan, RAMP)
    assert square(tmp_path, "1.fits", fits_bytes(holes)) == "FITS structure, 100 x 100 pixels"
    assert square(tmp_path, "1.jpg", jpeg_bytes(COLOUR), 64) == "JPEG decoded, 64 x 64 pixels"


@pytest.mark.parametrize("image", [np.zeros((100, 100)), np.full((100, 100), np.nan), np.full((100, 100), np.inf)])
def test_cutouts_that_show_nothing_are_refused(tmp_path, image):
    with pytest.raises(DataError, match="the survey has nothing there"):
        square(tmp_path, "1.fits", fits_bytes(image))


def test_black_jpegs_are_refused(tmp_path):
    with pytest.raises(DataError, match="the survey has nothing there"):
        square(tmp_path, "1.jpg", jpeg_bytes(np.zeros((64, 64, 3), np.uint8)), 64)


def test_cutouts_of_another_size_are_refused(tmp_path):
    with pytest.raises(DataError, match="100 x 80 pixels, not of 100 x 100"):
        square(tmp_path, "1.fits", fits_bytes(RAMP[:80]))
    with pytest.raises(DataError, match="64 x 64 pixels, not of 100 x 100"):
        square(tmp_path, "1.jpg", jpeg_bytes(COLOUR))
    with pytest.raises(DataError, match="no two-dimensional image"):
        square(tmp_path, "1.fits", fits_bytes(np.ones((3, 4, 5))))


def test_another_size_and_nothing_are_final_answers(tmp_path):
    for data in (fits_bytes(RAMP[:80]), fits_bytes(np.zeros((100, 100)))):
        with pytest.raises(DataError) as caught:
            square(tmp_path, "1.fits", data)
        assert caught.value.temporary is False


def test_a_header_that_makes_no_sense(tmp_path):
    pixels = np.arange(10_000, dtype=np.int16).reshape(100, 100)
    data = fits_bytes(pixels).replace(b"EXTEND  =                    T", b"BZERO   = 'abc               '")
    with pytest.raises(DataError, match=r"it is no whole \.fits file"):
        square(tmp_path, "1.fits", data)
