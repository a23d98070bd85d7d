"""The stretch: linear flux to 8 bits by a logarithm or asinh, its scale the image's own sky noise and peak."""

import numpy as np

from gzmass.errors import DataError
from gzmass.images.grey import above_sky, grey_levels
from gzmass.images.sky import border_statistics

__all__ = ["SKY_BORDER", "SKY_GREY", "log_stretch", "sky_statistics", "stretch"]

#: Grey level of the sky: the room below it holds the negative half of the sky noise.
SKY_GREY = 40

#: Width of the frame in which the sky is measured, as a fraction of the shorter side.
SKY_BORDER = 0.1

_CURVES = {"log": np.log1p, "asinh": np.arcsinh}

# The curve bends at this many standard deviations of the sky: noise stays nearly linear and visible, faint arms
# are lifted out of it. An image with (almost) no noise bends at this fraction of its peak instead.
_BEND_IN_SIGMA = 6.0
_BEND_IN_PEAK = 1e-3

_SEEN = 3.0  # standard deviations of the sky that a galaxy's peak must stand above it


def stretch(pixels, kind="log", scale=None, peak=None):
    """Map linear flux to 8 bits with a logarithm, or an inverse hyperbolic sine, whose scale is the image's own.

    With ``f`` the flux above the sky, ``s`` the scale and ``p`` the peak of the galaxy above the sky, the grey level is
    ``SKY_GREY + (255 - SKY_GREY) sign(f) c(|f| / s) / c(p / s)`` with ``c(x) = log(1 + x)`` or ``asinh(x)``, rounded
    and cut to 0..255; for ``f >= 0`` these are `astropy.visualization.LogStretch` with ``a = p / s`` and
    `astropy.visualization.AsinhStretch` with ``a = s / p``. The sky has the same grey level in every image, whatever
    its flux unit and constant background; the visible amplitude of the noise says how far the galaxy stands above it;
    negative pixels are as good as positive ones.

    Parameters
    ----------
    pixels : array_like of float
        Linear flux, shape (ny, nx), any unit, with or without its sky; NaN where a pixel is missing.
    kind : {"log", "asinh"}, default "log"
        The curve. The inverse hyperbolic sine keeps the noise linear further up and lifts faint arms less.
    scale : float, optional
        Flux at which the curve bends, in the unit of the image, > 0. By default 6 standard deviations of the image's
        own sky, but not less than a thousandth of its peak.
    peak : float, optional
        Flux above the sky that becomes white, in the unit of the image, > 0. By default the galaxy's own peak. With
        both `scale` and `peak` fixed for a whole survey a grey level is a surface brightness, the same in every image.

    Returns
    -------
    stretched : numpy.ndarray of uint8
        Grey levels, shape (ny, nx): a monotone function of the flux; a missing pixel has the level of the sky.
    scale : float
        The scale that was used, in the unit of the image.

    Raises
    ------
    DataError
        The image is not two-dimensional, is flat or has no pixel above its sky, the kind is unknown, or the scale or
        the peak is not positive.
    """
    if kind not in _CURVES:
        raise DataError(f"The kind of a stretch is one of {', '.join(map(repr, _CURVES))}. Received: {kind!r}.")
    for name, value in (("scale", scale), ("peak", peak)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise DataError(f"The {name} of the stretch must be a positive number. Received: {value!r}.")
    curve = _CURVES[kind]
    image = _as_floats(pixels)
    sky, sigma = sky_statistics(image)
    flux, central, own_peak = above_sky(image, sky)
    if central > _SEEN * sigma:  # the galaxy is there; else whatever is brightest
        own_peak = central
    if own_peak <= 0:
        raise DataError("The image has no pixel above its sky.")
    if peak is None:
        peak = own_peak
    if scale is None:
        scale = max(_BEND_IN_SIGMA * sigma, _BEND_IN_PEAK * peak)
    bent = np.abs(flux)
    bent /= scale
    curve(bent, out=bent)
    return grey_levels(bent, flux, SKY_GREY, (255 - SKY_GREY) / curve(peak / scale)), float(scale)


def log_stretch(pixels, scale=None):
    """Map linear flux to 8 bits with the default stretch, a logarithm.

    Parameters
    ----------
    pixels : array_like of float
        Linear flux, shape (ny, nx), as `stretch` takes it.
    scale : float, optional
        Flux at which the logarithm bends, in the unit of the image, > 0. By default the image's own.

    Returns
    -------
    stretched : numpy.ndarray of uint8
        Grey levels, shape (ny, nx).
    scale : float
        The scale that was used, in the unit of the image.
    """
    return stretch(pixels, "log", scale)


def sky_statistics(image):
    """Level and standard deviation of the sky, from the border of the image.

    The border is clipped at 3 standard deviations around its median until nothing more is cut, so that the galaxy's
    outskirts and neighbours in it do not count; the standard deviation is that of the median absolute deviation, or
    where that is 0, half of the distance between the 16th and the 84th percentile.

    Parameters
    ----------
    image : array_like of float
        Linear flux, shape (ny, nx); pixels that are not finite are left out.

    Returns
    -------
    level : float
        Median of the clipped border, in the unit of the image.
    sigma : float
        Standard deviation of the noise of a pixel, in the unit of the image; 0 for a border without noise.

    Raises
    ------
    DataError
        The image is not two-dimensional, or has fewer than two different finite pixels.
    """
    image = _as_floats(image)
    if image.ndim != 2:
        raise DataError(f"An image has two axes. Received: an array of shape {image.shape}.")
    found = border_statistics(image, max(1, round(SKY_BORDER * min(image.shape))))
    if found is None:
        raise DataError("The image is flat: it has fewer than two different finite pixels.")
    return found


def _as_floats(image):
    image = np.asarray(image)
    # single precision is sorted in half the time, to the same order
    return image if image.dtype == np.float32 else image.astype(np.float64)
