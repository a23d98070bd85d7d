"""Learning rate from the history, the time that a training took, and weights of another network."""

import shutil

import keras
import pytest

from gzmass.config import StageConfig
from gzmass.errors import ConfigError, DataError
from gzmass.training.checkpoint import Checkpoint, Progress
from gzmass.training.stages import _Recorder, plateau_rate


@pytest.mark.parametrize(
    ("values", "rate"),
    [
        ([], 1.0),
        ([3, 2, 1], 1.0),
        ([1, 1, 1], 1.0),
        ([1, 1, 1, 1], 0.3),
        ([1, 2, 2, 2, 2, 2], 0.3),
        ([1, 2, 2, 2, 2, 2, 2], 0.09),
        ([1, 0.99995, 0.99993, 0.99991], 0.3),  # less than min_delta below the best is no progress
        ([1, 1, 1, 0.5, 1, 1, 1], 0.3),
    ],
)
def test_the_rate_falls_when_the_loss_does_not(values, rate):
    assert plateau_rate(values, 1.0) == pytest.approx(rate)


def test_an_interruption_and_the_compilation_do_not_count_as_training_time():
    # two stages; the first epoch of each, and the one after a new start, took longer
    seconds = [[0, 9.0], [0, 2.0], [0, 12.0], [0, 2.0], [0, 2.0], [1, 8.0], [1, 3.0], [1, 3.0]]
    assert Progress(seconds=seconds).training_seconds() == 5 * 2.0 + 3 * 3.0
    assert Progress().training_seconds() == 0


def test_weights_of_another_network_are_refused_in_a_sentence(tmp_path):
    checkpoint = Checkpoint(tmp_path / "run")
    checkpoint.folder.mkdir(parents=True)
    small, large = (keras.Sequential([keras.Input((2,)), keras.layers.Dense(n)]) for n in (3, 4))
    small.save_weights(checkpoint.folder / "a.weights.h5")
    checkpoint.load(small, "a.weights.h5")
    with pytest.raises(ConfigError, match=r"run' was begun with another network, .*: delete the directory, or give"):
        checkpoint.load(large, "a.weights.h5")


def test_a_damaged_checkpoint_is_named(tmp_path):
    checkpoint = Checkpoint(tmp_path / "run")
    checkpoint.folder.mkdir(parents=True)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.save_weights(checkpoint.folder / "a.weights.h5")
    whole = (checkpoint.folder / "a.weights.h5").read_bytes()
    (checkpoint.folder / "a.weights.h5").write_bytes(whole[: len(whole) // 2])
    for weights in ("a.weights.h5", "gone.weights.h5"):
        with pytest.raises(
            DataError, match=rf"{weights}' is damaged: delete the run directory '.*run', and start again"
        ):
            checkpoint.load(model, weights)
    (checkpoint.folder / "progress.json").write_text("")
    with pytest.raises(DataError, match=r"progress.json' is damaged"):
        checkpoint.read()


def test_patience_wants_progress_and_the_best_epoch_is_the_lowest():
    stage = StageConfig(name="all", epochs=9, early_stopping=3)
    state, data = Progress(), None

    class Writer:
        def write(self, progress, _):
            if progress.best["weights"] is None:
                progress.best["weights"] = f"epoch {progress.epoch}"

    recorder = _Recorder(state, Writer(), data, stage, 9, {"votes": 1.0}, 0, None)
    recorder.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    stopped = []
    for epoch, value in enumerate([0.5, 0.49998, 0.49996, 0.49997]):
        recorder.started = 0.0
        recorder.on_epoch_end(epoch, {"loss": 1, "labelled_loss": 1, "val_loss": value, "val_labelled_loss": value})
        stopped.append(recorder.finished())
    assert stopped == [False, False, False, True]
    assert state.best == {"epoch": 3, "value": 0.49996, "weights": "epoch 3"}


def test_a_disk_without_space_for_the_weights_is_told_of_before_they_are_written(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((500,)), keras.layers.Dense(1000)])
    model.compile("adam", "mse")
    checkpoint = Checkpoint(tmp_path / "run")
    free = shutil.disk_usage(tmp_path)._replace(free=2 * 10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    with pytest.raises(DataError, match=r"'stage0-epoch0000.weights.h5' needs 3 MB more in '.*checkpoint', where 2 MB"):
        checkpoint.write(Progress(), model)
    assert not list(checkpoint.folder.iterdir())
