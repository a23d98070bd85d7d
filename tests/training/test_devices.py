"""Several devices, and half precision: the result of one device, one writer, clear ends, and what is refused."""

import importlib.util
import os
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import yaml

from gzmass.config import FinetuneConfig, OptimizationConfig, load_config
from gzmass.datasets import open_dataset
from gzmass.errors import ConfigError
from gzmass.models import load_run
from gzmass.training import devices as module
from gzmass.training import finetune_ml
from gzmass.training.devices import Devices, find_devices
from gzmass.training.shares import Shares

HERE = Path(__file__).parent

KEYS = {
    "model": {"hidden": 8, "dropout": 0.0},
    "optimization": {"batch_size": 12, "optimizer": "muon"},  # which leaves biases to AdamW: both are tested
    "metadata": ["distance_mpc"],
    "test_time_augmentation": 1,
    "stages": [{"name": "all", "epochs": 3, "learning_rate": 3e-4}],
}


def command(folder, dataset, out, **changes):
    """Write a configuration, and say how to run it in a process of its own."""
    keys = {**KEYS, "dataset": str(dataset), "out": str(out), **changes}
    file = folder / f"{out.name}.yaml"
    file.write_text(yaml.safe_dump(keys))
    return [sys.executable, "-u", "-W", "ignore", str(HERE / "devices_process.py"), "finetune-ml", str(file)]


STARTED = []


@pytest.fixture(autouse=True, scope="module")
def none_is_left_over():
    yield
    for process in STARTED:
        if process.poll() is None:
            process.kill()
            process.communicate()


