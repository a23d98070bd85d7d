"""Shards against a PNG file for each image: rates in turns, and memory for 10,000 to a million galaxies.

    python benchmarks/shards.py [--n-galaxies 20000] [--npix 69] [--turns 3] [--short]
        [--memory 10000 100000 1000000] [--folder FOLDER] [--plot docs/images/shards_memory.png]

Measured are, files and shards by turns in one run: writing a dataset, out of pixels (encoding included), opening it,
reading all images once as prediction does, decoding them into the cache as training does; and batches of 64 images
at random from the cache, read row by row as training does, against a memory-mapped array, against PNG files that are
decoded every time, and against shards at random, which nobody should. Files are in the memory of the system.

The memory is that of processes of their own, one for each step, above what the table takes. The galaxies are 500
simulated ones repeated, with an id and numbers of their own; a million of 69 px take some 15 GB of disk for a while.
A million is also opened with images of 16 px, which need less: opening reads none of them. Wanted: memory flat, and
a million open in 2 s.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from _tables import parser, print_table, spread

from gzmass.datasets import begin_dataset, open_dataset, write_dataset
from gzmass.datasets.parcels import write_parcel
from gzmass.datasets.pixels import decode_images
from gzmass.datasets.write import encode_png
from gzmass.simulate import simulate
from gzmass.tree import load_tree

TREE = load_tree("gz2")
KINDS = ("files", "shards")
STEPS = ("write", "open", "predict", "decode", "rows", "map")
LINES = {
    "map": ("batches at random, memory map", "--"),
    "open": ("the table itself, while it is opened", "--"),
    "write": ("write shards", "-"),
    "decode": ("decode once for training", "-"),
    "predict": ("read for prediction", "-"),
    "rows": ("batches at random, row by row", "-"),
}
PREDICTED = 4096  # images that prediction has in memory
BATCH = 64
RANDOM = f"{BATCH} at random"
MILLION, SMALL = 1_000_000, 16  # galaxies that are opened, and the side of their images [px]


def draw(folder, npix):
    """Simulate the galaxies that are repeated."""
    dataset = open_dataset(simulate(folder / "drawn", 500, npix=npix)["path"])
    return dataset.table, dataset.images()[..., 0]


def repeat(table, n):
    """Repeat the table, with ids of their own and numbers that do not repeat, which would compress well."""
    rng = np.random.default_rng(0)
    table = table.iloc[np.arange(n) % len(table)].reset_index(drop=True)
    table["id"] = np.arange(n) + 1237648721789256091
    for name in table.columns[table.dtypes == np.float64]:
        table[name] *= 1 + rng.uniform(0, 1e-6, n)
    return table


def write(path, drawn, n, storage):
    """Write a dataset of n galaxies, out of pixels."""
    table, images = drawn
    table = repeat(table, n)
    given = ((i, images[k % len(images)]) for k, i in enumerate(table["id"].tolist()))
    write_dataset(path, table, given, {"npix": images.shape[1]}, TREE, storage=storage)


def pack(path, drawn, n):
    """Write a dataset of n galaxies, out of parcels of encoded images, as the processes of prepare and simulate do."""
    table, images = drawn
    table, pngs, info = repeat(table, n), [encode_png(image) for image in images], {"npix": images.shape[1]}
    gc.collect()
    with Watch() as watch:
        begin_dataset(path, info, TREE)
        for start in range(0, n, 250):
            ids = table["id"].iloc[start : start + 250]
            write_parcel(path, f"{start:09d}", ids, [pngs[(start + k) % len(pngs)] for k in range(len(ids))])
        write_dataset(path, table, (), info, TREE, storage="shards")
    return watch


def chunks(dataset):
    """Read all images as prediction does."""
    for start in range(0, len(dataset), PREDICTED):
        dataset.images(np.arange(start, min(start + PREDICTED, len(dataset))))


def remove_cache(dataset):
    """Remove the decoded pixels."""
    for file in dataset.path.glob("cache/*"):
        file.unlink()


def seconds(function, *arguments):
    """Time one call."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def rates(folder, n, npix, turns):
    """Print how long everything takes, and the ratios."""
    drawn = draw(folder, npix)
    taken = {}

    def note(name, kind, value):
        taken.setdefault(name, {}).setdefault(kind, []).append(value)

    for turn in range(turns):
        datasets = {}
        for kind in np.roll(KINDS, turn).tolist():
            path = folder / f"{kind} {turn}"
            note("write", kind, seconds(write, path, drawn, n, kind))
            note("open", kind, seconds(open_dataset, path))
            datasets[kind] = open_dataset(path)
            note("read all, no cache (prediction)", kind, seconds(chunks, datasets[kind]))
            note("decode all into the cache (training)", kind, seconds(getattr, datasets[kind], "pixels"))
        pixels = datasets["shards"].pixels
        mapped = np.load(next(datasets["shards"].path.glob("cache/*.npy")), mmap_mode="r")
        rng = np.random.default_rng(turn)
        ways = {
            "cache, mapped": mapped.__getitem__,
            "cache, row by row": pixels.__getitem__,
            "files": partial(decode_images, datasets["files"].encoded, npix=npix),
        }
        for _ in range(200):
            for kind, way in ways.items():
                note(RANDOM, kind, seconds(way, rng.integers(0, n, BATCH)))
        for _ in range(3):
            rows = rng.integers(0, n, BATCH)
            note(RANDOM, "shards", seconds(decode_images, datasets["shards"].encoded, rows, npix))
    rows = []
    for name, kinds in taken.items():
        first = np.array(next(iter(kinds.values())))
        for kind, values in kinds.items():
            count = BATCH if name == RANDOM else n
            images = "" if name == "open" else f"{count / np.median(values):,.0f}"
            ratio = spread(np.median(first) / np.array(values), ".3f")
            rows.append([f"{name}: {kind}", spread(1e3 * np.array(values)), images, ratio])
    columns = ["what", "ms", "images/s", "speed, of the first way"]
    print_table(f"{n:,} galaxies of {npix} px, {turns} turns", columns, rows)


