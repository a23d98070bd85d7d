import bz2
import gzip
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_area
from PIL import Image, ImageCms

from gzmass.errors import DataError
from gzmass.images import read_image, read_linear_image

RAMP = np.arange(12 * 10, dtype=np.float32).reshape(12, 10)
SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def written(file, *hdus, **header):
    """Write a FITS file; `header` goes into its last HDU."""
    hdus[-1].header.update(header)
    fits.HDUList(list(hdus)).writeto(file)
    return file


def test_fits_of_every_simple_kind(tmp_path):
    hdus = {
        "plain": [fits.PrimaryHDU(RAMP)],
        "cube": [fits.PrimaryHDU(RAMP[None])],
        "long": [fits.PrimaryHDU(RAMP[None, None])],
        "narrow": [fits.PrimaryHDU(RAMP[..., None])],
        "double": [fits.PrimaryHDU(RAMP.astype(np.float64))],
        "integer": [fits.PrimaryHDU(RAMP.astype(np.int64))],
        "unsigned": [fits.PrimaryHDU(RAMP.astype(np.uint16))],
        "bytes": [fits.PrimaryHDU(RAMP.astype(np.uint8))],
        "extension": [fits.PrimaryHDU(), fits.ImageHDU(np.arange(4.0)), fits.ImageHDU(RAMP, name="SCI")],
    }
    for name, parts in hdus.items():
        file = written(tmp_path / f"{name}.fits", *parts)
        image = read_image(file)
        assert (image == RAMP).all(), name
        assert image.dtype == np.float32
        assert image.dtype.isnative
    assert (read_image(tmp_path / "extension.fits", hdu="SCI") == RAMP).all()
    with pytest.raises(DataError, match=r"extension.fits' has no HDU 7"):
        read_image(tmp_path / "extension.fits", hdu=7)
    with pytest.raises(DataError, match="in its HDU 1 not a two-dimensional"):
        read_image(tmp_path / "extension.fits", hdu=1)


def test_compressed_files(tmp_path):
    raw = written(tmp_path / "a.fits", fits.PrimaryHDU(RAMP)).read_bytes()
    (tmp_path / "a.fits.gz").write_bytes(gzip.compress(raw))
    (tmp_path / "a.fits.bz2").write_bytes(bz2.compress(raw))
    (tmp_path / "plain.fits.gz").write_bytes(raw)  # a server that decompresses what it delivers
    (tmp_path / "no-ending").write_bytes(raw)
    tiles = fits.CompImageHDU(RAMP, compression_type="GZIP_1", quantize_level=0)
    written(tmp_path / "a.fits.fz", fits.PrimaryHDU(), tiles, PIXSCALE=0.2)
    for name in ["a.fits.gz", "a.fits.bz2", "plain.fits.gz", "no-ending", "a.fits.fz"]:
        assert (read_image(tmp_path / name) == RAMP).all(), name
    assert read_linear_image(tmp_path / "a.fits.fz").pixel_scale_arcsec == 0.2
    noisy = RAMP + np.random.default_rng(0).normal(size=RAMP.shape).astype(np.float32)
    noisy[3, 4] = np.nan
    lossy = fits.CompImageHDU(noisy, compression_type="RICE_1")  # as SDSS and the Legacy Surveys deliver it
    image = read_image(written(tmp_path / "b.fits.fz", fits.PrimaryHDU(), lossy))
    assert np.isnan(image[3, 4])
    np.testing.assert_allclose(image, noisy, atol=0.2)


def test_scaled_integers_with_blank_pixels(tmp_path):
    for dtype, zero in [("i2", 100.0), ("i4", -3.0), ("i2", 32768.0)]:
        file = tmp_path / f"{dtype}{zero}.fits"
        # written by hand: astropy scales when it writes
        cards = {
            "SIMPLE": True,
            "BITPIX": 8 * int(dtype[1]),
            "NAXIS": 2,
            "NAXIS1": 10,
            "NAXIS2": 12,
            "BSCALE": 1.0 if zero == 32768 else 0.5,
            "BZERO": zero,
            "BLANK": 7,
        }
        data = RAMP.astype(f">{dtype}").tobytes()
        file.write_bytes(fits.Header(cards).tostring().encode() + data.ljust(2880, b"\0"))
        expected = RAMP * cards["BSCALE"] + zero
        expected[0, 7] = np.nan
        np.testing.assert_array_equal(read_image(file), expected)