def start(arguments, backend, **environment):
    path = os.pathsep.join(filter(None, [str(HERE.parents[1]), os.environ.get("PYTHONPATH")]))
    own = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": path}
    process = subprocess.Popen(
        arguments,
        env={**os.environ, **own, "KERAS_BACKEND": backend, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    STARTED.append(process)
    return process


def start_two(arguments):
    """Two processes on JAX that find each other on the loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    numbers = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2"}
    return [start(arguments, "jax", **numbers, JAX_PROCESS_ID=str(process)) for process in range(2)]


def ended(process):
    said = process.communicate(timeout=500)[0]
    return process.returncode, said


def assert_same_history(one, other):
    tables = [pd.read_csv(out / "history.csv") for out in (one, other)]
    assert list(tables[0]) == list(tables[1])
    numbers = tables[0].select_dtypes("number").columns
    np.testing.assert_allclose(tables[0][numbers], tables[1][numbers], rtol=1e-5, atol=1e-5)


def test_two_devices_on_tensorflow_give_the_losses_of_one(galaxies, tmp_path):
    # the votes and the M/L of a batch are on one device more than on the other, its last galaxies are an odd number,
    # gradients are clipped, images augmented
    changes = {"vote_loss_weight": 0.1}
    process = start(
        command(
            tmp_path, galaxies, tmp_path / "two", **changes, optimization={**KEYS["optimization"], "devices": "all"}
        ),
        "tensorflow",
    )
    config = FinetuneConfig(**KEYS, **changes, dataset=galaxies, out=tmp_path / "one")
    one = finetune_ml(config)
    code, said = ended(process)
    assert code == 0, said
    assert_same_history(tmp_path / "one", tmp_path / "two")
    for a, b in zip(one.model.get_weights(), load_run(tmp_path / "two").model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    # devices are no part of what a run is: it can be continued on others, and a finished one is given back
    again = finetune_ml(config.model_copy(update={"out": tmp_path / "two"}))
    assert again.card["config"]["optimization"]["devices"] == "all"


@pytest.fixture(scope="module")
def one_on_jax(galaxies, tmp_path_factory):
    if not importlib.util.find_spec("jax"):
        pytest.skip("jax is not installed")
    folder = tmp_path_factory.mktemp("jax")
    stages = [{"name": "all", "epochs": 6, "learning_rate": 1e-4, "schedule": "constant"}]
    # dropout too: JAX draws the random numbers of the whole batch, wherever its parts lie
    # bilinear: with the nearest pixel, the last bit of a coordinate decides where a pixel lies half between two, and
    # XLA does not round alike for batches of other sizes
    changes = {
        "stages": stages,
        "model": {"hidden": 8, "dropout": 0.3},
        "augmentation": {"interpolation": "bilinear"},
    }
    both = {**changes, "optimization": {**KEYS["optimization"], "devices": "all"}}
    processes = [
        start(command(folder, galaxies, folder / "one", **changes), "jax"),
        start(
            command(folder, galaxies, folder / "two", **both),
            "jax",
            XLA_FLAGS="--xla_force_host_platform_device_count=2",
            # on one core the next step of one device would take the thread that the other one waits for
            JAX_CPU_ENABLE_ASYNC_DISPATCH="false",
        ),
    ]
    for code, said in map(ended, processes):
        assert code == 0, said
    return folder / "one", folder / "two", both


def test_two_devices_on_jax_give_the_losses_of_one(one_on_jax):
    assert_same_history(*one_on_jax[:2])


def test_two_processes_on_jax_end_when_one_is_killed_and_go_on_when_both_are_started_again(
    galaxies, one_on_jax, tmp_path
):
    one, _, changes = one_on_jax
    arguments = command(tmp_path, galaxies, tmp_path / "run", **changes)
    first, second = start_two(arguments)
    for line in second.stdout:
        if "epoch 1/" in line:
            second.kill()
    second.communicate()
    code, said = ended(first)
    assert code == 2, said
    last = said.strip().splitlines()[-1]
    assert last.startswith("Error: Process 0 of 2 can not go on, since another one was lost"), said
    assert "start all of them again" in last
    assert not (tmp_path / "run" / "card.yaml").exists()
    before = len(pd.read_csv(tmp_path / "run" / "history.csv"))
    assert 1 <= before < 6

    for code, said in map(ended, start_two(arguments)):
        assert code == 0, said
        assert said.count("all: epoch ") == 6 - before
    assert_same_history(one, tmp_path / "run")
    predictions = [load_run(path).predict(open_dataset(galaxies).images("test"), [[100.0]] * 16) for path in
                   (one, tmp_path / "run")]  # fmt: skip
    numbers = predictions[0].select_dtypes("number").columns
    np.testing.assert_allclose(predictions[0][numbers], predictions[1][numbers], rtol=1e-3, atol=1e-4)


class Numbers:
    """Seven galaxies in batches of four."""

    epoch = 0

    def __len__(self):
        return 2

    def __getitem__(self, index):
        rows = np.arange(7)[4 * index : 4 * index + 4]
        return {"image": np.uint8(rows[:, None])}, {"log_ml": np.float32(rows[:, None])}


def test_the_shares_of_all_processes_are_the_batch_filled_up_without_labels():
    parts = [Shares(Numbers(), n_devices=4, process=process, processes=2) for process in range(2)]
    for index, labels in enumerate([[0, 1, 2, 3], [4, 5, 6, np.nan]]):
        images, targets = zip(*(part[index] for part in parts), strict=True)
        assert [len(image["image"]) for image in images] == [2, 2]
        np.testing.assert_array_equal(np.concatenate([target["log_ml"] for target in targets])[:, 0], labels)
        assert images[0]["image"].dtype == np.uint8
    parts[0].epoch = 3
    assert parts[0].batches.epoch == 3


def test_a_batch_that_the_devices_can_not_share_is_refused(monkeypatch):
    monkeypatch.setattr(module, "_find_mirrored", lambda _: Devices(3))
    assert find_devices(OptimizationConfig(devices="all", batch_size=63)).n == 3
    with pytest.raises(
        ConfigError, match=r"batch_size' has the value 64, which 3 devices can not share .* multiple of"
    ):
        find_devices(OptimizationConfig(devices="all"))


def test_more_devices_than_there_are_are_refused():
    with pytest.raises(ConfigError, match=r"'optimization.devices' has the value 9, but there are 1: .*CPU:0"):
        find_devices(OptimizationConfig(devices=9, batch_size=9))
    assert find_devices(OptimizationConfig(devices="all")).strategy is None  # one device needs no strategy
    with pytest.raises(ConfigError, match=r"'devices' has the value 0"):
        load_config(OptimizationConfig, overrides=["devices=0"])


def test_what_does_not_work_is_refused_with_the_reason(monkeypatch):
    several = OptimizationConfig(devices="all")
    with monkeypatch.context() as patch:
        patch.setenv("TF_CONFIG", "{}")
        with pytest.raises(ConfigError, match=r"MultiWorkerMirroredStrategy fails .* 20585.*need KERAS_BACKEND=jax"):
            find_devices(several)
    with monkeypatch.context() as patch:
        patch.setenv("JAX_COORDINATOR_ADDRESS", "node1:1234")
        with pytest.raises(ConfigError, match=r"JAX_NUM_PROCESSES has the value None; .* must be a whole number"):
            find_devices(several)
        patch.setenv("JAX_NUM_PROCESSES", "2")
        patch.setenv("JAX_PROCESS_ID", "1")
        with pytest.raises(ConfigError, match=r"keras\.distribution does nothing"):
            find_devices(several)
        assert find_devices(OptimizationConfig()).n == 1  # not asked for, not looked for
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(ConfigError, match=r"'all': neither keras.distribution nor tf.distribute knows PyTorch"):
        find_devices(several)


def test_slurm_is_recognised_where_it_has_started_several_processes(monkeypatch):
    monkeypatch.delenv("JAX_COORDINATOR_ADDRESS", raising=False)
    for name in module._SLURM:
        monkeypatch.setenv(name, "2")
    assert module._cluster() == {}  # JAX finds the rest
    monkeypatch.setenv("SLURM_NTASKS", "1")
    assert module._cluster() is None


def test_half_precision_trains_the_trunk_and_leaves_a_model_of_single_precision(galaxies, tmp_path):
    class KilledError(Exception):
        pass

    def kill(_, epoch, *__):
        if epoch == 1:
            raise KilledError

    half = {**KEYS["optimization"], "precision": "bfloat16"}
    config = FinetuneConfig(**{**KEYS, "optimization": half}, dataset=galaxies, out=tmp_path / "half")
    run = finetune_ml(config)
    killed = config.model_copy(update={"out": tmp_path / "killed"})
    with pytest.raises(KilledError):
        finetune_ml(killed, progress=kill)
    resumed = finetune_ml(killed)
    assert all(np.array_equal(a, b) for a, b in zip(run.model.get_weights(), resumed.model.get_weights(), strict=True))
    whole = finetune_ml(FinetuneConfig(**KEYS, dataset=galaxies, out=tmp_path / "whole"))
    losses = [pd.read_csv(one.path / "history.csv")["loss"] for one in (run, whole)]
    assert not np.array_equal(*losses)
    np.testing.assert_allclose(*losses, atol=0.05)
    with zipfile.ZipFile(tmp_path / "half" / "model.keras") as archive:
        assert b"bfloat16" not in archive.read("config.json")
    dataset, loaded = open_dataset(galaxies), load_run(tmp_path / "half")
    features = loaded.model.get_layer("trunk")(dataset.images("test"))
    assert keras.backend.standardize_dtype(features.dtype) == "float32"
    one, other = (r.predict(dataset.images("test"), dataset.metadata(["distance_mpc"], "test")) for r in (run, loaded))
    pd.testing.assert_frame_equal(one, other)
