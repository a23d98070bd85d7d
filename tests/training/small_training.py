"""Trainings of some seconds, for the tests of this folder."""

import numpy as np

from gzmass.config import FinetuneConfig, PretrainConfig

SMALL = {"hidden": 16, "dropout": 0.2}
# 36 galaxies have votes: whole batches, since each other shape of a batch is traced anew, which takes seconds
BATCH = {"batch_size": 12}
HEAD, ALL = {"name": "head", "train": "heads", "epochs": 2}, {"name": "all", "train": "all", "epochs": 1}
TWO_STAGES = [HEAD, {**ALL, "epochs": 3}]


def pretrain_config(dataset, out, **changes):
    stages = [{"name": "votes", "epochs": 3}]
    return PretrainConfig(
        **{
            "dataset": dataset,
            "out": out,
            "model": SMALL,
            "optimization": BATCH,
            "stages": stages,
            **changes,
        }
    )


def finetune_config(dataset, out, **changes):
    return FinetuneConfig(
        **{
            "dataset": dataset,
            "out": out,
            "model": SMALL,
            "optimization": BATCH,
            "n_labels": 36,
            "stages": [ALL],
            "metadata": ["distance_mpc", "luminosity_g"],
            **changes,
        }
    )


def trunk_weights(model):
    return model.get_layer("trunk").get_weights()


def equal(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
