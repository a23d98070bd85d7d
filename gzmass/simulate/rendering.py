"""Pictures of simulated galaxies: light in nanomaggies, seeing, neighbours, and the noise of an SDSS g frame."""

import numpy as np
from scipy import fft

from gzmass.catalogs.photometry import ZERO_POINT
from gzmass.errors import ConfigError
from gzmass.simulate.components import galaxy_light
from gzmass.simulate.population import measured
from gzmass.simulate.profiles import Grid, blobs

__all__ = [
    "FIELD_OF_VIEW",
    "MIN_NPIX",
    "NATIVE_PIXEL_ARCSEC",
    "check_npix",
    "noise_sigma",
    "pixel_scale",
    "render",
    "render_light",
]

FIELD_OF_VIEW = 4.24  # side of the cutout in units of R90: the central half of a Galaxy Zoo 2 picture
MIN_NPIX = 16
NATIVE_PIXEL_ARCSEC = 0.396
ELECTRONS_PER_NANOMAGGY = 900.0  # of a 54 s SDSS exposure in g
FINE_PIXEL_ARCSEC = 0.5  # light is drawn on pixels no larger than this, about a third of the seeing
MARGIN = 6  # output pixels drawn around the frame, so that light from outside is blurred in and nothing wraps around
WING_SHARE, WING_WIDTH = 0.12, 2.6  # the wing of the point-spread function and its width, in units of the core's
NEIGHBOURS_PER_ARCMIN2 = 9.0  # stars and galaxies with 17 < g < 23 at high Galactic latitude
FAINTEST, BRIGHTEST, COUNT_SLOPE = 23.0, 17.0, 0.32  # g, mag, and d log N / dm


def pixel_scale(r90_arcsec, npix):
    """Side of a pixel of the cutout.

    Parameters
    ----------
    r90_arcsec : array_like of float
        Petrosian R90, arcsec.
    npix : int
        Pixels along a side.

    Returns
    -------
    numpy.ndarray of float
        Arcsec per pixel: the cutout is 4.24 R90 wide, whatever `npix`.
    """
    return FIELD_OF_VIEW * np.asarray(r90_arcsec) / npix


def noise_sigma(pixel_arcsec, flux=0.0):
    """Noise of a pixel: sky and read-out, independent from pixel to pixel, and the photons of the galaxy.

    Parameters
    ----------
    pixel_arcsec : float
        Side of the pixel, arcsec.
    flux : array_like of float, default 0
        Flux in the pixel, nanomaggies.

    Returns
    -------
    numpy.ndarray of float
        Standard deviation, nanomaggies.
    """
    sky = measured()["sky"]["sigma_nanomaggy"] * pixel_arcsec / NATIVE_PIXEL_ARCSEC
    return np.sqrt(sky**2 + np.maximum(flux, 0) / ELECTRONS_PER_NANOMAGGY)


def render(galaxy, npix, rng):
    """Image of one galaxy as the survey would have taken it.

    Parameters
    ----------
    galaxy : dict or pandas.Series
        A row of `gzmass.simulate.draw_population`.
    npix : int
        Pixels along a side, >= 16.
    rng : numpy.random.Generator
        Random numbers of this galaxy's image; the galaxy and its neighbours do not depend on `npix`, the noise does.

    Returns
    -------
    numpy.ndarray of float32
        Flux per pixel, nanomaggies, sky-subtracted, shape (npix, npix).

    Raises
    ------
    ConfigError
        `npix` is below 16.
    """
    light = render_light(galaxy, npix, rng)
    pixel_arcsec = float(pixel_scale(galaxy["sim_r90_arcsec"], npix))
    residual = (
        measured()["sky"]["residual_nanomaggy"] * rng.standard_normal() * (pixel_arcsec / NATIVE_PIXEL_ARCSEC) ** 2
    )
    noise = rng.standard_normal((npix, npix), dtype=np.float32)
    return (light + residual + noise * noise_sigma(pixel_arcsec, light)).astype(np.float32)