class Watch:
    """Watch the time and the resident memory of this process, which a thread looks at."""

    def __enter__(self):
        self.base, self.peak, self.done = resident(), {"RssAnon": 0, "RssFile": 0, "VmRSS": 0}, threading.Event()
        self.thread = threading.Thread(target=self._look)
        self.start = time.perf_counter()
        self.thread.start()
        return self

    def _look(self):
        while not self.done.wait(0.02):
            now = resident()
            self.peak = {name: max(value, now[name]) for name, value in self.peak.items()}

    def __exit__(self, *_):
        self.seconds = time.perf_counter() - self.start
        self.done.set()
        self.thread.join()
        now = resident()
        self.peak = {name: max(value, now[name]) for name, value in self.peak.items()}


def resident():
    """Resident memory of this process in MiB: its own pages, and those of mapped files."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    found = dict(line.split(":") for line in lines)
    return {name: int(found[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile", "VmRSS")}


def one_step(step, folder, n, npix):
    """Do one step in this process, and print its time and memory."""
    path = folder / f"{n}"
    if step == "write":
        watch = pack(path, draw(folder / f"draw {n}", npix), n)
    elif step == "open":
        import pyarrow.parquet  # noqa: F401, PLC0415  what is loaded at the first call is not the table's

        gc.collect()
        with Watch() as watch:
            dataset = open_dataset(path)
        del dataset
    else:
        dataset = open_dataset(path)
        if step == "decode":
            remove_cache(dataset)
        pixels = dataset.pixels if step == "rows" else None
        if step == "map":
            pixels = np.load(next(path.glob("cache/*.npy")), mmap_mode="r")
        order = np.random.default_rng(0).permutation(n)
        gc.collect()
        with Watch() as watch:
            if step == "predict":
                chunks(dataset)
            elif step == "decode":
                dataset.pixels  # noqa: B018  decodes them
            else:
                for start in range(0, n, BATCH):
                    np.asarray(pixels[order[start : start + BATCH]])
    print(json.dumps({"seconds": watch.seconds, "base": watch.base, "peak": watch.peak}))


def measure(step, folder, n, npix):
    """Do a step in a process of its own; give its time and memory."""
    command = [sys.executable, __file__, "--one", step, str(n), "--folder", str(folder), "--npix", str(npix)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return json.loads(done.stdout.splitlines()[-1])


def memory(folder, numbers, npix):
    """Print time and memory of each step for each number of galaxies; give the memory."""
    rows, found = [], {}
    for n in numbers:
        for step in STEPS:
            result = measure(step, folder, n, npix)
            base, peak = result["base"], result["peak"]
            found[n, step] = max(peak["VmRSS"] - base["VmRSS"], 1)
            of_least = found[n, step] / found[numbers[0], step]
            own = max(peak["RssAnon"] - base["RssAnon"], 0)
            texts = [f"{number:,.0f}" for number in (n / result["seconds"], found[n, step], own)]
            rows.append([f"{n:,}, {step}", f"{result['seconds']:.1f}", *texts, f"{of_least:.1f}"])
    columns = ["galaxies, step", "s", "galaxies/s", "memory above the table [MiB]", "of it own", "ratio to the fewest"]
    note = "Wanted: reading for prediction, decoding and drawing rows flat; a memory map (map) is shown for comparison."
    print_table(f"Memory, images of {npix} px", columns, rows, note)
    return found


def opening(folder, turns):
    """Print how long a million galaxies take to open, each time in a process of its own."""
    folder.mkdir()
    wrote = measure("write", folder, MILLION, SMALL)
    taken = [measure("open", folder, MILLION, SMALL) for _ in range(turns)]
    seconds = np.array([result["seconds"] for result in taken])
    rows = [
        ["writing the shards", f"{wrote['seconds']:.1f}", spread(wrote["seconds"] / seconds, ".0f")],
        ["opening", spread(seconds), "1"],
    ]
    print_table(f"A million galaxies of {SMALL} px", ["what", "s", "of opening"], rows, "Wanted: open in 2 s.")


def plot(found, npix, file):
    """Draw the memory of each step against the number of galaxies."""
    from gzmass.pages.figures import GREY, new_figure, styled, to_png  # noqa: PLC0415  matplotlib takes a second

    numbers = sorted({n for n, _ in found})

    @styled
    def draw_lines():
        figure, axes = new_figure(6.4, 4.0)
        axes.plot(numbers, [n * npix**2 / 2**20 for n in numbers], color=GREY, linestyle=":", label="all pixels")
        for step, (label, line) in LINES.items():
            axes.plot(numbers, [found[n, step] for n in numbers], line, marker="o", markersize=4, label=label)
        axes.set(xscale="log", yscale="log", xlabel="galaxies", ylabel="resident memory above the table [MiB]")
        axes.legend(fontsize=8)
        return figure

    file.write_bytes(to_png(draw_lines()))


def main():
    """Measure what was asked for."""
    own = parser(__doc__)
    own.add_argument("--n-galaxies", type=int)
    own.add_argument("--npix", type=int, default=69)
    own.add_argument("--turns", type=int, default=3)
    own.add_argument("--memory", type=int, nargs="*", default=[10000, 100000])
    own.add_argument("--folder", type=Path, help="where the datasets are made; by default a temporary one")
    own.add_argument("--plot", type=Path, help="a PNG of the memory")
    own.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = own.parse_args()
    if arguments.one is not None:
        one_step(arguments.one[0], arguments.folder, int(arguments.one[1]), arguments.npix)
        return
    n = arguments.n_galaxies or (4096 if arguments.short else 20000)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as made:
        if arguments.turns:
            rates(Path(made), n, arguments.npix, arguments.turns)
            opening(Path(made) / "million", arguments.turns)
        found = memory(Path(made), arguments.memory, arguments.npix)
        if arguments.plot is not None:
            plot(found, arguments.npix, arguments.plot)


if __name__ == "__main__":
    main()
