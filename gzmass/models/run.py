"""The run directory: a trained graph with its card, and predictions from arrays."""

import hashlib
import platform
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import yaml

from gzmass._version import __version__
from gzmass.engine import write_atomically
from gzmass.errors import DataError
from gzmass.evaluation.calibration import apply_calibration, stellar_mass
from gzmass.models.domain import out_of_domain
from gzmass.tree import DecisionTree

__all__ = ["Run", "forward", "load_run", "save_run", "versions"]


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

    def predict(self, images, metadata=None, luminosity=None, batch_size=256):
        """Predict M/L, stellar mass and vote fractions.

        Parameters
        ----------
        images : array_like of uint8
            Log-stretched images as in a dataset directory, shape (n, npix, npix, 1) or (n, npix, npix).
        metadata : array_like of float or pandas.DataFrame, optional
            The columns `Run.metadata` in physical units, NaN where missing, shape (n, k); a data frame may have more
            columns. A graph without a metadata input takes none.
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
            known, ``<stem>_fraction`` (conditional), ``<question>_asked``, ``in_domain`` and
            ``out_of_domain_reason``, as far as the graph has the heads.

        Raises
        ------
        DataError
            Images or metadata of another shape or type than the graph takes.
        """
        images = self._checked_images(images)
        table = metadata if isinstance(metadata, pd.DataFrame) else None
        metadata = self._checked_metadata(metadata, len(images))
        outputs = forward(self.model, images, metadata, self.card["test_time_augmentation"], batch_size)
        columns = {}
        if "log_ml" in outputs:
            mean, sigma = outputs["log_ml"].T
            columns.update(apply_calibration(mean, sigma, self.card["calibration"]))
            if luminosity is None:
                if table is not None and "luminosity_g" in table:
                    luminosity = table["luminosity_g"].to_numpy(dtype=float)
                elif "luminosity_g" in self.metadata:
                    luminosity = metadata[:, self.metadata.index("luminosity_g")]
                else:
                    luminosity = np.full(len(images), np.nan)
            columns["log_mstar"], columns["log_mstar_sigma"] = stellar_mass(
                columns["log_ml_g"], columns["log_ml_g_sigma"], luminosity
            )
        if "votes" in outputs:
            tree, fractions = self.tree, outputs["votes"]
            asked = tree.asked(fractions)
            columns.update({f"{stem}_fraction": fractions[:, k] for k, stem in enumerate(tree.stems)})
            columns.update({f"{q.name}_asked": asked[:, k] for k, q in enumerate(tree.questions)})
        reasons = out_of_domain(self.card["domain"], images, metadata, self.metadata)
        columns["in_domain"] = reasons == ""
        columns["out_of_domain_reason"] = reasons
        return pd.DataFrame(columns)

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
            metadata = metadata[self.metadata].to_numpy(dtype="float32")
        if metadata is None or not self.metadata:
            metadata = np.empty((n, 0))
        metadata = np.asarray(metadata, dtype="float32")
        if metadata.shape != (n, len(self.metadata)):
            raise DataError(
                f"The run {str(self.path)!r} takes the metadata {self.metadata} of {n} images. "
                f"Received: shape {metadata.shape}."
            )
        return metadata


def forward(model, images, metadata=None, n_orientations=1, batch_size=256):
    """Apply a graph to images, averaged over orientations.

    Parameters
    ----------
    model : keras.Model
        The graph.
    images : numpy.ndarray of uint8
        Shape (n, npix, npix, 1).
    metadata : numpy.ndarray of float32, optional
        Shape (n, k); not looked at if the graph has no metadata input.
    n_orientations : {1, 4, 8}, default 1
        The image as it is; in its four rotations by a right angle; also mirrored.
    batch_size : int, default 256
        Galaxies that go through the graph at once.

    Returns
    -------
    dict of str to numpy.ndarray of float
        ``votes``: conditional probabilities, shape (n, n_answers), the mean over the orientations. ``log_ml``: mean and
        standard deviation of log10 M/L [dex], shape (n, 2), those of the mixture of the orientations; a graph without
        uncertainty has the standard deviation 1.
    """
    inputs = {}
    if "metadata" in model.input:
        inputs["metadata"] = metadata
    sums = {}
    for orientation in range(n_orientations):
        turned = np.rot90(images, orientation % 4, axes=(1, 2))
        inputs["image"] = np.ascontiguousarray(turned[:, :, ::-1] if orientation >= 4 else turned)
        for name, output in model.predict(inputs, batch_size=batch_size, verbose=0).items():
            for moment, values in _moments(name, output.astype(float)).items():
                sums[name, moment] = sums.get((name, moment), 0.0) + values / n_orientations
    outputs = {}
    if ("votes", "probability") in sums:
        n_answers = model.get_layer("morphology").get_layer("votes").tree.n_answers
        outputs["votes"] = sums["votes", "probability"][:, :n_answers]
    if ("log_ml", "mean") in sums:
        mean = sums["log_ml", "mean"]
        variance = np.ones_like(mean)
        if ("log_ml", "square") in sums:
            variance = np.maximum(sums["log_ml", "square"] - mean**2, 1e-12)
        outputs["log_ml"] = np.stack([mean, np.sqrt(variance)], axis=1)
    return outputs


def _moments(name, output):
    if name == "votes":
        return {"probability": np.exp(output)}
    moments = {"mean": output[:, 0]}
    if output.shape[1] == 2:
        moments["square"] = output[:, 0] ** 2 + np.exp(2 * output[:, 1])
    return moments


def save_run(path, model, card):
    """Write the graph and its card, the card last: a directory with a card is a finished run.

    Parameters
    ----------
    path : str or pathlib.Path
        The run directory.
    model : keras.Model
        The graph.
    card : dict
        Plain data: what `Run` needs and what a reader wants to know.

    Returns
    -------
    Run
        The run.
    """
    path = Path(path)
    card = {**card, "weights_hash": _weights_hash(model)}
    with write_atomically(path / "model.keras") as temporary:
        model.save(temporary)
    with write_atomically(path / "card.yaml") as temporary:
        temporary.write_text(yaml.safe_dump(card, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return Run(path, model, card)


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
    path = Path(path)
    if not path.is_dir():
        raise DataError(f"The run directory {str(path)!r} does not exist.")
    for name in ("card.yaml", "model.keras"):
        if not (path / name).is_file():
            raise DataError(
                f"{str(path)!r} holds no finished run: it has no {name}. Start the command that makes it again: it "
                "goes on where it was interrupted."
            )
    try:
        card = yaml.safe_load((path / "card.yaml").read_text(encoding="utf-8"))
        model = keras.saving.load_model(path / "model.keras", compile=False)
        run = Run(path, model, card)
        _ = run.card["kind"], run.npix, run.tree, run.metadata
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        raise DataError(f"The run {str(path)!r} can not be read: {' '.join(str(error).split())}") from None
    return run


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
