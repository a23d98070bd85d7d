"""The steps of a stretch before and after its curve, each in one pass over the image where numpy would make several."""

import numpy as np

from gzmass.images.compiled import compiled

__all__ = ["above_sky", "grey_levels"]


@compiled
def above_sky(image, sky):
    """Subtract the sky, and find the brightest pixel.

    Parameters
    ----------
    image : numpy.ndarray of float
        Shape (ny, nx).
    sky : float
        Level of the sky.

    Returns
    -------
    flux : numpy.ndarray of float64
        Shape (ny, nx); NaN where a pixel is not finite.
    central, peak : float
        Brightest pixel of the central half and of the whole image, or 0.
    """
    ny, nx = image.shape
    flux = np.empty((ny, nx))
    central = peak = 0.0
    for y in range(ny):
        for x in range(nx):
            value = np.float64(image[y, x]) - sky
            flux[y, x] = value if np.isfinite(value) else np.nan
        highest = 0.0
        for x in range(nx // 4, nx - nx // 4):
            highest = max(highest, flux[y, x])
        if ny // 4 <= y < ny - ny // 4:
            central = max(central, highest)
        peak = max(peak, highest)
        for x in range(nx // 4):
            peak = max(peak, flux[y, x], flux[y, nx - 1 - x])
    return flux, central, peak


@compiled
def grey_levels(bent, flux, sky_grey, range_of_one):
    """Round to 8 bits.

    Parameters
    ----------
    bent : numpy.ndarray of float64
        Flux on the curve of a stretch, without its sign, shape (ny, nx).
    flux : numpy.ndarray of float64
        Flux above the sky, shape (ny, nx), whose sign counts; NaN where a pixel is missing.
    sky_grey : int
        Level of the sky and of a missing pixel.
    range_of_one : float
        Levels between the sky and where the curve is 1.

    Returns
    -------
    numpy.ndarray of uint8
        Shape (ny, nx).
    """
    ny, nx = flux.shape
    grey = np.empty((ny, nx), dtype=np.uint8)
    for y in range(ny):
        for x in range(nx):
            level = np.rint(np.copysign(bent[y, x] * range_of_one, flux[y, x]) + sky_grey)
            level = min(max(level, 0.0), 255.0)
            grey[y, x] = sky_grey if np.isnan(flux[y, x]) else np.uint8(level)
    return grey