def test_missing_pixels_are_nan(tmp_path):
    image = RAMP.astype(np.float64)
    image[0, 0], image[1, 1], image[2, 2], image[3, 3] = np.nan, np.inf, -np.inf, 1e300
    fits.PrimaryHDU(image).writeto(tmp_path / "a.fits")
    assert np.flatnonzero(np.isnan(read_image(tmp_path / "a.fits"))).tolist() == [0, 11, 22, 33]


def test_a_mask_takes_pixels_away(tmp_path):
    mask = np.zeros(RAMP.shape, dtype=np.uint16)
    mask[2, 3], mask[4, 5] = 1, 32768
    cube = np.stack([RAMP, RAMP + 1])
    file = written(
        tmp_path / "a.fits",
        fits.PrimaryHDU(RAMP),
        fits.ImageHDU(mask, name="MASK"),
        fits.ImageHDU(mask[:5], name="SMALL"),
        fits.ImageHDU(cube, name="CUBE"),
        fits.ImageHDU(np.stack([mask, mask * 0]), name="MASKS"),
    )
    expected = np.where(mask, np.nan, RAMP)
    np.testing.assert_array_equal(read_image(file, mask="MASK"), expected)
    np.testing.assert_array_equal(read_image(file, hdu="CUBE", plane=0, mask="MASKS"), expected)
    assert (read_image(file, hdu="CUBE", plane=1, mask="MASKS") == RAMP + 1).all()
    np.testing.assert_array_equal(read_image(file, hdu="CUBE", plane=1, mask="MASK"), expected + 1)
    with pytest.raises(DataError, match=r"mask 'SMALL' of the FITS file .* has 10 x 5 pixels, its image 10 x 12"):
        read_image(file, mask="SMALL")
    with pytest.raises(DataError, match="no HDU 'DQ'"):
        read_image(file, mask="DQ")


def test_the_science_image_is_found_among_others(tmp_path):
    other = RAMP[::-1]
    weight = fits.ImageHDU(other, name="sci_weight")
    weight.name = "WGT_1"
    by_type = fits.ImageHDU(other, name="HDU1")
    by_type.header["EXTTYPE"] = "MASK"
    psf, science, masked = (
        fits.ImageHDU(pixels, name=name) for pixels, name in [(other, "PSF"), (RAMP, "PSF_MATCHED_SCI"), (other, "ERR")]
    )
    primary = fits.PrimaryHDU()
    assert (read_image(written(tmp_path / "a.fits", primary, weight, by_type, psf, science, masked)) == RAMP).all()
    file = written(tmp_path / "b.fits", primary, weight, psf)
    with pytest.raises(DataError, match=r"no HDU with a two-dimensional image besides WGT_1, PSF: .* name that HDU"):
        read_image(file)
    assert (read_image(file, hdu="PSF") == other).all()


@pytest.mark.parametrize(
    ("before", "name", "after"),
    [
        (["SCI_VAR", "SCI_WEIGHT"], "SCI", ["SCI_MASK"]),
        (["G", "PSF_MATCHED_SCI"], "sci_1", ["SCI_VAR"]),
        (["SCI_VAR", "PSF_MATCHED_SCI"], "G", []),
        (["SCI_VAR", "PSF"], "PSF_MATCHED_SCI", ["SCI_ERR"]),
    ],
)
def test_an_image_about_the_science_image_is_not_taken_for_it(tmp_path, before, name, after):
    other = [[fits.ImageHDU(RAMP[::-1], name=n) for n in names] for names in (before, after)]
    hdus = [fits.PrimaryHDU(), *other[0], fits.ImageHDU(RAMP, name=name), *other[1]]
    assert (read_image(written(tmp_path / "a.fits", *hdus)) == RAMP).all()


