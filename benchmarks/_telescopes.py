"""The galaxies of a dataset as another telescope would have seen them: made from the linear images, not the 8 bits."""

from pathlib import Path

import numpy as np
from PIL import Image
from scipy import fft
from scipy.ndimage import gaussian_filter

from gzmass.images import log_stretch, resample, sky_statistics
from gzmass.simulate import draw_population, galaxy_rng, render_light
from gzmass.simulate.population import measured
from gzmass.simulate.rendering import NATIVE_PIXEL_ARCSEC, noise_sigma, pixel_scale

__all__ = ["real_images", "simulated_images"]

JPEGS = Path(__file__).parents[2] / "shared" / "data" / "galaxy_zoo_2" / "images"
CENTRE = slice(106, 318)  # the part of a JPEG of 424 px that the dataset holds
SEEING_PX = 8.6  # FWHM of 1.36 arcsec on it, of the median galaxy of GZ2 (R90 7.9 arcsec, 0.02 R90 a pixel)
NONLINEARITY = 2.25  # of the asinh of the colour images


def simulated_images(dataset, rows, seeing=1.0, noise=1.0):
    """Render simulated galaxies again with another seeing, and another noise of sky and photons.

    Parameters
    ----------
    dataset : gzmass.datasets.Dataset
        What `gzmass simulate` made.
    rows : numpy.ndarray of int
        The galaxies, shape (n,).
    seeing, noise : float, default 1
        FWHM of the point-spread function, and standard deviation of a pixel, in units of the dataset's own.

    Returns
    -------
    images : numpy.ndarray of uint8
        Shape (n, npix, npix, 1).
    scale : numpy.ndarray of float
        Scale of the stretch, nanomaggies, shape (n,).
    """
    recipe, ids = dataset.info["simulation"], dataset.table["id"].to_numpy()[rows]
    population = draw_population(recipe["n_galaxies"], recipe["seed"]).set_index("id", drop=False).loc[ids]
    found = []
    for galaxy in population.to_dict("records"):
        galaxy["sim_seeing_arcsec"] *= seeing
        rng, pixel = (
            galaxy_rng(recipe["seed"], galaxy["id"], "image"),
            pixel_scale(galaxy["sim_r90_arcsec"], dataset.npix),
        )
        light = render_light(galaxy, dataset.npix, rng)
        residual = measured()["sky"]["residual_nanomaggy"] * rng.standard_normal() * (pixel / NATIVE_PIXEL_ARCSEC) ** 2
        random = rng.standard_normal(light.shape, dtype=np.float32)
        found.append(log_stretch((light + residual + noise * random * noise_sigma(pixel, light)).astype(np.float32)))
    return np.stack([image for image, _ in found])[..., None], np.array([scale for _, scale in found])


def real_images(dataset, rows, seeing=1.0, noise=1.0, same_noise=True):
    """Change the linear g images of ``galaxy_zoo_2``, and resample and stretch them as ``gzmass prepare`` does.

    For a wider point-spread function they are convolved with a Gaussian, and noise is added with the power that the
    convolution took, and so with the texture of the noise of each image, measured in its corners. More noise is noise
    of this texture too. For less noise the image is smoothed until each pixel stands 10 standard deviations above the
    noise, or over 12 px, and the noise is added that is to remain.

    Parameters
    ----------
    dataset : gzmass.datasets.Dataset
        What ``configs/prepare_galaxy_zoo_2_69px.yaml`` made.
    rows : numpy.ndarray of int
        The galaxies, shape (n,).
    seeing : float, default 1
        FWHM of the point-spread function in units of that of the median galaxy, >= 1.
    noise : float, default 1
        Standard deviation of the noise in units of the image's own.
    same_noise : bool, default True
        Whether the noise that a convolution takes is put back.

    Returns
    -------
    images : numpy.ndarray of uint8
        Shape (n, npix, npix, 1).
    scale : numpy.ndarray of float
        Scale of the stretch, shape (n,).
    """
    found = []
    for number in dataset.table["id"].to_numpy()[rows]:
        image = _changed(_linear(JPEGS / f"{number}.jpg"), np.random.default_rng(number), seeing, noise, same_noise)
        found.append(log_stretch(resample(image.astype(np.float32), dataset.npix)))
    return np.stack([image for image, _ in found])[..., None], np.array([scale for _, scale in found])


def _linear(path):
    rgb = np.asarray(Image.open(path), dtype=np.float32) / 255
    mean = np.clip(rgb.mean(axis=2), 1e-3, 0.98)
    return rgb[..., 2] / mean * np.sinh(NONLINEARITY * mean) / NONLINEARITY


def _changed(image, rng, seeing, noise, same_noise):
    power = _noise_power(image)
    centre = image[CENTRE, CENTRE].astype(float)
    if seeing > 1:
        sigma = SEEING_PX / 2.3548 * np.sqrt(seeing**2 - 1)
        centre = gaussian_filter(image.astype(float), sigma)[CENTRE, CENTRE]
        if same_noise:
            k = fft.fftfreq(len(power))
            left = np.exp(-((2 * np.pi * sigma) ** 2) * (k[:, None] ** 2 + k**2))  # of the power
            centre = centre + _noise(power * (1 - left), len(centre), rng)
    if noise > 1:
        centre = centre + _noise(power * (noise**2 - 1), len(centre), rng)
    if noise < 1:
        centre = _smoothed(centre, power) + _noise(power * noise**2, len(centre), rng)
    return centre


def _noise_power(image, side=106):
    """Power spectrum of the noise, from the two corners with the least of it."""
    found = []
    for rows in (slice(0, side), slice(-side, None)):
        for columns in (slice(0, side), slice(-side, None)):
            corner = image[rows, columns] - np.median(image[rows, columns])
            sigma = 1.4826 * np.median(np.abs(corner))
            corner = np.where(np.abs(corner) < 4 * sigma, corner, 0)
            found.append((sigma, np.abs(fft.fft2(corner - corner.mean())) ** 2 / corner.size))
    found.sort(key=lambda one: one[0])
    return (found[0][1] + found[1][1]) / 2


def _noise(power, side, rng):
    kernel = fft.fftshift(fft.ifft2(np.sqrt(power)).real)
    room = (side - len(kernel)) // 2
    kernel = fft.fft2(fft.ifftshift(np.pad(kernel, (room, side - len(kernel) - room))))
    return fft.ifft2(kernel * fft.fft2(rng.standard_normal((side, side)))).real


def _smoothed(image, power):
    sky, sigma = sky_statistics(image)
    result, done = image.copy(), np.zeros(image.shape, dtype=bool)
    for width in (0, 1, 2, 3, 5, 8, 12):
        smooth = gaussian_filter(image, width)
        error = np.std(gaussian_filter(_noise(power, len(image), np.random.default_rng(1)), width)) if width else sigma
        here = ~done & ((smooth - sky > 10 * error) | (width == 12))
        result[here] = smooth[here]
        done |= here
    return gaussian_filter(result, 1)
