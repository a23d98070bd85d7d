"""The logarithmic stretch: linear flux to 8 bits, with a scale taken from the image's own sky noise and peak."""

import numpy as np

from gzmass.errors import DataError

__all__ = ["SKY_GREY", "log_stretch", "sky_statistics"]

#: Grey level of the sky: the room below it holds the negative half of the sky noise.
SKY_GREY = 40

# The logarithm bends at this many standard deviations of the sky: noise stays nearly linear and visible, faint arms
# are lifted out of it. An image with (almost) no noise bends at this fraction of its peak instead.
_BEND_IN_SIGMA = 6.0
_BEND_IN_PEAK = 1e-3

_BORDER = 0.1  # width of the frame in which the sky is measured, as a fraction of the side
_CLIP = 3.0  # in standard deviations
_MAX_CLIPS = 10
_MAD_TO_SIGMA = 1.482602218505602  # 1 / Phi^-1(3/4): standard deviation of a normal law from its median deviation


def log_stretch(image, scale=None):
    """Map linear flux to 8 bits with a logarithm whose scale is the image's own.

    With ``f`` the flux above the sky, ``s`` the scale and ``p`` the peak of the galaxy above the sky, the grey level is
    ``SKY_GREY + (255 - SKY_GREY) sign(f) log(1 + |f| / s) / log(1 + p / s)``, rounded and cut to 0..255. The sky
    has the same grey level in every image, whatever its flux unit and constant background; the visible amplitude of
    the noise says how far the galaxy stands above it; negative pixels are as good as positive ones.

    Parameters
    ----------
    image : array_like of float
        Linear flux, shape (ny, nx), any unit, with or without its sky; NaN where a pixel is missing.
    scale : float, optional
        Flux at which the logarithm bends, in the unit of the image, > 0. By default 6 standard deviations of the
        image's own sky, but not less than a thousandth of its peak.

    Returns
    -------
    stretched : numpy.ndarray of uint8
        Grey levels, shape (ny, nx): a monotone function of the flux; a missing pixel has the level of the sky.
    scale : float
        The scale that was used, in the unit of the image.

    Raises
    ------
    DataError
        The image is not two-dimensional, is flat or has no pixel above its sky, or the scale is not positive.
    """
    image = np.asarray(image, dtype=np.float64)
    sky, sigma = sky_statistics(image)
    flux = image - sky
    peak = _peak(flux, sigma)
    if scale is None:
        scale = max(_BEND_IN_SIGMA * sigma, _BEND_IN_PEAK * peak)
    elif not (np.isfinite(scale) and scale > 0):
        raise DataError(f"The scale of the stretch must be a positive number. Received: {scale!r}.")
    gain = (255 - SKY_GREY) / np.log1p(peak / scale)
    grey = SKY_GREY + gain * np.sign(flux) * np.log1p(np.abs(flux) / scale)
    grey = np.where(np.isfinite(flux), grey, SKY_GREY)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8), float(scale)


def sky_statistics(image):
    """Level and standard deviation of the sky, from the border of the image.

    The border is clipped at 3 standard deviations around its median until nothing more is cut, so that the galaxy's
    outskirts and neighbours in it do not count; the standard deviation is that of the median absolute deviation.

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
    image = np.asarray(image, dtype=np.float64)
    if image.ndim != 2:
        raise DataError(f"An image has two axes. Received: an array of shape {image.shape}.")
    finite = image[np.isfinite(image)]
    if not finite.size or finite.min() == finite.max():
        raise DataError("The image is flat: it has fewer than two different finite pixels.")
    width = max(1, round(_BORDER * min(image.shape)))
    inside = np.zeros(image.shape, dtype=bool)
    inside[width:-width, width:-width] = True
    border = image[~inside & np.isfinite(image)]
    pixels = border if border.size else finite
    for _ in range(_MAX_CLIPS):
        level = np.median(pixels)
        sigma = _MAD_TO_SIGMA * np.median(np.abs(pixels - level))
        kept = pixels[np.abs(pixels - level) <= _CLIP * sigma]
        if kept.size == pixels.size:
            break
        pixels = kept
    return float(level), float(sigma)


def _peak(flux, sigma):
    """Peak above the sky: of the central half, where the galaxy is; of the whole image when nothing is there."""
    ny, nx = flux.shape
    central = flux[ny // 4 : ny - ny // 4, nx // 4 : nx - nx // 4]
    peak = np.max(central, where=np.isfinite(central), initial=0.0)
    if peak <= _CLIP * sigma:
        peak = np.max(flux, where=np.isfinite(flux), initial=0.0)
    if peak <= 0:
        raise DataError("The image has no pixel above its sky.")
    return peak
