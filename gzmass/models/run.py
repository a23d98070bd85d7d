"""The run directory: a trained graph with its card, and predictions from arrays."""

import hashlib
import platform
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from zipfile import BadZipFile

import keras
import numpy as np
import pandas as pd
import yaml

from gzmass._version import __version__
from gzmass.calibration.conformal import apply_calibration
from gzmass.engine import fingerprint, write_atomically, write_yaml
from gzmass.errors import DataError
from gzmass.models.columns import assemble
from gzmass.models.domain import out_of_domain
from gzmass.models.domain_score import domain_parts, load_domain_score, save_domain_score
from gzmass.models.domain_statistics import domain_statistics
from gzmass.models.forward import forward, with_features, with_label_error
from gzmass.tree import DecisionTree

__all__ = ["Run", "load_run", "read_card", "run_mark", "save_run", "versions"]


@dataclass(frozen=True)
class Run:
    """A trained graph and what is needed to use it; `load_run` opens one.

    Parameters
    ----------
    path : pathlib.Path
        The run directory.
    model : keras.Model
        The graph of `gzmass.models.build_model`.
    card : dict
        What it was trained on and how: ``card.yaml``.
    """

    path: Path
    model: keras.Model = field(repr=False)
    card: dict = field(repr=False)

    @property
    def runs(self):
        """The run itself, as `gzmass.inference.Ensemble.runs` are the several that predict together.

        Returns
        -------
        tuple of Run
            This one.
        """
        return (self,)

    @property
    def npix(self):
        """Side of the images.

        Returns
        -------
        int
            In pixels.
        """
        return self.card["npix"]

    @property
    def tree(self):
        """The decision tree of the votes.

        Returns
        -------
        DecisionTree or None
            None for a run without a vote head.
        """
        return DecisionTree.from_dict(self.card["tree"]) if self.card["tree"] else None

    @property
    def metadata(self):
        """Names of the metadata columns that the graph takes.

        Returns
        -------
        list of str
            In the order of the input.
        """
        return self.card["metadata"]

    @cached_property
    def graph(self):
        """What predictions are made with.

        Returns
        -------
        model : keras.Model
            The graph, which also gives the features if the run scores galaxies by them.
        arrays : dict of str to numpy.ndarray or None
            By which they are scored (`gzmass.models.domain_score.load_domain_score`).
        """
        arrays = load_domain_score(self.path)
        model = self.model if arrays is None else with_features(self.model)
        model.make_predict_function()  # one for all threads that predict
        return model, arrays

    def predict(self, images, metadata=None, luminosity=None, batch_size=256):
        """Predict M/L, stellar mass and vote fractions.

        Parameters
        ----------
        images : array_like of uint8
            Log-stretched images as in a dataset directory, shape (n, npix, npix, 1) or (n, npix, npix).
        metadata : array_like of float or pandas.DataFrame, optional
            The columns `Run.metadata` in physical units, NaN where missing, shape (n, k); a data frame may have more
            columns: a calibration in groups looks there for what it groups by, and the score of unusual galaxies for
            ``pixel_scale_arcsec`` and ``stretch_scale``. A graph without a metadata input takes
            none.
        luminosity : array_like of float, optional
            Luminosity in the g band [L_sun,g], shape (n,), for the stellar masses; by default the column
            ``luminosity_g`` of the metadata, if it is there.
        batch_size : int, default 256
            Galaxies that go through the graph at once.

        Returns
        -------
        pandas.DataFrame
            One row a galaxy: ``log_ml_g``, ``log_ml_g_sigma``, ``log_ml_g_p16``, ``_p50``, ``_p84``, bounds of the
            calibrated intervals [dex], ``log_mstar`` [log10 M_sun] and ``log_mstar_sigma`` [dex] where a luminosity is
            known, ``<stem>_fraction`` (conditional) and ``<question>_asked``, NaN for questions that nobody had voted
            on in training, ``domain_score``, ``domain_noise``, ``domain_blur``, ``in_domain`` and
            ``out_of_domain_reason``, as far as the graph has the heads and the run the scores.

        Raises
        ------
        DataError
            Images or metadata of another shape or type than the graph takes.
        """
        return self.predictions([self.outputs(images, metadata, batch_size)], self.known(metadata, luminosity))

    def predictions(self, outputs, known):
        """Make the columns of predictions of what the graph gave.

        Parameters
        ----------
        outputs : sequence of dict
            What `Run.outputs` returned, of this one run.
        known : dict of str to numpy.ndarray of float
            What `Run.known` returned.

        Returns
        -------
        pandas.DataFrame
            The columns of `Run.predict`.
        """
        (parts,) = outputs
        mass_to_light = None
        if "log_ml" in parts:
            mass_to_light = apply_calibration(*parts["log_ml"].T, self.card["calibration"], known)
        return assemble(mass_to_light, known.get("luminosity_g"), self.tree, parts, self.card.get("learnt_questions"))

    def outputs(self, images, metadata=None, batch_size=256):
        """Apply the graph, and say what of the input lies outside of what it was trained on.

        Parameters
        ----------
        images : array_like of uint8
            As in `Run.predict`.
        metadata : array_like of float or pandas.DataFrame, optional
            As in `Run.predict`.
        batch_size : int, default 256
            Galaxies that go through the graph at once.

        Returns
        -------
        dict of str to numpy.ndarray
            ``log_ml`` (mean and standard deviation before calibration, the error of a label included) and ``votes`` as
            `gzmass.models.forward.forward` gives them; ``reasons``, shape (n,), as `gzmass.models.domain.out_of_domain`
            gives them; ``domain_parts``, shape (4, n), as `gzmass.models.domain_score.domain_parts` gives them, in a
            run that has them.

        Raises
        ------
        DataError
            Images or metadata of another shape or type than the graph takes.
        """
        images = self._checked_images(images)
        given, metadata = metadata, self._checked_metadata(metadata, len(images))
        model, arrays = self.graph
        with ThreadPoolExecutor(1) as beside:  # the graph, in the time that it leaves a processor idle
            reasons = beside.submit(out_of_domain, self.card["domain"], images, metadata, self.metadata)
            statistics = beside.submit(domain_statistics, images) if arrays is not None else None
            parts = forward(model, images, metadata, self.card["test_time_augmentation"], batch_size)
        if "log_ml" in parts:
            parts["log_ml"] = with_label_error(parts["log_ml"], self.card.get("label_error_dex", 0.0))
        if arrays is not None:
            known, unknown = self.known(given), np.full(len(images), np.nan)
            values = np.stack([unknown, *(known.get(name, unknown) for name in arrays["columns"])], axis=1)[:, 1:]
            features = parts.pop("features")
            parts["domain_parts"] = domain_parts(arrays, features, images, values, statistics.result())
        parts["reasons"] = reasons.result()
        return parts

    def known(self, metadata=None, luminosity=None):
        """Collect what is known of galaxies beside their images.

        Parameters
        ----------
        metadata : array_like of float or pandas.DataFrame, optional
            As in `Run.predict`.
        luminosity : array_like of float, optional
            As in `Run.predict`.

        Returns
        -------
        dict of str to numpy.ndarray of float
            The columns of the metadata by name, and ``luminosity_g``, each of shape (n,).
        """
        if isinstance(metadata, pd.DataFrame):
            columns = {
                name: pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
                for name, values in metadata.items()
                if pd.api.types.is_numeric_dtype(values) or values.dtype == object  # the graph takes numbers in both
            }
        elif metadata is None:
            columns = {}
        else:
            columns = dict(zip(self.metadata, np.asarray(metadata, dtype=float).T, strict=False))
        if luminosity is not None:
            columns["luminosity_g"] = np.asarray(luminosity, dtype=float)
        return columns

    def _checked_images(self, images):
        images = np.asarray(images)
        if images.ndim == 3:
            images = images[..., None]
        if images.dtype != np.uint8 or images.shape[1:] != (self.npix, self.npix, 1):
            raise DataError(
                f"The run {str(self.path)!r} takes 8-bit images of {self.npix} x {self.npix} px. "
                f"Received: {images.dtype} of shape {images.shape}."
            )
        return images

    def _checked_metadata(self, metadata, n):
        if isinstance(metadata, pd.DataFrame):
            if missing := [name for name in self.metadata if name not in metadata]:
                raise DataError(
                    f"The run {str(self.path)!r} needs the metadata column {missing[0]!r}, which is missing."
                )
            for name in self.metadata:
                _check_numbers(self.path, name, metadata[name])
            metadata = metadata[self.metadata].to_numpy(dtype="float32", na_value=np.nan)
        if metadata is None or not self.metadata:
            metadata = np.empty((n, 0))
        metadata = np.asarray(metadata, dtype="float32")
        if metadata.shape != (n, len(self.metadata)):
            raise DataError(
                f"The run {str(self.path)!r} takes the metadata {self.metadata} of {n} images. "
                f"Received: shape {metadata.shape}."
            )
        return metadata


