"""A run directory: an interrupted training goes on, a finished one stays, and one process at a time works in it."""

import shutil
from contextlib import ExitStack

import pytest
import yaml
from small_training import BATCH, TWO_STAGES, equal, finetune_config, pretrain_config

from gzmass.datasets import open_dataset
from gzmass.engine import hold_directory
from gzmass.engine.lock import LOCK
from gzmass.errors import ConfigError, DataError
from gzmass.training import finetune_ml, pretrain_gz2
from gzmass.training.claim import claim


@pytest.fixture(scope="module")
def whole(galaxies, pretrained, tmp_path_factory):
    """A run in two stages with both losses, and for each epoch the run directory that a kill after it would leave."""
    folder = tmp_path_factory.mktemp("runs")
    config = finetune_config(
        galaxies,
        folder / "whole",
        init_from=pretrained.path,
        vote_loss_weight=0.1,
        stages=TWO_STAGES,
        n_labels=None,
        optimization={**BATCH, "optimizer": "muon"},  # which has the state of AdamW as well
    )
    killed = []

    def keep(*_):
        killed.append(shutil.copytree(folder / "whole", folder / f"killed-{len(killed) + 1}"))

    return config, finetune_ml(config, progress=keep), killed


@pytest.mark.parametrize("after", [1, 2, 4])
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(whole, after):
    config, run, killed = whole
    assert not (killed[after - 1] / "card.yaml").exists()
    epochs = []
    resumed = finetune_ml(config.model_copy(update={"out": killed[after - 1]}), progress=lambda *_: epochs.append(1))
    assert len(epochs) == 5 - after
    assert equal(resumed.model.get_weights(), run.model.get_weights())
    assert (resumed.path / "history.csv").read_text() == (run.path / "history.csv").read_text()


class KilledError(Exception):
    """Stands for a process that is killed."""


def test_early_stopping_counts_over_an_interruption(galaxies, tmp_path):
    # a rate of almost nothing: the validation loss stays, the second and third epoch are no better than the first
    stages = [{"name": "all", "epochs": 9, "learning_rate": 1e-30, "schedule": "constant", "early_stopping": 2}]
    config = pretrain_config(galaxies, tmp_path / "run", stages=stages)

    def kill(_, epoch, *__):
        if epoch == 2:
            raise KilledError

    with pytest.raises(KilledError):
        pretrain_gz2(config, progress=kill)
    run = pretrain_gz2(config)
    assert run.card["epochs"] == 3


def test_a_finished_run_is_not_made_again_and_another_one_is_refused(galaxies, pretrained, tmp_path):
    shutil.copytree(pretrained.path, tmp_path / "run")
    stamp = (tmp_path / "run" / "model.keras").stat().st_mtime_ns
    again = pretrain_gz2(pretrain_config(galaxies, tmp_path / "run"))
    assert (tmp_path / "run" / "model.keras").stat().st_mtime_ns == stamp
    assert equal(again.model.get_weights(), pretrained.model.get_weights())
    with pytest.raises(ConfigError, match=r"'out' has the value .*, which holds a run with another config"):
        pretrain_gz2(pretrain_config(galaxies, tmp_path / "run", seed=5))


def test_a_run_of_an_earlier_version_is_continued(galaxies, pretrained, tmp_path):
    # its configuration lacks the keys that have come since, and its fingerprint is another one for that
    shutil.copytree(pretrained.path, tmp_path / "run")
    file = tmp_path / "run" / "config.yaml"
    old = yaml.safe_load(file.read_text())
    del old["stages"][0]["rate_decay"], old["model"]["weights"]
    file.write_text(yaml.safe_dump(old))
    mark = tmp_path / "run" / "fingerprint.yaml"
    mark.write_text(yaml.safe_dump({**yaml.safe_load(mark.read_text()), "config": "of an earlier version"}))
    again = pretrain_gz2(pretrain_config(galaxies, tmp_path / "run"))
    assert equal(again.model.get_weights(), pretrained.model.get_weights())
    stages = [{"name": "votes", "epochs": 3, "rate_decay": 0.5}]
    with pytest.raises(ConfigError, match=r"holds a run with another config \(the keys stages differ\)"):
        pretrain_gz2(pretrain_config(galaxies, tmp_path / "run", stages=stages))


def test_how_the_work_is_done_is_no_part_of_what_a_run_is(galaxies, tmp_path):
    config = pretrain_config(galaxies, tmp_path / "run")

    def claimed(**changes):
        optimization = config.optimization.model_copy(update=changes)
        with ExitStack() as stack:
            return claim(config.model_copy(update={"optimization": optimization}), open_dataset(galaxies), stack)

    assert claimed() is claimed(devices=2, steps_per_execution=4) is None
    with pytest.raises(ConfigError, match=r"another config \(the keys optimization differ\)"):
        claimed(precision="bfloat16")


def test_a_folder_with_something_else_is_refused(galaxies, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ConfigError, match="holds something else than a run"):
        pretrain_gz2(pretrain_config(galaxies, tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_what_a_kill_at_the_very_start_leaves_is_no_something_else(galaxies, tmp_path):
    config = pretrain_config(galaxies, tmp_path / "run")
    config.out.mkdir()
    (config.out / ".partial-host-1-00000000-fingerprint.yaml").write_text("")
    with ExitStack() as stack:
        assert claim(config, open_dataset(galaxies), stack) is None
    (config.out / "config.yaml").unlink()
    with ExitStack() as stack:
        assert claim(config, open_dataset(galaxies), stack) is None
    assert {file.name for file in config.out.iterdir()} >= {"config.yaml", "fingerprint.yaml"}
    (config.out / "fingerprint.yaml").write_text("")
    with (
        pytest.raises(DataError, match=r"fingerprint.yaml' is damaged: delete the run directory"),
        ExitStack() as stack,
    ):
        claim(config, open_dataset(galaxies), stack)


def test_one_process_trains_in_a_directory_at_a_time(galaxies, tmp_path):
    config = pretrain_config(galaxies, tmp_path / "run")
    with hold_directory(config.out), pytest.raises(ConfigError, match=r"holds something else than a run|worked in by"):
        pretrain_gz2(config)
    with ExitStack() as stack:
        assert claim(config, open_dataset(galaxies), stack) is None
        assert (config.out / LOCK).is_file()
        with pytest.raises(ConfigError, match=r"run' is being worked in by process \d+ on"):
            pretrain_gz2(config)
    run = pretrain_gz2(config)
    assert not (run.path / LOCK).exists()
    with hold_directory(config.out):  # a finished run is read, by as many as want to
        assert pretrain_gz2(config).card == run.card
