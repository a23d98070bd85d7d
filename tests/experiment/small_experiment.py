"""A small experiment, which the tests here change as they need."""

import yaml

from gzmass.experiment import ExperimentConfig

TINY = {
    "model": {"hidden": 8, "dropout": 0.0},
    "optimization": {"batch_size": 12},
    "test_time_augmentation": 1,
}
STAGES = [{"name": "all", "epochs": 2, "keep": "last"}]


def experiment(dataset, out, **changes):
    return ExperimentConfig(
        **{
            "out": out,
            "seeds": [0, 1],
            "finetune": {"dataset": dataset, **TINY, "stages": STAGES, "n_labels": 36},
            "pretrain": {"votes": {**TINY, "stages": STAGES}},
            "axes": {
                "start": {
                    "scratch": {},
                    "pretrained": {"init_from": "votes", "vote_loss_weight": 0.02},
                    "too many": {"n_labels": 1000},
                },
                "metadata": {"none": {}, "D": {"metadata": ["distance_mpc"]}},
            },
            "rows": [{"at": {"start": start, "metadata": "D"}} for start in ("scratch", "pretrained", "too many")],
            **changes,
        }
    )


def written(config, folder):
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
    return file
