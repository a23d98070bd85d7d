"""The part of a predictions table that one unit of work makes: rows read and decoded ahead of the network."""

import json
import socket
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gzmass.calibration import QUANTITIES
from gzmass.errors import DataError
from gzmass.inference.reading import Reading, no_galaxies, read_ahead, read_galaxies
from gzmass.inference.rows import judge_stretch, predict_rows

__all__ = ["PART_KEY", "Job", "columns_looked_at", "make_part"]

#: Key of the Parquet footer of a part under which its fingerprint and counts stand.
PART_KEY = b"gzmass_predictions"


@dataclass(frozen=True)
class Job:
    """What is the same for all parts of a table.

    Parameters
    ----------
    runs : tuple of str
        The run directories: one, or those of an ensemble.
    marks : tuple of str
        What decides what they predict, as `gzmass.models.run.run_mark` tells.
    reading : gzmass.inference.reading.Reading
        What is read of the galaxies.
    metadata : tuple of str
        Numerical columns that the predictor looks at.
    kept : tuple of (str, str)
        Columns of the output that come from the input: our name and theirs.
    positions : tuple of (str, str) or None
        Columns of right ascension and declination [deg], from which a HEALPix column is computed that `kept` lacks.
    stretch : dict or None
        How the images were stretched, where it is known.
    mark : str
        Fingerprint of the table.
    """

    runs: tuple
    marks: tuple
    reading: Reading
    metadata: tuple
    kept: tuple
    positions: tuple | None
    stretch: dict | None
    mark: str


def make_part(job, rows, path):
    """Predict the galaxies of a unit and write their part of the table.

    Parameters
    ----------
    job : Job
        What is the same for all parts.
    rows : gzmass.inference.reading.Rows
        Which galaxies.
    path : pathlib.Path
        The Parquet file to write: one row a galaxy, in the order of the input, with ``status`` "ok" or "failed" and
        ``status_reason``; a galaxy that failed has no predictions.

    Raises
    ------
    DataError
        The file of the galaxies is missing or damaged, or the model can not be loaded, which ends the run.
    """
    table = _predict(job, _load(job.runs, job.marks), rows)
    counts = {
        "fingerprint": job.mark,
        "rows": len(table),
        "failed": int((table["status"] == "failed").sum()),
        "outside": int((~table["in_domain"] & (table["status"] == "ok")).sum()),
    }
    table = pa.Table.from_pandas(table, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), PART_KEY: json.dumps(counts).encode()})
    pq.write_table(table, path)


@lru_cache(maxsize=1)
def _load(runs, marks):
    """Open the model, once a process: a worker may outlive the model that it has opened."""
    try:
        return _open(runs, marks)
    except DataError as error:
        error.ends_run = True  # no other unit would fare better
        raise


def _open(runs, marks):
    from gzmass.inference.ensemble import load_ensemble  # noqa: PLC0415  Keras, which reading does without
    from gzmass.models import load_run  # noqa: PLC0415
    from gzmass.models.run import run_mark  # noqa: PLC0415

    opened = [load_run(run) for run in runs]
    for run, wanted in zip(opened, marks, strict=True):
        if run_mark(run.path, run.card) != wanted:
            raise DataError(
                f"The run {str(run.path)!r} is another one on {socket.gethostname()!r} than where the command was "
                "given: it has changed since, or the worker sees other files."
            )
    return opened[0] if len(opened) == 1 else load_ensemble(opened)


def _predict(job, predictor, rows):
    """Predict the galaxies of a unit, and put what stays of the input before the predictions."""
    tables = []

    def galaxies():
        for table, pixels, reasons in read_galaxies(job.reading, rows):
            tables.append(table)
            yield _metadata(job, table), pixels, reasons
        if not tables:
            table, pixels, reasons = no_galaxies(job.reading, rows)
            tables.append(table)
            yield _metadata(job, table), pixels, reasons

    (predicted,) = predict_rows([predictor], read_ahead(galaxies()))
    judge_stretch(predicted, predictor.runs[0], job.stretch)
    table = pd.concat(tables, ignore_index=True)
    first = {"id": table[job.reading.id_column], **{ours: table[theirs] for ours, theirs in job.kept}}
    if job.positions and "_healpix_29" not in first:
        first = {"_healpix_29": _healpix(*(table[name].to_numpy(dtype=float) for name in job.positions)), **first}
    return pd.concat([pd.DataFrame(first), predicted], axis=1)


def _metadata(job, table):
    known = [name for name in job.metadata if name in table]
    # as a dataset hands them on: single precision
    metadata = {name: table[name].to_numpy(dtype="float32", na_value=np.nan) for name in known}
    return pd.DataFrame(metadata, index=table.index)


def _healpix(ra, dec):
    from hats.pixel_math.spatial_index import compute_spatial_index  # noqa: PLC0415  an extra

    return compute_spatial_index(ra, dec)


def columns_looked_at(cards, names):
    """Choose the columns that a predictor looks at.

    Parameters
    ----------
    cards : sequence of dict
        Cards of its runs.
    names : collection of str
        Columns that there are.

    Returns
    -------
    list of str
        Those that the graphs take, whether they are there or not, and those that masses and calibrations need.
    """
    optional = [name for name in ("luminosity_g", "stretch_scale", *QUANTITIES) if name != "log_ml_g" and name in names]
    return list(dict.fromkeys([*(name for card in cards for name in card["metadata"]), *optional]))
