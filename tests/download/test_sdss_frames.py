"""Cutouts from SDSS frames: the one that an id names, its neighbours at an edge, and SkyServer where no id helps."""

import bz2
import io
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from web_server import breaks_off, send, whole

from gzmass.download import download_cutouts, load_sources
from gzmass.download.sdss_frames import frame_address, frame_of_objid

SCALE = 0.396
NX, NY = 200, 150
STEP = 140  # rows from a field to the next: they overlap by ten
RUN, CAMCOL = 3704, 3


def objid(field, number):
    return (2 << 59) | (301 << 48) | (RUN << 32) | (CAMCOL << 29) | (field << 16) | number


def sky(field=0):
    """World coordinates of the frame of a field: one grid for all, shifted by whole rows."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.0, 2.0]
    wcs.wcs.crpix = [NX / 2, NY / 2 - field * STEP]
    wcs.wcs.cdelt = [-SCALE / 3600, SCALE / 3600]
    return wcs


def light(x, y):
    return (np.hypot(x % 37, y % 23) + 0.01 * y).astype(np.float32)


def frame(field):
    y, x = np.mgrid[:NY, :NX]
    header = sky(field).to_header()
    header["BUNIT"] = "nanomaggy"
    file = io.BytesIO()
    fits.PrimaryHDU(light(x, y + field * STEP), header).writeto(file)
    return bz2.compress(file.getvalue())


def position(x, y):
    return tuple(float(v) for v in sky().pixel_to_world_values(x, y))


@pytest.fixture
def archive(web):
    """Fields 0 to 2 of one run; SkyServer knows which of them show a circle."""
    for field in range(3):
        web.serve(f"/frames/{RUN}/{CAMCOL}/frame-g-{RUN:06d}-{CAMCOL}-{field:04d}.fits.bz2", whole(frame(field)))

    def search(handler):
        rows = "".join(f"{RUN},{CAMCOL},{field}\n" for field in range(3))
        send(handler, 200, f"#Table1\nrun,camcol,field\n{rows}".encode())

    web.serve("/search", search)
    return web


@pytest.fixture
def download(archive, connection, tmp_path):
    sources = load_sources()
    sources["cutouts"]["sdss_cutouts"] |= {"frames": archive.url("/frames"), "search": archive.url("/search")}

    def run(galaxies, **options):
        path = tmp_path / "galaxies.csv"
        pd.DataFrame(galaxies, columns=["id", "ra", "dec"]).to_csv(path, index=False)
        options = {"band": "g", "size_arcsec": 20 * SCALE} | options
        return download_cutouts(
            "sdss_cutouts",
            tmp_path / options.pop("out", "cutouts"),
            path,
            connection=connection,
            sources=sources,
            **options,
        )

    return run


def read(path):
    """Pixels of a cutout, the light that should be in them, and where the cutout has its centre in the grid of all."""
    with fits.open(path) as hdus:
        pixels, header = hdus[0].data, hdus[0].header
    x0, y0 = sky().world_to_pixel_values(*WCS(header).pixel_to_world_values(0, 0))
    assert np.allclose([x0, y0], np.rint([x0, y0]), atol=1e-3)
    rows, columns = np.indices(pixels.shape)
    truth = light(columns + round(float(x0)), rows + round(float(y0)))
    return pixels, truth, (x0 + (pixels.shape[1] - 1) / 2, y0 + (pixels.shape[0] - 1) / 2)


def fetched(web):
    return [path.rpartition("/")[2] for path, _ in web.requests]


def test_ids_name_their_frame():
    assert frame_of_objid(1237661382772195474) == (3704, 3, 91)  # an example of the package pydl
    assert frame_of_objid(objid(7, 12)) == (RUN, CAMCOL, 7)
    for other in (587722981741363294, 5, -1, "1237661382772195474", 0):  # of DR7; no objid; text
        assert frame_of_objid(other) is None


def test_addresses_of_frames():
    # the frame of the example in the documentation of the archive
    assert frame_address("https://x/301", (4264, 3, 258), "r") == "https://x/301/4264/3/frame-r-004264-3-0258.fits.bz2"


def test_galaxies_of_one_frame_need_it_once(download, archive):
    places = [(60.0, 70.0), (100.0, 80.0), (150.0, 40.0)]
    summary = download([(objid(0, k), *position(*place)) for k, place in enumerate(places)])
    assert (summary.there, summary.failed) == (3, 0)
    assert fetched(archive) == [f"frame-g-{RUN:06d}-{CAMCOL}-0000.fits.bz2"]
    for k, (x, y) in enumerate(places):
        path = summary.path / f"{objid(0, k)}.fits"
        assert fits.getheader(path)["BUNIT"] == "nanomaggy"
        pixels, truth, centre = read(path)
        assert pixels.shape == (20, 20)
        assert np.array_equal(pixels, truth)
        assert np.allclose(centre, [x, y], atol=0.51)
    table = pd.read_parquet(summary.path / "cutouts.parquet")
    assert (table["missing_fraction"] == 0).all()
    assert set(table["frames"]) == {f"frame-g-{RUN:06d}-{CAMCOL}-0000.fits.bz2"}
    assert not (summary.path / "frames").exists()


def test_a_galaxy_on_an_edge_is_put_together(download, archive):
    x, y = 90.0, 145.0  # rows 135 to 155, of which the frame has those up to 149
    summary = download([(objid(0, 1), *position(x, y))])
    pixels, truth, centre = read(summary.path / f"{objid(0, 1)}.fits")
    assert np.allclose(pixels, truth, atol=0.02)
    assert np.allclose(centre, [x, y], atol=0.51)
    table = pd.read_parquet(summary.path / "cutouts.parquet")
    assert table["missing_fraction"].tolist() == [0.0]
    assert any(name.startswith("search") for name in fetched(archive))


def test_a_frame_that_can_not_be_had_is_asked_for_once(download, archive):
    summary = download([(objid(9, k), *position(60.0 + k, 70.0)) for k in range(3)])
    assert (summary.there, summary.failed) == (0, 3)
    assert fetched(archive) == [f"frame-g-{RUN:06d}-{CAMCOL}-0009.fits.bz2"]
    reasons = pd.read_csv(summary.path / "failed.csv")["reason"]
    assert len(set(reasons)) == 1
    assert f"frame-g-{RUN:06d}-{CAMCOL}-0009.fits.bz2" in reasons[0]


def test_a_galaxy_whose_id_names_no_frame_is_looked_up(download, archive):
    summary = download([("NGC 1", *position(60.0, 70.0 + STEP))])
    assert summary.there == 1
    query = next(path for path, _ in archive.requests if path.startswith("/search"))
    circle = parse_qs(urlsplit(query).query)["cmd"][0].partition("fGetNearbyObjEq(")[2].rstrip(")").split(",")
    assert [float(number) for number in circle] == pytest.approx(
        [*position(60.0, 70.0 + STEP), 20 * SCALE / 2**0.5 / 60], abs=1e-4
    )  # degrees, and in arcmin the distance of a corner
    pixels, truth, _ = read(summary.path / "NGC 1.fits")
    assert np.array_equal(pixels, truth)


def test_the_edge_of_the_survey_leaves_pixels_missing(download):
    summary = download([(objid(0, 1), *position(90.0, 4.0))])
    table = pd.read_parquet(summary.path / "cutouts.parquet")
    assert 0.2 < table["missing_fraction"][0] < 0.4


def test_what_fails_is_listed(download, archive, tmp_path):
    inside = position(60.0, 70.0)
    summary = download([(objid(0, 1), *inside), (objid(9, 1), *inside), (objid(1, 2), 10.0, -50.0)])
    assert (summary.there, summary.failed) == (1, 2)
    reasons = pd.read_csv(summary.path / "failed.csv").set_index("id")["reason"]
    assert "404" in reasons[objid(9, 1)]
    assert "covers" in reasons[objid(1, 2)]
    archive.serve("/search", lambda handler: send(handler, 200, b"#Table1\nrun,camcol,field\n"))
    summary = download([("M 31", 10.0, 41.0)], out="named")
    assert "outside of its imaging" in pd.read_csv(summary.path / "failed.csv")["reason"][0]
    archive.serve("/search", lambda handler: send(handler, 200, b"error: too many queries\n"))
    summary = download([("M 31", 10.0, 41.0)], out="named")
    assert (tmp_path / "named" / "failed.csv").is_file()
    assert summary.failed == 1


def test_frames_of_galaxies_that_are_done_are_not_fetched_again(download, archive):
    galaxies = [(objid(0, 1), *position(60.0, 70.0))]
    download(galaxies)
    summary = download([*galaxies, (objid(1, 1), *position(60.0, 70.0 + STEP))])
    assert (summary.there, summary.fetched) == (2, 1)
    assert sum("-0000.fits" in name for name in fetched(archive)) == 1


def test_an_interruption_keeps_the_part_of_a_frame(download, archive, connection):
    address = f"/frames/{RUN}/{CAMCOL}/frame-g-{RUN:06d}-{CAMCOL}-0000.fits.bz2"
    body = frame(0)

    def interrupt(handler):
        breaks_off(body, 5000)(handler)
        connection.close()

    archive.serve(address, interrupt, whole(body))
    galaxies = [(objid(0, 1), *position(60.0, 70.0))]
    assert download(galaxies).failed == 1
    connection._closed.clear()
    assert download(galaxies).there == 1
    assert [headers.get("Range") for headers in archive.asked(address)] == [None, "bytes=5000-"]
