"""A few numbers that describe a galaxy image: brightness, size, concentration, asymmetry, Gini and M20."""

import numpy as np
import pandas as pd

__all__ = ["image_statistics", "statistics_of_rows"]

_CHUNK = 1000  # images in memory at once


def image_statistics(images):
    """Describe each image by a few numbers, all measured on the 8-bit pixels about the centre of the image.

    Parameters
    ----------
    images : array_like of uint8
        Square images, shape (n, npix, npix) or (n, npix, npix, 1), npix at least 8.

    Returns
    -------
    pandas.DataFrame
        One row an image: ``sky`` and ``sky_noise`` (median and 1.4826 median absolute deviation of the
        outermost tenth), ``roughness`` (standard deviation of the differences of neighbouring pixels),
        ``total`` and ``central`` (mean of all, and of the central twentieth in radius, above the sky),
        ``peak`` (brightest pixel above the sky), ``r20``, ``r50``, ``r80`` (radii that hold that share of
        the light above the sky, as fractions of npix), ``concentration`` (5 log10 r80 / r20),
        ``asymmetry`` (under rotation by 180 degrees), ``axis_ratio`` and ``size`` (of the second
        moments), ``gini`` and ``m20`` (of the pixels within 2 r50, after Lotz et al. 2004, AJ 128, 163).
        NaN where an image has no light above its sky.
    """
    images = np.asarray(images)
    npix = images.shape[1]
    flat = images.reshape(len(images), npix * npix).astype(np.float32)
    y, x = np.indices((npix, npix), dtype=np.float32).reshape(2, -1) - (npix - 1) / 2
    radius = np.hypot(x, y)
    border = np.maximum(np.abs(x), np.abs(y)) > 0.45 * (npix - 1)
    sky = np.median(flat[:, border], axis=1)
    noise = 1.4826 * np.median(np.abs(flat[:, border] - sky[:, None]), axis=1)
    light = flat - sky[:, None]
    square = light.reshape(-1, npix, npix)
    steps = npix * (npix - 1)
    differences = np.concatenate([np.diff(square, axis=axis).reshape(len(flat), steps) for axis in (1, 2)], axis=1)
    inner = radius <= 0.5 * npix
    columns = {
        "sky": sky,
        "sky_noise": noise,
        "roughness": differences.std(axis=1),
        "total": light.mean(axis=1),
        "central": light[:, radius <= max(0.05 * npix, 1.0)].mean(axis=1),
        "peak": light.max(axis=1, initial=0),
        "asymmetry": _ratio(np.abs(light - light[:, ::-1]).sum(axis=1), 2 * np.abs(light).sum(axis=1)),
    }
    positive = np.where(inner, np.maximum(light, 0), 0)
    columns |= _moments(positive, x / npix, y / npix)
    columns |= _growth(positive, radius, npix)
    columns |= _gini_m20(positive, radius / npix, columns["r50"])
    return pd.DataFrame(columns)


def statistics_of_rows(dataset, rows):
    """Describe the images of some galaxies of a dataset, a thousand at a time.

    Parameters
    ----------
    dataset : gzmass.datasets.Dataset
        The dataset.
    rows : numpy.ndarray of int
        Row numbers, shape (n,).

    Returns
    -------
    numpy.ndarray of float
        The columns of `image_statistics`, shape (n, 15).
    """
    parts = [image_statistics(dataset.images(rows[start : start + _CHUNK])) for start in range(0, len(rows), _CHUNK)]
    return np.concatenate([part.to_numpy() for part in parts]) if parts else np.zeros((0, 15))


def _moments(light, x, y):
    total = light.sum(axis=1)
    xx, yy, xy = (_ratio(light @ moment, total) for moment in (x * x, y * y, x * y))
    spread = np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    mean = (xx + yy) / 2
    return {"axis_ratio": np.sqrt(_ratio(np.maximum(mean - spread, 0), mean + spread)), "size": np.sqrt(mean)}


def _growth(light, radius, npix):
    edges = np.arange(0.5, npix / 2 + 1)
    ring = (np.searchsorted(edges, radius)[:, None] == np.arange(len(edges) + 1)).astype(np.float32)
    growth = np.cumsum(light @ ring, axis=1)
    share = _ratio(growth, growth[:, [-1]])
    outer = np.append(edges, edges[-1] + 1) / npix
    radii = {}
    for percent in (20, 50, 80):
        after = np.argmax(share >= percent / 100, axis=1)
        before = np.maximum(after - 1, 0)
        rows = np.arange(len(light))
        low, high = np.where(after > 0, share[rows, before], 0), share[rows, after]
        start = np.where(after > 0, outer[before], 0)
        radii[f"r{percent}"] = start + (outer[after] - start) * _ratio(percent / 100 - low, high - low)
    return {**radii, "concentration": 5 * np.log10(_ratio(radii["r80"], radii["r20"]))}


def _gini_m20(light, radius, r50):
    gini, m20 = np.full(len(light), np.nan), np.full(len(light), np.nan)
    for i in np.flatnonzero(np.isfinite(r50)):
        inside = radius <= 2 * r50[i]
        value, moment = light[i, inside], light[i, inside] * radius[inside] ** 2
        order = np.argsort(value)
        value, moment = value[order], moment[order]
        n, total = len(value), value.sum()
        if n < 2 or total <= 0 or moment.sum() <= 0:
            continue
        gini[i] = np.sum((2 * np.arange(1, n + 1) - n - 1) * value) / (total * (n - 1))
        brightest = moment[np.cumsum(value[::-1])[::-1] <= 0.2 * total].sum()
        m20[i] = np.log10(max(brightest, 1e-6 * moment.sum()) / moment.sum())
    return {"gini": gini, "m20": m20}


def _ratio(numerator, denominator):
    denominator = np.where(denominator > 0, denominator, np.nan)
    return numerator / denominator
