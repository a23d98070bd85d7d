"""One galaxy's image on its way from a file or survey frames to 8 bits, and files that can not be used."""

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import FK4, SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image

from gzmass.datasets import open_dataset
from gzmass.errors import DataError
from gzmass.images import index_frames, log_stretch, resample
from gzmass.preparation import PrepareConfig, prepare
from gzmass.preparation.images import Galaxy, prepare_image

SCALE = 0.4


def galaxy_image(shape=(60, 60), centre=None, star=None, noise=0.2, flux=60.0):
    """An exponential disc, with a bright star where there is one, on noise."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[: shape[0], : shape[1]]
    cx, cy = ((shape[1] - 1) / 2, (shape[0] - 1) / 2) if centre is None else centre
    image = flux * np.exp(-np.hypot(x - cx, y - cy) / 3) + rng.normal(0, noise, shape)
    if star is not None:
        image += 80 * np.exp(-((x - star[0]) ** 2 + (y - star[1]) ** 2) / (2 * 1.2**2))
    return image.astype(np.float32)


@pytest.fixture
def write(tmp_path):
    def file(pixels, name="1.fits", **header):
        (tmp_path / "fits").mkdir(exist_ok=True)
        hdu = fits.PrimaryHDU(pixels)
        hdu.header.update(header)
        hdu.writeto(tmp_path / "fits" / name, overwrite=True)
        return str(tmp_path / "fits" / name)

    return file


def make(file, ra=np.nan, dec=np.nan, radius=np.nan, scale=SCALE, npix=32, **changes):
    config = PrepareConfig(out="ds", images={"folder": "fits"}, npix=npix, **changes)
    return prepare_image(config, Galaxy(1, file, None, ra, dec, radius, scale))


AS_IT_IS = {"centre": "keep", "neighbours": "none"}


def test_without_cutout_centre_and_neighbours_it_is_resampled_and_stretched_alone(write):
    image = galaxy_image(star=(50, 8))
    made = make(write(image), cutout=AS_IT_IS)
    expected, scale = log_stretch(resample(image, 32))
    np.testing.assert_array_equal(made.pixels, expected)
    assert made.measured["stretch_scale"] == scale
    assert made.measured["side"] == 60
    assert made.measured["centre_status"] is None
    assert made.measured["filled_fraction"] is None


def test_a_star_is_filled_and_the_galaxy_stays(write):
    clean, starry = galaxy_image(), galaxy_image(star=(48, 10))
    made = make(write(starry), cutout={"centre": "keep"})
    without = make(write(clean, "2.fits"), cutout=AS_IT_IS)
    with_star = make(write(starry), cutout=AS_IT_IS)
    star = np.s_[3:8, 23:28]
    assert with_star.pixels[star].max() > 200
    assert made.pixels[star].max() < 120
    np.testing.assert_allclose(made.pixels[14:18, 14:18], without.pixels[14:18, 14:18], atol=3)
    assert 0 < made.measured["filled_fraction"] < 0.2


def test_a_centre_that_is_off_is_corrected_or_flagged(write):
    file = write(galaxy_image(shape=(80, 80), centre=(43.0, 37.0)))
    cutout = {"pixels": 40, "neighbours": "none"}
    corrected, flagged, kept = (make(file, cutout={**cutout, "centre": c}) for c in ("correct", "flag", "keep"))
    brightest = np.unravel_index(corrected.pixels.argmax(), corrected.pixels.shape)
    assert np.hypot(brightest[0] - 15.5, brightest[1] - 15.5) < 1
    assert corrected.measured["centre_status"] == flagged.measured["centre_status"] == "corrected"
    assert corrected.measured["centre_offset_arcsec"] == pytest.approx(SCALE * np.hypot(3.5, 2.5), abs=0.2)
    np.testing.assert_array_equal(flagged.pixels, kept.pixels)
    assert (flagged.pixels != corrected.pixels).any()


def test_a_square_that_has_no_room_to_move_stays(write):
    file = write(galaxy_image(centre=(33.5, 29.5)))  # 4 pixels off, in an image of the size of the cutout
    exact = {"arcsec": 60 * SCALE, "neighbours": "none"}
    made, kept = make(file, cutout=exact), make(file, cutout={**exact, "centre": "keep"})
    assert made.measured["centre_status"] == "kept"
    assert made.measured["centre_offset_arcsec"] == pytest.approx(4 * SCALE, abs=0.2)
    np.testing.assert_array_equal(made.pixels, kept.pixels)
    with pytest.raises(DataError, match="smaller than the cutout"):
        make(file, cutout={**exact, "arcsec": 61 * SCALE})


@pytest.mark.parametrize(
    ("cutout", "radius", "side"),
    [
        ({"arcsec": 12.0}, np.nan, 30),
        ({"radii": 2.5}, 3.0, 37.5),
        ({"pixels": 33}, np.nan, 33),
        ({"fraction": 0.5}, np.nan, 30),
    ],
)
def test_the_side_of_the_cutout(write, cutout, radius, side):
    made = make(write(galaxy_image()), radius=radius, cutout={**cutout, **AS_IT_IS})
    assert made.measured["side"] == pytest.approx(side)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cutout": {"pixels": 61}}, "61 pixels .* does not fit"),
        ({"cutout": {"arcsec": 40}}, "100 pixels .* does not fit"),
        ({"cutout": {"arcsec": 10}, "scale": np.nan}, "its pixel scale is not known"),
        ({"cutout": {"radii": 2}}, "radius_arcsec is missing"),
        ({"cutout": {"fraction": 0.1}}, "The square that is used has 6 x 6 pixels: a galaxy needs 8 x 8"),
        ({"cutout": {"radii": 2}, "radius": -9.0}, "radius_arcsec is -9, allowed are values > 0"),
    ],
)
def test_a_cutout_that_can_not_be_made_says_why(write, changes, message):
    with pytest.raises(DataError, match=message):
        make(write(galaxy_image()), **changes)


def celestial(ra, dec, shape):
    wcs = WCS(naxis=2)
    wcs.wcs.crpix = [(shape[1] + 1) / 2, (shape[0] + 1) / 2]
    wcs.wcs.crval, wcs.wcs.ctype = [ra, dec], ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cdelt = [-SCALE / 3600, SCALE / 3600]
    return dict(wcs.to_header())


def test_the_position_of_the_catalogue_is_looked_up_in_the_world_coordinates(write):
    # 10 pixels to the west, 5 to the north
    file = write(galaxy_image(shape=(90, 90), centre=(54.5, 49.5)), **celestial(30.0, 0.0, (90, 90)))
    here = {"ra": 30 - 10 * SCALE / 3600, "dec": 5 * SCALE / 3600, "scale": np.nan}
    made = make(file, **here, cutout={"pixels": 40, **AS_IT_IS})
    assert np.hypot(*np.subtract(np.unravel_index(made.pixels.argmax(), (32, 32)), 15.5)) < 1
    assert made.measured["native_scale_arcsec"] == pytest.approx(SCALE)
    with pytest.raises(DataError, match="does not lie in the image"):
        make(file, ra=31.0, dec=0.0)
    with pytest.raises(DataError, match="its WCS puts it on the far side of the sky"):
        make(file, ra=210.0, dec=0.0)


def test_cutouts_from_survey_frames(tmp_path, write):
    shape = (120, 150)
    for name, ra in {"a.fits": 40.0, "b.fits": 40.0 + 100 * SCALE / 3600}.items():
        image = galaxy_image(shape, centre=(40, 50) if name == "a.fits" else (90, 70))
        write(image, f"frame-{name}", BUNIT="nanomaggy", **celestial(ra, 0.0, shape))
    wcs = [WCS(fits.getheader(tmp_path / "fits" / f"frame-{name}.fits")) for name in "ab"]
    places = [wcs[0].wcs_pix2world(40, 50, 0), wcs[1].wcs_pix2world(90, 70, 0), (10.0, 10.0)]
    table = pd.DataFrame({"id": [1, 2, 3], "ra": [p[0] for p in places], "dec": [p[1] for p in places]})
    table.to_csv(tmp_path / "galaxies.csv", index=False)
    (tmp_path / "fits" / "frame-c.fits").write_bytes(b"no FITS")
    config = PrepareConfig(
        out=tmp_path / "ds",
        images={"frames": str(tmp_path / "fits" / "frame-*.fits")},
        galaxies={"file": tmp_path / "galaxies.csv"},
        cutout={"arcsec": 16},
        npix=32,
    )
    summary = prepare(config)
    ds = open_dataset(summary.path)
    assert ds.table["id"].tolist() == [1, 2]
    assert summary.set_aside == {"frames": 1, "images": 1}
    assert (ds.table["missing_fraction"] == 0).all()
    np.testing.assert_allclose(ds.table["pixel_scale_arcsec"], 16 / 32, rtol=1e-3)
    for image in ds.images()[..., 0]:
        assert np.hypot(*np.subtract(np.unravel_index(image.argmax(), (32, 32)), 15.5)) < 1.5
    assert "no" not in pd.read_csv(summary.path / "quarantine.csv")["id"].astype(str).tolist()


def test_every_bad_file_is_a_line_in_the_quarantine_and_the_good_ones_are_made(tmp_path, write):
    good = galaxy_image()
    write(good, "1.fits")
    whole = (tmp_path / "fits" / "1.fits").read_bytes()
    (tmp_path / "fits" / "2.fits").write_bytes(whole[:5000])  # truncated
    write(None, "3.fits")  # an HDU without data
    write(np.full((40, 40), np.nan, np.float32), "4.fits")
    write(good[:20, :20], "5.fits")  # smaller than the cutout
    write(np.ones((40, 40), np.float32), "6.fits")
    (tmp_path / "fits" / "7.fits").write_bytes(b"")
    Image.fromarray(good.clip(0, 255).astype(np.uint8)).save(tmp_path / "fits" / "8.png")
    table = pd.DataFrame({"name": range(1, 10), "file": [f"{k}.{'png' if k == 8 else 'fits'}" for k in range(1, 10)]})
    table.to_csv(tmp_path / "fits" / "list.csv", index=False)
    config = PrepareConfig(
        out=tmp_path / "ds",
        images={"table": tmp_path / "fits" / "list.csv", "id": "name"},
        cutout={"pixels": 30},
        npix=20,
    )
    summary = prepare(config)
    assert open_dataset(summary.path).table["id"].tolist() == [1, 8]
    reasons = pd.read_csv(summary.path / "quarantine.csv").set_index("id")["reason"]
    assert reasons.index.tolist() == [2, 3, 4, 5, 6, 7, 9]
    for galaxy, words in {
        2: "cut short",
        4: "no finite pixel",
        5: "smaller than the cutout",
        6: "flat",
        9: "exist",
    }.items():
        assert words in reasons[galaxy]
    assert reasons.str.endswith(".").all()


@pytest.mark.parametrize("shape", [(2, 2), (100, 3)])
def test_an_image_too_small_for_a_galaxy(write, shape):
    with pytest.raises(DataError, match=rf"has {shape[1]} x {shape[0]} pixels: a galaxy needs 8 x 8 at least"):
        make(write(np.random.default_rng(0).normal(size=shape)))


@pytest.mark.parametrize("centre", ["correct", "keep"])
def test_a_galaxy_that_the_mask_covers_is_not_prepared(tmp_path, centre):
    image = galaxy_image()
    config = PrepareConfig(
        out="ds", images={"folder": "fits", "mask": "MASK"}, npix=32, cutout={"centre": centre, "neighbours": "none"}
    )
    star = np.zeros(image.shape, np.uint8)
    star[29:31, 29:31] = 1  # a saturated nucleus
    for name, mask in {"detected": (image > 2).astype(np.uint8), "star": star}.items():
        hdus = [fits.PrimaryHDU(image), fits.ImageHDU(mask, name="MASK")]
        fits.HDUList(hdus).writeto(tmp_path / f"{name}.fits")
    galaxies = [Galaxy(1, str(tmp_path / f"{name}.fits"), None, *[np.nan] * 4) for name in ("detected", "star")]
    with pytest.raises(DataError, match=r"The galaxy is missing: .* the mask must not mark the galaxy itself"):
        prepare_image(config, galaxies[0])
    assert prepare_image(config, galaxies[1]).measured["missing_fraction"] < 0.01


@pytest.mark.parametrize(
    ("header", "message"), [({}, r"has no unit \(BUNIT\)"), ({"BUNIT": "adu"}, "has the unit 'adu'")]
)
def test_fluxes_of_an_unknown_unit_are_refused(write, header, message):
    file = write(galaxy_image(), **header)
    photometry = {"band": "g", "k_correction": "none"}
    with pytest.raises(DataError, match=rf"{message}: the key photometry.zero_point must say"):
        make(file, photometry=photometry)
    assert make(file, photometry={**photometry, "zero_point": 25.0}).measured["flux"] > 0
    assert make(write(galaxy_image(), BUNIT="nanomaggy"), photometry=photometry).measured["flux"] > 0


def test_a_fixed_asinh_stretch_for_a_whole_survey(write):
    file = write(galaxy_image())
    made = make(file, cutout=AS_IT_IS, stretch={"kind": "asinh", "scale": 2.0, "peak": 200.0})
    assert made.measured["stretch_scale"] == 2.0
    assert made.pixels.max() < 240
    assert (made.pixels != make(file, cutout=AS_IT_IS).pixels).any()


def test_fluxes_are_those_of_the_whole_image_whatever_the_network_sees(write):
    file = write(galaxy_image((120, 120), star=(100, 20)), BUNIT="nanomaggy")
    fluxes = [
        make(file, cutout={"fraction": part}, photometry={"k_correction": "none"}).measured for part in (1.0, 0.5, 0.3)
    ]
    assert fluxes[0]["flux"] == fluxes[1]["flux"] == fluxes[2]["flux"]
    assert fluxes[0]["flux"] == pytest.approx(2 * np.pi * 60 * 9, rel=0.05)
    assert fluxes[0]["flux_complete"] == 1
    cut = write(galaxy_image((30, 30)), "2.fits", BUNIT="nanomaggy")
    assert make(cut, photometry={"k_correction": "none"}).measured["flux_complete"] == 0


@pytest.mark.parametrize("unit", ["nanomaggy / s", "nanomaggies/arcsec2", "adu"])
def test_fluxes_in_another_unit_need_a_zero_point(write, unit):
    file = write(galaxy_image(), BUNIT=unit)
    with pytest.raises(DataError, match=rf"has the unit '{unit}': the key photometry\.zero_point"):
        make(file, photometry={"k_correction": "none"})
    assert make(file, photometry={"k_correction": "none", "zero_point": 25}).measured["flux"] > 0


@pytest.mark.parametrize(
    ("ctype", "value"),
    [
        (("RA---TAN", "DEC--TAN"), (150.0, 2.0)),
        (("DEC--TAN", "RA---TAN"), (2.0, 150.0)),
        (("GLON-TAN", "GLAT-TAN"), (236.954583, 41.905110)),  # the same place
    ],
)
def test_the_galaxy_is_found_in_any_celestial_wcs(write, ctype, value):
    header = {"RADESYS": "ICRS", "CRPIX1": 30.5, "CRPIX2": 30.5, "CDELT1": SCALE / 3600, "CDELT2": SCALE / 3600}
    header |= {f"CTYPE{k + 1}": ctype[k] for k in (0, 1)} | {f"CRVAL{k + 1}": value[k] for k in (0, 1)}
    made = make(write(galaxy_image(), **header), ra=150.0, dec=2.0)
    assert made.measured["centre_status"] == "ok"
    assert made.measured["centre_offset_arcsec"] < 2 * SCALE


def test_coordinates_of_another_equinox_are_precessed(write):
    there = SkyCoord(150.0, 2.0, unit="deg").transform_to(FK4(equinox="B1950"))
    header = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "RADESYS": "FK4", "EQUINOX": 1950.0}
    header |= {"CRVAL1": there.ra.deg, "CRVAL2": there.dec.deg, "CRPIX1": 30.5, "CRPIX2": 30.5}
    header |= {"CDELT1": -SCALE / 3600, "CDELT2": SCALE / 3600}
    made = make(write(galaxy_image(), **header), ra=150.0, dec=2.0)
    assert made.measured["centre_status"] == "ok"
    assert made.measured["centre_offset_arcsec"] < 2 * SCALE


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"RADESYS": "J2000"}, r"has a WCS with RADESYS 'J2000'; understood are RA and DEC with RADESYS ICRS, FK5"),
        ({"CTYPE1": "ELON-TAN", "CTYPE2": "ELAT-TAN"}, "has a WCS with the coordinates ELON and ELAT; understood"),
    ],
)
def test_coordinates_that_nobody_knows_are_refused(write, header, message):
    whole = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0, "CRPIX1": 30.5, "CRPIX2": 30.5}
    whole |= {"CDELT1": -SCALE / 3600, "CDELT2": SCALE / 3600, **header}
    file = write(galaxy_image(), **whole)
    with pytest.raises(DataError, match=message):
        make(file, ra=150.0, dec=2.0)
    with pytest.raises(DataError, match=message):
        index_frames([file])
