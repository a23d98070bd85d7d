"""Speed of prepare against its floor (read, resample, encode), step by step, and its memory for N and 10 N images.

    python benchmarks/prepare.py [--n-images 400] [--side 120 212] [--npix 69] [--memory 1000 10000] [--short]
    python benchmarks/prepare.py --data FOLDER

The images are simulated, of some sides in pixels, or the FITS files of a folder; times are those of the processor, on
one core. The floor encodes the very picture that is written. All ways to prepare an image take turns, every ten images,
so that a busy machine slows all alike and yet each does the same over and over, as it does in use; of several rounds
the quickest counts for each image, as what else the machine does only adds. The lines of the command count what each
further image costs with its writing and its records, against the floor measured in turns with it; what it takes for any
number of images, mostly for its page, stands beside. The memory is the most that a process of its own held;
`--memory 1000 100000` takes five minutes, as all of it is done, with neighbours. The short form has the steps alone.
Wanted: 0.7 with all steps.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from _tables import parser, print_table, spread
from astropy.io import fits

from gzmass.datasets.write import encode_png
from gzmass.images import read_image, resample
from gzmass.preparation import PrepareConfig, prepare
from gzmass.preparation.images import Galaxy, prepare_image

STEPS = {
    "and stretched": {"centre": "keep", "neighbours": "none"},
    "and centred": {"centre": "correct", "neighbours": "none"},
    "and freed of neighbours": {"centre": "correct", "neighbours": "symmetric"},
}

FLOOR = "read, resampled, encoded"
MEMORY = {True: [], False: [1000, 10000]}  # images, in the short form and in the long one
IN_TURN = 10  # images
ROUNDS = 6  # over all images
TURNS = 3  # of the command and the floor, one after the other


def write_images(folder, n, side):
    """Write simulated galaxies with stars around them."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    for k in range(n):
        image = rng.normal(0, 0.02, (side, side))
        image += 2 * np.exp(
            -np.hypot(x - side / 2, (y - side / 2) * rng.uniform(1, 3)) / (side * rng.uniform(0.05, 0.12))
        )
        for _ in range(rng.integers(0, 6)):
            sx, sy = rng.uniform(0, side, 2)
            image += rng.exponential(2) * np.exp(-((x - sx) ** 2 + (y - sy) ** 2) / 8)
        fits.writeto(folder / f"{k}.fits", image.astype(np.float32))


def configure(folder, out, npix, cutout, **changes):
    """Make a configuration for the images of a folder."""
    return PrepareConfig(**{"out": out, "images": {"folder": folder}, "npix": npix, "cutout": cutout, **changes})


def speed(folder, files, npix, what, with_command):
    """Print how long the floor, every step and the command take for an image."""
    nan = float("nan")
    galaxies = [Galaxy(k, str(file), None, nan, nan, nan, nan) for k, file in enumerate(files)]
    configs = {name: configure(folder, "out", npix, cutout) for name, cutout in STEPS.items()}
    pictures = [prepare_image(configs["and stretched"], galaxy).pixels for galaxy in galaxies]

    def floor(galaxy):
        resample(read_image(galaxy.file), npix)
        encode_png(pictures[galaxy.id])

    ways = {FLOOR: floor}
    for name, config in configs.items():
        ways[name] = lambda galaxy, config=config: encode_png(prepare_image(config, galaxy).pixels)
    rounds = take_rounds(ways, galaxies)
    least = {name: times.min(axis=0).sum() for name, times in rounds.items()}
    print_table(
        f"Images of {what}, made into {npix} px, in memory",
        ["steps", "us an image", "floor / it", "quartiles of the rounds"],
        [
            [name, f"{1e6 * least[name] / len(files):.0f}", f"{least[FLOOR] / least[name]:.2f}", quartiles]
            for name, quartiles in ((name, spread(rounds[FLOOR].sum(1) / rounds[name].sum(1))) for name in ways)
        ],
        "Wanted: 0.7 with all steps.",
    )
    if with_command:
        command(folder, galaxies, npix, lambda: [floor(galaxy) for galaxy in galaxies], what)


