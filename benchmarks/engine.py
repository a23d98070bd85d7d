"""Prediction in units from shards: against the bare forward pass, and two workers against one.

    python benchmarks/engine.py [RUN DATASET] [--n-galaxies 20000] [--rounds 7] [--orientations 1] [--short]

Galaxies of the dataset, again under other ids until there are enough, are written as shards. Printed are, measured
in turns: the time of the network alone on pixels in memory over the time of a whole unit (reading, decoding, network,
calibration, table), wall clock and processor; the rate of two workers over that of one, each of one thread, from the
first finished unit to the last; the largest difference between the table of two workers and that of one process. The
ratio of workers needs two free cores. Without a run and a dataset, one of two steps on simulated galaxies serves: how
fast it is and what the workers give does not depend on what was learnt. Wanted: no difference above 1e-5, and no row
lost or twice.
"""

# ruff: noqa: E402 -- the number of threads is set before TensorFlow is loaded

import os
import shutil
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np
import pandas as pd
import yaml
from _tables import parser, print_table, spread

from gzmass.config import FinetuneConfig
from gzmass.datasets import open_dataset
from gzmass.datasets.shards import write_shard
from gzmass.datasets.write import encode_png
from gzmass.engine import LocalEngine
from gzmass.inference import predict_parts
from gzmass.inference.parts import Job, columns_looked_at, make_part
from gzmass.inference.reading import Reading, Rows, read_galaxies
from gzmass.models import load_run
from gzmass.models.forward import forward
from gzmass.models.run import read_card, run_mark
from gzmass.simulate import simulate
from gzmass.training import finetune_ml

SHARD = 2048


class Here:
    """An engine of this process."""

    def run(self, function, items):
        """Compute one item after the other."""
        for item in items:
            yield item, function(item), None


def make_shards(dataset, folder, n_galaxies):
    """Write galaxies of a dataset as shards, again under other ids until there are enough."""
    table = dataset.table.drop(columns=["ra", "dec"])
    for k, start in enumerate(range(0, n_galaxies, SHARD)):
        numbers = np.arange(start, min(start + SHARD, n_galaxies))
        rows = numbers % len(table)
        part = table.iloc[rows].reset_index(drop=True).assign(id=numbers)
        write_shard(
            folder / f"part-{k:03d}.parquet", part, [encode_png(image) for image in dataset.images(rows)[..., 0]]
        )


def parts(out):
    """Read a table that was made in parts, and its ids in order."""
    return pd.concat([pd.read_parquet(file) for file in sorted(out.glob("parts/*.parquet"))]).sort_values("id")


def against_forward(run, shard, folder, rounds):
    """Compare a unit with the network alone; give the rows of a table."""
    columns = tuple(columns_looked_at([run.card], [*run.metadata, "luminosity_g"]))
    reading = Reading(columns, "id", "image", folder, run.npix)
    job = Job((str(run.path),), (run_mark(run.path, read_card(run.path)),), reading, columns, (), None, None, "")
    rows = Rows(shard, 0, SHARD)
    table, pixels, _ = next(read_galaxies(reading, rows))
    metadata = table[run.metadata].to_numpy(dtype="float32")
    calls = {
        "network": lambda: forward(run.model, pixels[..., None], metadata, run.card["test_time_augmentation"]),
        "unit": lambda: make_part(job, rows, folder / "unit.parquet"),
    }
    times = {name: [] for name in calls}
    for k in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter(), time.process_time()
            call()
            if k:  # the first compiles
                times[name].append((time.perf_counter() - start[0], time.process_time() - start[1]))
    network, unit = (np.array(times[name]) for name in ("network", "unit"))
    return [
        [f"network alone / a unit from shards, {clock}", spread(network[:, k] / unit[:, k])]
        for k, clock in enumerate(("wall clock", "processor"))
    ] + [["a unit of one thread [galaxies/s]", spread(SHARD / unit[:, 0], ".0f")]]


def rate(run, shards, out, workers):
    """Galaxies per second of a number of workers, from the first finished unit to the last."""
    shutil.rmtree(out, ignore_errors=True)
    seen = []
    predict_parts(
        run, shards, out, LocalEngine(workers), progress=lambda done, _: seen.append((time.perf_counter(), done))
    )
    (first, some), (last, every) = seen[workers], seen[-1]
    return (every - some) / (last - first)


def make_run(folder):
    """Simulate galaxies and train a run for two steps; give both."""
    dataset = simulate(folder / "dataset", 512)["path"]
    stage = {"name": "all", "train": "all", "steps": 2}
    finetune_ml(FinetuneConfig(dataset=dataset, out=folder / "trained", metadata=["luminosity_g"], stages=[stage]))
    return folder / "trained", dataset


def main():
    """Print the table."""
    own = parser(__doc__)
    own.add_argument("run", type=Path, nargs="?")
    own.add_argument("dataset", type=Path, nargs="?")
    own.add_argument("--n-galaxies", type=int, default=20_000)
    own.add_argument("--rounds", type=int)
    own.add_argument("--orientations", type=int, default=1, help="test-time augmentation: 1, 4 or 8")
    args = own.parse_args()
    if args.run is not None and args.dataset is None:
        own.error("a run needs a DATASET beside it")
    rounds = args.rounds or (3 if args.short else 7)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, dataset = make_run(folder) if args.run is None else (args.run, args.dataset)
        shutil.copytree(path, folder / "run", ignore=shutil.ignore_patterns("checkpoint", "logs", "evaluation*"))
        card = yaml.safe_load((folder / "run" / "card.yaml").read_text())
        card["test_time_augmentation"] = args.orientations
        (folder / "run" / "card.yaml").write_text(yaml.safe_dump(card))
        shards = folder / "shards"
        make_shards(open_dataset(dataset), shards, args.n_galaxies)
        run = load_run(folder / "run")
        rows = against_forward(run, shards / "part-000.parquet", folder, rounds)
        predict_parts(run.path, shards, folder / "here", Here())
        rates = np.array([[rate(run.path, shards, folder / f"out-{n}", n) for n in (1, 2)] for _ in range(rounds)])
        rows += [
            ["two workers / one", spread(rates[:, 1] / rates[:, 0])],
            ["one worker [galaxies/s]", spread(rates[:, 0], ".0f")],
        ]
        here, there = parts(folder / "here"), parts(folder / "out-2")
    numbers = here.select_dtypes("number").columns
    same = len(here) == len(there) == there["id"].nunique() and (here["id"].to_numpy() == there["id"].to_numpy()).all()
    rows.append(["rows of two workers that one process has not, or has twice", "0" if same else "some"])
    if same:
        difference = np.nanmax(np.abs(here[numbers].to_numpy(float) - there[numbers].to_numpy(float)))
        rows.append(["largest difference of a number in them", f"{difference:.1e}"])
    trunk = card["config"]["model"]["trunk"]
    title = f"{args.n_galaxies:,} galaxies of {run.npix} px, {trunk}, {args.orientations} orientation(s)"
    print_table(title, ["what", "value"], rows, "Wanted: no row lost or twice, no difference above 1e-5.")


if __name__ == "__main__":
    main()
