"""Prediction in units from shards: against the bare forward pass, and two workers against one.

    python benchmarks/engine.py RUN DATASET [--n-galaxies 20000] [--rounds 3] [--orientations 1]

Galaxies of the dataset, again under other ids until there are enough, are written as shards. Printed are, measured
in turns: the time of the network alone on pixels in memory over the time of a whole unit (reading, decoding, network,
calibration, table), wall clock and processor; the rate of two workers over that of one, each of one thread, from the
first finished unit to the last; the largest difference between the table of two workers and that of one process. The
ratio of workers needs two free cores.
"""

# ruff: noqa: E402 -- the number of threads is set before TensorFlow is loaded

import argparse
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

from gzmass.datasets import open_dataset
from gzmass.datasets.shards import write_shard
from gzmass.datasets.write import encode_png
from gzmass.engine import LocalEngine
from gzmass.inference import predict_parts
from gzmass.inference.parts import Job, columns_looked_at, make_part
from gzmass.inference.reading import Reading, Rows, read_galaxies
from gzmass.models import load_run
from gzmass.models.forward import forward

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
    """Compare a unit with the network alone."""
    columns = tuple(columns_looked_at([run.card], [*run.metadata, "luminosity_g"]))
    reading = Reading(columns, "id", "image", folder, run.npix)
    job = Job((str(run.path),), reading, columns, (), None, None, "")
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
    for k, clock in enumerate(("wall clock", "processor")):
        ratios = network[:, k] / unit[:, k]
        print(
            f"network alone over a unit from shards, {clock}: median {np.median(ratios):.3f}, "
            f"{ratios.min():.3f} to {ratios.max():.3f}; {SHARD / np.median(unit[:, k]):.0f} galaxies/s"
        )


def rate(run, shards, out, workers):
    """Galaxies per second of a number of workers, from the first finished unit to the last."""
    shutil.rmtree(out, ignore_errors=True)
    seen = []
    predict_parts(
        run, shards, out, LocalEngine(workers), progress=lambda done, _: seen.append((time.perf_counter(), done))
    )
    (first, some), (last, every) = seen[workers], seen[-1]
    return (every - some) / (last - first)


def main():
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--n-galaxies", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--orientations", type=int, default=1, help="test-time augmentation: 1, 4 or 8")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(args.run, folder / "run", ignore=shutil.ignore_patterns("checkpoint", "logs", "evaluation*"))
        card = yaml.safe_load((folder / "run" / "card.yaml").read_text())
        card["test_time_augmentation"] = args.orientations
        (folder / "run" / "card.yaml").write_text(yaml.safe_dump(card))
        make_shards(open_dataset(args.dataset), folder / "shards", args.n_galaxies)
        run = load_run(folder / "run")
        trunk = card["config"]["model"]["trunk"]
        print(f"{trunk}, {run.npix} px, {args.orientations} orientations, {args.n_galaxies} galaxies")
        against_forward(run, folder / "shards" / "part-000.parquet", folder, args.rounds)
        predict_parts(run.path, folder / "shards", folder / "here", Here())
        shards = folder / "shards"
        rates = [[rate(run.path, shards, folder / f"out-{n}", n) for n in (1, 2)] for _ in range(args.rounds)]
        ratios = [two / one for one, two in rates]
        print(
            f"two workers over one: median {np.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}; "
            f"one worker {np.median([one for one, _ in rates]):.0f} galaxies/s"
        )
        here, there = parts(folder / "here"), parts(folder / "out-2")
        numbers = here.select_dtypes("number").columns
        same = (
            len(here) == len(there) == there["id"].nunique() and (here["id"].to_numpy() == there["id"].to_numpy()).all()
        )
        difference = np.nanmax(np.abs(here[numbers].to_numpy(float) - there[numbers].to_numpy(float)))
        print(f"{len(there)} rows of two workers, the same galaxies: {same}; largest difference {difference:.1e}")


if __name__ == "__main__":
    main()
