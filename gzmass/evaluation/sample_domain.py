"""Whether a whole sample is like the galaxies that a run held out: what no single galaxy shows, many do."""

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp

__all__ = ["compare_samples", "sample_in_words"]

_COLUMNS = ("domain_score", "domain_noise", "domain_blur")
_WORDS = {
    "domain_score": ("stranger to the run", "less strange to the run"),
    "domain_noise": ("noisier", "less noisy"),
    "domain_blur": ("more blurred", "sharper"),
}
_P = 1e-3  # for all columns together
_LEAST = 0.1  # the distance of two distributions that is worth telling, however many galaxies prove it


def compare_samples(predictions, reference):
    """Compare the scores of a sample with those of the validation galaxies (Kolmogorov-Smirnov, two samples).

    A point-spread function that is wider by a quarter can not be seen in a single galaxy, but shifts the scores of all.
    The galaxies may differ for other reasons too: a sample of brighter or larger galaxies has other scores.

    Parameters
    ----------
    predictions : pandas.DataFrame
        With the columns ``domain_score``, ``domain_noise`` and ``domain_blur``.
    reference : mapping of str to numpy.ndarray
        What `gzmass.models.domain_score.load_domain_score` returned: the row of each part in ``reference``, in the
        order features, inputs, noise, blur.

    Returns
    -------
    pandas.DataFrame
        A row a column, by its name: ``n``, ``median`` and ``reference_median``, ``distance`` (the largest difference of
        the two distribution functions), ``p`` (probability of one at least as large for galaxies of the same kind) and
        ``differs``: p below 0.001 over the number of columns, and a distance of at least 0.1.
    """
    parts = np.asarray(reference["reference"], dtype=float)
    expected = dict(zip(_COLUMNS, (np.abs(parts).max(axis=0), parts[2], parts[3]), strict=True))
    lines = {}
    for name in _COLUMNS:
        values = predictions[name].to_numpy(dtype=float)
        values = values[np.isfinite(values)]
        distance, p = ks_2samp(values, expected[name]) if len(values) else (np.nan, np.nan)
        lines[name] = {
            "n": len(values),
            "median": np.median(values) if len(values) else np.nan,
            "reference_median": np.median(expected[name]),
            "distance": distance,
            "p": p,
            "differs": bool(p < _P / len(_COLUMNS) and distance >= _LEAST),
        }
    return pd.DataFrame.from_dict(lines, orient="index")


def sample_in_words(predictions, reference):
    """Say in what a sample differs from the validation galaxies of a run.

    Parameters
    ----------
    predictions : pandas.DataFrame
        As `compare_samples` takes it; without its columns nothing is said.
    reference : mapping of str to numpy.ndarray or None
        As `compare_samples` takes it; None, of a run without scores, says nothing.

    Returns
    -------
    list of str
        A sentence for each column that differs.
    """
    if reference is None or not set(_COLUMNS) <= set(predictions.columns):
        return []
    return [
        f"as a sample these galaxies are {_WORDS[name][int(row['median'] <= row['reference_median'])]} than those that "
        f"the run held out: median {name} {row['median']:+.2f} instead of {row['reference_median']:+.2f}"
        for name, row in compare_samples(predictions, reference).iterrows()
        if row["differs"]
    ]