def _check_numbers(path, name, values):
    if pd.api.types.is_numeric_dtype(values):
        return
    wrong = values.notna() & pd.to_numeric(values, errors="coerce").isna()
    if wrong.any():
        raise DataError(
            f"The run {str(path)!r} takes numbers in the metadata column {name!r}. Received: {values[wrong].iloc[0]!r}."
        )


def save_run(path, model, card, domain_arrays=None):
    """Write the graph and its card, the card last: a directory with a card is a finished run.

    Parameters
    ----------
    path : str or pathlib.Path
        The run directory.
    model : keras.Model
        The graph.
    card : dict
        Plain data: what `Run` needs and what a reader wants to know.
    domain_arrays : dict of str to numpy.ndarray, optional
        What `gzmass.models.domain_score.fit_domain_score` returned; without it predictions have no ``domain_score``.

    Returns
    -------
    Run
        The run.
    """
    path = Path(path)
    if domain_arrays is not None:
        save_domain_score(path, domain_arrays)
    card = {**card, "weights_hash": _weights_hash(model)}
    with write_atomically(path / "model.keras") as temporary:
        model.save(temporary)
    write_yaml(path / "card.yaml", card)
    return Run(path, model, card)


def read_card(path):
    """Read what a finished run says of itself; the graph is not opened.

    Parameters
    ----------
    path : str or pathlib.Path
        The run directory.

    Returns
    -------
    dict
        ``card.yaml``.

    Raises
    ------
    DataError
        There is no such directory, it holds no finished run, or ``card.yaml`` is damaged.
    """
    path = Path(path)
    if not path.is_dir():
        what = "is a file, not a run directory" if path.exists() else "does not exist"
        raise DataError(f"The run directory {str(path)!r} {what}.")
    if (path / "dataset.yaml").is_file():
        raise DataError(f"{str(path)!r} is a dataset directory, not a run.")
    for name in ("card.yaml", "model.keras"):
        if not (path / name).is_file():
            raise DataError(
                f"{str(path)!r} holds no finished run: it has no {name}. Start the command that makes it again: it "
                "goes on where it was interrupted."
            )
    try:
        card = yaml.safe_load((path / "card.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DataError(f"The run {str(path)!r} can not be read: {' '.join(str(error).split())}.") from None
    for key in ("kind", "npix", "tree", "metadata", "weights_hash"):
        if not isinstance(card, dict) or key not in card:
            raise DataError(f"The run {str(path)!r} can not be read: its card.yaml has no key {key!r}.")
    return card


def run_mark(path, card):
    """Tell all of a finished run that decides what it predicts, as part of the fingerprint of predictions.

    Parameters
    ----------
    path : str or pathlib.Path
        The run directory.
    card : dict
        Its ``card.yaml``, as `read_card` gives it: with the hash of the weights, the calibration and so on.

    Returns
    -------
    str
        A fingerprint of the card, of the scores of the domain, and of the predictions that an ensemble is calibrated
        by.
    """
    files = [Path(path) / name for name in ("domain_score.npz", "validation.parquet")]
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None for file in files]
    return fingerprint([card, *hashes])


def load_run(path):
    """Open a finished run.

    Parameters
    ----------
    path : str or pathlib.Path
        The run directory that `gzmass pretrain-gz2` or `gzmass finetune-ml` made.

    Returns
    -------
    Run
        The graph, its card, and `Run.predict`.

    Raises
    ------
    DataError
        There is no such directory, or it holds no finished run.
    """
    path, card = Path(path), read_card(path)
    try:
        run = Run(path, keras.saving.load_model(path / "model.keras", compile=False), card)
        _ = run.tree
    except (OSError, ValueError, TypeError, KeyError, BadZipFile) as error:
        raise _unreadable(path, error) from None
    return run


def _unreadable(path, error):
    return DataError(f"The run {str(path)!r} can not be read: {' '.join(str(error).split())}")


def _weights_hash(model):
    total = hashlib.sha256()
    for weight in model.get_weights():
        total.update(np.ascontiguousarray(weight).tobytes())
    return total.hexdigest()[:16]


def versions():
    """Versions of what a result depends on.

    Returns
    -------
    dict of str to str
        Of gzmass, Python, Keras, its backend, and numpy.
    """
    backend = keras.backend.backend()
    version = import_module(backend).__version__  # whatever its package is called: tensorflow, tensorflow-cpu
    return {
        "gzmass": __version__,
        "python": platform.python_version(),
        "keras": keras.__version__,
        "backend": f"{backend} {version}",
        "numpy": np.__version__,
    }
