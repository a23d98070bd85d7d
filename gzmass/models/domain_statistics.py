"""What an 8-bit image tells of depth, noise and sharpness, in a few numbers that cost little."""

from itertools import pairwise

import numpy as np
from scipy import fft

__all__ = ["domain_statistics", "sky_of", "to_sigma"]

_MEAN_TO_SIGMA = 1.2533  # sqrt(pi / 2): standard deviation of a Gaussian from its mean deviation
# mean of log(1 + |z| / 6) for a standard Gaussian z: the noise of the sky in the stretch of `gzmass.images.stretch`
_STRETCHED_NOISE = 0.1213 * _MEAN_TO_SIGMA
_WHITE_ABOVE_SKY = 215.0  # grey levels
_LARGEST_CURVE = 12.0  # log(1 + peak / scale) of an image that is brighter than any: noise of a tenth of a grey level
_APERTURES = (0.1, 0.2, 0.35, 0.5)  # of the side
_RINGS = (0.0, 0.5, 1.2, 1.9, 2.6, 3.6, 5.0, 6.5)  # px about the peak
_REACH = 6  # px
_BANDS = (0.03, 0.06, 0.1, 0.14, 0.18, 0.23, 0.28, 0.34, 0.42, 0.5, 0.72)  # cycles per px
_FLOOR = 0.05  # of mean squares, in squared grey levels: rounding alone makes 1/12
_CHUNK = 256  # images, so that the intermediate arrays stay in the cache of a processor


def domain_statistics(images):
    """Measure depth, noise texture and sharpness of images.

    They are logarithms, so that another noise or another point-spread function shifts them by about the same in every
    galaxy: the noise of the sky in grey levels, which is the smaller the further the galaxy stands above it; its level
    and its mean squared differences over 1, 2 and 4 px, which tell how neighbouring pixels are correlated; the light
    within four apertures and the peak, in units of the noise; how the light falls off around the peak; and the power
    spectrum in ten bands, in units of the noise.

    Parameters
    ----------
    images : numpy.ndarray of uint8
        Shape (n, npix, npix, 1), npix at least 8.

    Returns
    -------
    numpy.ndarray of float
        Shape (n, 26), finite.
    """
    parts = [_statistics(images[start : start + _CHUNK, ..., 0]) for start in range(0, len(images), _CHUNK)]
    return np.concatenate(parts) if parts else np.zeros((0, 26))


