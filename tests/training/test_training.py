"""Pretraining and fine-tuning on a small dataset: what is learnt, and what is kept of an earlier run."""

import shutil
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
import yaml
from small_training import HEAD, equal, finetune_config, pretrain_config, trunk_weights

from gzmass import console
from gzmass.datasets import open_dataset
from gzmass.errors import ConfigError, DataError
from gzmass.evaluation.measure import join_truth, measure_votes
from gzmass.inference import predict
from gzmass.losses import MultinomialVotes
from gzmass.models.trunks import block_of
from gzmass.training import finetune_ml, pretrain_gz2
from gzmass.training.finetune_ml import _tree
from gzmass.training.labels import learnt_questions, repeated


def test_pretraining_makes_a_run(pretrained):
    card = yaml.safe_load((pretrained.path / "card.yaml").read_text())
    assert card["kind"] == "pretrain-gz2"
    assert card["validation"]["joint"]["n_answers"] == 37
    assert "log_ml" not in pretrained.model.output
    assert {p.name for p in pretrained.path.iterdir()} == {
        "card.yaml", "checkpoint", "config.yaml", "domain_score.npz", "fingerprint.yaml", "galaxies.parquet",
        "history.csv", "model.keras"
    }  # fmt: skip
    history = pd.read_csv(pretrained.path / "history.csv")
    assert list(history["epoch"]) == [1, 2, 3]
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]


def test_a_trunk_goes_to_larger_images(make_dataset, pretrained, tmp_path, capsys):
    larger = make_dataset(npix=40, band="r")
    heads = {"stages": [{**HEAD, "epochs": 1}], "init_from": pretrained.path}
    run = finetune_ml(finetune_config(larger, tmp_path / "run", **heads))
    assert equal(trunk_weights(run.model), trunk_weights(pretrained.model))
    assert run.npix == 40
    start = run.card["init_from"]
    # on other images nothing has checked the vote head, though the trunk under it is the same
    assert start["copied"] == ["trunk"]
    assert start["not_copied"] == {
        "morphology": "this run has none", "mass_to_light": "the earlier run has none"
    }  # fmt: skip
    assert start["differences"] == {"npix": [32, 40], "band": ["g", "r"]}
    console.run_summary(run.card)
    said = capsys.readouterr().out
    assert "came: trunk; not: morphology (this run has none), mass_to_light (the earlier run has none)" in said
    assert "that run was trained on other data: npix 32, here 40" in said


