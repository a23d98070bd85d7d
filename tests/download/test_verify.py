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
    "image.jpg": (jpeg_bytes(COLOUR), "JPEG decoded"),
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