def command(folder, galaxies, npix, floor, what):
    """Print how long `gzmass prepare` takes for an image, and for any number of images."""
    n, rows = len(galaxies), []
    few = min(n // 2, 20)
    with tempfile.TemporaryDirectory() as out:
        prepare(configure(folder, Path(out) / "warm", npix, STEPS["and stretched"], limit=1))  # matplotlib, too
        for name, cutout in STEPS.items():
            least = short = long = 0.0
            for turn in range(TURNS):
                least += seconds(floor)
                short += seconds(prepare, configure(folder, f"{out}/{name} {turn} few", npix, cutout, limit=few))
                long += seconds(prepare, configure(folder, f"{out}/{name} {turn} all", npix, cutout, limit=n))
            each = (long - short) / TURNS / (n - few)
            fixed = long / TURNS - n * each
            rows.append([name, f"{1e6 * each:.0f}", f"{least / TURNS / n / each:.2f}", f"{fixed:.1f}"])
    columns = ["gzmass prepare", "us a further image", "floor / it", "s for any number"]
    print_table(f"The whole command, images of {what}", columns, rows)


def take_rounds(ways, galaxies):
    """Seconds that each way takes for each galaxy in each of several rounds."""
    for way in ways.values():
        way(galaxies[0])  # what is loaded at the first call
    rounds = {name: np.empty((ROUNDS, len(galaxies))) for name in ways}
    for i in range(ROUNDS):
        for number in range(0, len(galaxies), IN_TURN):
            for name in np.roll(list(ways), i + number // IN_TURN):
                for k, galaxy in enumerate(galaxies[number : number + IN_TURN], start=number):
                    rounds[name][i, k] = seconds(ways[name], galaxy)
    return rounds


def seconds(function, *arguments):
    """Measure the processor's time that a call takes."""
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


def memory(folder, files, npix, numbers):
    """Print the most memory that prepare held, for numbers of galaxies that share a few files."""
    rows = []
    for n in numbers:
        table = folder / f"list_{n}.csv"
        pd.DataFrame({"id": np.arange(n), "file": [files[k % len(files)].resolve() for k in range(n)]}).to_csv(table)
        command = [sys.executable, __file__, "--one", str(table), "--npix", str(npix)]
        held = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]  # noqa: S603
        rows.append([f"{n:,} images", f"{float(held):.0f}"])
    print_table("Memory", ["gzmass prepare", "most [MiB]"], rows)


def main():
    """Measure what was asked for."""
    own = parser(__doc__)
    own.add_argument("--n-images", type=int)
    own.add_argument("--side", type=int, nargs="+", default=[120, 212])
    own.add_argument("--npix", type=int, default=69)
    own.add_argument("--memory", type=int, nargs="*")
    own.add_argument("--data", type=Path)
    own.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    arguments = own.parse_args()
    if arguments.one is not None:
        with tempfile.TemporaryDirectory() as out:
            prepare(configure(None, Path(out) / "ds", arguments.npix, {}, images={"table": arguments.one}))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    n = arguments.n_images or (100 if arguments.short else 400)
    numbers = MEMORY[arguments.short] if arguments.memory is None else arguments.memory
    for side in [None] if arguments.data else arguments.side:
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            if side is None:
                for file in sorted(arguments.data.glob("*.fits"))[:n]:
                    (folder / file.name).symlink_to(file.resolve())
            else:
                write_images(folder, n, side)
            files = sorted(folder.glob("*.fits"))
            what = str(arguments.data) if side is None else f"{side} px"
            speed(folder, files, arguments.npix, what, with_command=not arguments.short)
            if side in (None, arguments.side[0]) and numbers:
                memory(folder, files, arguments.npix, numbers)


if __name__ == "__main__":
    main()