def test_pretraining_goes_on_with_larger_images(make_dataset, pretrained, tmp_path):
    stages = [{"name": "votes", "epochs": 1, "learning_rate": 1e-30, "schedule": "constant"}]
    config = pretrain_config(make_dataset(npix=40), tmp_path / "run", init_from=pretrained.path, stages=stages)
    run = pretrain_gz2(config)
    assert run.card["init_from"]["copied"] == ["trunk", "morphology"]
    for one, other in zip(run.model.get_weights(), pretrained.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_resnet34_is_unfrozen_from_the_top_and_continued_bit_for_bit(make_dataset, tmp_path):
    pytest.importorskip("keras_hub", reason="keras-hub is not installed")
    stages = [{"name": "top", "train": 1, "epochs": 2, "rate_decay": 0.5, "learning_rate": 1e-3}]
    config = finetune_config(
        make_dataset(n=15, npix=32),
        tmp_path / "whole",
        model={"trunk": "resnet34", "hidden": 8},
        optimization={"batch_size": 9},
        n_labels=None,
        test_time_augmentation=1,
        stages=stages,
    )

    def keep(_, epoch, *__):
        if epoch == 1:
            shutil.copytree(tmp_path / "whole", tmp_path / "killed")

    whole = finetune_ml(config, progress=keep)
    resumed = finetune_ml(config.model_copy(update={"out": tmp_path / "killed"}))
    # the moving statistics of the batch normalisation too
    assert equal(resumed.model.get_weights(), whole.model.get_weights())
    trunk = whole.model.get_layer("trunk")
    for layer in trunk.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            assert np.array_equal(layer.moving_mean, np.zeros(layer.moving_mean.shape)) == (block_of(layer) < 5)


def test_the_best_epoch_is_kept(galaxies, tmp_path):
    # the rate goes on rising, and in the second epoch it is far too high: the best epoch is not the last
    stages = [{"name": "votes", "epochs": 2, "learning_rate": 0.1, "warmup": 0.99}]
    run = pretrain_gz2(pretrain_config(galaxies, tmp_path / "run", stages=stages))
    values = pd.read_csv(run.path / "history.csv")["val_loss"]
    assert values.min() < 0.99 * values.iloc[-1]
    dataset = open_dataset(galaxies)
    run.model.compile(loss={"votes": MultinomialVotes("gz2")})
    value = run.model.evaluate(dataset.batches(dataset.rows("val", "votes"), 256, targets=("votes",)), verbose=0)
    assert value == pytest.approx(values.min(), rel=1e-4)


def test_the_trunk_is_frozen_in_the_first_stage_and_moves_in_the_second(galaxies, pretrained, tmp_path):
    frozen = finetune_ml(finetune_config(galaxies, tmp_path / "frozen", init_from=pretrained.path, stages=[HEAD]))
    assert equal(trunk_weights(frozen.model), trunk_weights(pretrained.model))
    assert "votes" in frozen.model.output
    moved = finetune_ml(finetune_config(galaxies, tmp_path / "moved", init_from=pretrained.path))
    assert not equal(trunk_weights(moved.model), trunk_weights(pretrained.model))
    # its morphology head would no longer fit the trunk
    assert "votes" not in moved.model.output


@pytest.mark.parametrize("train", ["heads", 0])
def test_the_vote_head_stays_where_no_block_of_the_trunk_moves(galaxies, pretrained, tmp_path, train):
    config = finetune_config(galaxies, tmp_path / "run", init_from=pretrained.path, stages=[{**HEAD, "train": train}])
    assert _tree(config, open_dataset(galaxies), pretrained) == pretrained.tree


def test_only_the_last_blocks_are_unfrozen(galaxies, pretrained, tmp_path):
    stages = [{"name": "last", "train": 2, "epochs": 1}]
    run = finetune_ml(finetune_config(galaxies, tmp_path / "run", init_from=pretrained.path, stages=stages))
    before, after = trunk_weights(pretrained.model), trunk_weights(run.model)
    assert [np.array_equal(a, b) for a, b in zip(before, after, strict=True)] == [True] * 6 + [False] * 4


def test_lower_blocks_move_by_the_stated_ratio(galaxies, pretrained, tmp_path):
    # the first step of Adam moves each weight by the learning rate, whatever its gradient
    stage = {"name": "one", "train": 3, "epochs": 1, "schedule": "constant", "rate_decay": 0.5, "learning_rate": 1e-3}
    optimization = {"optimizer": "adam", "batch_size": 36, "clip_norm": None}
    config = finetune_config(
        galaxies, tmp_path / "run", init_from=pretrained.path, stages=[stage], optimization=optimization
    )
    run = finetune_ml(config)
    pairs = zip(trunk_weights(pretrained.model), trunk_weights(run.model), strict=True)
    kernels = [np.abs(after - before).max() for before, after in pairs][::2]
    np.testing.assert_allclose(kernels, [0, 0, 1.25e-4, 2.5e-4, 5e-4], rtol=0.02)


@pytest.mark.parametrize("vote_loss", ["dirichlet_multinomial", "squared_error"])
def test_both_heads_are_trained_jointly(galaxies, tmp_path, vote_loss):
    config = finetune_config(
        galaxies,
        tmp_path / "run",
        vote_loss_weight=0.1,
        vote_loss=vote_loss,
        n_labels=10,
        optimization={"batch_size": 21},  # 84 galaxies with either label an epoch
    )
    run = finetune_ml(config)
    assert run.card["n_train"] == 10
    predictions = run.predict(
        open_dataset(galaxies).images("test"), open_dataset(galaxies).metadata(config.metadata, "test")
    )
    assert {"log_ml_g", "log_mstar", "t11_arms_number_a31_1_fraction", "t06_odd_asked"} <= set(predictions)
    history = pd.read_csv(run.path / "history.csv")
    assert np.isfinite(history[["votes_loss", "log_ml_loss", "val_log_ml_loss"]].to_numpy()).all()
    assert (history["value"] == history["val_log_ml_loss"]).all()


def test_the_published_protocol_runs(make_dataset, tmp_path):
    stages = [{"name": "all", "epochs": 2, "schedule": "plateau", "early_stopping": 6}]
    config = finetune_config(
        make_dataset(n=40, npix=44),
        tmp_path / "run",
        model={"trunk": "cnn4", "hidden": 32, "dropout": 0.0},
        optimization={"optimizer": "nadam", "batch_size": 32, "clip_norm": None},
        loss="squared_error",
        target="linear",
        metadata_mask=False,
        n_labels=None,
        stages=stages,
    )
    run = finetune_ml(config)
    predictions = run.predict(np.full((2, 44, 44, 1), 90, dtype=np.uint8), [[300, 1e10], [np.nan, np.nan]])
    # no sigma is predicted: that of the validation galaxies is the same for all
    assert predictions["log_ml_g_sigma"].iloc[0] == predictions["log_ml_g_sigma"].iloc[1]
    assert np.isfinite(predictions["log_ml_g"]).all()
    assert np.isfinite(predictions["log_mstar"]).tolist() == [True, False]


def test_few_labels_are_contained_in_more(galaxies):
    from gzmass.training.labels import labelled_rows

    dataset = open_dataset(galaxies)
    few, more = (set(labelled_rows(dataset, "log_ml", n, seed=3)) for n in (5, 20))
    assert few < more
    assert few != set(labelled_rows(dataset, "log_ml", 5, seed=4))
    with pytest.raises(DataError, match=r"'n_labels' has the value 1000, but the training split .* has \d+ galaxies"):
        labelled_rows(dataset, "log_ml", 1000, seed=0)


def test_questions_that_nobody_voted_on_have_no_fractions(make_dataset, tmp_path):
    def without_bars(table):
        table[[name for name in table if name.startswith(("t03", "t05"))]] = np.nan

    path = make_dataset(edit=without_bars)
    run = pretrain_gz2(pretrain_config(path, tmp_path / "votes"))
    tree, dataset = run.tree, open_dataset(path)
    unknown = [q.name for q in tree.questions if q.name.startswith(("t03", "t05"))]
    assert len(unknown) == 2
    assert set(run.card["learnt_questions"]) == {q.name for q in tree.questions} - set(unknown)
    table = run.predict(dataset.images("test"))
    missing = {name for name in table if table[name].isna().any()}
    assert missing == {f"{stem}_fraction" for stem in tree.stems if stem.startswith(("t03", "t05"))}
    evaluated = measure_votes(join_truth(predict(run, dataset, "test"), dataset, "test"), dataset, "test")
    assert set(evaluated["unknown"]) == set(unknown)
    assert np.isfinite([q["rmse"] for q in evaluated["questions"]]).all()

    # whatever the run had learnt that it starts from: with the trunk its vote head changes too
    knows_all = replace(run, card={key: value for key, value in run.card.items() if key != "learnt_questions"})
    assert learnt_questions(dataset, dataset.rows("train"), knows_all) == run.card["learnt_questions"]
    assert learnt_questions(dataset, [], knows_all) == sorted(q.name for q in tree.questions)

    # a question of which one answer is missing everywhere teaches nothing either; galaxies with no other have no votes
    def without_one_answer(table):
        table["t03_bar_a07_no_bar_votes"] = np.nan

    path = make_dataset(edit=without_one_answer)
    assert "t03_bar" not in learnt_questions(open_dataset(path), open_dataset(path).rows("train"))

    def without_one_of_each(table):
        table[[f"{tree.stems[k]}_votes" for k in tree.starts]] = np.nan

    with pytest.raises(DataError, match="has no votes"):
        pretrain_gz2(pretrain_config(make_dataset(edit=without_one_of_each), tmp_path / "none"))

    # of the question whether there is a spiral, which leads to arms, nobody is known to be asked for arms either
    def without_spirals(table):
        table[[name for name in table if name.startswith("t04")]] = np.nan

    run = pretrain_gz2(pretrain_config(make_dataset(edit=without_spirals), tmp_path / "spirals"))
    table = run.predict(dataset.images("test"))
    asked = {q.name for q in tree.questions if table[f"{q.name}_asked"].isna().all()}
    assert {name[:3] for name in asked} == {"t10", "t11"}


def test_a_head_that_is_copied_keeps_its_statistics(galaxies, tmp_path):
    stages = [{"name": "all", "epochs": 1, "learning_rate": 1e-30, "schedule": "constant", "keep": "last"}]
    first = finetune_ml(finetune_config(galaxies, tmp_path / "first"))
    again = finetune_ml(finetune_config(galaxies, tmp_path / "again", stages=stages, init_from=first.path))
    assert again.card["init_from"]["copied"] == ["trunk", "mass_to_light"]
    one, other = (run.model.get_layer("mass_to_light").get_weights() for run in (first, again))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_tensorboard_gets_its_logs_or_says_what_is_missing(galaxies, tmp_path, monkeypatch):
    config = pretrain_config(galaxies, tmp_path / "run", tensorboard=True, stages=[{"name": "votes", "epochs": 1}])
    with monkeypatch.context() as patch:
        patch.setattr("gzmass.training.checks.find_spec", lambda name: None if name == "tensorboard" else name)
        with pytest.raises(ConfigError, match="package 'tensorboard' is not installed: install gzmass"):
            pretrain_gz2(config)
    assert not (tmp_path / "run").exists()
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    pretrain_gz2(config)
    assert list((tmp_path / "run" / "tensorboard" / "votes").rglob("events.out.*"))


@pytest.mark.parametrize(("n", "steps", "passes"), [(36, 1, 1), (36, 40, 72), (100, 1, 1), (100, 40, 26)])
def test_an_epoch_is_one_pass_or_as_many_as_its_steps_need(n, steps, passes):
    _, counts = np.unique(repeated(np.arange(n), 64, steps), return_counts=True)
    assert set(counts) == {passes}


@pytest.mark.parametrize(
    ("n_labelled", "passes", "n_others", "expected"),
    [
        (5, 1, 100, (20, 1)),  # few labels: each is seen often
        (100, 1, 5, (1, 1)),  # few galaxies without a label: none is seen more often than the others
        (10, 4, 20, (4, 2)),
    ],
)
def test_how_often_galaxies_are_seen_in_joint_training(n_labelled, passes, n_others, expected):
    from gzmass.training.finetune_ml import _mixed

    labelled, others = np.arange(n_labelled), 1000 + np.arange(n_others)
    _, counts = np.unique(_mixed(np.tile(labelled, passes), others), return_counts=True)
    assert (set(counts[:n_labelled]), set(counts[n_labelled:])) == ({expected[0]}, {expected[1]})
