"""Profiles of light on a grid of pixels: Gaussians by the dozen, and Sersic's with elliptical or boxy isophotes."""

from dataclasses import dataclass

import numpy as np
from scipy.special import gamma

__all__ = ["Grid", "blobs", "sersic"]

CORE_PIXELS, CORE_SAMPLES = 2, 5  # pixels around a centre that are integrated, and samples along each of them


@dataclass(frozen=True)
class Grid:
    """Square pixels on which a galaxy is drawn, in units of its R90, with its centre at (0, 0).

    Parameters
    ----------
    x, y : numpy.ndarray of float32
        Centres of the columns and of the rows, shapes (nx,) and (ny,).
    pixel : float
        Side of a pixel.
    """

    x: np.ndarray
    y: np.ndarray
    pixel: float

    def rotated(self, angle_deg, x0=0.0, y0=0.0):
        """Coordinates along and across a direction.

        Parameters
        ----------
        angle_deg : float
            Direction of the first axis, degrees from the rows towards increasing y.
        x0, y0 : float
            Origin.

        Returns
        -------
        along, across : numpy.ndarray of float32
            Each of shape (ny, nx).
        """
        c, s = np.float32(np.cos(np.radians(angle_deg))), np.float32(np.sin(np.radians(angle_deg)))
        x, y = (self.x - np.float32(x0))[None, :], (self.y - np.float32(y0))[:, None]
        return x * c + y * s, y * c - x * s


def blobs(grid, x, y, sigma, flux):
    """Sum of round Gaussians, as a product of two thin matrices.

    Parameters
    ----------
    grid : Grid
        Where to draw.
    x, y, sigma, flux : array_like of float
        Centres, widths and fluxes, each of shape (k,) or a scalar.

    Returns
    -------
    numpy.ndarray of float32
        Flux per pixel, shape (ny, nx).
    """
    x, y, sigma, flux = (np.atleast_1d(a).astype(np.float32)[:, None] for a in np.broadcast_arrays(x, y, sigma, flux))
    sigma = np.maximum(sigma, np.float32(0.6 * grid.pixel))  # below that a sampled Gaussian loses its flux
    columns = np.exp(-0.5 * ((grid.x - x) / sigma) ** 2)
    rows = np.exp(-0.5 * ((grid.y - y) / sigma) ** 2) * (flux * grid.pixel**2 / (2 * np.pi * sigma**2))
    return rows.T @ columns


def sersic(grid, re, axis_ratio, index, angle_deg, x0=0.0, y0=0.0, corner=2.0):
    """Sersic profile of total flux 1.

    Parameters
    ----------
    grid : Grid
        Where to draw.
    re : float
        Semi-major axis of the isophote that holds half of the light, in the unit of the grid.
    axis_ratio : float
        Minor over major axis, 0 to 1.
    index : float
        Sersic index: 1 is exponential, 4 de Vaucouleurs.
    angle_deg : float
        Direction of the major axis, degrees.
    x0, y0 : float, default 0
        Centre.
    corner : float, default 2
        Exponent of the isophotes: 2 makes ellipses, more makes boxes.

    Returns
    -------
    numpy.ndarray of float32
        Flux per pixel, shape (ny, nx), with Prugniel & Simien's (1997) expansion of the constant b; the pixels around
        the centre, where the profile may be a cusp, are integrated.
    """
    b = 2 * index - 1 / 3 + 0.009876 / index
    area = 2 * np.pi * re**2 * axis_ratio * index * b ** (-2 * index) * gamma(2 * index)
    if corner != 2:  # area of a superellipse over that of the ellipse
        area *= 4 * gamma(1 + 1 / corner) ** 2 / gamma(1 + 2 / corner) / np.pi

    def profile(where):
        along, across = where.rotated(angle_deg, x0, y0)
        if corner == 2:
            radius = along**2 + (across / np.float32(axis_ratio)) ** 2
        else:
            radius = (np.abs(along) ** corner + np.abs(across / np.float32(axis_ratio)) ** corner) ** (2 / corner)
        return np.exp(-b * (radius * np.float32(re**-2)) ** np.float32(0.5 / index))

    light = profile(grid)
    column, row = np.abs(grid.x - x0).argmin(), np.abs(grid.y - y0).argmin()
    columns, rows = _window(column, len(grid.x)), _window(row, len(grid.y))
    steps = ((np.arange(CORE_SAMPLES) + 0.5) / CORE_SAMPLES - 0.5) * grid.pixel
    x, y = ((axis[:, None] + steps).ravel().astype(np.float32) for axis in (grid.x[columns], grid.y[rows]))
    fine = profile(Grid(x, y, grid.pixel / CORE_SAMPLES))
    light[rows, columns] = fine.reshape(len(y) // CORE_SAMPLES, CORE_SAMPLES, -1, CORE_SAMPLES).mean(axis=(1, 3))
    return light * np.float32(grid.pixel**2 / area)


def _window(centre, size):
    return slice(max(centre - CORE_PIXELS, 0), min(centre + CORE_PIXELS + 1, size))
