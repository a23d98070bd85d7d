import bz2
import gzip
import os
import pickle

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from gzmass.errors import DataError
from gzmass.images import cut_from_frames, index_frames
from gzmass.images import frames as frames_module

SCALE = 0.4  # arcsec
SHAPE = (120, 160)  # the frames: 48" x 64"


@pytest.fixture(autouse=True)
def _no_open_frames():
    yield
    frames_module._open_frame.cache_clear()


def grid(ra, dec, angle=0.0, scale=SCALE, shape=SHAPE):
    """Build the WCS of a frame with its centre at (ra, dec), turned by an angle in degrees."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [(shape[1] + 1) / 2, (shape[0] + 1) / 2]
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    wcs.wcs.cd = np.array([[-cos, sin], [sin, cos]]) * scale / 3600
    return wcs


def scene(wcs, galaxy, shape=SHAPE):
    """Draw a galaxy that is 100 at its centre and 3 arcsec wide on a tilted sky, as the frame would see them."""
    rows, columns = np.indices(shape)
    east, north = galaxy.spherical_offsets_to(wcs.pixel_to_world(columns, rows))
    east, north = east.arcsec, north.arcsec
    return (100 * np.exp(-0.5 * ((east / 4) ** 2 + (north / 2) ** 2) / 1.5**2) + 0.1 * east).astype(np.float32)


def frame(file, wcs, pixels, **header):
    hdu = fits.PrimaryHDU(pixels, wcs.to_header())
    hdu.header.update(header)
    hdu.writeto(file)
    return file


def expected(cut, galaxy):
    return scene(cut.wcs, galaxy, cut.pixels.shape)


def test_a_place_inside_one_frame_is_cut_without_interpolation(tmp_path):
    galaxy = SkyCoord(150.0, 2.0, unit="deg")
    wcs = grid(150.003, 2.002, angle=25)
    pixels = scene(wcs, galaxy)
    index = index_frames([frame(tmp_path / "a.fits", wcs, pixels, BUNIT="nanomaggy")])
    cut = cut_from_frames(index, 150.0, 2.0, 12.0)
    assert cut.pixels.shape == (30, 30)
    assert (cut.pixels.dtype, cut.unit, cut.pixel_scale_arcsec) == (np.float32, "nanomaggy", pytest.approx(SCALE))
    x, y = (float(v) for v in cut.wcs.world_to_pixel(galaxy))
    assert max(abs(x - 14.5), abs(y - 14.5)) <= 0.5 + 1e-6
    np.testing.assert_allclose(cut.pixels, expected(cut, galaxy), atol=1e-3)
    assert np.isin(cut.pixels, pixels).all()


@pytest.mark.parametrize(("angle", "tolerance"), [(0.0, 1e-3), (30.0, 2.0)])
def test_a_galaxy_on_the_edge_is_put_together(tmp_path, angle, tolerance):
    galaxy = SkyCoord(150.0, 2.0, unit="deg")
    right = grid(150.0, 2.0)
    right.wcs.crpix = [15.5, 60.5]
    left = grid(150.0, 2.0, angle=angle)
    left.wcs.crpix = [150.5, 60.5]  # 10 pixels from the edge: the galaxy lies deeper in the other
    files = [
        frame(tmp_path / "left.fits", left, scene(left, galaxy) + 50),
        frame(tmp_path / "right.fits", right, scene(right, galaxy) + 7),
    ]
    alone = cut_from_frames(index_frames(files[1:]), 150.0, 2.0, 16.0)
    assert np.isnan(alone.pixels).mean() == pytest.approx(5 / 40, abs=0.03)
    cut = cut_from_frames(index_frames(files), 150.0, 2.0, 16.0)
    have = ~np.isnan(alone.pixels)
    np.testing.assert_array_equal(cut.pixels[have], alone.pixels[have])
    # in the grid of the frame in which the galaxy lies deepest, and with its sky
    np.testing.assert_allclose(cut.pixels, expected(cut, galaxy) + 7, atol=tolerance)
    turned = cut_from_frames(index_frames(files[::-1]), 150.0, 2.0, 16.0)
    np.testing.assert_array_equal(turned.pixels, cut.pixels)


def test_interpolation_leaves_a_plane_a_plane(tmp_path):
    origin = SkyCoord(150.0, 2.0, unit="deg")
    base, turned = grid(150.0, 2.0), grid(150.0, 2.0, angle=30)
    base.wcs.crpix = [5.5, 60.5]

    def east(wcs, shape):
        return origin.spherical_offsets_to(wcs.pixel_to_world(*np.indices(shape)[::-1]))[0].arcsec.astype(np.float32)

    file = frame(tmp_path / "a.fits", turned, east(turned, SHAPE))
    seen = frames_module._resampled(frames_module._open_frame(file, None, None, None), base, (40, 40))
    off = np.abs(seen - east(base, (40, 40)))[np.isfinite(seen)]
    assert off.size > 800
    assert np.percentile(off, 95) < 1e-4
    assert off.max() < SCALE / 2  # within half a pixel of the edge of the frame


def test_a_frame_that_shows_a_corner_only_is_not_forgotten(tmp_path):
    galaxy = SkyCoord(150.0, 2.0, unit="deg")
    near, far = grid(150.0, 2.0), grid(150.0, 2.0)
    near.wcs.crpix, far.wcs.crpix = [130.5, 60.5], [-38.5, 60.5]  # the centre of `far` is 48" away, its corners 40"
    files = [
        frame(tmp_path / f"{number}.fits", wcs, scene(wcs, galaxy, (120, 160)))
        for number, wcs in enumerate([near, far])
    ]
    pixels = cut_from_frames(index_frames(files), 150.0, 2.0, 38.0).pixels
    assert np.isfinite(pixels[:, -5:]).all()
    assert np.isnan(pixels[:, -12:-10]).all()


def test_frames_that_only_touch_leave_no_seam(tmp_path):
    galaxy = SkyCoord(150.0, 2.0, unit="deg")
    left, right = grid(150.0, 2.0), grid(150.0, 2.0)
    left.wcs.crpix, right.wcs.crpix = [151.5, 60.5], [-8.5, 60.5]
    rng = np.random.default_rng(0)
    files = [
        frame(tmp_path / f"{sky}.fits", wcs, scene(wcs, galaxy) * 0 + sky + rng.normal(size=SHAPE).astype(np.float32))
        for wcs, sky in [(left, 50), (right, 7)]
    ]
    cut = cut_from_frames(index_frames(files), 150.0, 2.0, 30.0).pixels
    assert not np.isnan(cut).any()
    assert np.median(cut[:, -20:]) == pytest.approx(50, abs=0.2), "sky measured in each of them"


def test_missing_pixels_are_taken_from_another_frame(tmp_path):
    galaxy = SkyCoord(150.0, 2.0, unit="deg")
    wcs, beside = grid(150.0, 2.0), grid(150.0, 2.0)
    beside.wcs.crpix = [100.5, 70.5]
    pixels = scene(wcs, galaxy)
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[58:63, 80] = 1
    files = []
    for name, one, bad in [("a", wcs, mask), ("b", beside, mask * 0)]:
        hdus = [fits.PrimaryHDU(scene(one, galaxy), one.to_header()), fits.ImageHDU(bad, name="DQ")]
        fits.HDUList(hdus).writeto(tmp_path / f"{name}.fits")
        files.append(tmp_path / f"{name}.fits")
    index = index_frames(files, mask="DQ")
    np.testing.assert_allclose(cut_from_frames(index, 150.0, 2.0, 8.0).pixels, pixels[50:70, 70:90], atol=1e-3)
    alone = cut_from_frames(index_frames(files[:1], mask="DQ"), 150.0, 2.0, 8.0).pixels
    assert np.isnan(alone).sum() == 5


def test_frames_of_another_unit_or_scale_are_not_mixed_in(tmp_path):
    galaxy = SkyCoord(150.0, 2.0, unit="deg")
    left = grid(150.0, 2.0)
    left.wcs.crpix = [140.5, 60.5]
    file = frame(tmp_path / "a.fits", left, scene(left, galaxy), BUNIT="nanomaggy")
    right = grid(150.0, 2.0)
    right.wcs.crpix = [10.5, 60.5]
    coarse = grid(150.0, 2.0, scale=0.5)
    coarse.wcs.crpix = [10.5, 60.5]
    for name, wcs, unit in [("count", right, "adu"), ("coarse", coarse, "nanomaggy")]:
        other = frame(tmp_path / f"{name}.fits", wcs, scene(wcs, galaxy), BUNIT=unit)
        assert np.isnan(cut_from_frames(index_frames([file, other]), 150.0, 2.0, 20.0).pixels).any()
    same = frame(tmp_path / "same.fits", right, scene(right, galaxy), BUNIT="nanomaggy")
    assert not np.isnan(cut_from_frames(index_frames([file, same]), 150.0, 2.0, 20.0).pixels).any()


@pytest.mark.parametrize(
    ("ra", "dec"), [(0.0, 0.0), (359.999, 10.0), (0.001, -40.0), (10.0, 89.999), (200.0, 90.0), (45.0, -89.9999)]
)
def test_everywhere_on_the_sky(tmp_path, ra, dec):
    galaxy = SkyCoord(ra, dec, unit="deg")
    around = [(0, 0), (25, 3), (-25, -3), (90, 0)]
    files = []
    for number, (east, north) in enumerate(around):
        centre = galaxy.spherical_offsets_by(east / 3600 * galaxy.ra.unit, north / 3600 * galaxy.dec.unit)
        wcs = grid(centre.ra.deg, centre.dec.deg, angle=10 * number)
        files.append(frame(tmp_path / f"{number}.fits", wcs, scene(wcs, galaxy)))
    index = pickle.loads(pickle.dumps(index_frames(files)))  # noqa: S301  it travels between processes
    found = frames_module._overlapping(index, galaxy, 10.0)
    assert found[0] == 0
    assert set(found) == {0, 1, 2}
    cut = cut_from_frames(index, ra, dec, 10.0)
    np.testing.assert_allclose(cut.pixels, expected(cut, galaxy), atol=2e-2)
    # the footprints are those that the WCS gives: each corner of each frame lies on its border
    wcs = WCS(fits.getheader(files[1]))
    for x, y in [(-0.5, -0.5), (159.5, 119.5), (-0.5, 119.5)]:
        inner, outer = (wcs.pixel_to_world(79.5 + (x - 79.5) * f, 59.5 + (y - 59.5) * f) for f in (0.999, 1.001))
        alone = index_frames(files[1:2])
        assert frames_module._overlapping(alone, inner.icrs, 1.0) == [0]
        assert frames_module._overlapping(alone, outer.icrs, 1.0) == []


def test_frames_compressed_in_every_way_give_the_same_pixels(tmp_path):
    galaxy = SkyCoord(150.0, 2.0, unit="deg")
    wcs = grid(150.0, 2.0)
    plain = frame(tmp_path / "a.fits", wcs, scene(wcs, galaxy), BUNIT="nanomaggy")
    (tmp_path / "a.fits.gz").write_bytes(gzip.compress(plain.read_bytes()))
    (tmp_path / "a.fits.bz2").write_bytes(bz2.compress(plain.read_bytes()))
    tiles = fits.CompImageHDU(
        scene(wcs, galaxy), fits.getheader(plain), compression_type="GZIP_1", quantize_level=0, tile_shape=(32, 50)
    )
    fits.HDUList([fits.PrimaryHDU(), tiles]).writeto(tmp_path / "a.fits.fz")
    cube = np.stack([scene(wcs, galaxy) * 0, scene(wcs, galaxy)])
    frame(tmp_path / "cube.fits", wcs, cube, BANDS="gr", BUNIT="nanomaggy")
    whole = cut_from_frames(index_frames([plain]), 150.001, 2.001, 20.0)
    for name, plane in [("a.fits.gz", None), ("a.fits.bz2", None), ("a.fits.fz", None), ("cube.fits", "r")]:
        index = index_frames([tmp_path / name], plane=plane)
        cut = cut_from_frames(index, 150.001, 2.001, 20.0)
        np.testing.assert_array_equal(cut.pixels, whole.pixels, err_msg=name)
        assert cut.unit == "nanomaggy"
        assert np.abs(np.subtract(cut.wcs.wcs_pix2world(3, 4, 0), whole.wcs.wcs_pix2world(3, 4, 0))).max() < 1e-10


def test_a_distorted_frame_keeps_its_distortion(tmp_path):
    wcs = grid(150.0, 2.0)
    header = wcs.to_header()
    header.update({"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "B_ORDER": 2, "A_2_0": 2e-4})
    pixels = np.arange(SHAPE[0] * SHAPE[1], dtype=np.float32).reshape(SHAPE)
    fits.PrimaryHDU(pixels, header).writeto(tmp_path / "a.fits")
    full = WCS(header)
    place = full.pixel_to_world(130.2, 40.3)  # half a pixel off without the distortion
    cut = cut_from_frames(index_frames([tmp_path / "a.fits"]), place.icrs.ra.deg, place.icrs.dec.deg, 8.4)
    assert cut.pixels[10, 10] == pixels[40, 130]
    x, y = cut.wcs.world_to_pixel(place)
    assert (float(x), float(y)) == (pytest.approx(10.2, abs=1e-3), pytest.approx(10.3, abs=1e-3))


def test_frames_in_galactic_coordinates(tmp_path):
    galaxy = SkyCoord(150.0, 2.0, unit="deg")
    wcs = grid(galaxy.galactic.l.deg, galaxy.galactic.b.deg)
    wcs.wcs.ctype = ["GLON-TAN", "GLAT-TAN"]
    pixels = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    index = index_frames([frame(tmp_path / "a.fits", wcs, pixels)])
    np.testing.assert_array_equal(cut_from_frames(index, 150.0, 2.0, 4.0).pixels, pixels[55:65, 75:85])


def test_what_can_not_be_used_is_set_aside_with_its_reason(tmp_path):
    good = frame(tmp_path / "good.fits", grid(150.0, 2.0), scene(grid(150.0, 2.0), SkyCoord(150.0, 2.0, unit="deg")))
    fits.PrimaryHDU(np.zeros(SHAPE)).writeto(tmp_path / "no-wcs.fits")
    (tmp_path / "page.fits").write_text("<html>")
    fits.PrimaryHDU().writeto(tmp_path / "empty.fits")
    bad = {"no-wcs": "no celestial WCS", "page": "no FITS file", "empty": "two-dimensional", "gone": "does not exist"}
    files = [tmp_path / f"{name}.fits" for name in bad]
    index = index_frames([*files, str(good)])
    assert index.paths == (good,)
    assert len(index) == 1
    assert [path for path, _ in index.set_aside] == files
    for (_, told), reason in zip(index.set_aside, bad.values(), strict=True):
        assert reason in told
    with pytest.raises(DataError, match=r"None of 4 survey frames can be used\. The first: .*no-wcs.* no celestial"):
        index_frames(files)
    with pytest.raises(DataError, match="None of 0 survey frames"):
        index_frames([])


def test_places_that_can_not_be_cut_are_told_of(tmp_path):
    wcs = grid(150.0, 2.0)
    pixels = scene(wcs, SkyCoord(150.0, 2.0, unit="deg"))
    pixels[55:66, 75:86] = np.nan
    index = index_frames([frame(tmp_path / "a.fits", wcs, pixels)])
    cases = {
        (150.02, 2.0, 30.0): "None of 1 survey frames covers RA 150.02, Dec 2",  # its corner would be in the square
        (330.0, -2.0, 10.0): "None of 1 survey frames covers",
        (150.0, 2.0, 12.0): "No survey frame has a pixel at RA 150.0, Dec 2.0.*a.fits",
        (150.0, 91.0, 10.0): "declination within -90 and 90. Received: RA 150.0, Dec 91.0",
        (np.nan, 2.0, 10.0): "Received: RA nan",
        (150.0, 2.0, 0.0): "side of a cutout must be a positive number of arcsec. Received: 0.0",
    }
    for (ra, dec, side), reason in cases.items():
        with pytest.raises(DataError, match=reason):
            cut_from_frames(index, ra, dec, side)
    flat = index_frames([frame(tmp_path / "flat.fits", wcs, pixels * 0)])
    with pytest.raises(DataError, match=r"from '.*flat.fits' is flat"):
        cut_from_frames(flat, 150.004, 2.0, 10.0)
    raw = (tmp_path / "a.fits").read_bytes()
    (tmp_path / "cut.fits").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(DataError, match=r"cut.fits' can not be read: it is cut short"):
        cut_from_frames(index_frames([tmp_path / "cut.fits"]), 150.0, 2.005, 10.0)


def test_only_a_few_frames_stay_open_and_each_is_opened_once(tmp_path, monkeypatch):
    files = []
    for number in range(frames_module._OPEN_FRAMES + 3):
        wcs = grid(150.0 + number, 2.0)
        files.append(frame(tmp_path / f"{number}.fits", wcs, scene(wcs, SkyCoord(150.0 + number, 2.0, unit="deg"))))
    index = index_frames(files)
    opened = []
    original = fits.open
    monkeypatch.setattr(frames_module.fits, "open", lambda *a, **k: opened.append(original(*a, **k)) or opened[-1])
    for number in range(len(files)):
        for _ in range(3):
            cut_from_frames(index, 150.0 + number, 2.0, 10.0)
    assert len(opened) == len(files)
    assert [hdus._file.closed for hdus in opened] == [True] * 3 + [False] * frames_module._OPEN_FRAMES


def test_a_frame_that_was_replaced_is_read_anew(tmp_path):
    wcs = grid(150.0, 2.0)
    pixels = scene(wcs, SkyCoord(150.0, 2.0, unit="deg"))
    file = frame(tmp_path / "a.fits", wcs, pixels)
    before = cut_from_frames(index_frames([file]), 150.0, 2.0, 10.0).pixels
    file.unlink()
    os.utime(frame(file, wcs, 1000 * pixels), (2e9, 2e9))
    np.testing.assert_allclose(cut_from_frames(index_frames([file]), 150.0, 2.0, 10.0).pixels, 1000 * before, rtol=1e-5)
