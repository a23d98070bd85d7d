"""Training images as another telescope would have seen them: with more noise, or a wider point-spread function."""

import numpy as np
from scipy import fft

from gzmass.errors import DataError
from gzmass.images import log_stretch
from gzmass.models.domain_statistics import sky_of, to_sigma

__all__ = ["CHANGES", "changed"]

#: More noise, and a wider point-spread function with the noise as it was.
CHANGES = ("noise", "blur")

_NOISE = 2.0  # times the amplitude
_BLUR = 2.75  # px, standard deviation: makes a point-spread function of 2.8 px (FWHM) wider by 2.5
_BEND = 6.0  # standard deviations of the sky at which the stretch bends
_CHUNK = 256  # images


def changed(images, change, blur=1.0):
    """Change images, as far as 8 bits allow it: the stretch is undone, the flux changed, and stretched anew.

    Parameters
    ----------
    images : numpy.ndarray of uint8
        Shape (n, npix, npix, 1).
    change : {"noise", "blur"}
        What is changed. Noise twice as large, with the texture that the sky of the image has; or the flux convolved
        with a Gaussian, to which the noise is added that the convolution took.
    blur : array_like of float, default 1
        Standard deviation of the Gaussian in units of 2.75 px, shape (n,) or one number.

    Returns
    -------
    changed : numpy.ndarray of uint8
        Shape (n, npix, npix, 1); an image that can not be stretched stays as it is.
    scale_ratio : numpy.ndarray of float
        The scale of the stretch in units of that of the unchanged image, shape (n,): 1 where the noise is as it was.
    """
    rng = np.random.default_rng(0)
    blur = np.broadcast_to(np.asarray(blur, dtype=np.float32), len(images))
    result, ratio = images.copy(), np.ones(len(images))
    for start in range(0, len(images), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        for i, flux in enumerate(_changed_flux(images[chunk, ..., 0], change, blur[chunk], rng), start):
            try:
                result[i, ..., 0], scale = log_stretch(flux)
            except DataError:  # blank
                continue
            if change == "noise":
                ratio[i] = scale / _BEND
    return result, ratio


def _changed_flux(images, change, blur, rng):
    """Flux in units of the noise of a pixel of the unchanged image."""
    npix = images.shape[1]
    strips, level, noise = sky_of(images)
    flux = to_sigma(images, level, noise)
    more = _noise_like(strips / noise[:, None, None], npix, rng)
    if change == "noise":
        return flux + more * np.float32(np.sqrt(_NOISE**2 - 1))
    k2 = fft.fftfreq(npix)[:, None] ** 2 + fft.rfftfreq(npix) ** 2
    transfer = np.exp(-2 * (np.pi * _BLUR * blur[:, None, None]) ** 2 * k2)
    spectrum = transfer * fft.rfft2(flux, axes=(1, 2)) + np.sqrt(1 - transfer**2) * fft.rfft2(more, axes=(1, 2))
    return fft.irfft2(spectrum, s=(npix, npix), axes=(1, 2))


def _noise_like(strips, npix, rng):
    """Noise that has the texture of the sky of each image: pieces of its border, turned over and shifted."""
    width = strips.shape[1] // 4
    pieces = []
    for side in rng.integers(4, size=-(-npix // width)):
        piece = strips[:, side * width : (side + 1) * width]
        pieces.append(np.roll(piece[:, :: rng.choice([-1, 1]), :: rng.choice([-1, 1])], rng.integers(npix), axis=2))
    noise = np.concatenate(pieces, axis=1)[:, :npix]
    return noise - noise.mean(axis=(1, 2), keepdims=True)
