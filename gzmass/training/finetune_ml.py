"""Fine-tuning: the mass-to-light head, then the trunk, learn M/L; votes may go on helping."""

import dataclasses
from contextlib import ExitStack

import keras
import numpy as np

from gzmass.calibration import QUANTITIES, choose_calibration
from gzmass.datasets import open_dataset
from gzmass.errors import ConfigError, DataError
from gzmass.evaluation import mass_to_light_metrics, vote_metrics
from gzmass.losses import MASS_TO_LIGHT_LOSSES, VOTE_LOSSES, LabelledMean, SquaredErrorMassToLight, VoteError
from gzmass.models import build_model, initialise_mass_to_light
from gzmass.models.conventions import IMAGE_KEYS
from gzmass.models.forward import forward, with_label_error
from gzmass.models.validation import write_validation
from gzmass.training.checks import check_training
from gzmass.training.claim import claim
from gzmass.training.devices import find_devices
from gzmass.training.finishing import base_card, finish_run
from gzmass.training.labels import label_error, labelled_rows, learnt_questions, repeated
from gzmass.training.stages import fit_stages
from gzmass.training.starting import differences, open_start, start_from

__all__ = ["finetune_ml"]


def finetune_ml(config, progress=None):
    """Train a graph on the mass-to-light ratios of a dataset; called again after an interruption it goes on.

    With ``init_from`` the trunk, and each head that means the same, come from an earlier run, which may have learnt
    from images of another size; without it they start from random weights, or the trunk from ``model.weights``. With
    ``vote_loss_weight`` above 0 the loss on the votes of all training galaxies is added, so that both heads are trained
    jointly. Galaxies of the test split are never used; those of the validation split choose the best epoch and
    calibrate the intervals.

    Parameters
    ----------
    config : gzmass.config.FinetuneConfig
        The configuration.
    progress : callable, optional
        As in `gzmass.training.stages.fit_stages`.

    Returns
    -------
    gzmass.models.Run
        The run, in the directory ``config.out``.

    Raises
    ------
    DataError
        The dataset can not be used, its training or validation split has no M/L, or it lacks a metadata column.
    ConfigError
        The run directory holds something else, or ``init_from`` does not fit.
    """
    devices = find_devices(config.optimization)
    with devices.together(), ExitStack() as stack:
        return _train(config, progress, devices, stack)


def _train(config, progress, devices, stack):
    dataset = open_dataset(config.dataset)
    labelled = labelled_rows(dataset, "log_ml", config.n_labels, config.seed)
    held_out = _held_out(dataset)
    columns = list(config.metadata)
    dataset.metadata(columns, labelled[:0])  # a column that is missing is told of before anything is made
    source = open_start(config, dataset)
    tree = _tree(config, dataset, source)

    with devices.scope():
        model, start = _make_graph(config, dataset, labelled, source, tree)
    if run := claim(config, dataset, stack, source, devices):
        return run

    auxiliary = config.vote_loss_weight > 0
    targets = ("votes", "log_ml") if auxiliary else ("log_ml",)
    training = dataset
    others = np.empty(0, dtype=int)
    if auxiliary:
        training = _without_labels(dataset, labelled)
        others = np.setdiff1d(dataset.require_rows("train", "votes"), labelled)
    training_rows = np.concatenate([labelled, others])
    size = config.optimization.batch_size

    def batches(steps):
        rows = repeated(labelled, size, steps)
        if len(others):
            rows = _mixed(rows, others)
        return training.batches(rows, size, shuffle=True, seed=config.seed, metadata=columns, targets=targets)

    state = fit_stages(
        model,
        config.stages,
        compile_arguments=lambda: _compile_arguments(config, tree),
        batches=batches,
        validation=dataset.batches(held_out, 256, metadata=columns, targets=targets),
        config=config,
        out=config.out,
        progress=progress,
        devices=devices,
    )
    model = devices.gathered(model)

    card = base_card(
        "finetune-ml",
        config,
        dataset,
        labelled,
        tree=tree,
        metadata=columns,
        linear_metadata=config.linear_metadata,
    )
    validation = _validate(model, card, config, dataset, labelled, held_out, tree)
    if not devices.process:  # ensembles are calibrated on these galaxies anew
        write_validation(config.out, dataset.table["id"].to_numpy()[held_out], *validation)
    if tree is not None:
        card["learnt_questions"] = learnt_questions(dataset, training_rows if auxiliary else labelled[:0], source)
    seen = [training_rows, held_out]
    return finish_run(
        model, card, state, config, dataset, labelled, seen=seen, source=source, start=start, devices=devices
    )


def _validate(model, card, config, dataset, labelled, held_out, tree):
    """Predict the galaxies held out, add to the card how well, and calibrate the intervals.

    Give their labels, the predicted mean and standard deviation [dex], and what intervals can be grouped by.
    """
    outputs = forward(
        model,
        dataset.images(held_out),
        dataset.metadata(list(config.metadata), held_out),
        n_orientations=config.test_time_augmentation,
    )
    error = label_error(dataset, labelled) if config.loss == "gaussian" else 0.0
    mean, sigma = with_label_error(outputs["log_ml"], error).T
    true = dataset.log_ml(held_out)[:, 0]
    card["label_error_dex"] = error
    card["validation"] = mass_to_light_metrics(true, mean)
    if tree is not None and tree == dataset.tree and len(dataset.rows("val", "votes")):
        card["validation_votes"] = vote_metrics(
            dataset.votes(held_out), outputs["votes"], tree, dataset.votes(labelled)
        )
    card["n_validation"] = len(held_out)
    quantities = {"log_ml_g": mean, **_known_quantities(dataset, held_out)}
    card["calibration"] = choose_calibration(true, mean, sigma, quantities)
    return true, mean, sigma, quantities


