"""The list of cutouts to fetch: where each galaxy is, how large a square, and how many pixels."""

import math
from dataclasses import dataclass

from gzmass.catalogs import named_columns, read_table
from gzmass.errors import ConfigError, DataError

__all__ = ["RADII", "Target", "read_targets"]

#: Side of a cutout in units of the galaxy's radius, if nothing else is asked for.
RADII = 4.0


@dataclass(frozen=True)
class Target:
    """A square of the sky.

    Parameters
    ----------
    id : int or str
        Id of the galaxy.
    ra, dec : float
        Its centre in degrees, the right ascension from 0 to 360.
    side_arcsec : float
        Its side.
    npix : int
        Pixels along a side.
    """

    id: int | str
    ra: float
    dec: float
    side_arcsec: float
    npix: int

    @property
    def pixel_scale(self):
        """Size of a pixel in arcsec.

        Returns
        -------
        float
            The side over the pixels along it.
        """
        return self.side_arcsec / self.npix


def read_targets(
    catalog,
    id_column="id",
    ra_column="ra",
    dec_column="dec",
    size_arcsec=None,
    radius_column=None,
    radii=None,
    npix=None,
    pixel_scale=None,
    native_pixel_scale=None,
):
    """Read the squares to cut out from a table of galaxies.

    Parameters
    ----------
    catalog : str or pathlib.Path
        A table as `gzmass.catalogs.read_table` reads it.
    id_column, ra_column, dec_column : str
        Its columns; positions in degrees (ICRS), right ascensions of 0 to 360 or of -180 to 180.
    size_arcsec : float, optional
        Side of the squares, the same for all; in arcsec.
    radius_column : str, optional
        Column with a radius of each galaxy in arcsec; either this or `size_arcsec`.
    radii : float, optional
        Side of a square in units of the radius; by default 4.
    npix : int, optional
        Pixels along a side.
    pixel_scale : float, optional
        Size of a pixel in arcsec; the side is rounded up to whole pixels.
    native_pixel_scale : float, optional
        Size of a pixel if neither is given.

    Returns
    -------
    targets : list of Target
        The squares, in the order of the table.
    bad : list of (id, str)
        Galaxies without a position or a radius, and why.

    Raises
    ------
    ConfigError
        Of size and radius, or of pixels and their scale, not just one is given; radii are given without a radius; or a
        number is not positive.
    DataError
        The table can not be read, lacks a column, or its ids are not integers or text.
    """
    if (size_arcsec is None) == (radius_column is None):
        given = "neither" if size_arcsec is None else "both"
        raise ConfigError(
            "The side of a cutout is either size_arcsec (--size-arcsec) or in radii of a radius_column "
            f"(--radius-column). Received: {given}."
        )
    if radii is not None and radius_column is None:
        raise ConfigError(f"radii do nothing beside a size in arcsec: they need a radius_column. Received: {radii!r}.")
    if npix is not None and pixel_scale is not None:
        raise ConfigError("Give either the pixels along a side or the size of a pixel, not both.")
    given = {"size_arcsec": size_arcsec, "radii": radii, "npix": npix, "pixel_scale": pixel_scale}
    for name, value in given.items():
        if value is not None and not 0 < value < math.inf:
            raise ConfigError(f"{name} must be greater than 0. Received: {value!r}.")
    scale = pixel_scale or native_pixel_scale
    if npix is None and scale is None:
        raise ConfigError("These cutouts need the pixels along a side (npix) or the size of a pixel (pixel_scale).")
    columns = {"ra": ra_column, "dec": dec_column} | ({"radius": radius_column} if radius_column else {})
    table, set_aside = read_table(catalog, id_column, list(columns.values()))
    table = named_columns(table, columns, str(catalog))
    if not len(table):
        raise DataError(f"The table {str(catalog)!r} has no galaxy.")
    targets, bad = [], list(set_aside.itertuples(index=False, name=None))
    rows = zip(*(table[name].tolist() for name in ("id", "ra", "dec")), strict=True)
    radius = table["radius"].tolist() if radius_column else [None] * len(table)
    for (galaxy, ra, dec), r in zip(rows, radius, strict=True):
        reason = _reason(galaxy, ra, dec, r)
        if reason:
            bad.append((galaxy, reason))
            continue
        side = size_arcsec if r is None else (radii or RADII) * r
        # 1e-9: a side of whole pixels stays that in spite of rounding
        pixels = npix or max(1, math.ceil(side / scale - 1e-9))
        targets.append(Target(galaxy, ra % 360, dec, side if npix else pixels * scale, pixels))
    return targets, bad


def _reason(galaxy, ra, dec, radius):
    """Why no cutout of a galaxy can be asked for."""
    if not (-180 <= ra <= 360 and -90 <= dec <= 90):
        return f"the position is missing or out of range: {ra:g}, {dec:g} degrees"
    if radius is not None and not radius > 0:
        return f"the radius is missing or not positive: {radius:g}"
    if isinstance(galaxy, str) and (galaxy.startswith(".") or set(galaxy) & set('/\\:*?"<>|\0')):
        return "the id can not be the name of a file"
    return None
