"""Trainings that are refused, and what they say."""

import shutil

import numpy as np
import pandas as pd
import pytest
from small_training import SMALL, TWO_STAGES, finetune_config, pretrain_config

from gzmass.datasets import open_dataset
from gzmass.errors import ConfigError, DataError, GzmassError
from gzmass.models import build_model
from gzmass.training import claim as claiming
from gzmass.training import count_seen, finetune_ml, pretrain_gz2
from gzmass.training.checks import check_training


def test_another_trunk_is_no_start(make_dataset, pretrained, tmp_path):
    config = pretrain_config(
        make_dataset(npix=44), tmp_path / "run", init_from=pretrained.path, model={**SMALL, "trunk": "cnn4"}
    )
    with pytest.raises(ConfigError, match=r"'model.trunk' has the value 'cnn4', but the run .* has the trunk 'cnn5'"):
        pretrain_gz2(config)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("label", "train", "configure"),
    [("_votes", pretrain_gz2, pretrain_config), ("log_ml", finetune_ml, finetune_config)],
)
def test_no_labels_at_all(make_dataset, tmp_path, label, train, configure):
    def edit(table):
        table[[name for name in table if label in name]] = np.nan

    config = configure(make_dataset(n=20, edit=edit), tmp_path / "run")
    with pytest.raises(DataError, match=label.strip("_")):
        train(config)
    assert not (tmp_path / "run").exists()


def test_an_unknown_metadata_column_is_named(galaxies, tmp_path):
    with pytest.raises(DataError, match="colour"):
        finetune_ml(finetune_config(galaxies, tmp_path / "run", metadata=["colour"]))
    assert not (tmp_path / "run").exists()


def test_galaxies_that_a_run_has_seen_are_no_test_for_it(pretrained, make_dataset, tmp_path):
    other = make_dataset(split=["test", "train", "train", "train", "val"] * 16)
    with pytest.raises(DataError, match=r"was made with 12 of the 16 galaxies of the split 'test'"):
        finetune_ml(finetune_config(other, tmp_path / "run", init_from=pretrained.path))
    assert not (tmp_path / "run").exists()


def test_ids_are_compared_as_text_and_calibration_needs_new_galaxies_too(pretrained, make_dataset, tmp_path):
    def as_text(table):
        table["id"] = table["id"].astype(str)

    other = make_dataset(split=["test", "train", "train", "train", "val"] * 16, edit=as_text)
    with pytest.raises(DataError, match=r"was made with 12 of the 16 galaxies of the split 'test'"):
        finetune_ml(finetune_config(other, tmp_path / "run", init_from=pretrained.path))
    # of the galaxies 2, 7, 12... it has learnt the votes, but for every fourth, which has none
    moved = make_dataset(split=["train", "train", "val", "val", "test"] * 16, edit=as_text)
    with pytest.raises(DataError, match=r"12 of the 32 galaxies of the split 'val'.*calibration and the choice"):
        finetune_ml(finetune_config(moved, tmp_path / "run", init_from=pretrained.path, n_labels=20))
    assert not (tmp_path / "run").exists()
    seen = pd.read_parquet(pretrained.path / "galaxies.parquet")
    assert seen["learnt"].sum() == 36
    assert count_seen([pretrained], open_dataset(moved), "val") == (24, 32)


def test_a_run_that_does_not_know_its_galaxies_is_no_start(galaxies, pretrained, tmp_path):
    shutil.copytree(pretrained.path, tmp_path / "source", ignore=shutil.ignore_patterns("galaxies.parquet"))
    with pytest.raises(DataError, match=r"has no galaxies\.parquet"):
        finetune_ml(finetune_config(galaxies, tmp_path / "run", init_from=tmp_path / "source"))


def test_a_morphology_head_that_does_not_fit_is_not_made_up(galaxies, pretrained, tmp_path):
    config = finetune_config(
        galaxies, tmp_path / "run", init_from=pretrained.path, stages=TWO_STAGES[:1], model={"hidden": 24}
    )
    with pytest.raises(ConfigError, match=r"morphology head of .* does not fit .* 24 units"):
        finetune_ml(config)
    assert not (tmp_path / "run").exists()


def test_a_training_that_diverges_says_so(galaxies, tmp_path):
    stages = [{"name": "all", "epochs": 2, "learning_rate": 1e30, "schedule": "constant"}]
    with pytest.raises(GzmassError, match=r"diverged: in epoch \d of the stage 'all' .* lower its learning_rate"):
        pretrain_gz2(pretrain_config(galaxies, tmp_path / "run", stages=stages, optimization={"clip_norm": None}))


def test_several_steps_at_once_are_refused_where_keras_takes_one(galaxies, tmp_path, monkeypatch):
    model = build_model(npix=32, heads=("votes",), hidden=16)
    config = pretrain_config(galaxies, tmp_path / "run", optimization={"steps_per_execution": 4})
    monkeypatch.setattr("keras.backend.backend", lambda: "torch")
    with pytest.raises(ConfigError, match=r"'optimization.steps_per_execution' has the value 4, but Keras on PyTorch"):
        check_training(model, config)


def test_a_training_that_comes_between_keeps_its_directory(galaxies, tmp_path, monkeypatch):
    """Another training takes the directory while this one decodes the pixels."""
    first, second = (pretrain_config(galaxies, tmp_path / "run", seed=seed) for seed in (1, 2))
    original = claiming.hold_directory

    def hold(path):
        monkeypatch.setattr(claiming, "hold_directory", original)
        pretrain_gz2(first)
        return original(path)

    monkeypatch.setattr(claiming, "hold_directory", hold)
    with pytest.raises(ConfigError, match=r"holds a run with another config \(the keys seed differ\)"):
        pretrain_gz2(second)
    assert pretrain_gz2(first).card["seed"] == 1