def _known_quantities(dataset, rows):
    """Give what the intervals of galaxies can be grouped by, but for the prediction."""
    there = [name for name in QUANTITIES if name != "log_ml_g" and name in dataset.table]
    return dict(zip(there, dataset.metadata(there, rows).astype(float).T, strict=True))


def _make_graph(config, dataset, labelled, source, tree):
    """Make the graph, with what is copied from an earlier run, and say what that is."""
    keras.utils.set_random_seed(config.seed)
    auxiliary = config.vote_loss_weight > 0
    model = build_model(
        dataset.npix,
        tree,
        metadata=config.metadata,
        heads=("votes", "log_ml") if tree else ("log_ml",),
        linear_metadata=config.linear_metadata,
        metadata_mask=config.metadata_mask,
        target=config.target,
        uncertainty=config.loss == "gaussian",
        vote_concentration=_has_concentration(config, source),
        **config.model.model_dump(),
    )
    start = source and start_from(source, model, config, dataset, _different_parts(config, source))
    copied = start["copied"] if start else []
    if tree and not auxiliary and "morphology" not in copied:
        raise ConfigError(
            f"The morphology head of {str(config.init_from)!r} does not fit the one of this run (its hidden layer "
            f"has {config.model.hidden} units), and no votes are learnt here: give the same key 'model.hidden', or "
            "a 'vote_loss_weight' above 0."
        )
    check_training(model, config)
    if tree and not auxiliary:
        model.get_layer("morphology").trainable = False
    if "mass_to_light" not in copied:
        metadata = dataset.metadata(config.metadata, labelled) if config.metadata else None
        initialise_mass_to_light(model, dataset.log_ml(labelled)[:, 0], metadata, config.target)
    return model, start


def _held_out(dataset):
    rows = dataset.require_rows("val", "log_ml")
    if len(rows) < 2:
        raise DataError(
            f"The validation split of {str(dataset.path)!r} has {len(rows)} galaxy with M/L; the intervals are "
            "calibrated on at least 2."
        )
    return rows


def _tree(config, dataset, source):
    """Tree of the morphology head, if the run is to have one.

    It has one if votes go on being learnt, or if the trunk that they were learnt with stays as it was and sees the same
    kind of images: a head on other features would predict votes that nothing has checked.
    """
    trunk_moves = any(stage.train not in ("heads", 0) for stage in config.stages)
    tree = None
    if source and (config.vote_loss_weight > 0 or not (trunk_moves or _other_images(source, dataset))):
        tree = source.tree
    if config.vote_loss_weight > 0:
        if dataset.tree is None:
            raise ConfigError(
                f"The key 'vote_loss_weight' has the value {config.vote_loss_weight}, but the dataset "
                f"{str(dataset.path)!r} has no votes; allowed is 0."
            )
        if tree is not None and tree != dataset.tree:
            raise ConfigError(
                f"The run {str(config.init_from)!r} was trained on the tree {tree.name!r} ({tree.hash}), the dataset "
                f"has {dataset.tree.name!r} ({dataset.tree.hash}): to go on learning votes they must be the same."
            )
        tree = dataset.tree
    return tree


def _other_images(source, dataset):
    return any(key in IMAGE_KEYS for key in differences(source, dataset))


def _mixed(labelled, others):
    """Put galaxies with votes alone among those with M/L: as many of the one kind as of the other.

    Few labels do not drown in many votes then. A galaxy without M/L is repeated no more often than one with it.
    """
    labelled = repeated(labelled, 1, len(others))
    most = len(labelled) // len(np.unique(labelled))
    return np.concatenate([labelled, np.tile(others, min(-(-len(labelled) // len(others)), most))])


def _compile_arguments(config, tree):
    arguments = {} if config.loss == "gaussian" else {"target": config.target}
    loss = {"log_ml": MASS_TO_LIGHT_LOSSES[config.loss](**arguments)}
    loss_weights = {"log_ml": 1.0}
    metrics = {"log_ml": [LabelledMean(SquaredErrorMassToLight(), name="squared_error_dex2")]}
    if config.vote_loss_weight > 0:
        loss["votes"] = VOTE_LOSSES[config.vote_loss](tree)
        loss_weights["votes"] = config.vote_loss_weight
        metrics["votes"] = [VoteError(tree)]
    return {"loss": loss, "loss_weights": loss_weights, "metrics": metrics}


def _different_parts(config, source):
    """Compare what the mass-to-light heads learn: with other metadata, target or loss they mean something else."""
    earlier = source.card["config"]
    keys = [k for k in ("metadata", "linear_metadata", "target", "loss") if earlier.get(k) != getattr(config, k)]
    if not keys or "log_ml" not in source.model.output:
        return {}
    return {"mass_to_light": f"it was trained with another {keys[0]}"}


def _has_concentration(config, source):
    if config.vote_loss_weight > 0:
        return config.vote_loss == "dirichlet_multinomial"
    if source is None or source.tree is None:
        return False
    return source.model.output["votes"].shape[-1] > source.tree.n_answers


def _without_labels(dataset, keep):
    """Hide the mass-to-light ratios of all other galaxies."""
    table = dataset.table.copy()
    hidden = np.setdiff1d(np.arange(len(table)), keep)
    table.loc[table.index[hidden], ["log_ml_g", "log_ml_g_err", "log_mstar"]] = np.nan
    return dataclasses.replace(dataset, table=table)
