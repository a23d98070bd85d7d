"""Prediction from PNG files to the finished table, against the bare forward pass and a pipeline of tf.data.

    python benchmarks/predict.py [--n-galaxies 16384] [--npix 69] [--trunk cnn5] [--short]

`gzmass.inference.predict` reads and decodes the files, applies the graph to one orientation or to four, scores every
galaxy against the training galaxies and makes the calibrated columns. The floors are reading the files alone and the
forward pass of the graph, as often as there are orientations, on pixels that are in memory. What one would take instead
is a `tf.data` pipeline of the files and `model.predict`. Wanted: 90 % of the bare forward pass, from shards 95 %. The
graph is untrained, the images are discs with noise, stretched. KERAS_BACKEND chooses the backend.
"""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from _tables import missing, parser, print_table, spread, take_turns

from gzmass.calibration import calibrate_intervals
from gzmass.config import FinetuneConfig, ModelConfig
from gzmass.datasets import change_storage, open_dataset, split_by_id, write_dataset
from gzmass.images import log_stretch
from gzmass.inference import predict
from gzmass.models import Run, build_model
from gzmass.models.domain_score import save_domain_score
from gzmass.models.trunks import TRUNKS
from gzmass.training.domain import domain_arrays, domain_ranges
from gzmass.tree import load_tree

BATCH = 256
METADATA = ("redshift",)


def make_dataset(path, n_galaxies, npix):
    """Write a dataset of exponential discs with noise, whose files are as long as those of galaxies."""
    rng, ids = np.random.default_rng(0), np.arange(n_galaxies)
    y, x = np.mgrid[:npix, :npix] - (npix - 1) / 2

    def images():
        for number in ids:
            disc = rng.uniform(5, 200) * np.exp(-np.hypot(x, y * rng.uniform(1, 3)) / (npix * rng.uniform(0.05, 0.12)))
            yield number, log_stretch(disc + rng.normal(size=disc.shape))[0]

    table = pd.DataFrame({"id": ids, "split": split_by_id(ids), "redshift": rng.uniform(0.01, 0.2, n_galaxies)})
    table["log_ml_g"] = rng.normal(0.3, 0.2, n_galaxies)
    return write_dataset(path, table, images(), {"npix": npix}, None)


def make_run(path, dataset, trunk):
    """Make a run of an untrained graph with all that a prediction has to do."""
    path.mkdir()
    tree, rows = load_tree("gz2"), dataset.rows("train")
    model = build_model(dataset.npix, tree, trunk, METADATA)
    arrays, _ = domain_arrays(model, FinetuneConfig(dataset="", out=""), dataset, rows, METADATA)
    save_domain_score(path, arrays)
    rng = np.random.default_rng(0)
    card = {
        "npix": dataset.npix,
        "tree": tree.to_dict(),
        "tree_hash": tree.hash,
        "metadata": list(METADATA),
        "test_time_augmentation": 1,
        "domain": domain_ranges(dataset, rows, list(METADATA), ()),
        "calibration": calibrate_intervals(rng.normal(size=500), np.zeros(500), np.ones(500)),
        "dataset": dataset.info,
    }
    return Run(path, model, card)


def pipeline(files, model, metadata):
    """Predict as one would with tf.data: read, decode, batch, prefetch."""
    import tensorflow as tf  # noqa: PLC0415 the comparison is left out on other backends

    def read(file, values):
        return {"image": tf.io.decode_png(tf.io.read_file(file), channels=1), "metadata": values}

    data = tf.data.Dataset.from_tensor_slices(([str(file) for file in files], metadata))
    data = data.map(read, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(tf.data.AUTOTUNE)
    return lambda: model.predict(data, verbose=0)


def main():
    """Print the table."""
    own = parser(__doc__)
    own.add_argument("--n-galaxies", type=int)
    own.add_argument("--npix", type=int, default=69)
    own.add_argument("--trunk", choices=[*TRUNKS], default=ModelConfig().trunk)
    arguments = own.parse_args()
    n = arguments.n_galaxies or (4096 if arguments.short else 16_384)
    with tempfile.TemporaryDirectory() as folder:
        path = make_dataset(Path(folder) / "dataset", n, arguments.npix)
        files = sorted((path / "images").glob("*.png"), key=lambda file: int(file.stem))
        dataset = open_dataset(path)
        run = make_run(Path(folder) / "run", dataset, arguments.trunk)
        plain = replace(run, path=Path(folder) / "no domain score")
        four = replace(run, card={**run.card, "test_time_augmentation": 4})
        shards = shutil.copytree(path, Path(folder) / "shards")
        change_storage(shards, "shards")
        pixels, metadata = dataset.images(), dataset.metadata(METADATA)

        def forward(times=1):
            for _ in range(times):
                for start in range(0, n, BATCH):
                    batch = {"image": pixels[start : start + BATCH], "metadata": metadata[start : start + BATCH]}
                    run.model.predict_on_batch(batch)

        bare, bare_four = "bare forward pass", "bare forward pass, four times"
        ways = {
            "reading the files": lambda: [file.read_bytes() for file in files],
            "reading and decoding them": lambda: open_dataset(path).images(),
            bare: forward,
            "gzmass predict, 1 orientation": lambda: predict(run, open_dataset(path)),
            "gzmass predict from shards, 1 orientation": lambda: predict(run, open_dataset(shards)),
            "gzmass predict without the domain score": lambda: predict(plain, open_dataset(path)),
            bare_four: lambda: forward(4),
            "gzmass predict, 4 orientations": lambda: predict(four, open_dataset(path)),
            "gzmass predict from shards, 4 orientations": lambda: predict(four, open_dataset(shards)),
        }
        absent = missing("tensorflow")
        if keras.backend.backend() == "tensorflow":
            ways["tf.data and model.predict"] = pipeline(files, run.model, metadata)
        else:
            absent = "The pipeline of tf.data is left out on this backend."
        seconds = take_turns(ways, 3 if arguments.short else 11)
    print_table(
        f"{n} PNG files of {arguments.npix} px, {arguments.trunk}, {keras.backend.backend()}",
        ["what", "galaxies/s", "rate, of its bare forward pass"],
        [
            [name, f"{n / np.median(times):.0f}", spread(seconds[bare_four if "4 or" in name else bare] / times)]
            for name, times in seconds.items()
        ],
        " ".join(["Wanted: 0.9, from shards 0.95.", *([absent] if absent else [])]),
    )


if __name__ == "__main__":
    main()
