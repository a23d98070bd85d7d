"""How the numbers of a report are written: with their errors, and marked where the labels are a proxy."""

from html import escape

import numpy as np

from gzmass.pages import NONE, number

__all__ = ["mark", "share", "suffix", "with_error", "words"]


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
        What `gzmass.evaluation.coverage` returned.

    Returns
    -------
    str
        Plain text.
    """
    return f"{100 * item['coverage']:.1f} ± {100 * item['error']:.1f} %" if item["n"] else NONE


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
