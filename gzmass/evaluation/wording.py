"""How the numbers of a report are written: with their errors, and marked where the labels are a proxy."""

import re
from html import escape

import numpy as np

from gzmass.pages import NONE, number

__all__ = ["label_band", "mark", "mean_of", "own_name", "share", "span", "suffix", "with_error", "words"]

_UNITS = {"radius": "kpc", "angular radius": "arcsec", "luminosity": "L\N{SUN}"}


def with_error(numbers, key, *, sign=False):
    """Write a number with its error, if it has one.

    Parameters
    ----------
    numbers : dict
        Numbers; the error is that with the ending ``_error``.
    key : str
        Name of the number.
    sign : bool, default False
        Whether to write the sign of a positive number.

    Returns
    -------
    str
        Plain text.
    """
    value, error = number(numbers[key], sign=sign), numbers.get(f"{key}_error")
    return f"{value} ± {error:.3f}" if error is not None and np.isfinite(error) else value


def share(item):
    """Write a coverage in percent.

    Parameters
    ----------
    item : dict
        What `gzmass.calibration.coverage` returned.

    Returns
    -------
    str
        Plain text.
    """
    return f"{100 * item['coverage']:.1f} ± {100 * item['error']:.1f} %" if item["n"] else NONE


def label_band(info):
    """Name the band that M/L and luminosities of a dataset belong to, which need not be that of the images.

    Parameters
    ----------
    info : dict
        ``dataset.yaml``.

    Returns
    -------
    str
        That of its convention; where it states none the letter in the name of the band of the images, or that name.
    """
    band = (info.get("convention") or {}).get("band") or info.get("band") or "g"
    letter = re.search(r"\b[ugrizyJHK]\b", str(band))
    return letter[0] if letter else str(band)


def mean_of(votes):
    """Say what the mean votes are that a run is held against.

    Parameters
    ----------
    votes : dict
        What `gzmass.evaluation.measure.measure_votes` returned.

    Returns
    -------
    str
        In words.
    """
    return "the training set" if votes["mean_from"] == "train" else "the scored galaxies themselves"


def span(quantity, low, high):
    """Write from where to where a group of galaxies reaches.

    Parameters
    ----------
    quantity : str
        What they are grouped by.
    low, high : float
        Its ends.

    Returns
    -------
    str
        Plain text, with the unit.
    """
    unit = _UNITS.get(quantity)
    text = f"{low:.3g} to {high:.3g}".replace("-", "\N{MINUS SIGN}")
    return f"{text} {unit}" if unit else text


def suffix(numbers):
    """Say in plain text that labels are a proxy.

    Parameters
    ----------
    numbers : dict
        What `gzmass.evaluation.evaluate` returns.

    Returns
    -------
    str
        Empty for measured labels.
    """
    return " (proxy labels)" if numbers["label_kind"] == "proxy" else ""


def own_name(card):
    """Tell how the predictor is called beside others.

    Parameters
    ----------
    card : dict or None
        Its card; that of an ensemble has the key ``ensemble``.

    Returns
    -------
    str
        Plain text.
    """
    return "together" if card and card.get("ensemble") else "this run"


def mark(numbers):
    """Say in HTML that labels are a proxy.

    Parameters
    ----------
    numbers : dict
        What `gzmass.evaluation.evaluate` returns.

    Returns
    -------
    str
        Empty for measured labels.
    """
    return ' <span class="proxy">(proxy labels)</span>' if numbers["label_kind"] == "proxy" else ""


def words(name):
    """Write a key in words.

    Parameters
    ----------
    name : str
        The key.

    Returns
    -------
    str
        HTML.
    """
    return escape(str(name).replace("_", " "))
