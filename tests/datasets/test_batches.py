import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from gzmass.datasets import open_dataset, write_dataset
from gzmass.errors import DataError
from gzmass.tree import load_tree


@pytest.fixture(scope="module")
def ds(tmp_path_factory):
    n, tree = 23, load_tree("gz2")
    table = pd.DataFrame({"id": np.arange(n), "split": ["train"] * 20 + ["test"] * 3, "redshift": np.arange(n) / 100})
    table[[f"{stem}_votes" for stem in tree.stems]] = np.repeat(np.arange(n)[:, None], tree.n_answers, axis=1) * 1.0
    table["log_ml_g"] = np.where(np.arange(n) % 2, np.nan, np.arange(n) / 100)
    images = [(i, np.full((8, 8), i, dtype=np.uint8)) for i in range(n)]
    return open_dataset(write_dataset(tmp_path_factory.mktemp("b") / "ds", table, images, {"npix": 8}, tree))


def ids(batches):
    return np.concatenate([batches[k][0]["image"][:, 0, 0, 0] for k in range(len(batches))])


def test_labels_stay_with_their_images_and_nothing_is_dropped(ds):
    batches = ds.batches("train", batch_size=8, shuffle=True, seed=5, metadata=["redshift"])
    assert len(batches) == 3
    assert sorted(ids(batches)) == list(range(20))
    for k in range(3):
        inputs, targets = batches[k]
        own = inputs["image"][:, 0, 0, 0].astype(float)
        assert inputs["image"].dtype == np.uint8
        assert np.allclose(inputs["metadata"][:, 0], own / 100)
        assert np.allclose(targets["votes"], own[:, None])
        assert np.allclose(targets["log_ml"][own % 2 == 0, 0], own[own % 2 == 0] / 100)
        assert np.isnan(targets["log_ml"][own % 2 == 1, 0]).all()


def test_order_is_a_function_of_seed_and_epoch(ds):
    first, other = (ds.batches("train", batch_size=8, shuffle=True, seed=5) for _ in range(2))
    orders = []
    for _ in range(3):
        orders.append(ids(first))
        first.on_epoch_end()
    other.epoch = 2
    assert (ids(other) == orders[2]).all()
    assert not (orders[0] == orders[1]).all()
    assert not (ids(ds.batches("train", batch_size=8, shuffle=True, seed=6)) == orders[0]).all()
    assert (ids(ds.batches([3, 1, 2])) == [3, 1, 2]).all()


def test_inputs_only_and_bad_arguments(ds):
    (inputs,) = ds.batches("test", targets=())[0]
    assert list(inputs) == ["image"]
    with pytest.raises(DataError, match="There is no galaxy"):
        ds.batches("val")
    with pytest.raises(DataError, match=r"votes, log_ml\. Received: 'mass'"):
        ds.batches("train", targets=["mass"])
    with pytest.raises(DataError, match=r"at least 1\. Received: 0"):
        ds.batches("train", batch_size=0)
    with pytest.raises(DataError, match="no numerical column 'colour'"):
        ds.batches("train", metadata=["colour"])


def test_keras_trains_on_them_in_the_order_of_the_epoch(ds, monkeypatch):
    import keras

    image = keras.Input((8, 8, 1), dtype="uint8", name="image")
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(image))
    model = keras.Model({"image": image}, {"votes": keras.layers.Dense(37, name="votes")(mean)})
    model.compile(loss={"votes": "mse"}, jit_compile=False)
    batches = ds.batches("train", batch_size=8, shuffle=True, targets=["votes"])
    orders = []

    def begin(epoch, logs):  # noqa: ARG001
        batches.epoch = epoch

    def end(epoch, logs):  # noqa: ARG001
        orders.append(served[-len(batches) :])

    served, original = [], type(batches).__getitem__

    def noted(self, index):
        batch = original(self, index)
        if self is batches:
            served.append(batch[0]["image"][:, 0, 0, 0].tolist())
        return batch

    monkeypatch.setattr(type(batches), "__getitem__", noted)
    exact = keras.callbacks.LambdaCallback(on_epoch_begin=begin, on_epoch_end=end)
    history = model.fit(batches, initial_epoch=3, epochs=5, shuffle=False, verbose=0, callbacks=[exact]).history
    assert np.isfinite(history["loss"]).all()
    for epoch, order in zip((3, 4), orders, strict=True):
        other = ds.batches("train", shuffle=True)
        other.epoch = epoch
        assert np.concatenate(order).tolist() == ids(other).tolist()
    assert model.predict(ds.batches("test", targets=()), verbose=0)["votes"].shape == (3, 37)


def test_importing_the_package_does_not_import_keras():
    code = (
        "import sys, gzmass.datasets; sys.exit(any(m in sys.modules for m in ('keras', 'tensorflow', 'jax', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
