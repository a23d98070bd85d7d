"""One galaxy's image: found in its file or in survey frames, centred, freed of neighbours, resampled and stretched."""

from dataclasses import dataclass, replace
from math import ceil, floor, isfinite, isnan, nan
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs import NoConvergence

from gzmass.catalogs.photometry import NANOMAGGIES, ZERO_POINT
from gzmass.errors import DataError
from gzmass.images.centre import find_centre
from gzmass.images.cutout import corner_of_square, crop_centre, cut_and_resample, resample
from gzmass.images.flux import aperture_flux
from gzmass.images.frames import cut_from_frames
from gzmass.images.header import refuse_unknown_sky
from gzmass.images.neighbours import fill_neighbours
from gzmass.images.read import read_linear_image
from gzmass.images.stretch import stretch

__all__ = ["FLUXES", "MEASURED", "REVISION", "Galaxy", "PreparedImage", "delivered_image", "prepare_image"]

_ROOM = 1.3  # of the side, read around a cutout so that the centre can be found beside the middle
_LEAST_SIDE = 8  # pixels; nothing of a galaxy's structure is in fewer
_SAME_PLACE = 1.0  # pixels between two bands: archives align theirs to a fraction of one
_MIDDLE, _LEAST_MIDDLE = 0.1, 3.0  # of the side, and pixels: where the galaxy itself must be

#: Goes up by one when `prepare_image` makes other pixels or measurements out of the same input: images of before are
#: made again then, and no dataset holds both.
REVISION = 2

#: What is measured where the photometry is that of the images: fluxes in their unit, and whether the aperture fits.
FLUXES = ("flux", "flux_err", "flux_complete", "colour_flux", "colour_flux_err")
#: What is known of an image when it is prepared.
MEASURED = (
    "stretch_scale",
    "side",
    "native_scale_arcsec",
    "centre_status",
    "centre_offset_arcsec",
    "filled_fraction",
    "missing_fraction",
    *FLUXES,
)


class Galaxy(NamedTuple):
    """What the catalogues say about a galaxy before its image is opened; NaN or None where they do not."""

    id: int | str
    file: str | None
    colour_file: str | None
    ra: float
    dec: float
    radius_arcsec: float
    pixel_scale_arcsec: float


@dataclass(frozen=True)
class PreparedImage:
    """A finished image and what was measured on the way.

    Parameters
    ----------
    pixels : numpy.ndarray of uint8
        Grey levels, shape (npix, npix).
    measured : dict
        Values of `MEASURED`; None where nothing was measured.
    """

    pixels: np.ndarray
    measured: dict


def prepare_image(config, galaxy, frames=None):
    """Prepare the image of one galaxy.

    Parameters
    ----------
    config : PrepareConfig
        What becomes of the images.
    galaxy : Galaxy
        Its file or position, and its radius where the side of the cutout is given in radii.
    frames : gzmass.images.FrameIndex, optional
        The survey frames, where images are cut out of these.

    Returns
    -------
    PreparedImage
        8-bit pixels, and what was measured.

    Raises
    ------
    DataError
        The image can not be used; the reason, in a sentence.
    """
    image, x, y, scale = _delivered(config, galaxy, frames)
    cutout = config.cutout
    measured = dict.fromkeys(MEASURED)
    name = "The cutout of the frames" if galaxy.file is None else f"The image {str(galaxy.file)!r}"
    _require_size(min(image.pixels.shape), name, image.pixels.shape)
    side = _side(cutout, galaxy, scale)
    _require_centre(image.pixels, x, y, min(image.pixels.shape) if side is None else side)
    if cutout.centre != "keep":
        centre = _find_centre(image.pixels, x, y, side)
        measured["centre_status"] = centre.status
        measured["centre_offset_arcsec"] = None if scale is None else float(centre.offset * scale)
        if cutout.centre == "correct" and centre.status == "corrected":
            if side is None or _fits(image.pixels, centre.x, centre.y, side):
                x, y = centre.x, centre.y
            else:  # there is no room to move the square: better a galaxy that is a little off than none
                measured["centre_status"] = "kept"
    if side is None:
        side = (cutout.fraction or 1.0) * _largest_side(image.pixels, x, y)
    _require_size(side, "The square that is used", (side, side))
    corner_of_square(image.pixels, x, y, side)  # refuses what does not fit
    window = _window(image.pixels, x, y, side)
    left, top = window[1].start, window[0].start
    pixels, measured["filled_fraction"] = _fill(cutout, image.pixels[window], x - left, y - top)
    if config.photometry is not None and config.photometry.measures_images:
        is_whole = pixels.shape == image.pixels.shape
        measured |= _fluxes(config, galaxy, image, pixels if is_whole else _fill(cutout, image.pixels, x, y)[0], x, y)
    x, y = x - left, y - top
    small = cut_and_resample(pixels, x, y, side, config.npix)
    scale_of_stretch = None if config.stretch.scale == "auto" else config.stretch.scale
    grey, used = stretch(small, config.stretch.kind, scale_of_stretch, config.stretch.peak)
    measured |= {"stretch_scale": used, "side": float(side), "native_scale_arcsec": scale}
    measured["missing_fraction"] = _fraction(np.isnan(small))
    return PreparedImage(grey, measured)


