"""Fixtures that several folders share."""

import gc
import os
import signal
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" in os.environ:  # threads that wait for a core that another worker has slow down all of them
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # as a shell starts what runs in its background; the commands that tests interrupt would not hear of it
    signal.signal(signal.SIGINT, signal.default_int_handler)

import numpy as np
import pandas as pd
import pytest

from gzmass.catalogs import k_corrections
from gzmass.datasets import write_dataset
from gzmass.tree import load_tree

NPIX = 32

#: What takes minutes goes first, and is shared out first: so the workers of ``--dist loadscope`` end together.
LONGEST = (
    "training/test_training.py",
    "training/test_devices.py",
    "training/test_continuing.py",
    "models/test_other_process.py",
    "inference/test_predict_parts.py",
    "experiment/test_experiment.py",
    "cli/test_commands.py",
    "docs/test_docs_examples.py",
    "models/test_run.py",
    "inference/test_ensemble.py",
    "inference/test_features.py",
    "preparation/test_prepare_shards.py",
)


def pytest_configure(config):
    if hasattr(config.option, "loadscopereorder"):  # pytest-xdist would begin with modules of many tests
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    rank = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    assert all(path.is_file() for path in rank)
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


def draw_galaxies(n, npix=NPIX, seed=0):
    """Blobs whose size and contrast carry M/L and votes: ids, images, table in the columns of the contract."""
    rng = np.random.default_rng(seed)
    tree = load_tree("gz2")
    size = rng.uniform(1.5, npix / 5, n)
    y, x = np.mgrid[:npix, :npix] - (npix - 1) / 2
    images = 40 + 200 * np.exp(-(x**2 + y**2) / (2 * size[:, None, None] ** 2)) + rng.normal(0, 4, (n, npix, npix))
    share = (size - 1.5) / (npix / 5 - 1.5)
    table = pd.DataFrame(
        {
            "id": np.arange(n) + 1237648721789256091,
            "log_ml_g": share - 0.3 + rng.normal(0, 0.05, n),
            "log_ml_g_err": np.full(n, 0.05),
            "distance_mpc": rng.uniform(50, 600, n),
            "luminosity_g": 10 ** rng.uniform(9, 11, n),
        }
    )
    conditional = rng.dirichlet(np.ones(3), n)
    conditional[:, 0] += 3 * share
    conditional /= conditional.sum(axis=1, keepdims=True)
    for k, stem in enumerate(tree.stems):
        table[f"{stem}_votes"] = 40 * conditional[:, k] if k < 3 else rng.integers(0, 10, n).astype(float)
    return table, np.clip(images, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def make_dataset(tmp_path_factory):
    """Make a small dataset directory; arguments of the returned function change it."""

    def make(n=80, npix=NPIX, seed=0, edit=None, split=None, **info):
        table, images = draw_galaxies(n, npix, seed)
        table["split"] = split or ["train", "train", "train", "val", "test"] * (n // 5) + ["train"] * (n % 5)
        if edit:
            edit(table)
        path = tmp_path_factory.mktemp("galaxies") / "dataset"
        info = {"npix": npix, "band": "g", "label_kind": "simulated", "stretch": {"kind": "log"}, **info}
        write_dataset(path, table, zip(table["id"], images, strict=True), info, tree=load_tree("gz2"))
        return path

    return make


@pytest.fixture(scope="session")
def galaxies(make_dataset):
    """Eighty galaxies, of which every fourth has no votes and every seventh no M/L."""

    def edit(table):
        table.loc[::4, [name for name in table if name.endswith("_votes")]] = np.nan
        table.loc[::7, ["log_ml_g", "log_ml_g_err"]] = np.nan
        table.loc[::9, "distance_mpc"] = np.nan

    return make_dataset(edit=edit)


@pytest.fixture
def kcorrect():
    """Skip without the kcorrect package, and put up with the file that it leaves open."""
    pytest.importorskip("kcorrect")
    k_corrections._templates.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # kcorrect leaves the file of its templates open
        yield
        k_corrections._templates.cache_clear()
        gc.collect()
