"""What an 8-bit image tells of depth, noise and sharpness, in a few numbers that cost little."""

from functools import lru_cache
from itertools import pairwise

import numpy as np

from gzmass.models.domain_pixels import flux_of_levels, measure, sky_levels

__all__ = ["domain_statistics", "sky_of", "to_sigma"]

_APERTURES = (0.1, 0.2, 0.35, 0.5)  # of the side
_RINGS = (0.0, 0.5, 1.2, 1.9, 2.6, 3.6, 5.0, 6.5)  # px about the peak
_REACH = 6  # px
_BANDS = (0.03, 0.06, 0.1, 0.14, 0.18, 0.23, 0.28, 0.34, 0.42, 0.5, 0.72)  # cycles per px


def domain_statistics(images):
    """Measure depth, noise texture and sharpness of images.

    They are logarithms, so that another noise or another point-spread function shifts them by about the same in every
    galaxy: the noise of the sky in grey levels, which is the smaller the further the galaxy stands above it; its level
    and its mean squared differences over 1, 2 and 4 px, which tell how neighbouring pixels are correlated; the light
    within four apertures and the peak, in units of the noise; how the light falls off around the peak; and the power
    spectrum in ten bands, in units of the noise.

    Other threads run meanwhile.

    Parameters
    ----------
    images : numpy.ndarray of uint8
        Shape (n, npix, npix, 1), npix at least 8.

    Returns
    -------
    numpy.ndarray of float
        Shape (n, 26), finite.
    """
    return measure(np.ascontiguousarray(images[..., 0]), *_geometry(images.shape[1]))


def sky_of(pixels):
    """Measure the sky in the border of images, its sources clipped.

    Parameters
    ----------
    pixels : numpy.ndarray of uint8
        Shape (n, npix, npix).

    Returns
    -------
    strips : numpy.ndarray of float32
        The four sides, a tenth of the image wide, one below the other, less the level and cut at 3 standard deviations:
        shape (n, 4 width, npix).
    level : numpy.ndarray of float32
        Grey level of the sky, shape (n,).
    noise : numpy.ndarray of float32
        Standard deviation of a pixel in grey levels, >= 0.3, shape (n,).
    """
    width = max(2, round(0.1 * pixels.shape[1]))
    sky = np.array([sky_levels(image, width) for image in pixels], dtype=np.float32).reshape(-1, 2)
    level, noise = sky[:, 0, None, None], sky[:, 1, None, None]
    sides = [pixels[:, :width], pixels[:, -width:]]
    sides += [pixels[:, :, :width].transpose(0, 2, 1), pixels[:, :, -width:].transpose(0, 2, 1)]
    strips = np.concatenate(sides, axis=1) - level
    return np.clip(strips, -3 * noise, 3 * noise), sky[:, 0], sky[:, 1]


def to_sigma(pixels, level, noise):
    """Undo the stretch, as far as the image itself tells its scale: flux in units of the noise of a pixel.

    Parameters
    ----------
    pixels : numpy.ndarray of uint8
        Shape (n, npix, npix).
    level, noise : numpy.ndarray of float
        As `sky_of` gives them, shape (n,).

    Returns
    -------
    numpy.ndarray of float32
        Flux above the sky, shape (n, npix, npix).
    """
    flux = np.empty(pixels.shape, dtype=np.float32)
    for found, image, *sky in zip(flux, pixels, level, noise, strict=True):
        found[:] = flux_of_levels(*sky)[image]
    return flux


@lru_cache(maxsize=4)
def _geometry(npix):
    """Apertures, rings, frequencies and bands, as `gzmass.models.domain_pixels.measure` takes them."""
    half = (npix + 1) // 2
    distance = np.arange(half) + (0.0 if npix % 2 else 0.5)
    times = np.where(distance == 0, 1, 2)  # pixels and frequencies that mirror each other
    limits = [share * npix for share in _APERTURES]
    apertures = np.searchsorted(limits, np.hypot(distance[:, None], distance))
    sizes = np.bincount(apertures.ravel(), (times[:, None] * times).ravel(), len(limits) + 1)[:-1].cumsum()

    steps = np.arange(-_REACH, _REACH + 1)
    rings = np.searchsorted(_RINGS[1:], np.hypot(steps[:, None], steps), side="right")
    ring_sizes = np.bincount(rings.ravel(), minlength=len(_RINGS))

    window = np.hanning(npix)[-half:]
    cycles = np.arange(npix // 2 + 1) / npix
    phase = 2 * np.pi * cycles[:, None] * distance
    waves = tuple((window * wave).astype(np.float32) for wave in (np.cos(phase) * times / 2, np.sin(phase)))

    k = np.hypot(cycles[:, None], cycles).ravel()
    found = np.stack([(k >= a) & (k < b) for a, b in pairwise(_BANDS)])
    bands = np.where(found.any(axis=0), found.argmax(axis=0), len(found))
    mirrored = np.where((cycles == 0) | (cycles == 0.5), 1, 2)
    mirrored = (mirrored[:, None] * mirrored).ravel()
    counts = np.maximum(np.bincount(bands, mirrored, len(found) + 1), 1)
    weights = mirrored / counts[bands] / np.sum(np.hanning(npix)[:, None] ** 2 * np.hanning(npix) ** 2)
    return apertures, sizes, rings, ring_sizes, waves, bands, weights
