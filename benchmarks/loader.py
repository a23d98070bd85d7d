"""The loader against a training step, a copy of the pixels, and PNGs through tf.data and PyTorch.

    python benchmarks/loader.py [--n-galaxies 4096] [--npix 69] [--batch-size 64] [--trunk cnn5] [--short]

Timed are a batch as Keras hands it to the backend, without the prefetching that hides a part of it in training; the
gathering of its arrays; and a training step on a batch that is there. All files are in the page cache. The floor is one
copy of as many pixels. What one would take instead reads the PNGs each time. Below 5 % of a step are wanted.
KERAS_BACKEND chooses the backend.
"""

import io
import tempfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from _networks import Example
from _tables import missing, parser, print_table, spread, take_turns
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter
from PIL import Image

from gzmass.config import ModelConfig
from gzmass.datasets import open_dataset, split_by_id, write_dataset
from gzmass.models.trunks import TRUNKS
from gzmass.tree import load_tree

OURS, STEP = "gzmass, as Keras hands it on", "training step"


def make_dataset(path, n_galaxies, npix):
    """Write a dataset of noise as faint as that of a sky, with all labels."""
    rng, tree = np.random.default_rng(0), load_tree("gz2")
    ids = np.arange(n_galaxies)
    votes = pd.DataFrame(rng.uniform(0, 9, (n_galaxies, tree.n_answers)), columns=[f"{s}_votes" for s in tree.stems])
    table = pd.DataFrame({"id": ids, "split": split_by_id(ids), "redshift": rng.uniform(0, 0.2, n_galaxies)})
    table["log_ml_g"] = rng.normal(0.3, 0.2, n_galaxies)
    images = ((i, rng.normal(90, 15, (npix, npix)).clip(0, 255).astype(np.uint8)) for i in ids)
    return open_dataset(write_dataset(path, pd.concat([table, votes], axis=1), images, {"npix": npix}, tree))


def epoch_of(batches):
    """Make a function that goes through one epoch as `fit` does; Keras has no public name for it."""
    adapter = PyDatasetAdapter(batches)
    if keras.backend.backend() == "jax":
        return lambda: sum(1 for _ in adapter.get_jax_iterator())
    # made once for all epochs, as in `fit`
    data = adapter.get_tf_dataset() if keras.backend.backend() == "tensorflow" else adapter.get_torch_dataloader()
    return lambda: sum(1 for _ in data)


def with_tf_data(files, batch_size):
    """Read, decode and batch PNGs with tf.data; its options are those that its guide recommends."""
    import tensorflow as tf  # noqa: PLC0415 the comparison is left out where it is not installed

    data = tf.data.Dataset.from_tensor_slices([str(file) for file in files]).shuffle(len(files))
    data = data.map(lambda f: tf.io.decode_png(tf.io.read_file(f), channels=1), num_parallel_calls=tf.data.AUTOTUNE)
    data = data.batch(batch_size).prefetch(tf.data.AUTOTUNE)
    return lambda: sum(1 for _ in data)


def with_torch(files, batch_size):
    """Read and decode PNGs with a DataLoader of PyTorch and Pillow, in this process."""
    import torch  # noqa: PLC0415 the comparison is left out where it is not installed

    class Files(torch.utils.data.Dataset):
        def __len__(self):
            return len(files)

        def __getitem__(self, index):
            return torch.from_numpy(np.array(Image.open(io.BytesIO(files[index].read_bytes()))))

    data = torch.utils.data.DataLoader(Files(), batch_size, shuffle=True)
    return lambda: sum(1 for _ in data)


def main():
    """Print the table."""
    own = parser(__doc__)
    own.add_argument("--n-galaxies", type=int)
    own.add_argument("--npix", type=int, default=69)
    own.add_argument("--batch-size", type=int, default=64)
    own.add_argument("--trunk", choices=[*TRUNKS], default=ModelConfig().trunk)
    arguments = own.parse_args()
    n, size = arguments.n_galaxies or (2048 if arguments.short else 4096), arguments.batch_size
    example, notes = Example(arguments.npix, size), ["Wanted: less than 5 %."]
    model, (inputs, labels) = example.graph(arguments.trunk), example.batch()
    with tempfile.TemporaryDirectory() as folder:
        dataset = make_dataset(Path(folder) / "dataset", n, arguments.npix)
        files = sorted((dataset.path / "images").glob("*.png"))
        batches = dataset.batches(batch_size=size, shuffle=True, metadata=["redshift"])
        pixels = np.zeros((n, arguments.npix, arguments.npix), dtype=np.uint8)
        ways = {
            "copying the pixels": pixels.copy,
            "gzmass, gathering": lambda: [batches[k] for k in range(len(batches))],
            OURS: epoch_of(batches),
        }
        for package, others in (("tensorflow", with_tf_data), ("torch", with_torch)):
            if reason := missing(package):
                notes.append(reason)
            else:
                name = {"tensorflow": "PNGs with tf.data", "torch": "PNGs with a DataLoader of PyTorch"}[package]
                ways[name] = others(files, size)
        ways[STEP] = lambda: model.train_on_batch(inputs, labels)
        seconds = take_turns(ways, 7 if arguments.short else 31)
    seconds = {name: times / (1 if name == STEP else len(batches)) for name, times in seconds.items()}
    print_table(
        f"{n} galaxies of {arguments.npix} px, batch {size}, {arguments.trunk}, {keras.backend.backend()}",
        ["what", "ms a batch", "of the training step [%]", "of gzmass"],
        [
            [
                name,
                spread(1e3 * times),
                spread(100 * times / seconds[STEP], ".2f"),
                f"{np.median(times / seconds[OURS]):.2f}",
            ]
            for name, times in seconds.items()
        ],
        " ".join(notes),
    )


if __name__ == "__main__":
    main()
