"""Cost of the loader against a training step, on simulated pixels.

    python benchmarks/loader.py [--n-galaxies 4096] [--npix 69] [--batch-size 64] [--model cnn5|cnn4|small]

Timed are a whole pass of batches as Keras hands them to the backend, without the prefetching that hides a part of it in
training; the gathering of the arrays in it; and a training step on a batch that is there. The file is in memory.
Below 5 % is wanted. KERAS_BACKEND chooses the backend.
"""

import argparse
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

from gzmass.datasets import open_dataset, split_by_id, write_dataset
from gzmass.models.trunks import TRUNKS
from gzmass.tree import load_tree


def make_dataset(path, n_galaxies, npix):
    """Write a dataset of noise with all labels."""
    rng, tree = np.random.default_rng(0), load_tree("gz2")
    ids = np.arange(n_galaxies)
    votes = pd.DataFrame(rng.uniform(0, 9, (n_galaxies, tree.n_answers)), columns=[f"{s}_votes" for s in tree.stems])
    table = pd.DataFrame({"id": ids, "split": split_by_id(ids), "redshift": rng.uniform(0, 0.2, n_galaxies)})
    table["log_ml_g"] = rng.normal(size=n_galaxies)
    images = ((i, rng.integers(0, 256, (npix, npix), dtype=np.uint8)) for i in ids)
    return open_dataset(write_dataset(path, pd.concat([table, votes], axis=1), images, {"npix": npix}, tree))


def convolutions(name, npix):
    """Give a trunk of the package, or a smaller stand-in, behind an input of 8-bit pixels."""
    image = keras.Input((npix, npix, 1), dtype="uint8")
    x = keras.layers.Rescaling(1 / 127.5, -1)(image)
    if name in TRUNKS:
        return image, TRUNKS[name](x)
    for filters in (32, 64, 128):
        x = keras.layers.MaxPool2D()(keras.layers.Conv2D(filters, 3, activation="relu")(x))
    return image, keras.layers.GlobalAveragePooling2D()(x)


def handed_on(batches):
    """Iterate over one epoch as `fit` does; Keras has no public name for it."""
    adapter = PyDatasetAdapter(batches)
    getters = {
        "tensorflow": adapter.get_tf_dataset,
        "jax": adapter.get_jax_iterator,
        "torch": adapter.get_torch_dataloader,
    }
    return getters[keras.backend.backend()]()


def milliseconds(function, repeats):
    """Time one call: the median of several."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def main():
    """Print the time of a batch, of a training step, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-galaxies", type=int, default=4096)
    parser.add_argument("--npix", type=int, default=69)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--model", choices=[*TRUNKS, "small"], default="cnn5")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dataset = make_dataset(Path(folder) / "dataset", args.n_galaxies, args.npix)
        batches = dataset.batches(batch_size=args.batch_size, shuffle=True, metadata=["redshift"])
        n = args.n_galaxies // args.batch_size
        for k in range(n):  # the first pass brings the file into memory
            batches[k]
        steps = iter(range(10**9))
        gather = milliseconds(lambda: batches[next(steps) % n], 4 * n)
        load = milliseconds(lambda: sum(1 for _ in handed_on(batches)), 5) / len(batches)
        image, features = convolutions(args.model, args.npix)
        model = keras.Model(image, keras.layers.Dense(37)(features))
        model.compile(optimizer="adam", loss="mse")
        x = batches[0][0]["image"]
        y = np.zeros((len(x), 37), dtype=np.float32)
        for _ in range(3):
            model.train_on_batch(x, y)
        train = milliseconds(lambda: model.train_on_batch(x, y), 15)
    print(f"{args.model}, {args.npix} px, batch {args.batch_size}, {keras.backend.backend()}:")
    print(f"loader {load:.2f} ms a batch ({gather:.2f} ms of it gathering), training step {train:.1f} ms")
    print(f"ratio {100 * load / train:.1f} %")


if __name__ == "__main__":
    main()