def delivered_image(config, galaxy, frames=None):
    """Show the image of one galaxy as it was delivered: its largest square, resampled and stretched, nothing more.

    Parameters
    ----------
    config : PrepareConfig
        What becomes of the images.
    galaxy : Galaxy
        Its file or position.
    frames : gzmass.images.FrameIndex, optional
        The survey frames.

    Returns
    -------
    numpy.ndarray of uint8
        Grey levels, shape (npix, npix).

    Raises
    ------
    DataError
        The image can not be used.
    """
    image, *_ = _delivered(config, galaxy, frames)
    scale = None if config.stretch.scale == "auto" else config.stretch.scale
    return stretch(resample(crop_centre(image.pixels), config.npix), config.stretch.kind, scale, config.stretch.peak)[0]


def _delivered(config, galaxy, frames):
    """Read the image; give it with the position of the galaxy in it and its pixel scale."""
    if frames is None:
        part = config.images
        image = read_linear_image(galaxy.file, part.channel, part.hdu, part.plane, part.mask)
    else:
        room = 1.0 if config.cutout.centre == "keep" else _ROOM
        image = cut_from_frames(frames, galaxy.ra, galaxy.dec, room * float(_side(config.cutout, galaxy, 1.0)))
    scale = image.pixel_scale_arcsec if isnan(galaxy.pixel_scale_arcsec) else galaxy.pixel_scale_arcsec
    x, y = _middle(image.pixels)
    if isfinite(galaxy.ra) and isfinite(galaxy.dec) and image.wcs is not None:
        x, y = _place(image.wcs, galaxy)
        ny, nx = image.pixels.shape
        if not (-0.5 <= x < nx - 0.5 and -0.5 <= y < ny - 0.5):
            place = f"at pixel {x:.0f}, {y:.0f} of {nx} x {ny}" if isfinite(x + y) else "on the far side of the sky"
            raise DataError(
                f"The galaxy at ra={galaxy.ra:.6f}, dec={galaxy.dec:.6f} does not lie in the image "
                f"{str(galaxy.file)!r}: its WCS puts it {place}."
            )
    return image, x, y, scale


def _place(wcs, galaxy):
    """Position in pixels, by what the WCS itself says of its coordinates, their order and its distortions."""
    axes = wcs.wcs
    is_ours = axes.lngtyp == "RA" and (axes.radesys == "ICRS" or (axes.radesys == "FK5" and axes.equinox == 2000))
    try:
        if is_ours:  # nearly all: a SkyCoord takes as long as all the rest of an image
            x, y = wcs.all_world2pix(*((galaxy.ra, galaxy.dec) if axes.lng == 0 else (galaxy.dec, galaxy.ra)), 0)
        else:
            refuse_unknown_sky(wcs, f"The image {str(galaxy.file)!r}")
            x, y = wcs.world_to_pixel(SkyCoord(galaxy.ra, galaxy.dec, unit="deg"))
    except NoConvergence:  # of the distortions, far outside
        return nan, nan
    return float(x), float(y)


def _require_size(side, what, shape):
    if side < _LEAST_SIDE:
        raise DataError(
            f"{what} has {shape[1]:g} x {shape[0]:g} pixels: a galaxy needs {_LEAST_SIDE} x {_LEAST_SIDE} at least."
        )


def _require_centre(pixels, x, y, side):
    """Refuse an image whose galaxy is missing, as where the mask marks what was detected."""
    middle = pixels[_window(pixels, x, y, max(_LEAST_MIDDLE, _MIDDLE * side))]
    if _fraction(np.isnan(middle)) > 0.5:
        raise DataError(
            f"The galaxy is missing: of the pixels around x = {x:.0f}, y = {y:.0f} more than half are masked or not "
            "finite; the mask must not mark the galaxy itself."
        )


def _fraction(mask):
    return np.count_nonzero(mask) / mask.size


def _middle(pixels):
    ny, nx = pixels.shape
    return (nx - 1) / 2, (ny - 1) / 2


def _largest_side(pixels, x, y):
    ny, nx = pixels.shape
    return 2 * min(x, nx - 1 - x, y, ny - 1 - y) + 1


def _fits(pixels, x, y, side):
    try:
        corner_of_square(pixels, x, y, side)
    except DataError:
        return False
    return True


