"""Predictions for the galaxies of a dataset, and the table they are written to."""

from pathlib import Path

import numpy as np
import pandas as pd

from gzmass.engine import write_atomically
from gzmass.errors import DataError
from gzmass.inference.ensemble import Ensemble, load_ensemble
from gzmass.inference.parts import columns_looked_at
from gzmass.inference.provenance import describe_column, in_ascii, provenance, refuse_other_table
from gzmass.inference.reading import read_ahead
from gzmass.inference.rows import judge_stretch, predict_rows, refuse_other_size, refuse_other_tree
from gzmass.models import Run, load_run

__all__ = ["FORMATS", "predict", "predict_with_members", "write_predictions"]

#: Endings of a predictions table and what they stand for.
FORMATS = {".parquet": "parquet", ".csv": "csv", ".ecsv": "ascii.ecsv", ".fits": "fits", ".vot": "votable"}
FORMATS[".xml"] = FORMATS[".votable"] = "votable"

_KEYWORDS = {"label_kind": "LABEL", "solar_magnitude": "SOLARMAG", "cosmology": "COSMO"}  # of FITS: eight letters
_MARKS = {"id", "status", "in_domain"}  # columns of every table of predictions
_CHUNK = 1024  # galaxies whose pixels are decoded while those before them are predicted; as in a row group of a shard


def predict(run, dataset, split=None, out=None, progress=None):
    """Predict M/L, stellar mass and vote fractions of the galaxies of a dataset.

    Parameters
    ----------
    run : gzmass.models.Run, gzmass.inference.Ensemble, str, pathlib.Path or list of these
        A finished run or its directory; an ensemble; or several runs, which are averaged
        (`gzmass.inference.load_ensemble`).
    dataset : gzmass.datasets.Dataset
        The dataset; labels are not looked at.
    split : {"train", "val", "test"}, optional
        Only the galaxies of this split; by default all.
    out : str or pathlib.Path, optional
        A table to write, in the format of its ending (`FORMATS`).
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of galaxies.

    Returns
    -------
    pandas.DataFrame
        ``id``, ``ra`` and ``dec`` where the dataset knows any, the columns of `gzmass.models.Run.predict`, ``status``
        and ``status_reason``: one row a galaxy in the order of the dataset. A galaxy whose image can not be read has
        the status "failed", the reason, and no predictions. ``attrs`` says what made the table
        (`gzmass.inference.provenance.provenance`).

    Raises
    ------
    DataError
        The dataset has images of another size, votes of another tree, or lacks a metadata column that a run needs, the
        split has no galaxies, the runs can not be averaged, the ending of `out` stands for no format, or `out` is there
        and is something else than a table of predictions.
    """
    if out is not None:
        _format(out)
        refuse_other_table(out, "table of predictions", _MARKS.issubset)
    (predictions,) = _predict([_open(run)], dataset, split, progress)
    if out is not None:
        write_predictions(predictions, out)
    return predictions


def predict_with_members(ensemble, dataset, split=None, progress=None):
    """Predict with several runs together and with each alone, for the time of one of these.

    Parameters
    ----------
    ensemble : gzmass.inference.Ensemble
        The runs.
    dataset : gzmass.datasets.Dataset
        The dataset.
    split : {"train", "val", "test"}, optional
        Only the galaxies of this split; by default all.
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of galaxies.

    Returns
    -------
    together : pandas.DataFrame
        What `predict` returns for the ensemble.
    members : list of pandas.DataFrame
        What it returns for each of its runs.

    Raises
    ------
    DataError
        As in `predict`.
    """
    together, *members = _predict([ensemble, *ensemble.runs], dataset, split, progress)
    return together, members


def _predict(predictors, dataset, split, progress):
    """Predict with each; the first has all runs of the others."""
    runs = predictors[0].runs
    refuse_other_size(runs[0].path, runs[0].card, dataset.npix, str(dataset.path))
    for one in runs:
        refuse_other_tree(one.path, one.card, dataset.info.get("tree_hash"), str(dataset.path))
    rows = dataset.require_rows(split)
    columns = columns_looked_at([run.card for run in runs], dataset.table)
    table = pd.DataFrame(dataset.metadata(columns, rows), columns=columns)
    chunks = [slice(start, start + _CHUNK) for start in range(0, len(rows), _CHUNK)]
    galaxies = read_ahead((table.iloc[chunk], *dataset.readable_images(rows[chunk])) for chunk in chunks)
    tables = predict_rows(predictors, galaxies, progress and (lambda done: progress(done, len(rows))))
    return [_finished(own, one.runs, dataset, split, rows) for own, one in zip(tables, predictors, strict=True)]


