"""What a table of predictions says of itself: what made it, and what its columns are; and what it does not replace."""

import re
from pathlib import Path

from gzmass._version import __version__
from gzmass.catalogs.pieces import column_names
from gzmass.errors import DataError
from gzmass.models.conventions import LABEL_KEYS

__all__ = ["describe_column", "in_ascii", "provenance", "refuse_other_table"]

# the first pattern that fits the whole name; what is in brackets is the unit
_COLUMNS = {
    "id": "id of the galaxy",
    "ra|dec": "position of the galaxy [deg]",
    "log_ml_g": "log10 of the stellar mass-to-light ratio in solar units [dex]",
    "log_ml_g_sigma": "half of the calibrated 68 % interval [dex]",
    r"log_ml_g_p(\d+)": r"percentile \1 of the calibrated distribution [dex]",
    r"log_ml_g_(lower|upper)_(\d+)": r"\1 end of the calibrated \2 % interval [dex]",
    "log_mstar": "log10 of the stellar mass in solar masses: log_ml_g and log10 of the luminosity [dex]",
    "log_mstar_sigma": "error of log_mstar, without that of the luminosity [dex]",
    ".+_fraction": "of those who are asked the question, the fraction who give this answer",
    ".+_asked": "of all who look at the galaxy, the fraction who are asked the question",
    "domain_score": "how unusual the galaxy is for the run: above 1 it is unlike those of the training",
    "domain_noise": "noise, less or more than in training beyond -1 and 1",
    "domain_blur": "point-spread function, narrower or wider than in training beyond -1 and 1",
    "in_domain": "whether the galaxy is like those of the training",
    "out_of_domain_reason": "what is unlike those of the training",
    "status": "ok, or failed where the image can not be read",
    "status_reason": "why the galaxy could not be predicted",
}


def describe_column(name):
    """Say what a column of a table of predictions is.

    Parameters
    ----------
    name : str
        Its name.

    Returns
    -------
    str or None
        The description, with the unit in brackets where it has one; None for a column that is none of ours.
    """
    for pattern, text in _COLUMNS.items():
        if found := re.fullmatch(pattern, name):
            return found.expand(text)
    return None


def provenance(runs, dataset, split):
    """Say what made a table of predictions.

    Parameters
    ----------
    runs : sequence of gzmass.models.Run
        The run, or those of an ensemble.
    dataset : gzmass.datasets.Dataset
        The galaxies.
    split : str or None
        Which of them.

    Returns
    -------
    dict of str to str
        ``gzmass`` (version), ``runs`` and ``weights`` (their directories, and hashes of their weights), ``dataset``
        (its directory and hash), ``split``, and what the labels of the training mean, as far as it is known: ``band``,
        ``label_kind``, ``imf``, ``solar_magnitude``, ``cosmology``.
    """
    trained = runs[0].card["dataset"]
    known = {name: str(trained[name]) for name in ("band", *LABEL_KEYS) if trained.get(name) is not None}
    return {
        "gzmass": __version__,
        "runs": ", ".join(str(run.path) for run in runs),
        "weights": ", ".join(str(run.card.get("weights_hash")) for run in runs),
        "dataset": f"{dataset.path} ({dataset.info.get('content_hash')})",
        "split": split or "all",
        **known,
    }


def in_ascii(value):
    """Spell out in a text what is not ASCII, which is all that a FITS header holds.

    Parameters
    ----------
    value : object
        A text, or something else.

    Returns
    -------
    object
        The text with escapes as those of Python; something else as it is.
    """
    return value.encode("ascii", "backslashreplace").decode() if isinstance(value, str) else value


def refuse_other_table(path, what, is_ours):
    """Refuse to replace a file that is something else: a slip of the hand may name one's own catalogue.

    Parameters
    ----------
    path : str or pathlib.Path
        The file to write, which may be there.
    what : str
        What it is to be, in words.
    is_ours : callable
        Called with the names of the columns of the file; tells whether it is one.

    Raises
    ------
    DataError
        It is there and is something else.
    """
    path = Path(path)
    if not path.exists():
        return
    try:
        there = column_names(path)
    except DataError:
        there = []
    if not is_ours(there):
        raise DataError(f"{str(path)!r} is there and is no {what}: give another name, or remove it.")