def _side(cutout, galaxy, scale):
    """Side of the cutout in pixels; None where it follows from the image alone."""
    if cutout.pixels is not None:
        return cutout.pixels
    if cutout.radii is None and cutout.arcsec is None:
        return None
    if scale is None:
        raise DataError(
            f"The side of the cutout of {galaxy.file!r} is an angle and its pixel scale is not known: neither its "
            "header nor pixel_scale_arcsec gives it."
        )
    if cutout.arcsec is not None:
        return cutout.arcsec / scale
    if not galaxy.radius_arcsec > 0:
        raise DataError(
            f"The side of the cutout is given in radii of the galaxy and its radius_arcsec is "
            f"{'missing' if np.isnan(galaxy.radius_arcsec) else f'{galaxy.radius_arcsec:g}, allowed are values > 0'}."
        )
    return 2 * cutout.radii * galaxy.radius_arcsec / scale


def _window(pixels, x, y, side):
    """Whole pixels that a square touches, as slices of rows and columns."""
    ny, nx = pixels.shape
    half = side / 2
    rows = slice(max(0, floor(y + 0.5 - half)), min(ny, ceil(y + 0.5 + half)))
    return rows, slice(max(0, floor(x + 0.5 - half)), min(nx, ceil(x + 0.5 + half)))


def _find_centre(pixels, x, y, side):
    """Find the centre of the galaxy near a position; far outside the cutout nothing is looked at."""
    rows, columns = _window(pixels, x, y, _ROOM * (2 * max(pixels.shape) if side is None else side))
    centre = find_centre(pixels[rows, columns], near=(x - columns.start, y - rows.start))
    if not (rows.start or columns.start):
        return centre
    return replace(centre, x=centre.x + columns.start, y=centre.y + rows.start)


def _fill(cutout, pixels, x, y):
    if cutout.neighbours == "none":
        return pixels, None
    filled, replaced = fill_neighbours(pixels, x, y, fill=cutout.neighbours)
    return filled, _fraction(replaced)


def _fluxes(config, galaxy, image, filled, x, y):
    """Flux of the galaxy, and that of its image in the second band in the same aperture.

    They are measured in all of the image that was read: how much of it the network is to see changes no flux.
    """
    photometry, part = config.photometry, config.images
    _require_unit(photometry, image, galaxy.file)
    flux = aperture_flux(filled, x, y)
    fluxes = {"flux": flux.value, "flux_err": flux.error, "flux_complete": float(flux.complete)}
    if galaxy.colour_file is not None:
        other = read_linear_image(galaxy.colour_file, None, part.hdu, part.plane, part.mask)
        _require_unit(photometry, other, galaxy.colour_file)
        if other.pixels.shape != image.pixels.shape:
            shapes = [" x ".join(map(str, each.pixels.shape[::-1])) for each in (image, other)]
            raise DataError(
                f"The images {galaxy.file!r} and {galaxy.colour_file!r} must have the same pixels. Received: "
                f"{shapes[0]} and {shapes[1]}."
            )
        _require_same_sky(image, other, galaxy, x, y)
        filled, _ = _fill(config.cutout, other.pixels, x, y)
        second = aperture_flux(filled, x, y, flux.radius)
        fluxes |= {"colour_flux": second.value, "colour_flux_err": second.error}
    return fluxes


def _require_same_sky(image, other, galaxy, x, y):
    """Refuse a second band whose pixels show other places: an aperture would hold other light."""
    if image.wcs is None or other.wcs is None:
        return
    ny, nx = image.pixels.shape
    theirs = []
    for i, j in ((x, y), (0, 0), (nx - 1, ny - 1)):
        sky = image.wcs.pixel_to_world(i, j).icrs
        theirs.append(_place(other.wcs, SimpleNamespace(ra=sky.ra.deg, dec=sky.dec.deg, file=galaxy.colour_file)))
    off = np.hypot(*(np.array(theirs) - [(x, y), (0, 0), (nx - 1, ny - 1)]).T)
    # the corners as well: pixels of another size
    if not off[0] <= _SAME_PLACE or not (off[1:] <= _SAME_PLACE + 0.01 * max(nx, ny)).all():
        raise DataError(
            f"The images {galaxy.file!r} and {galaxy.colour_file!r} must have the same pixels: the WCS of the second "
            f"puts the galaxy {off[0]:.1f} pixels off, and the corners {off[1]:.1f} and {off[2]:.1f}."
        )


def _require_unit(photometry, image, file):
    if photometry.zero_point is None and (image.unit or "").strip().lower() not in NANOMAGGIES:
        unit = "no unit (BUNIT)" if image.unit is None else f"the unit {image.unit!r}"
        raise DataError(
            f"The image {str(file)!r} has {unit}: the key photometry.zero_point must say which AB "
            f"magnitude a flux of 1 has ({ZERO_POINT} for nanomaggies)."
        )
