"""The same numbers on TensorFlow, JAX and PyTorch."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Start one process for each backend at once, and wait for each when it is asked for."""
    folder = tmp_path_factory.mktemp("backends")
    available = [b for b in ("tensorflow", "jax", "torch") if importlib.util.find_spec(b)]
    path = os.pathsep.join(filter(None, [str(HERE.parents[1]), os.environ.get("PYTHONPATH")]))
    started = {
        backend: subprocess.Popen(
            [sys.executable, "-W", "ignore", HERE / "loss_cases.py", folder / f"{backend}.npz"],
            env={**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for backend in available
    }

    def load(backend):
        if backend not in started:
            pytest.skip(f"{backend} is not installed")
        output, _ = started[backend].communicate(timeout=300)
        assert started[backend].returncode == 0, output
        return np.load(folder / f"{backend}.npz")

    cache = {}
    yield lambda backend: cache[backend] if backend in cache else cache.setdefault(backend, load(backend))
    for process in started.values():
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_values_and_gradients_are_those_of_tensorflow(results, backend):
    expected, got = results("tensorflow"), results(backend)
    assert sorted(expected.files) == sorted(got.files)
    for name in expected.files:
        scale = np.abs(expected[name]).max()
        tolerance = {"rtol": 2e-5, "atol": 2e-5 * max(scale, 1e-3), "err_msg": name}
        np.testing.assert_allclose(got[name], expected[name], **tolerance)


def test_no_value_or_gradient_is_nan(results):
    for name in results("tensorflow").files:
        assert np.isfinite(results("tensorflow")[name]).all(), name
