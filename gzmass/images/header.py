"""What a FITS header says of an image besides its pixels: the pixel scale, the WCS, the unit and the bands."""

import re
import warnings
from math import isfinite, sqrt

from astropy.wcs import WCS

from gzmass.errors import DataError

__all__ = ["band_names", "celestial_wcs", "flux_unit", "pixel_scale", "refuse_unknown_sky"]

_CELESTIAL = ("RA--", "DEC-", "GLON", "GLAT", "ELON", "ELAT", "SLON", "SLAT")
_SYSTEMS = ("ICRS", "FK5", "FK4", "FK4-NO-E")  # of right ascension and declination that astropy knows
_ARCSEC = {"deg": 3600.0, "arcmin": 60.0, "arcsec": 1.0, "mas": 1e-3, "rad": 206264.80624709636}
# arcsec per pixel, where an archive or an instrument states it beside the WCS or instead of it
_SCALE_KEYWORDS = ("PIXSCALE", "PIXELSCALE", "PIXSCAL1", "PIXELSCL", "SECPIX", "SECPIX1", "ESO INS PIXSCALE")
_SQUARE = 1.1  # longest over shortest side; detectors distort by some per cent


def pixel_scale(header, primary=None, what="The image"):
    """Side of a pixel in arcsec, without building a WCS.

    The scale is the square root of the area that the linear part of the WCS gives a pixel (CD matrix, or CDELT with
    PC or CROTA), so that flux is conserved where pixels are not quite square. Where the header has no celestial WCS,
    or one whose pixels have no area, a keyword such as PIXSCALE tells; where both tell, the WCS is believed.

    Parameters
    ----------
    header : astropy.io.fits.Header
        Header of the image.
    primary : astropy.io.fits.Header, optional
        Header of the file's first HDU, asked for the keyword when `header` has none.
    what : str, default "The image"
        What it belongs to, at the beginning of the error.

    Returns
    -------
    float or None
        Arcsec per pixel, > 0; None when neither tells.

    Raises
    ------
    DataError
        By the WCS a pixel is longer than wide by more than a tenth, so that a round galaxy would look flat.
    """
    getters = [_getter(header)]
    scale, elongation = _wcs_scale(getters[0])
    if scale is not None:
        if elongation > _SQUARE:
            raise DataError(
                f"{what} has pixels of {scale * elongation**0.5:.4g} by {scale / elongation**0.5:.4g} arcsec, in which "
                f"a round galaxy looks flat; resample it to square ones (sides within {_SQUARE - 1:.0%})."
            )
        return scale
    if primary is not None and primary is not header:
        getters.append(_getter(primary))
    for get in getters:
        for keyword in _SCALE_KEYWORDS:
            scale = _positive(get(keyword))
            if scale is not None:
                return scale
    return None


def celestial_wcs(header):
    """World coordinate system of the two axes of the image that are on the sky.

    Parameters
    ----------
    header : astropy.io.fits.Header
        Header of the image.

    Returns
    -------
    astropy.wcs.WCS or None
        None when the header has no celestial WCS, or one that astropy can not make sense of without the rest of the
        file (tables of distortions).
    """
    axes = _celestial_axes(_getter(header))
    if len(axes) != 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy tells of every keyword it mends
        try:
            if axes != [1, 2]:
                return WCS(header).celestial
            wcs = WCS(header, naxis=2)
            if wcs.pixel_shape is not None:  # astropy keeps the third size of a cube, and slices the wrong axis by it
                wcs.pixel_shape = wcs.pixel_shape[:2]
        except Exception:  # noqa: BLE001  a dozen kinds, all of them "this is no WCS"
            return None
    return wcs


def refuse_unknown_sky(wcs, what):
    """Refuse a WCS that could not say where on the sky a galaxy is.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        As `celestial_wcs` makes it.
    what : str
        What it belongs to, at the beginning of the error.

    Raises
    ------
    DataError
        Its coordinates are neither right ascension and declination of a known system nor galactic ones.
    """
    kind, system = wcs.wcs.lngtyp, wcs.wcs.radesys
    if kind == "GLON" or (kind == "RA" and system in ("", *_SYSTEMS)):
        return
    received = f"RADESYS {system!r}" if kind == "RA" else f"the coordinates {kind} and {wcs.wcs.lattyp}"
    raise DataError(
        f"{what} has a WCS with {received}; understood are RA and DEC with RADESYS {', '.join(_SYSTEMS)}, and GLON and "
        "GLAT."
    )


