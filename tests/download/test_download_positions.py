"""Squares of the sky from a table of galaxies."""

import pandas as pd
import pytest

from gzmass.download import Target, read_targets
from gzmass.errors import ConfigError, DataError

FIRST = 1237648721789256091


@pytest.fixture
def catalog(tmp_path):
    def write(**columns):
        table = {"objid": [FIRST, FIRST + 1, FIRST + 2], "ra": [10.0, 20.0, 30.0], "dec": [-1.0, 0.0, 1.0]} | columns
        path = tmp_path / "galaxies.csv"
        pd.DataFrame(table).to_csv(path, index=False)
        return path

    return write


def test_a_size_for_all(catalog):
    targets, bad = read_targets(catalog(), "objid", size_arcsec=50.0, npix=100)
    assert bad == []
    assert targets[1] == Target(FIRST + 1, 20.0, 0.0, 50.0, 100)
    assert targets[1].pixel_scale == 0.5


def test_a_radius_for_each(catalog):
    path = catalog(r90=[5.0, 10.0, -9.0], RA=[1.0, 2.0, 3.0])
    targets, bad = read_targets(path, "objid", "RA", radius_column="r90", radii=3.0, native_pixel_scale=0.4)
    assert [(t.ra, t.npix) for t in targets] == [(1.0, 38), (2.0, 75)]
    assert [t.side_arcsec for t in targets] == pytest.approx([15.2, 30.0])  # whole pixels, never less than asked for
    assert bad == [(FIRST + 2, "the radius is missing or not positive: -9")]


def test_a_side_of_whole_pixels_stays_that(catalog):
    targets, _ = read_targets(catalog(), "objid", size_arcsec=0.1 * 3 * 17, pixel_scale=0.3)
    assert {t.npix for t in targets} == {17}


def test_positions_that_can_not_be(catalog):
    targets, bad = read_targets(catalog(ra=[360.1, None, 3.0], dec=[1.0, 1.0, 90.1]), "objid", size_arcsec=9, npix=9)
    assert targets == []
    assert [galaxy for galaxy, _ in bad] == [FIRST, FIRST + 1, FIRST + 2]
    assert bad[1][1] == "the position is missing or out of range: nan, 1 degrees"


def test_right_ascensions_on_both_sides_of_zero(catalog):
    targets, bad = read_targets(catalog(ra=[360.0, -0.5, 3.0], dec=[1.0] * 3), "objid", size_arcsec=9, npix=9)
    assert [target.ra for target in targets] == [0.0, 359.5, 3.0]
    assert bad == []


def test_ids_that_can_be_no_file(catalog):
    ids = ["M 31", "a/b", "..", "c:d"]
    path = catalog(objid=ids, ra=[1.0] * 4, dec=[1.0] * 4)
    targets, bad = read_targets(path, "objid", size_arcsec=9, npix=9)
    assert [t.id for t in targets] == ["M 31"]
    assert {reason for _, reason in bad} == {"the id can not be the name of a file"}


def test_a_row_without_an_id_is_set_aside(tmp_path):
    path = tmp_path / "galaxies.csv"
    path.write_text(f"objid,ra,dec\n{FIRST},1,1\n,2,2\n")
    targets, bad = read_targets(path, "objid", size_arcsec=9, npix=9)
    assert [t.id for t in targets] == [FIRST]
    assert len(bad) == 1
    assert "no id" in bad[0][1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"npix": 9}, r"either size_arcsec \(--size-arcsec\) or .* \(--radius-column\)\. Received: neither\."),
        ({"size_arcsec": 9.0, "radius_column": "r", "npix": 9}, r"Received: both\."),
        ({"size_arcsec": 9.0, "radii": 3.0, "npix": 9}, "they need a radius_column. Received: 3.0"),
        ({"size_arcsec": 9.0, "npix": 9, "pixel_scale": 1.0}, "not both"),
        ({"size_arcsec": 9.0}, r"need the pixels along a side \(npix\)"),
        ({"size_arcsec": -9.0, "npix": 9}, r"size_arcsec must be greater than 0. Received: -9.0"),
        ({"size_arcsec": 9.0, "npix": 0}, r"npix must be greater than 0. Received: 0"),
    ],
)
def test_sizes_that_can_not_be(catalog, options, message):
    with pytest.raises(ConfigError, match=message):
        read_targets(catalog(), "objid", **options)


def test_tables_that_can_not_be_used(catalog):
    with pytest.raises(DataError, match="has no column 'id'"):
        read_targets(catalog(), size_arcsec=9, npix=9)
    with pytest.raises(DataError, match=r"column 'ra' of"):
        read_targets(catalog(ra=["north", "1", "2"]), "objid", size_arcsec=9, npix=9)
    with pytest.raises(DataError, match="went through floating-point"):
        read_targets(catalog(objid=[1.2e18, 1.3e18, 1.4e18]), "objid", size_arcsec=9, npix=9)
    with pytest.raises(DataError, match="has no galaxy"):
        read_targets(catalog(objid=[], ra=[], dec=[]), "objid", size_arcsec=9, npix=9)
