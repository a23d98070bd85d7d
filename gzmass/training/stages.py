"""Training in stages: each has what it trains, its length and its rate, and ends with its best weights."""

import math
import time
from pathlib import Path

import keras
import numpy as np

from gzmass.errors import GzmassError
from gzmass.losses import LabelledMean
from gzmass.models import train_only
from gzmass.training.checkpoint import Checkpoint
from gzmass.training.devices import ONE_DEVICE
from gzmass.training.muon import Muon
from gzmass.training.precision import set_precision
from gzmass.training.rates import LayerwiseAdam, LayerwiseAdamW, LayerwiseMuon, LayerwiseNadam, rate_factors

__all__ = ["SHORTEST_EPOCH", "fit_stages", "plateau_rate"]

#: A stage whose length is given in steps goes through a small training set until an epoch has this many.
SHORTEST_EPOCH = 40

#: What counts as progress of the validation loss, as in the published protocol.
MIN_DELTA = 1e-4

# by its name in a configuration: with one rate for all weights, and with lower ones for lower blocks
OPTIMIZERS = {
    "adam": (keras.optimizers.Adam, LayerwiseAdam),
    "adamw": (keras.optimizers.AdamW, LayerwiseAdamW),
    "muon": (Muon, LayerwiseMuon),
    "nadam": (keras.optimizers.Nadam, LayerwiseNadam),
}

#: Name of the metric that is the loss of an output, averaged over all labelled galaxies of an epoch.
LABELLED = "labelled_loss"


def fit_stages(
    model, stages, *, compile_arguments, batches, validation, config, out, progress=None, devices=ONE_DEVICE
):
    """Train a graph in stages, going on where an earlier call was interrupted.

    After every epoch the state is written to ``checkpoint`` in the run directory. A call that is killed and made again
    gives the weights that it would have given without: the order of the galaxies and all random numbers follow from the
    seed and the epoch, learning rate and early stopping from the history.

    Parameters
    ----------
    model : keras.Model
        The graph; it holds the trained weights afterwards.
    stages : sequence of gzmass.config.StageConfig
        The stages, in order.
    compile_arguments : callable
        ``compile_arguments()`` gives ``loss`` and, as far as needed, ``loss_weights`` and ``metrics`` of
        `keras.Model.compile`, by output: new ones for each stage, since a metric that is used again goes on counting.
    batches : callable
        ``batches(steps)`` gives the `gzmass.datasets.batches.Batches` of an epoch of at least that many steps.
    validation : gzmass.datasets.batches.Batches
        The validation batches.
    config : gzmass.config.PretrainConfig or gzmass.config.FinetuneConfig
        Seed, augmentation, optimization.
    out : str or pathlib.Path
        The run directory.
    progress : callable, optional
        Called after each epoch with the name of the stage, the epochs done, the epochs in all, and a dict of numbers.
    devices : gzmass.training.devices.Devices, optional
        The devices on which the graph was made; the batches are those of all of them together.

    Returns
    -------
    gzmass.training.checkpoint.Progress
        Where it ended: its history has one dict of numbers for each epoch of all stages.
    """
    with devices.training(model):
        return _fit_stages(model, stages, compile_arguments, batches, validation, config, out, progress, devices)


