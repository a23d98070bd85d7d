"""The held-out galaxies of a run as it predicts them: with them several runs can be calibrated together."""

from pathlib import Path

import pandas as pd

from gzmass.engine import write_atomically

__all__ = ["read_validation", "write_validation"]

_FILE = "validation.parquet"


def write_validation(path, ids, true, mean, sigma, quantities):
    """Write the galaxies that the intervals of a run were calibrated on.

    Parameters
    ----------
    path : str or pathlib.Path
        The run directory.
    ids : array_like of int or str
        Ids of the galaxies, shape (n,).
    true : array_like of float
        Labels log10 M/L, shape (n,).
    mean, sigma : array_like of float
        Predicted log10 M/L and its standard deviation before calibration [dex], shape (n,).
    quantities : dict of str to array_like of float
        What galaxies can be grouped by, as `gzmass.calibration.choose_calibration` takes it; ``log_ml_g`` is `mean`.
    """
    table = pd.DataFrame({"id": ids, "true_log_ml_g": true, "log_ml_g": mean, "sigma": sigma})
    table = table.assign(**{name: values for name, values in quantities.items() if name not in table})
    with write_atomically(Path(path) / _FILE) as temporary:
        table.to_parquet(temporary, index=False)


def read_validation(path):
    """Read the galaxies that the intervals of a run were calibrated on.

    Parameters
    ----------
    path : str or pathlib.Path
        The run directory.

    Returns
    -------
    pandas.DataFrame or None
        ``id``, ``true_log_ml_g``, ``log_ml_g``, ``sigma`` (before calibration) and what galaxies can be grouped by;
        None for a run without M/L, or one that was made before there was such a table.
    """
    file = Path(path) / _FILE
    return pd.read_parquet(file) if file.is_file() else None