def test_one_image_a_band_leaves_open_which_is_meant(tmp_path):
    def bands(name, names, filters=(None, None)):
        hdus = [fits.ImageHDU(RAMP + 1000 * number, name=names[number]) for number in range(2)]
        for hdu, band in zip(hdus, filters, strict=True):
            if band:
                hdu.header["FILTER"] = band
        return written(tmp_path / name, fits.PrimaryHDU(), *hdus)

    named = [("G", "R"), ("SCI_G", "SCI_R"), ("MOSAIC-NISP-Y", "MOSAIC-VIS"), ("F115W", "F200W")]
    for number, names in enumerate(named):
        file = bands(f"{number}.fits", names)
        with pytest.raises(DataError, match=f"several bands: name one HDU of '{names[0]}' .*, '{names[1]}'"):
            read_image(file)
        assert (read_image(file, hdu=names[1]) == RAMP + 1000).all()
    file = bands("unnamed.fits", ("", ""), ("g", "r"))
    with pytest.raises(DataError, match=r"several bands: name one HDU of 1 \(G\), 2 \(R\)\."):
        read_image(file)
    assert (read_image(file, hdu=2) == RAMP + 1000).all()
    of_one_band = [(("A", "B"), ("g", "g")), (("IMAGE", "MODEL"), (None, None)), (("G", "MODEL"), (None, None))]
    for names, filters in of_one_band:
        assert (read_image(bands(f"one_{names[0]}_{names[1]}.fits", names, filters)) == RAMP).all()


