"""The tables that come with the package: solar magnitudes, surveys, K-corrections, IMFs."""

from functools import cache
from importlib import resources

import yaml

__all__ = ["packaged"]


@cache
def packaged(name):
    """Read a YAML file of `gzmass.catalogs`.

    Parameters
    ----------
    name : str
        Its name, such as ``"surveys.yaml"``.

    Returns
    -------
    dict
        What it holds, the same object each time: not to be changed.
    """
    return yaml.safe_load((resources.files("gzmass.catalogs") / name).read_text(encoding="utf-8"))
