"""The features that a trunk sees in the images of a dataset, and the table they are written to."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np
import pandas as pd

from gzmass.engine import partial_name, remove_left_behind, require_space
from gzmass.errors import DataError
from gzmass.inference.feature_files import FORMATS, MOST_IN_FITS, write_feature_file
from gzmass.inference.provenance import refuse_other_table
from gzmass.inference.rows import refuse_other_size
from gzmass.models import Run, build_model, load_run

__all__ = ["features", "write_features"]

_CHUNK = 4096  # galaxies whose pixels and features are in memory at once
_MAX_JUDGED = 20_000  # training galaxies on which a neuron must vary
_COLOUR_TRUNK = "resnet34"  # the one with weights that were learnt on other images than galaxies
_ORIENTATIONS = 4  # of its features; a run has its own number


def features(run, dataset, rows=None, keep_constant=False, progress=None):
    """Compute the features of galaxies: the output of the trunk, on which the heads of a run are built.

    They are the mean over the orientations of the image that the run predicts with (four for weights that are no run).
    A neuron that has the same value for all training galaxies of the dataset says nothing and is dropped; of more than
    20,000 training galaxies that many are judged by, and where there are none, the galaxies asked for.

    Parameters
    ----------
    run : gzmass.models.Run, str or pathlib.Path
        A finished run or its directory; or ``"resnet34:WEIGHTS"``, a trunk that has seen no galaxies, with weights as
        `gzmass.models.resnet.load_imagenet` takes them: ``"resnet34:hf://timm/resnet34.a1_in1k"``.
    dataset : gzmass.datasets.Dataset
        The dataset; labels are not looked at.
    rows : str or array_like of int, optional
        Name of a split or row numbers; by default all galaxies.
    keep_constant : bool, default False
        Whether all neurons are kept, so that tables of several datasets have the same columns.
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of galaxies.

    Returns
    -------
    pandas.DataFrame
        ``id`` and ``feature_###``, float32, one row a galaxy in the order of `rows`. The number in a name is that of
        the neuron in the trunk, from 0. Its ``attrs`` record ``trunk`` (where the weights come from), ``weights_hash``
        (of a run), ``n_neurons``, ``dropped`` (the numbers of the neurons that are left out), ``n_judged`` (galaxies
        that this was judged on) and ``n_orientations``.

    Raises
    ------
    ConfigError
        The weights can not be had.
    DataError
        There is no such run or no galaxy, or the dataset has images of another size or stretch than the run was trained
        on.
    """
    trunk, rows = _open_trunk(run, dataset), _row_numbers(dataset, rows)
    values = np.empty((len(rows), trunk.n_neurons), dtype=np.float32)
    kept, record = _compute(trunk, dataset, rows, values, keep_constant, progress)
    table = pd.DataFrame(values[:, kept], columns=_names(kept, trunk.n_neurons))
    table.insert(0, "id", dataset.table["id"].to_numpy()[rows])
    table.attrs = record
    return table


def write_features(run, dataset, out, rows=None, keep_constant=False, progress=None):
    """Write the features of galaxies to a table, with memory that does not grow with their number.

    All neurons go to a scratch file beside the table first, as which of them are dropped is known at the end. A Parquet
    table has a row group for every 4,096 galaxies.

    Parameters
    ----------
    run : gzmass.models.Run, str or pathlib.Path
        As in `features`.
    dataset : gzmass.datasets.Dataset
        The dataset.
    out : str or pathlib.Path
        The table: ``.parquet``, ``.fits`` or ``.csv``, with the columns of `features`. Parquet has its record in the
        schema's metadata under ``gzmass``, FITS in the comments of the table's header; in CSV the numbers that are
        missing in the names of the columns tell what was dropped.
    rows : str or array_like of int, optional
        Name of a split or row numbers; by default all galaxies.
    keep_constant : bool, default False
        Whether all neurons are kept.
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of galaxies.

    Returns
    -------
    dict
        The record of `features`, with ``n_galaxies``.

    Raises
    ------
    ConfigError
        The weights can not be had.
    DataError
        As in `features`; or the ending of `out` stands for no format, FITS is to hold an id that is not ASCII, or `out`
        is there and is something else than a table of features.
    """
    out = Path(out)
    if out.suffix.lower() not in FORMATS:
        raise DataError(f"The features can not be written to {str(out)!r}: allowed endings are {', '.join(FORMATS)}.")
    refuse_other_table(out, "table of features", lambda names: names[:1] == ["id"] and "feature_" in "".join(names))
    trunk, rows = _open_trunk(run, dataset), _row_numbers(dataset, rows)
    if out.suffix.lower() == ".fits" and trunk.n_neurons > MOST_IN_FITS:
        raise DataError(
            f"The features can not be written to {str(out)!r}: the trunk has {trunk.n_neurons} neurons, and a FITS "
            f"table holds at most {MOST_IN_FITS} of them; take .parquet."
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    remove_left_behind(out.parent)
    with TemporaryDirectory(dir=out.parent, prefix=partial_name("features-"), ignore_cleanup_errors=True) as scratch:
        shape = (len(rows), trunk.n_neurons)
        file = Path(scratch) / "all.npy"
        require_space(file, 4 * shape[0] * shape[1])  # a memory map ends the process where the space runs out
        values = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=shape)
        kept, record = _compute(trunk, dataset, rows, values, keep_constant, progress)
        ids = dataset.table["id"].to_numpy()[rows]
        chunks = ((ids[part], values[part][:, kept]) for part in _parts(0, len(rows)))
        write_feature_file(out, chunks, len(rows), ids, _names(kept, trunk.n_neurons), record)
        del values, chunks
    return {"n_galaxies": len(rows), **record}


@dataclass(frozen=True)
class _Trunk:
    model: keras.Model
    n_orientations: int
    record: dict

    @property
    def n_neurons(self):
        return self.model.output_shape[-1]

    def __call__(self, images):
        total = np.zeros((len(images), self.n_neurons), dtype=np.float32)
        for orientation in range(self.n_orientations):
            turned = np.rot90(images, orientation % 4, axes=(1, 2))
            turned = np.ascontiguousarray(turned[:, :, ::-1] if orientation >= 4 else turned)
            total += self.model.predict(turned, batch_size=256, verbose=0)
        return total / self.n_orientations


def _open_trunk(run, dataset):
    name, _, weights = str(run).partition(":")
    if name == _COLOUR_TRUNK and weights:
        graph = build_model(dataset.npix, trunk=name, weights=weights, heads=("log_ml",))
        return _Trunk(graph.get_layer("trunk"), _ORIENTATIONS, {"trunk": str(run), "weights_hash": None})
    run = run if isinstance(run, Run) else load_run(run)
    refuse_other_size(run.path, run.card, dataset.npix, str(dataset.path))
    trained, here = run.card["dataset"].get("stretch"), dataset.info.get("stretch")
    if here not in (None, trained):  # of images that came from elsewhere it is not known: they are taken for the same
        raise DataError(
            f"The run {str(run.path)!r} was trained on images with the stretch {trained}, those of "
            f"{str(dataset.path)!r} have {here}: its features mean nothing there."
        )
    record = {"trunk": str(run.path), "weights_hash": run.card["weights_hash"]}
    return _Trunk(run.model.get_layer("trunk"), run.card["test_time_augmentation"], record)


def _row_numbers(dataset, rows):
    if rows is None or isinstance(rows, str):
        return dataset.require_rows(rows)
    rows = np.asarray(rows, dtype=np.int64)
    if not len(rows) or len(np.unique(rows)) < len(rows):
        raise DataError(
            f"Features are computed of at least one galaxy of the dataset {str(dataset.path)!r}, and of each once. "
            f"Received: {len(rows)} rows, {len(np.unique(rows))} of them different."
        )
    return rows


def _compute(trunk, dataset, rows, values, keep_constant, progress):
    """Fill `values` with the features of the rows; tell which neurons are kept, and the record."""
    judged = _judged(dataset, rows, keep_constant)
    # first and in batches of their own: rounding depends on the batch, and what is dropped must not depend on the rows
    galaxies = np.concatenate([judged, np.setdiff1d(rows, judged)])
    place = np.full(len(dataset), -1)
    place[rows] = np.arange(len(rows))
    low, high = np.full(trunk.n_neurons, np.inf), np.full(trunk.n_neurons, -np.inf)
    done = 0
    for part in [*_parts(0, len(judged)), *_parts(len(judged), len(galaxies))]:
        found = trunk(dataset.images(galaxies[part]))
        to = place[galaxies[part]]
        values[to[to >= 0]] = found[to >= 0]
        if part.start < len(judged):
            low, high = np.minimum(low, found.min(axis=0)), np.maximum(high, found.max(axis=0))
        done += len(found)
        if progress:
            progress(done, len(galaxies))
    kept = np.arange(trunk.n_neurons) if keep_constant else np.flatnonzero(low < high)
    if not len(kept):
        raise DataError(
            f"The trunk of {trunk.record['trunk']!r} gives all {len(judged)} galaxies of {str(dataset.path)!r} the "
            f"same {trunk.n_neurons} features: it tells nothing apart."
        )
    dropped = np.setdiff1d(np.arange(trunk.n_neurons), kept).tolist()
    judgement = {"n_neurons": trunk.n_neurons, "dropped": dropped, "n_judged": len(judged)}
    return kept, {**trunk.record, **judgement, "n_orientations": trunk.n_orientations}


def _judged(dataset, rows, keep_constant):
    if keep_constant:
        return np.zeros(0, dtype=np.int64)
    judged = dataset.rows("train")
    judged = judged if len(judged) else np.sort(rows)
    if len(judged) > _MAX_JUDGED:
        judged = np.sort(np.random.default_rng(0).choice(judged, _MAX_JUDGED, replace=False))
    return judged


def _parts(start, end):
    return [slice(first, min(first + _CHUNK, end)) for first in range(start, end, _CHUNK)]


def _names(neurons, n_neurons):
    width = max(3, len(str(n_neurons - 1)))
    return [f"feature_{neuron:0{width}d}" for neuron in neurons]
