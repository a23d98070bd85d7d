import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from gzmass.errors import DataError
from gzmass.images import read_image

RAMP = np.arange(12 * 10, dtype=np.float32).reshape(12, 10)


def test_fits_of_every_simple_kind(tmp_path):
    scaled = fits.PrimaryHDU(RAMP.astype(np.int16))
    scaled.header["BSCALE"], scaled.header["BZERO"] = 2.0, 100.0
    hdus = {
        "plain": [fits.PrimaryHDU(RAMP)],
        "cube": [fits.PrimaryHDU(RAMP[None])],
        "extension": [fits.PrimaryHDU(), fits.ImageHDU(np.arange(4.0)), fits.ImageHDU(RAMP, name="SCI")],
    }
    for name, parts in hdus.items():
        file = tmp_path / f"{name}.fits"
        fits.HDUList(parts).writeto(file)
        image = read_image(file)
        assert (image == RAMP).all(), name
        assert image.dtype == np.float32
        assert image.dtype.isnative
    assert (read_image(tmp_path / "extension.fits", hdu="SCI") == RAMP).all()
    with pytest.raises(DataError, match=r"extension.fits' has no HDU 7"):
        read_image(tmp_path / "extension.fits", hdu=7)
    with pytest.raises(DataError, match="two-dimensional"):
        read_image(tmp_path / "extension.fits", hdu=1)


def test_missing_pixels_are_nan(tmp_path):
    image = RAMP.copy()
    image[0, 0], image[1, 1] = np.nan, np.inf
    fits.PrimaryHDU(image).writeto(tmp_path / "a.fits")
    assert np.isnan(read_image(tmp_path / "a.fits")).sum() == 2


@pytest.mark.parametrize("mode", ["L", "I;16", "RGB", "RGBA", "LA"])
def test_pictures_of_every_kind(tmp_path, mode):
    grey = RAMP.astype(np.uint8)
    pixels = {
        "L": grey,
        "I;16": RAMP.astype(np.uint16) * 100,
        "RGB": np.dstack([grey, grey + 1, grey + 2]),
        "RGBA": np.dstack([grey, grey + 1, grey + 2, grey * 0 + 255]),
        "LA": np.dstack([grey, grey * 0 + 255]),
    }[mode]
    Image.fromarray(pixels).save(tmp_path / "a.png")
    if mode.startswith("RGB"):
        assert (read_image(tmp_path / "a.png", channel="blue") == grey + 2).all()
        assert (read_image(tmp_path / "a.png", channel=1) == grey + 1).all()
        with pytest.raises(DataError, match="name the channel"):
            read_image(tmp_path / "a.png")
        with pytest.raises(DataError, match="Received: 'violet'"):
            read_image(tmp_path / "a.png", channel="violet")
    else:
        assert (read_image(tmp_path / "a.png") == RAMP * (100 if mode == "I;16" else 1)).all()


def test_what_can_not_be_read_names_file_and_reason(tmp_path):
    fits.PrimaryHDU(np.tile(RAMP, (20, 20))).writeto(tmp_path / "whole.fits")
    (tmp_path / "cut.fits").write_bytes((tmp_path / "whole.fits").read_bytes()[:20000])
    noise = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:800])
    Image.fromarray(noise).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:700])
    (tmp_path / "text.png").write_text("<html>404</html>")
    (tmp_path / "empty.fits").write_bytes(b"")
    fits.PrimaryHDU().writeto(tmp_path / "header.fits")
    fits.PrimaryHDU(RAMP * np.nan).writeto(tmp_path / "nan.fits")
    fits.PrimaryHDU(RAMP * 0 + 4).writeto(tmp_path / "flat.fits")
    reasons = {
        "cut.fits": "can not be read",
        "cut.png": "can not be read",
        "cut.jpg": "can not be read",
        "text.png": "can not be read",
        "empty.fits": "can not be read",
        "header.fits": "two-dimensional",
        "nan.fits": "no finite pixel",
        "flat.fits": "flat: all its pixels are 4",
        "absent.fits": "does not exist",
    }
    for name, reason in reasons.items():
        with pytest.raises(DataError, match=f"{name}.*{reason}"):
            read_image(tmp_path / name)