def test_channels_that_pillow_would_cut_to_8_bits_are_refused(tmp_path):
    grey = np.arange(12, dtype=">u2").reshape(3, 4) * 5000
    rows = b"".join(b"\0" + np.repeat(row[:, None], 3, axis=1).tobytes() for row in grey)
    head = struct.pack(">IIBBBBB", 4, 3, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    parts = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    with pytest.raises(DataError, match=r"a.png' has 16 bits in each channel, which are read of grey images alone"):
        read_image(tmp_path / "a.png", channel="red")
    Image.fromarray(grey.astype(np.uint16)).save(tmp_path / "grey.png")
    assert (read_image(tmp_path / "grey.png") == grey).all()


def test_channels_are_red_green_and_blue_whatever_stands_in_the_file(tmp_path):
    # slopes, since some modes average neighbours
    colour = Image.fromarray(
        np.stack(np.broadcast_arrays(*np.ogrid[100:180:2, 110:200:2], 150), axis=-1).astype(np.uint8)
    )
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    for other in (colour.convert("YCbCr"), ImageCms.applyTransform(colour, to_lab)):
        other.save(tmp_path / "a.tif")
        with Image.open(tmp_path / "a.tif") as stored:
            assert stored.mode == other.mode
        for channel, expected in zip(("red", "green", "blue"), np.moveaxis(np.asarray(colour), 2, 0), strict=True):
            np.testing.assert_allclose(read_image(tmp_path / "a.tif", channel=channel), expected, atol=5)
    with pytest.raises(DataError, match=r"A channel is one of .* Received: \['red'\]"):
        read_image(tmp_path / "a.tif", channel=["red"])


def test_a_plane_of_a_cube_by_number_or_band(tmp_path):
    cube = np.stack([RAMP, RAMP + 1000, RAMP + 2000])
    headers = [
        {"BANDS": "grz"},
        {"BANDS": "g, r, z"},
        {"CTYPE3": "g/r/z"},
        {"BAND0": "g", "BAND1": "r", "BAND2": "z"},
        {"FILTER1": "g", "FILTER2": "r", "FILTER3": "z"},
    ]
    for number, header in enumerate(headers):
        file = written(tmp_path / f"{number}.fits", fits.PrimaryHDU(cube), **header)
        for plane, band in enumerate("grz"):
            assert (read_image(file, plane=band) == cube[plane]).all(), header
            assert (read_image(file, plane=plane) == cube[plane]).all(), header
        for wrong in [None, "G", 3, -1]:
            with pytest.raises(DataError, match=f"has 3 planes: .* 0 to 2, or .* 'g', 'r', 'z'. .*plane={wrong!r}"):
                read_image(file, plane=wrong)
    silent = written(tmp_path / "silent.fits", fits.PrimaryHDU(cube), CTYPE3="WAVE")
    with pytest.raises(DataError, match=r"3 planes: name one by its number, 0 to 2. Received: plane='g'"):
        read_image(silent, plane="g")
    colours = written(tmp_path / "colours.fits", fits.PrimaryHDU(np.moveaxis(cube, 0, 2)))
    assert (read_image(colours, plane=2) == cube[2]).all()
    single = written(tmp_path / "single.fits", fits.PrimaryHDU(RAMP), FILTER1="g", BAND="g")
    assert (read_image(single, plane="g") == RAMP).all()
    with pytest.raises(DataError, match=r"1 plane: .* 'g'. Received: plane='r'"):
        read_image(single, plane="r")


def celestial(**more):
    return {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": 10.0,
        "CRVAL2": -5.0,
        "CRPIX1": 5,
        "CRPIX2": 6,
        **more,
    }


DEGREE = 0.4 / 3600
TURNED = {"CD1_1": -DEGREE * 0.6, "CD1_2": DEGREE * 0.8, "CD2_1": DEGREE * 0.8, "CD2_2": DEGREE * 0.6}


@pytest.mark.parametrize(
    ("header", "scale"),
    [
        ({}, None),
        (celestial(), None),
        (celestial(CDELT1=-DEGREE, CDELT2=DEGREE), 0.4),
        (celestial(CDELT1=-DEGREE, CDELT2=DEGREE, CROTA2=30.0), 0.4),
        (celestial(CDELT1=-DEGREE, CDELT2=DEGREE * 1.0816), 0.416),
        (celestial(**TURNED), 0.4),
        (celestial(CD1_1=-DEGREE, CD2_2=DEGREE), 0.4),
        (celestial(PC1_1=0.6, PC1_2=0.8, PC2_1=-0.8, PC2_2=0.6, CDELT1=-DEGREE, CDELT2=DEGREE), 0.4),
        (celestial(CDELT1=-0.4, CDELT2=0.4, CUNIT1="arcsec", CUNIT2="arcsec"), 0.4),
        (celestial(CDELT1=-DEGREE, CDELT2=DEGREE, PIXSCALE=0.262), 0.4),
        (celestial(CD1_1=0.0, CD2_2=0.0, PIXSCALE=0.262), 0.262),
        ({"CTYPE1": "LINEAR", "CDELT1": 1.0, "CDELT2": 1.0, "SECPIX": "0.262"}, 0.262),
        ({"HIERARCH PIXELSCALE": 0.1}, 0.1),
        ({"PIXSCALE": "unknown"}, None),
        ({"PIXSCALE": -1.0}, None),
    ],
)
def test_pixel_scale(tmp_path, header, scale):
    image = read_linear_image(written(tmp_path / "a.fits", fits.PrimaryHDU(RAMP), **header))
    assert image.pixel_scale_arcsec == (scale if scale is None else pytest.approx(scale))
    usable = "DEC--TAN" in header.values() and header.get("CD1_1") != 0
    assert (image.wcs is not None) == usable
    if usable and scale is not None:
        assert np.sqrt(proj_plane_pixel_area(image.wcs)) * 3600 == pytest.approx(scale)


@pytest.mark.parametrize(
    ("header", "sides"),
    [
        (celestial(CDELT1=-DEGREE, CDELT2=DEGREE * 4), "1.6 by 0.4"),
        (celestial(CDELT1=-DEGREE, CDELT2=DEGREE * 4, CUNIT1="arcmin", CUNIT2="deg"), "1.6 by 0.006667"),
        (celestial(CDELT1=-DEGREE, CDELT2=DEGREE * 2, CROTA2=30.0), "0.8 by 0.4"),
        (celestial(CD1_1=-DEGREE, CD1_2=DEGREE / 2, CD2_2=DEGREE), "0.5123 by 0.3123"),  # sheared
    ],
)
def test_pixels_that_are_not_square_are_refused(tmp_path, header, sides):
    file = written(tmp_path / "a.fits", fits.PrimaryHDU(RAMP), **header)
    with pytest.raises(DataError, match=rf"a.fits' has pixels of {sides} arcsec, .* \(sides within 10%\)"):
        read_linear_image(file)
    assert (read_image(file) == RAMP).all()  # of pixels alone nothing is said


def test_what_the_header_says(tmp_path):
    primary = fits.PrimaryHDU()
    primary.header.update({"PIXSCALE": 0.2, "BUNIT": "adu"})
    science = fits.ImageHDU(RAMP[None])
    science.header.update({"NAXIS": 3, "CTYPE3": "WAVE", "CRVAL3": 5e-7, **celestial(**TURNED)})
    plain = fits.ImageHDU(RAMP, name="plain")
    file = tmp_path / "a.fits"
    fits.HDUList([primary, science, plain]).writeto(file)
    image = read_linear_image(file)
    assert (image.pixel_scale_arcsec, image.unit) == (pytest.approx(0.4), "adu")
    assert image.wcs.naxis == 2
    np.testing.assert_allclose(image.wcs.wcs_pix2world([[4, 5]], 0), [[10, -5]])
    again = pickle.loads(pickle.dumps(image))  # noqa: S301  it travels between processes
    np.testing.assert_allclose(again.wcs.pixel_scale_matrix, image.wcs.pixel_scale_matrix)
    beside = read_linear_image(file, hdu="plain")
    assert (beside.pixel_scale_arcsec, beside.unit, beside.wcs) == (0.2, "adu", None)
    broken = written(tmp_path / "b.fits", fits.PrimaryHDU(RAMP), **celestial(CD1_1=0.0, CD2_2=0.0), BUNIT=" ")
    image = read_linear_image(broken)
    assert (image.pixel_scale_arcsec, image.unit) == (None, None)
    Image.fromarray(RAMP.astype(np.uint8)).save(tmp_path / "a.png")
    image = read_linear_image(tmp_path / "a.png")
    assert (image.pixel_scale_arcsec, image.unit, image.wcs, image.header) == (None, None, None, None)


def test_the_wcs_is_built_when_it_is_asked_for(tmp_path, monkeypatch):
    file = written(tmp_path / "a.fits", fits.PrimaryHDU(RAMP), **celestial(**TURNED))
    built = []
    monkeypatch.setattr("gzmass.images.header.WCS", lambda *args, **kwargs: built.append(1) or WCS(*args, **kwargs))
    image = read_linear_image(file)
    assert not built
    assert image.wcs is image.wcs
    assert len(built) == 1


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


@pytest.mark.parametrize("mode", ["P", "PA"])
def test_a_palette_holds_colours_and_no_fluxes(tmp_path, mode):
    colours = Image.new("RGB", (4, 4), (10, 200, 30))
    colours.putpixel((1, 2), (10, 90, 30))
    colours.quantize(4).convert(mode).save(tmp_path / "a.tif")
    with Image.open(tmp_path / "a.tif") as saved:
        assert saved.mode == mode
    green = read_image(tmp_path / "a.tif", channel="green")
    assert (green[2, 1], green[0, 0]) == (90, 200)


def test_a_jpeg(tmp_path):
    Image.fromarray(RAMP.astype(np.uint8)).save(tmp_path / "a.jpg", quality=98)
    np.testing.assert_allclose(read_image(tmp_path / "a.jpg"), RAMP, atol=4)


def test_options_of_the_other_kind_of_file_are_refused(tmp_path):
    Image.fromarray(RAMP.astype(np.uint8)).save(tmp_path / "a.png")
    for option in [{"hdu": 0}, {"plane": "g"}, {"mask": 1}]:
        with pytest.raises(DataError, match="belongs to a FITS file"):
            read_image(tmp_path / "a.png", **option)
    with pytest.raises(DataError, match="channel belongs to a colour PNG"):
        read_image(written(tmp_path / "a.fits", fits.PrimaryHDU(RAMP)), channel="red")


def test_what_can_not_be_read_names_file_and_reason(tmp_path):
    whole = written(tmp_path / "whole.fits", fits.PrimaryHDU(np.tile(RAMP, (20, 20)))).read_bytes()
    tiles = fits.CompImageHDU(np.random.default_rng(0).normal(size=(300, 200)))
    packed = written(tmp_path / "whole.fits.fz", fits.PrimaryHDU(), tiles).read_bytes()
    (tmp_path / "cut.fits").write_bytes(whole[:20000])
    (tmp_path / "header-cut.fits").write_bytes(whole[:1500])
    (tmp_path / "cut.fits.fz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "cut.fits.gz").write_bytes(gzip.compress(whole)[:400])
    (tmp_path / "of-cut.fits.gz").write_bytes(gzip.compress(whole[:20000]))
    (tmp_path / "cut.fits.bz2").write_bytes(bz2.compress(whole)[:100])
    noise = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:800])
    Image.fromarray(noise).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:700])
    (tmp_path / "text.png").write_text("<html>404</html>")
    (tmp_path / "text.fits").write_text("<html>404</html>")
    (tmp_path / "empty.fits").write_bytes(b"")
    fits.PrimaryHDU().writeto(tmp_path / "header.fits")
    fits.BinTableHDU(np.rec.array([(1, 2.0)], names=["a", "b"])).writeto(tmp_path / "table.fits")
    fits.PrimaryHDU(np.zeros((0, 5))).writeto(tmp_path / "no-rows.fits")
    fits.PrimaryHDU(np.zeros((2, 3, 4, 5))).writeto(tmp_path / "four.fits")
    fits.PrimaryHDU(RAMP * np.nan).writeto(tmp_path / "nan.fits")
    fits.PrimaryHDU(RAMP * 0 + 4).writeto(tmp_path / "flat.fits")
    reasons = {
        "cut.fits": "can not be read: it is cut short",
        "header-cut.fits": "can not be read: ",
        "cut.fits.fz": "can not be read: it is cut short",
        "cut.fits.gz": "can not be read: ",
        "of-cut.fits.gz": "can not be read: it is cut short",
        "cut.fits.bz2": "can not be read: ",
        "cut.png": "can not be read",
        "cut.jpg": "can not be read",
        "text.png": "can not be read",
        "text.fits": "it is no FITS file, it begins with b'<html>404</html>'",
        "empty.fits": "can not be read: it is empty",
        "header.fits": "two-dimensional",
        "table.fits": "two-dimensional",
        "no-rows.fits": "two-dimensional",
        "four.fits": "two-dimensional",
        "nan.fits": "no finite pixel",
        "flat.fits": "flat: all its pixels are 4",
        "absent.fits": "does not exist",
    }
    for name, reason in reasons.items():
        with pytest.raises(DataError, match=f"{name}.*{reason}") as caught:
            read_image(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert str(caught.value).count(". ") == 0, "one sentence"


def test_a_file_whose_last_block_is_not_filled_up_is_whole(tmp_path):
    raw = written(tmp_path / "a.fits", fits.PrimaryHDU(RAMP)).read_bytes()
    (tmp_path / "b.fits").write_bytes(raw[: 2880 + RAMP.nbytes])
    assert (read_image(tmp_path / "b.fits") == RAMP).all()


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"needs the shared data in {SHARED}")
def test_real_cutouts():
    files = [*sorted(SHARED.glob("sdss_fits/*.fits")), *sorted(SHARED.glob("sdss_g_mass/*.fits"))]
    assert len(files) == 75
    for file in files:
        image = read_linear_image(file)
        assert image.pixel_scale_arcsec == pytest.approx(0.396), file
        assert min(image.pixels.shape) >= 26
        assert image.unit == (None if "sdss_fits" in str(file) else "nanomaggy")