def _fit_stages(model, stages, compile_arguments, batches, validation, config, out, progress, devices):
    checkpoint = Checkpoint(out, writes=devices.process == 0)
    state = checkpoint.read()
    validation = devices.share(validation)
    set_precision(model, config.optimization.precision)
    for index, stage in enumerate(stages):
        if index < state.stage:
            continue
        train_only(model, stage.train, stage.batch_norm)
        data = devices.share(batches(SHORTEST_EPOCH if stage.steps else 1))
        epochs = stage.epochs or -(-stage.steps // len(data))
        arguments = compile_arguments()
        trained = _with_augmentation(model, config.augmentation, arguments["loss"], devices)
        trained.compile(
            _optimizer(stage, config.optimization, epochs * len(data), model, trained.trainable_variables, devices),
            **_with_means(arguments),
            loss=devices.losses(arguments["loss"]),
            steps_per_execution=config.optimization.steps_per_execution,
        )
        trained.optimizer.build(trained.trainable_variables)
        if index == state.stage and state.epoch:
            checkpoint.load(trained, state.weights)
        else:
            state.stage, state.epoch, state.best = index, 0, None
        weights = {name: arguments.get("loss_weights", {}).get(name, 1.0) for name in arguments["loss"]}
        recorder = _Recorder(state, checkpoint, data, stage, epochs, weights, config.seed, progress)
        if not recorder.finished():
            trained.fit(
                data,
                validation_data=validation,
                initial_epoch=state.epoch,
                epochs=epochs,
                shuffle=False,
                callbacks=[recorder, *_tensorboard(config, out, stage)],
                verbose=0,
            )
        devices.wait(f"the stage {stage.name} is done")
        if stage.keep == "best":
            checkpoint.load(trained, state.best["weights"])
    checkpoint.write_history(state)  # a kill between the last epoch and this file would leave it short
    set_precision(model, "float32")
    train_only(model, "all")
    return state


def plateau_rate(values, rate, factor=0.3, patience=3, min_delta=MIN_DELTA):
    """Learning rate after some epochs, lowered each time the validation loss has stopped falling.

    Parameters
    ----------
    values : sequence of float
        Validation loss of each finished epoch.
    rate : float
        Learning rate at the start.
    factor : float, default 0.3
        What it is multiplied by, as in the published protocol.
    patience : int, default 3
        Epochs without progress before it is lowered, and before it is lowered again.
    min_delta : float, default 1e-4
        What counts as progress.

    Returns
    -------
    float
        Learning rate of the next epoch.
    """
    waited = without_progress(values, min_delta)
    return rate * factor ** sum(epochs > 0 and epochs % patience == 0 for epochs in waited)


def without_progress(values, min_delta=MIN_DELTA):
    """Count the epochs since the validation loss has last fallen.

    Parameters
    ----------
    values : sequence of float
        Validation loss of each finished epoch.
    min_delta : float, default 1e-4
        What counts as progress.

    Returns
    -------
    list of int
        After each epoch how many there have been since; 0 if it has fallen in this one.
    """
    best, waited = math.inf, []
    for value in values:
        falls = value < best - min_delta
        best = value if falls else best
        waited.append(0 if falls else (waited or [0])[-1] + 1)
    return waited


class _Recorder(keras.callbacks.Callback):
    """Seeds each epoch, sets its rate, and writes what it led to; knows when a stage is done."""

    def __init__(self, state, checkpoint, data, stage, epochs, weights, seed, progress):
        super().__init__()
        self.state, self.checkpoint, self.data, self.stage, self.epochs = state, checkpoint, data, stage, epochs
        self.weights, self.seed, self.progress, self.started = weights, seed, progress, None

    def finished(self):
        """Whether the last epoch is done, or the best one lies too far back."""
        patience = self.stage.early_stopping
        stopped = patience is not None and any(n >= patience for n in without_progress(self._values()))
        return stopped or self.state.epoch >= self.epochs

    def _values(self):
        return [row["value"] for row in self.state.history if row["stage"] == self.stage.name]

    def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
        self.started = time.perf_counter()
        self.data.epoch = epoch  # Keras' own count is one ahead where it tried the data out first
        seeds = np.random.default_rng([self.seed, self.state.stage, epoch])
        for variable in self.model.non_trainable_variables:
            if variable.path.endswith("seed_generator_state"):
                variable.assign(seeds.integers(0, 2**31, size=2, dtype=np.uint32))
        if self.stage.schedule == "plateau":
            self.model.optimizer.learning_rate = plateau_rate(self._values(), self.stage.learning_rate)

    def on_epoch_end(self, epoch, logs=None):
        state = self.state
        numbers = _exact_losses({name: float(value) for name, value in logs.items()}, self.weights)
        # what the stage is judged by: the M/L loss where votes are only a help to it
        value = numbers.get("val_log_ml_loss", numbers["val_loss"])
        if not np.isfinite(value):
            raise GzmassError(
                f"The training diverged: in epoch {epoch + 1} of the stage {self.stage.name!r} the validation loss is "
                f"{value}; lower its learning_rate, which is {self.stage.learning_rate}."
            )
        state.epoch = epoch + 1
        state.seconds.append([state.stage, round(time.perf_counter() - self.started, 3)])
        state.history.append({"stage": self.stage.name, "epoch": state.epoch, "value": value, **numbers})
        if state.best is None or value < state.best["value"]:
            state.best = {"epoch": state.epoch, "value": value, "weights": None}
        self.checkpoint.write(state, self.model)
        if self.progress:
            self.progress(self.stage.name, state.epoch, self.epochs, numbers)
        self.model.stop_training = self.finished()


def _with_means(arguments):
    """Add to the metrics the mean of each loss over all labelled galaxies of an epoch, and leave the losses out."""
    metrics = {
        name: [*arguments.get("metrics", {}).get(name, []), LabelledMean(loss, name=LABELLED)]
        for name, loss in arguments["loss"].items()
    }
    return {**{key: value for key, value in arguments.items() if key != "loss"}, "metrics": metrics}


def _exact_losses(numbers, weights):
    """Put the means over all labelled galaxies in the place of Keras' losses, which are means over the batches.

    Keras gives a batch as much weight as it has galaxies, however few of them have labels, and however many a batch was
    filled up with to divide it among devices.
    """
    exact = {name: value for name, value in numbers.items() if not name.endswith(LABELLED)}
    for prefix in ("", "val_"):
        # Keras leaves the name of the output out where there is one alone
        names = {output: prefix + (f"{output}_" if len(weights) > 1 else "") for output in weights}
        for name in names.values():
            exact[f"{name}loss"] = numbers[f"{name}{LABELLED}"]
        if len(weights) > 1:
            exact[f"{prefix}loss"] = sum(weight * exact[f"{names[key]}loss"] for key, weight in weights.items())
    return exact


def _with_augmentation(model, augmentation, outputs, devices):
    """Put the augmentation in front of a graph, for training only: the graph itself stays as it will be saved.

    Only the outputs that have a loss are kept: Keras wants a label for each output that there is. The grey levels are
    rounded: the graph takes 8 bits, and a cast alone would cut off half a level on average, in training only.
    """
    inputs = {name: keras.Input(x.shape[1:], dtype=x.dtype, name=name) for name, x in model.input.items()}
    image = inputs["image"]
    if augmentation is not None:
        image = devices.augmentation(**augmentation.model_dump(), seed=0, name="augmentation")(image)
        image = keras.ops.round(image)
    given = model({**inputs, "image": image})
    return keras.Model(inputs, {name: given[name] for name in outputs}, name="training")


def _optimizer(stage, optimization, steps, model, variables, devices):
    rate = stage.learning_rate
    if stage.schedule == "cosine":
        warmup = round(stage.warmup * steps)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else rate, max(steps - warmup, 1), warmup_target=rate if warmup else None, warmup_steps=warmup
        )
    arguments = {"clipnorm": optimization.clip_norm, "weight_decay": optimization.weight_decay}
    plain, layerwise = OPTIMIZERS[optimization.optimizer]
    if stage.rate_decay == 1:
        return devices.optimizer(plain, rate, **arguments)
    factors = rate_factors(model.get_layer("trunk"), variables, stage.rate_decay)
    return devices.optimizer(layerwise, rate, factors=factors, **arguments)


def _tensorboard(config, out, stage):
    return [keras.callbacks.TensorBoard(Path(out) / "tensorboard" / stage.name)] if config.tensorboard else []
