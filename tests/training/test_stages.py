"""Learning rate from the history, the time that a training took, and weights of another network."""

import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from gzmass.config import AugmentationConfig, OptimizationConfig, StageConfig
from gzmass.errors import ConfigError, DataError
from gzmass.models import build_model
from gzmass.training.checkpoint import Checkpoint, Progress
from gzmass.training.devices import ONE_DEVICE
from gzmass.training.stages import _optimizer, _Recorder, _with_augmentation, plateau_rate


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


def test_the_optimizer_has_the_rate_the_clipping_and_the_decay_that_are_configured():
    stage = StageConfig(name="all", epochs=1, learning_rate=0.01, warmup=0.1)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    optimization = OptimizationConfig(optimizer="adamw", clip_norm=0.5, weight_decay=0.03)
    made = _optimizer(stage, optimization, 100, model, model.trainable_variables, ONE_DEVICE)
    assert (type(made), made.clipnorm, made.weight_decay) == (keras.optimizers.AdamW, 0.5, 0.03)
    rates = [float(made._learning_rate(step)) for step in (0, 5, 10, 55, 100)]
    assert rates == pytest.approx([0, 0.005, 0.01, 0.005, 0], abs=1e-6)
    plain = _optimizer(stage.model_copy(update={"schedule": "constant"}), optimization, 100, model, [], ONE_DEVICE)
    assert float(plain.learning_rate) == pytest.approx(0.01)


def test_a_plateau_lowers_the_rate_of_the_training_itself(tmp_path):
    stage = StageConfig(name="all", epochs=9, learning_rate=1.0, schedule="plateau")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.Adam(1.0))
    state = Progress(history=[{"stage": "all", "epoch": k, "value": 1.0} for k in range(4)])
    recorder = _Recorder(state, Checkpoint(tmp_path), SimpleNamespace(epoch=0), stage, 9, {}, 0, None)
    recorder.set_model(model)
    recorder.on_epoch_begin(4)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.3)


def test_images_are_augmented_in_training_and_seen_as_they_are_otherwise():
    graph = build_model(32, heads=("log_ml",))
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1), dtype=np.uint8)
    training = _with_augmentation(graph, AugmentationConfig(), ["log_ml"], ONE_DEVICE)
    seen = [np.asarray(training({"image": images}, training=flag)["log_ml"]) for flag in (True, True, False)]
    assert not np.allclose(seen[0], seen[1], atol=1e-4)
    np.testing.assert_allclose(seen[2], graph({"image": images})["log_ml"], rtol=1e-5)
    bare = _with_augmentation(build_model(32, heads=("log_ml",), dropout=0.0), None, ["log_ml"], ONE_DEVICE)
    once, again = (np.asarray(bare({"image": images}, training=True)["log_ml"]) for _ in range(2))
    np.testing.assert_array_equal(once, again)


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


def test_one_state_is_kept_and_nothing_that_a_kill_has_cut_off(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    checkpoint, progress = Checkpoint(tmp_path / "run"), Progress()
    checkpoint.folder.mkdir(parents=True)
    (checkpoint.folder / ".partial-host-1-00000000-stage0-epoch0001.weights.h5").write_bytes(b"half")
    for progress.epoch in (1, 2):
        checkpoint.write(progress, model)
    assert {file.name for file in checkpoint.folder.iterdir()} == {"progress.json", "stage0-epoch0002.weights.h5"}


def test_a_disk_without_space_for_the_weights_is_told_of_before_they_are_written(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((500,)), keras.layers.Dense(1000)])
    model.compile("adam", "mse")
    checkpoint = Checkpoint(tmp_path / "run")
    free = shutil.disk_usage(tmp_path)._replace(free=2 * 10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    with pytest.raises(DataError, match=r"'stage0-epoch0000.weights.h5' needs 3 MB more in '.*checkpoint', where 2 MB"):
        checkpoint.write(Progress(), model)
    assert not list(checkpoint.folder.iterdir())
