"""What an interrupted training needs to go on as if nothing had happened: weights, optimizer, history.

Random numbers are not among it: they are set anew at the start of every epoch, from the seed and the epoch.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from gzmass.engine import require_space, write_atomically
from gzmass.errors import ConfigError, DataError

__all__ = ["Checkpoint", "Progress"]


_MARGIN = 2**19  # bytes of a file beside its numbers, and of the small ones that are written with it


@dataclass
class Progress:
    """How far a training has come.

    Parameters
    ----------
    stage : int, default 0
        Index of the stage that is under way.
    epoch : int, default 0
        Epochs of it that are finished.
    history : list of dict, default []
        One dict of numbers for each finished epoch of all stages.
    weights : str or None, default None
        File with the weights and the optimizer after the last epoch.
    best : dict or None, default None
        ``epoch``, ``value`` and ``weights`` of the best epoch of the stage.
    seconds : list of list, default []
        For each finished epoch the index of its stage and how long it took, validation included.
    """

    stage: int = 0
    epoch: int = 0
    history: list = field(default_factory=list)
    weights: str | None = None
    best: dict | None = None
    seconds: list = field(default_factory=list)

    def training_seconds(self):
        """Say how long the training would have taken in one go.

        An epoch that an interruption has cut off counts for nothing, and the first one after each start, in which the
        graph is compiled, as any other: each stage counts as its number of epochs times its median epoch.

        Returns
        -------
        float
            In seconds.
        """
        stages = {}
        for stage, seconds in self.seconds:
            stages.setdefault(stage, []).append(seconds)
        return float(sum(len(epochs) * median(epochs) for epochs in stages.values()))


class Checkpoint:
    """A folder that always holds one whole state of a training.

    Weights are written under a new name first, then ``progress.json``, which names them, is replaced in one step, then
    what it no longer names is removed: whenever the process is killed, the last state that was finished can be read.

    Parameters
    ----------
    path : str or pathlib.Path
        The run directory; the folder is ``checkpoint`` in it, the history ``history.csv`` beside it.
    writes : bool, default True
        Whether this process is the one that writes, of those that train together.
    """

    def __init__(self, path, writes=True):
        self.run, self.writes = Path(path), writes
        self.folder = self.run / "checkpoint"

    def read(self):
        """Read how far the training has come.

        Returns
        -------
        Progress
            The last state that was written; a new one if there is none.

        Raises
        ------
        DataError
            It is damaged.
        """
        file = self.folder / "progress.json"
        if not file.is_file():
            return Progress()
        try:
            return Progress(**json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            raise self._damaged(file) from None

    def write(self, progress, model):
        """Write the state after an epoch.

        Parameters
        ----------
        progress : Progress
            The state; its `weights`, and those of its `best` if they are those of this epoch, are named here.
        model : keras.Model
            The model in training, compiled: its optimizer is saved with it.

        Raises
        ------
        DataError
            The disk has no space for it.
        """
        name = f"stage{progress.stage}-epoch{progress.epoch:04d}"
        progress.weights = f"{name}.weights.h5"
        if progress.best and progress.best["weights"] is None:
            progress.best["weights"] = progress.weights
        if not self.writes:
            with TemporaryDirectory() as nowhere:  # Keras on JAX reads the weights with all processes together
                model.save_weights(Path(nowhere) / progress.weights)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        # HDF5 does not end well when the disk is full
        size = sum(4 * np.prod(v.shape) for v in (*model.variables, *model.optimizer.variables))
        require_space(self.folder / progress.weights, int(size) + _MARGIN)
        with write_atomically(self.folder / progress.weights) as temporary:
            model.save_weights(temporary)
        with write_atomically(self.folder / "progress.json") as temporary:
            temporary.write_text(json.dumps(asdict(progress)), encoding="utf-8")
        self.write_history(progress)
        named = {progress.weights, progress.best["weights"] if progress.best else None}
        # what a kill has cut off goes too: the directory is held, so no other process is writing it
        for file in [*self.folder.glob("stage*.weights.h5"), *self.folder.glob(".partial-*")]:
            if file.name not in named:
                file.unlink()

    def load(self, model, weights):
        """Put a state back into a model.

        Parameters
        ----------
        model : keras.Model
            The model, compiled as it was when the state was written.
        weights : str
            Name of the file.

        Raises
        ------
        ConfigError
            The state is of another network.
        DataError
            The file is damaged.
        """
        try:
            model.load_weights(self.folder / weights)
        except ValueError:  # Keras tells which variable has which shape
            raise ConfigError(
                f"The training in {str(self.run)!r} was begun with another network, of an earlier version of gzmass: "
                "delete the directory, or give another 'out'."
            ) from None
        except (OSError, KeyError):
            raise self._damaged(self.folder / weights) from None

    def _damaged(self, file):
        return DataError(f"{str(file)!r} is damaged: delete the run directory {str(self.run)!r}, and start again.")

    def write_history(self, progress):
        """Write ``history.csv``: the numbers of each epoch.

        Parameters
        ----------
        progress : Progress
            The state.
        """
        if not self.writes:
            return
        with write_atomically(self.run / "history.csv") as temporary:
            pd.DataFrame(progress.history).to_csv(temporary, index=False)