def flux_unit(header, primary=None):
    """Tell the unit of the pixels, as BUNIT says it.

    Parameters
    ----------
    header : astropy.io.fits.Header
        Header of the image.
    primary : astropy.io.fits.Header, optional
        Header of the file's first HDU, asked when `header` has no unit.

    Returns
    -------
    str or None
        The text of BUNIT; None when there is none.
    """
    for one in (header,) if primary is header else (header, primary):  # astropy takes long to tell that it is not there
        if one is not None and "BUNIT" in one:
            return str(one["BUNIT"]).strip() or None
    return None


def band_names(header, n_planes):
    """Names of the planes of a cube, where its header tells.

    Understood are one keyword for all (``BANDS = 'grz'``, ``BANDS = 'g,r,z'``, ``FILTERS``, ``CTYPE3`` when it lists
    as many names as there are planes) and one keyword each (``BAND0``, ``BAND1``..., ``FILTER1``, ``FILTER2``...).

    Parameters
    ----------
    header : astropy.io.fits.Header
        Header of the cube.
    n_planes : int
        Number of its planes.

    Returns
    -------
    list of str
        One name a plane, in their order; empty when the header does not tell.
    """
    for keyword in ("BANDS", "FILTERS", "CTYPE3"):
        text = str(header.get(keyword, "")).strip()
        names = [name for name in re.split(r"[,;:/\s]+", text) if name]
        if keyword == "BANDS" and len(names) == 1 < n_planes:
            names = list(names[0])
        if len(names) == n_planes:
            return names
    for stem in ("BAND", "FILTER", "PLANE"):
        first = 0 if f"{stem}0" in header else 1
        numbered = [f"{stem}{first + i}" for i in range(n_planes)]
        keywords = [stem] if n_planes == 1 and stem in header else numbered
        if all(keyword in header for keyword in keywords):
            return [str(header[keyword]).strip() for keyword in keywords]
    return []


def _getter(header):
    """Make Header.get, but quick: astropy takes long to tell that a keyword is not there, and most are not."""
    present = set(header)
    return lambda keyword, default=None: header[keyword] if keyword in present else default


def _celestial_axes(get):
    axes = [axis for axis in range(1, 10) if str(get(f"CTYPE{axis}", "")).upper().startswith(_CELESTIAL)]
    if not axes:  # most of the images without a WCS: to read another keyword takes as long as all of this
        return axes
    n_axes = int(get("NAXIS", get("WCSAXES", 0)))
    return [axis for axis in axes if axis <= n_axes]


def _wcs_scale(get):
    """Side of a square of a pixel's area in arcsec, and the pixel's longest extent over its shortest."""
    axes = _celestial_axes(get)
    if len(axes) != 2:
        return None, None
    pairs = [(i, j) for i in axes for j in axes]
    matrix = [get(f"CD{i}_{j}") for i, j in pairs]
    if any(term is not None for term in matrix):
        matrix = [term or 0.0 for term in matrix]
    else:
        rows = [get(f"CDELT{i}") for i in axes]
        turn = [get(f"PC{i}_{j}") for i, j in pairs]
        if rows == [None, None] and turn == [None] * 4:
            return None, None  # a scale of 1 degree by default is nobody's statement
        # a rotation by CROTA leaves the area as it is
        turn = [float(i == j) if term is None else term for term, (i, j) in zip(turn, pairs, strict=True)]
        rows = [1.0 if row is None else row for row in rows]
        matrix = [rows[0] * turn[0], rows[0] * turn[1], rows[1] * turn[2], rows[1] * turn[3]]
    units = [_ARCSEC.get(str(get(f"CUNIT{i}", "deg")).strip().lower(), 3600.0) for i in axes]
    matrix = [term * unit for term, unit in zip(matrix, (units[0], units[0], units[1], units[1]), strict=True)]
    area = abs(matrix[0] * matrix[3] - matrix[1] * matrix[2])
    scale = _positive(sqrt(area))
    if scale is None:
        return None, None
    # of the singular values area is the product, and the sum of squares that of all terms
    mean = max(1.0, sum(term * term for term in matrix) / (2 * area))
    return scale, mean + sqrt(mean * mean - 1)


def _positive(value):
    if value is None:
        return None
    try:
        value = float(value)
    except (TypeError, ValueError):
        return None
    return value if isfinite(value) and value > 0 else None
