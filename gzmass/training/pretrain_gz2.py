"""Pretraining: the trunk and the morphology head learn the votes of Galaxy Zoo 2, or of another tree."""

from contextlib import ExitStack

import keras

from gzmass.datasets import open_dataset
from gzmass.errors import DataError
from gzmass.evaluation import vote_metrics
from gzmass.losses import VOTE_LOSSES, VoteError
from gzmass.models import build_model
from gzmass.models.forward import forward
from gzmass.training.checks import check_training
from gzmass.training.claim import claim
from gzmass.training.devices import find_devices
from gzmass.training.finishing import base_card, finish_run
from gzmass.training.labels import labelled_rows, learnt_questions, repeated
from gzmass.training.stages import fit_stages
from gzmass.training.starting import open_start, start_from

__all__ = ["pretrain_gz2"]


def pretrain_gz2(config, progress=None):
    """Train a graph on the votes of a dataset; called again after an interruption it goes on.

    Galaxies of the test split, which is the same for votes and M/L, are never used. With ``init_from`` the trunk, and
    the morphology head if it is of the same tree, come from an earlier run, which may have learnt from images of
    another size.

    Parameters
    ----------
    config : gzmass.config.PretrainConfig
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
        The dataset can not be used, or its training or validation split has no votes.
    ConfigError
        The run directory holds something else, the trunk takes no images of that size, or ``init_from`` does not fit.
    """
    devices = find_devices(config.optimization)
    with devices.together(), ExitStack() as stack:
        return _train(config, progress, devices, stack)


def _train(config, progress, devices, stack):
    dataset = open_dataset(config.dataset)
    if dataset.tree is None:
        raise DataError(f"The dataset {str(dataset.path)!r} has no votes: there is nothing to pretrain on.")
    rows = labelled_rows(dataset, "votes", config.n_labels, config.seed)
    held_out = dataset.require_rows("val", "votes")
    source = open_start(config, dataset)
    with devices.scope():
        keras.utils.set_random_seed(config.seed)
        model = build_model(
            dataset.npix,
            dataset.tree,
            heads=("votes",),
            vote_concentration=config.vote_loss == "dirichlet_multinomial",
            **config.model.model_dump(),
        )
        start = source and start_from(source, model, config, dataset, _different_parts(source, dataset))
        check_training(model, config)
    if run := claim(config, dataset, stack, source, devices):
        return run
    size = config.optimization.batch_size

    def batches(steps):
        return dataset.batches(repeated(rows, size, steps), size, shuffle=True, seed=config.seed, targets=("votes",))

    state = fit_stages(
        model,
        config.stages,
        compile_arguments=lambda: {
            "loss": {"votes": VOTE_LOSSES[config.vote_loss](dataset.tree)},
            "metrics": {"votes": [VoteError(dataset.tree)]},
        },
        batches=batches,
        validation=dataset.batches(held_out, 256, targets=("votes",)),
        config=config,
        out=config.out,
        progress=progress,
        devices=devices,
    )
    model = devices.gathered(model)
    fractions = forward(model, dataset.images(held_out), n_orientations=config.test_time_augmentation)["votes"]
    card = base_card("pretrain-gz2", config, dataset, rows, tree=dataset.tree)
    card["validation"] = vote_metrics(dataset.votes(held_out), fractions, dataset.tree, dataset.votes(rows))
    card["n_validation"] = len(held_out)
    card["learnt_questions"] = learnt_questions(dataset, rows)
    seen = [rows, held_out]
    return finish_run(model, card, state, config, dataset, rows, seen=seen, source=source, start=start, devices=devices)


def _different_parts(source, dataset):
    other_tree = source.tree is not None and source.tree != dataset.tree
    return {"morphology": "it was trained on another tree"} if other_tree else {}
