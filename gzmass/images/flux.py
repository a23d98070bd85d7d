"""The flux of a galaxy in an aperture that its own growth sets, with the error that the sky's noise leaves it."""

from dataclasses import dataclass

import numpy as np
from photutils.aperture import CircularAperture

from gzmass.errors import DataError
from gzmass.images.stretch import SKY_BORDER, sky_statistics

__all__ = ["Flux", "aperture_flux"]

_PETROSIAN_RATIO = 0.2  # of the mean surface brightness within: SDSS' choice
_INNER, _OUTER = 0.8, 1.25  # of a radius: the ring in which the surface brightness at that radius is measured
_APERTURE = 2.0  # Petrosian radii
_STEPS = 4  # radii tried a pixel
_LEAST_RADIUS = 2.0  # pixels
_MEDIAN_NOISE = np.sqrt(np.pi / 2)  # standard error of a median, in units of that of a mean


@dataclass(frozen=True)
class Flux:
    """Flux of a galaxy above the sky.

    Parameters
    ----------
    value : float
        Sum over the aperture, in the unit of the pixels.
    error : float
        Standard deviation that the noise of the sky leaves it, in the same unit: that of the pixels in the aperture,
        taken as independent, and of the sky level. The photons of the galaxy itself and its light outside of the
        aperture are not counted.
    radius : float
        Radius of the aperture in pixels.
    complete : bool
        Whether the aperture is as large as the galaxy asks for; False where the edge of the image limits it.
    """

    value: float
    error: float
    radius: float
    complete: bool = True


def aperture_flux(pixels, x=None, y=None, radius=None):
    """Measure the flux of a galaxy in a circular aperture.

    By default the aperture has 2 Petrosian radii, as the Petrosian magnitudes of SDSS have [1]_: at the Petrosian
    radius the surface brightness, between 0.8 and 1.25 of it, falls to a fifth of the mean within it. It holds nearly
    all light of a disc and about 80 % of that of a de Vaucouleurs profile, whatever the distance. For a colour give the
    second band the radius found in the first, and take neighbours away before (`fill_neighbours`).

    Parameters
    ----------
    pixels : array_like of float
        Linear flux, shape (ny, nx), with or without its sky; a missing pixel (NaN) counts as the mean of its ring.
    x, y : float, optional
        Centre of the galaxy in pixels, 0 is the middle of the first pixel. By default the middle of the image.
    radius : float, optional
        Radius of the aperture in pixels, > 0. By default 2 Petrosian radii, but no more than the image holds.

    Returns
    -------
    Flux
        Value and error in the unit of the pixels, radius.

    Raises
    ------
    DataError
        The image is not two-dimensional or flat, the aperture does not lie within it, or no galaxy stands above the
        sky at its centre.

    References
    ----------
    .. [1] Blanton et al. 2001, AJ 121, 2358; Strauss et al. 2002, AJ 124, 1810
    """
    image = np.asarray(pixels, dtype=np.float64)
    sky, sigma = sky_statistics(image)
    ny, nx = image.shape
    x, y = (nx - 1) / 2 if x is None else x, (ny - 1) / 2 if y is None else y
    room = min(x, y, nx - 1 - x, ny - 1 - y) + 0.5
    least = _OUTER * _LEAST_RADIUS if radius is None else radius
    if not 0 < least <= room:
        raise DataError(
            f"An aperture of radius {least:g} around x = {x:g}, y = {y:g} does not lie in the image of "
            f"{nx} x {ny} pixels."
        )
    flux = image - sky
    distance = np.hypot(*np.ogrid[-y : ny - y, -x : nx - x])
    flux = _without_gaps(flux, distance)
    complete = True
    if radius is None:
        wanted = _APERTURE * _petrosian_radius(flux, distance, room)
        radius, complete = min(wanted, room), wanted <= room
    aperture = CircularAperture((x, y), radius)
    (value,), _ = aperture.do_photometry(flux, method="exact")
    n_border = _n_of_sky(np.isfinite(image))
    error = sigma * np.hypot(np.sqrt(aperture.area), aperture.area * _MEDIAN_NOISE / np.sqrt(n_border))
    return Flux(float(value), float(error), float(radius), complete)


def _n_of_sky(known):
    """Count the pixels that `sky_statistics` measures the sky in: of the border, or if none is known there, all."""
    width = max(1, round(SKY_BORDER * min(known.shape)))
    return known.sum() - known[width:-width, width:-width].sum() or known.sum()


def _without_gaps(flux, distance):
    """Fill missing pixels with the mean of their ring of one pixel's width, or with the sky."""
    missing = ~np.isfinite(flux)
    if not missing.any():
        return flux
    ring = distance.astype(int)
    number = np.bincount(ring[~missing], minlength=ring.max() + 1)
    mean = np.bincount(ring[~missing], weights=flux[~missing], minlength=len(number)) / np.maximum(number, 1)
    return np.where(missing, mean[ring], flux)


def _petrosian_radius(flux, distance, room):
    """Petrosian radius in pixels, not more than the rings within `room` can show."""
    order = np.argsort(distance, axis=None, kind="stable")
    reached = distance.ravel()[order]
    grown = np.concatenate([[0.0], np.cumsum(flux.ravel()[order])])
    radii = np.arange(_LEAST_RADIUS, room / _OUTER + 1e-9, 1 / _STEPS)
    within, inner, outer = (np.searchsorted(reached, radii * factor) for factor in (1.0, _INNER, _OUTER))
    mean = grown[within] / within
    ring = (grown[outer] - grown[inner]) / (outer - inner)
    if mean[0] <= 0:
        raise DataError("No galaxy stands above the sky at the centre of the aperture.")
    low = np.flatnonzero(ring < _PETROSIAN_RATIO * mean)
    return radii[low[0]] if low.size else room