def sky_of(pixels):
    """Measure the sky in the border of images, its sources clipped.

    Parameters
    ----------
    pixels : numpy.ndarray of float32
        Grey levels, shape (n, npix, npix).

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
    sides = [pixels[:, :width], pixels[:, -width:]]
    sides += [pixels[:, :, :width].transpose(0, 2, 1), pixels[:, :, -width:].transpose(0, 2, 1)]
    strips = np.concatenate(sides, axis=1)
    level = np.median(strips, axis=(1, 2))
    strips -= level[:, None, None]
    deviation = np.abs(strips)
    noise = _MEAN_TO_SIGMA * deviation.mean(axis=(1, 2))
    for _ in range(3):
        kept = deviation <= 3 * np.maximum(noise, 0.5)[:, None, None]
        # 0.986: what the cut at 3 standard deviations takes of the mean deviation of a Gaussian
        noise = _MEAN_TO_SIGMA / 0.986 * np.sum(deviation, axis=(1, 2), where=kept) / kept.sum(axis=(1, 2))
    noise = np.maximum(noise, np.float32(0.3))
    limit = 3 * noise[:, None, None]
    return np.clip(strips, -limit, limit), level, noise


def to_sigma(pixels, level, noise):
    """Undo the stretch, as far as the image itself tells its scale: flux in units of the noise of a pixel.

    Parameters
    ----------
    pixels : numpy.ndarray of float32
        Grey levels, shape (n, npix, npix).
    level, noise : numpy.ndarray of float32
        As `sky_of` gives them, shape (n,).

    Returns
    -------
    numpy.ndarray of float32
        Flux above the sky, shape (n, npix, npix).
    """
    curve = np.minimum(_WHITE_ABOVE_SKY * _STRETCHED_NOISE / noise, _LARGEST_CURVE)
    above = (pixels - level[:, None, None]) * (curve / _WHITE_ABOVE_SKY)[:, None, None].astype(np.float32)
    flux = np.abs(above)
    np.expm1(flux, out=flux)
    flux *= 6
    return np.copysign(flux, above, out=flux)


def _statistics(images):
    pixels = images.astype(np.float32)
    n, npix = pixels.shape[:2]
    strips, level, noise = sky_of(pixels)
    flux = to_sigma(pixels, level, noise)
    columns = [np.log(noise), level, *_texture(strips, noise)]

    y, x = np.indices((npix, npix)) - (npix - 1) / 2
    radius = np.hypot(x, y).ravel()
    inside = np.stack([radius <= share * npix for share in _APERTURES], axis=1)
    light = flux.reshape(n, -1) @ (inside / inside.sum(axis=0)).astype(np.float32)
    columns += list(np.arcsinh(light / 0.1).T)
    columns.append(np.arcsinh(flux[:, npix // 2 - 3 : npix // 2 + 4, npix // 2 - 3 : npix // 2 + 4].max(axis=(1, 2))))
    columns += _profile(flux)
    columns += _power((pixels - level[:, None, None]) / noise[:, None, None])
    return np.stack(columns, axis=1).astype(float)


def _texture(strips, noise):
    """Compare differences over 1 and 2 px, and across, with those over 4, and these with the noise."""
    along = [np.mean((strips[:, :, lag:] - strips[:, :, :-lag]) ** 2, axis=(1, 2)) for lag in (1, 2, 4)]
    far = np.log(along[2] + _FLOOR)
    return [np.log(along[0] + _FLOOR) - far, np.log(along[1] + _FLOOR) - far, far - 2 * np.log(noise)]


def _profile(flux):
    """Measure how the logarithm of the light falls from ring to ring about the brightest pixel of the middle."""
    n, npix = flux.shape[:2]
    room = npix // 8
    low, size = npix // 2 - room, 2 * room + 1
    brightest = flux[:, low : low + size, low : low + size].reshape(n, -1).argmax(axis=1)
    steps = np.arange(-_REACH, _REACH + 1)
    rows = np.clip((low + brightest // size)[:, None, None] + steps[:, None], 0, npix - 1)
    columns = np.clip((low + brightest % size)[:, None, None] + steps, 0, npix - 1)
    around = np.arcsinh(flux[np.arange(n)[:, None, None], rows, columns]).reshape(n, -1)
    radius = np.hypot(steps[:, None], steps).ravel()
    rings = np.stack([(radius >= a) & (radius < b) for a, b in pairwise(_RINGS)], axis=1)
    means = around @ (rings / rings.sum(axis=0)).astype(np.float32)
    return list((means[:, :-1] - means[:, 1:]).T)


def _power(pixels):
    n, npix = pixels.shape[:2]
    window = np.hanning(npix).astype(np.float32)
    window = window[:, None] * window
    spectrum = fft.rfft2(pixels * window, axes=(1, 2), workers=1)
    power = (spectrum.real**2 + spectrum.imag**2).reshape(n, -1) / np.sum(window**2)
    k = np.hypot(fft.fftfreq(npix)[:, None], fft.rfftfreq(npix)).ravel()
    twice = np.where(
        (fft.rfftfreq(npix) == 0) | (fft.rfftfreq(npix) == 0.5), 1, 2
    )  # a column stands for its mirror image too
    bands = np.stack([(k >= a) & (k < b) for a, b in pairwise(_BANDS)], axis=1) * np.tile(twice, npix)[:, None]
    means = power @ (bands / np.maximum(bands.sum(axis=0), 1)).astype(np.float32)
    return list(np.log(means + 0.01).T)