def _finished(predictions, runs, dataset, split, rows):
    """Add which galaxies these are and what made the table, and mark those that were stretched in another way."""
    predictions.insert(0, "id", dataset.table["id"].to_numpy()[rows])
    for name in ("dec", "ra"):
        if name in dataset.table and dataset.table[name].notna().any():
            predictions.insert(1, name, dataset.table[name].to_numpy()[rows])
    predictions.attrs = provenance(runs, dataset, split)
    judge_stretch(predictions, runs[0], dataset.info.get("stretch"))
    return predictions


def _open(run):
    if isinstance(run, Run | Ensemble):
        return run
    if isinstance(run, str | Path):
        return load_run(run)
    runs = list(run)
    return load_ensemble(runs) if len(runs) > 1 else _open(runs[0])


def write_predictions(predictions, path):
    """Write a predictions table in the format of the ending of its name, with all that it says of itself.

    FITS, VOTable and ECSV hold what each column is, with its unit, and what made the table (keywords of the header, of
    the table); Parquet the latter in the metadata of pandas; CSV has a place for neither. An existing file is replaced
    only if it is a table of predictions.

    Parameters
    ----------
    predictions : pandas.DataFrame
        What `predict` returned.
    path : str or pathlib.Path
        The file: ``.parquet``, ``.csv``, ``.ecsv``, ``.fits``, ``.vot``, ``.xml`` or ``.votable``.

    Raises
    ------
    DataError
        The ending stands for no format, the file is there and is something else, or FITS is to hold an id that is not
        ASCII.
    """
    path = Path(path)
    kind = _format(path)
    refuse_other_table(path, "table of predictions", _MARKS.issubset)
    with write_atomically(path) as temporary:
        if kind == "parquet":
            predictions.to_parquet(temporary, index=False)
        elif kind == "csv":
            predictions.to_csv(temporary, index=False)
        else:
            try:
                _astropy_table(predictions, kind).write(temporary, format=kind)
            except UnicodeEncodeError as error:
                raise DataError(
                    f"The predictions can not be written to {str(path)!r}: FITS holds no {str(error.object)!r}, which "
                    "is not ASCII; take .parquet or .ecsv."
                ) from None


def _format(path):
    ending = Path(path).suffix.lower()
    if ending not in FORMATS:
        raise DataError(
            f"The predictions can not be written to {str(path)!r}: allowed endings are {', '.join(FORMATS)}."
        )
    return FORMATS[ending]


def _astropy_table(predictions, kind):
    from astropy import units  # noqa: PLC0415 -- slow to load, and only these formats need it
    from astropy.table import Table  # noqa: PLC0415

    dex = {"log_mstar": units.dex(units.M_sun), "log_mstar_sigma": units.dex, "ra": units.deg, "dec": units.deg}
    columns = {}
    for name in predictions:
        values = predictions[name].to_numpy()
        if not (np.issubdtype(values.dtype, np.number) or values.dtype == bool):
            values = values.astype(str)
        columns[name] = values
    made = predictions.attrs
    if kind == "fits":
        # a header holds ASCII alone: what is written elsewhere is spelled out
        made = {_KEYWORDS.get(key, key.upper()): in_ascii(value) for key, value in made.items()}
    elif kind == "votable":  # a table has a description and no keywords
        made = {"description": "; ".join(f"{key}: {value}" for key, value in made.items())} if made else {}
    table = Table(columns, meta=made)
    for name in table.colnames:
        unit = units.dex if name.startswith("log_ml_g") else dex.get(name)
        table[name].description = describe_column(name)
        # the unit strings of FITS and VOTable have no dex, which stands in the description
        if unit is not None and (kind == "ascii.ecsv" or unit == units.deg):
            table[name].unit = unit
    return table
