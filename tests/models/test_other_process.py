"""The same numbers in another process, on TensorFlow, JAX and PyTorch, these without TensorFlow."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gzmass.config import FinetuneConfig
from gzmass.datasets import open_dataset
from gzmass.models import build_model, load_run
from gzmass.training import finetune_ml

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "layers"), str(HERE.parent / "losses")]
from layer_cases import CASES, SHAPES, functional, outputs  # noqa: E402

BACKENDS = ["tensorflow", "jax", "torch"]


@pytest.fixture(scope="module")
def folder(galaxies, tmp_path_factory):
    """What the processes are given: every layer in a saved model, a ResNet34, a run, its dataset."""
    folder = tmp_path_factory.mktemp("processes")
    for name in CASES:
        functional(name, SHAPES[name][0])[0].save(folder / f"{name}.keras")
    if importlib.util.find_spec("keras_hub"):
        resnet = build_model(32, trunk="resnet34", heads=("log_ml",), hidden=8)
        resnet.save(folder / "resnet34.keras")
        image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 1), dtype=np.uint8)
        np.save(folder / "image.npy", image)
        np.save(folder / "resnet34-here.npy", resnet.predict({"image": image}, verbose=0)["log_ml"])
    shutil.copytree(galaxies, folder / "dataset")
    config = FinetuneConfig(
        dataset=galaxies,
        out=folder / "run",
        metadata=["distance_mpc", "luminosity_g"],
        vote_loss_weight=0.1,
        model={"hidden": 16},
        stages=[{"name": "all", "epochs": 1}],
    )
    finetune_ml(config)
    return folder


@pytest.fixture(scope="module")
def made_by(folder):
    """Start one process for each backend at once, and wait for each when what it makes is asked for."""
    path = os.pathsep.join(filter(None, [str(HERE.parents[1]), os.environ.get("PYTHONPATH")]))
    # under JAX compiling is most of the work
    environment = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": path}
    started = {
        backend: subprocess.Popen(
            [sys.executable, "-W", "ignore", HERE / "other_process.py", folder],
            env={**os.environ, **environment, "KERAS_BACKEND": backend},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for backend in BACKENDS
        if importlib.util.find_spec(backend)
    }
    said = {}

    def wait(backend, name):
        if backend not in started:
            pytest.skip(f"{backend} is not installed")
        if backend not in said:
            said[backend] = started[backend].communicate(timeout=300)[0]
        assert started[backend].returncode == 0, said[backend]
        return folder / name.format(backend=backend)

    yield wait
    for process in started.values():
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.mark.parametrize("name", list(CASES))
def test_a_saved_layer_loads_in_safe_mode(made_by, folder, name):
    import keras

    before = outputs(keras.saving.load_model(folder / f"{name}.keras"), name, SHAPES[name][0])
    after = np.load(made_by("tensorflow", "layers-{backend}.npz"))
    np.testing.assert_array_equal(after[name], before)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_predicts_the_same(made_by, folder, backend):
    dataset, run = open_dataset(folder / "dataset"), load_run(folder / "run")
    here = run.predict(dataset.images("test"), dataset.metadata(run.metadata, "test"))
    there = pd.read_parquet(made_by(backend, "predictions-{backend}.parquet"))
    numbers = here.select_dtypes("number").columns
    np.testing.assert_allclose(there[numbers], here[numbers], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_a_saved_resnet34_needs_no_keras_hub(made_by, folder, backend):
    pytest.importorskip("keras_hub", reason="keras-hub is not installed")
    there = np.load(made_by(backend, "resnet34-{backend}.npy"))
    np.testing.assert_allclose(there, np.load(folder / "resnet34-here.npy"), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_layerwise_rates_are_the_same(made_by, backend):
    expected, got = (
        np.load(made_by("tensorflow", "rates-{backend}.npz")),
        np.load(made_by(backend, "rates-{backend}.npz")),
    )
    for name in expected.files:
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-6, err_msg=name)
        moved = 2.0 - got[name]
        np.testing.assert_allclose(moved[1], 0.25 * moved[0], rtol=0.01, err_msg=name)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_values_and_gradients_are_those_of_tensorflow(made_by, backend):
    expected, got = (np.load(made_by(name, "losses-{backend}.npz")) for name in ("tensorflow", backend))
    assert sorted(expected.files) == sorted(got.files)
    for name in expected.files:
        scale = np.abs(expected[name]).max()
        tolerance = {"rtol": 2e-5, "atol": 2e-5 * max(scale, 1e-3), "err_msg": name}
        assert np.isfinite(expected[name]).all(), name
        np.testing.assert_allclose(got[name], expected[name], **tolerance)


def test_a_run_that_was_trained_on_jax_without_tensorflow_predicts_here(made_by, folder):
    trained, dataset = load_run(made_by("jax", "trained")), open_dataset(folder / "dataset")
    assert trained.card["versions"]["backend"].startswith("jax ")
    assert trained.card["init_from"]["copied"] == ["trunk", "mass_to_light"]
    predictions = trained.predict(dataset.images("test"), dataset.metadata(trained.metadata, "test"))
    assert np.isfinite(predictions["log_ml_g"]).all()
    assert np.isfinite(pd.read_csv(trained.path / "history.csv")["val_loss"]).all()