def render_light(galaxy, npix, rng, neighbours=True):
    """Image of one galaxy without noise.

    Parameters
    ----------
    galaxy : dict or pandas.Series
        A row of `gzmass.simulate.draw_population`.
    npix : int
        Pixels along a side, >= 16.
    rng : numpy.random.Generator
        Phases of arms, places of clumps and of neighbours.
    neighbours : bool, default True
        Whether other stars and galaxies are in the picture.

    Returns
    -------
    numpy.ndarray of float32
        Flux per pixel, nanomaggies, shape (npix, npix).

    Raises
    ------
    ConfigError
        `npix` is below 16.
    """
    check_npix(npix)
    galaxy = {name.removeprefix("sim_"): galaxy[name] for name in galaxy.keys()}  # noqa: SIM118 - also a Series
    r90 = float(galaxy["r90_arcsec"])
    scale = float(pixel_scale(r90, npix))
    sampling = int(np.ceil(scale / FINE_PIXEL_ARCSEC))
    size = fft.next_fast_len((npix + 2 * MARGIN) * sampling, real=True)
    pixel = scale / sampling / r90
    first = MARGIN * sampling
    axis = ((np.arange(size) - first + 0.5) * pixel - FIELD_OF_VIEW / 2).astype(np.float32)
    offset = rng.uniform(-0.02, 0.02, 2).astype(np.float32)  # catalogue centres are not perfect
    grid = Grid(axis - offset[0], axis - offset[1], pixel)
    light = galaxy_light(galaxy, grid, rng) * np.float32(galaxy["flux_g"])
    if neighbours:
        light = light + _neighbours(grid, r90, rng)
    light = _blurred(light, float(galaxy["seeing_arcsec"]) / (pixel * r90))
    light = light[first : first + npix * sampling, first : first + npix * sampling]
    light = light.reshape(npix, sampling, npix, sampling).sum(axis=(1, 3))
    return np.maximum(light, 0)  # the rounding of the Fourier transform goes both ways


def check_npix(npix):
    """Refuse a size that can not be rendered.

    Parameters
    ----------
    npix : int
        Pixels along a side.

    Raises
    ------
    ConfigError
        It is not a whole number of at least 16.
    """
    if isinstance(npix, bool) or not isinstance(npix, int | np.integer) or npix < MIN_NPIX:
        raise ConfigError(f"npix must be a whole number of at least {MIN_NPIX}. Received: npix={npix!r}.")


def _blurred(light, fwhm):
    """Convolve with the seeing (core and wing, both Gaussian, so that the transfer function is a product of two)."""
    sigma = fwhm / 2.3548
    rows, columns = fft.fftfreq(light.shape[0]), fft.rfftfreq(light.shape[1])
    transfer = 0
    for share, width in ((1 - WING_SHARE, sigma), (WING_SHARE, sigma * WING_WIDTH)):
        y, x = (np.exp(-2 * (np.pi * width * k) ** 2).astype(np.float32) for k in (rows, columns))
        transfer = transfer + np.float32(share) * y[:, None] * x
    return fft.irfft2(fft.rfft2(light) * transfer, s=light.shape)


def _neighbours(grid, r90, rng):
    """Stars and galaxies that happen to lie in the field, fewer bright ones than faint ones."""
    side = (FIELD_OF_VIEW + 0.4) * r90  # arcsec, a little beyond the frame
    count = rng.poisson(NEIGHBOURS_PER_ARCMIN2 * (side / 60) ** 2)
    x, y = side / r90 * (rng.random((2, count)) - 0.5)
    span = 10 ** (-COUNT_SLOPE * (FAINTEST - BRIGHTEST))
    magnitude = FAINTEST + np.log10(span + (1 - span) * rng.random(count)) / COUNT_SLOPE
    flux = 10 ** (0.4 * (ZERO_POINT - magnitude))
    size = np.where(rng.random(count) < 0.35, 0.0, 0.3 * np.exp(0.5 * rng.standard_normal(count))) / r90
    angle = np.pi * rng.random(count)
    length = 1.6 * size * rng.random(count)
    free = np.hypot(x, y) > 0.6  # what lies on the galaxy itself is an odd feature of its own
    parts = np.array([-1.0, 0.0, 1.0])[:, None]  # an elongated galaxy is three round ones in a row
    x, y = x + parts * length * np.cos(angle), y + parts * length * np.sin(angle)
    every = np.broadcast_to(free, x.shape)
    flux, size = np.broadcast_to(flux / 3, x.shape), np.broadcast_to(size, x.shape)
    return blobs(grid, x[every], y[every], size[every], flux[every])
