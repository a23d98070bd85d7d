"""Galaxies, stars and skies that the tests of images draw."""

import numpy as np


def exponential_disc(side=121, x=None, y=None, peak=40.0, scale=10.0, axis_ratio=0.6, noise=1.0, seed=0):
    """An inclined exponential disc in white noise, its centre in the middle by default; shape (side, side)."""
    x = (side - 1) / 2 if x is None else x
    y = (side - 1) / 2 if y is None else y
    rows, columns = np.mgrid[:side, :side]
    radius = np.hypot(columns - x, (rows - y) / axis_ratio)
    return peak * np.exp(-radius / scale) + noise * np.random.default_rng(seed).normal(size=(side, side))


def add_star(image, x, y, peak, sigma=1.4):
    """Add a Gaussian point source in place."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    image += peak * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    return image
