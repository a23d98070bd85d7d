"""Speed of prepare against its floor (read, resample, encode), step by step, and its memory for N and 10 N images.

    python benchmarks/prepare.py [--n-images 400] [--side 120] [--npix 69] [--memory 1000 10000] [--data FOLDER]

The images are simulated, or the FITS files of a folder; times are those of the processor, on one core. The floor
encodes the very picture that is written. All ways to prepare an image take turns, every ten images, so that a busy
machine slows all alike and yet each does the same over and over, as it does in use; of several rounds the quickest
counts for each image, as what else the machine does only adds. The lines of the command count
what each further image costs with its writing and its records, against the floor measured in turns with it; what it
takes for any number of images, mostly for its page, stands beside. The memory is the most that a process of its own
held; `--memory 1000 100000` takes five minutes, as all of it is done, with neighbours.
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
from astropy.io import fits

from gzmass.datasets import PrepareConfig, prepare
from gzmass.datasets.prepare_images import Galaxy, prepare_image
from gzmass.datasets.write import encode_png
from gzmass.images import read_image, resample

STEPS = {
    "and stretched": {"centre": "keep", "neighbours": "none"},
    "and centred": {"centre": "correct", "neighbours": "none"},
    "and freed of neighbours": {"centre": "correct", "neighbours": "symmetric"},
}

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


def speed(folder, files, npix):
    """Print images per second of the floor, of every step, and of the command."""
    nan = float("nan")
    galaxies = [Galaxy(k, str(file), None, nan, nan, nan, nan) for k, file in enumerate(files)]
    configs = {name: configure(folder, "out", npix, cutout) for name, cutout in STEPS.items()}
    pictures = [prepare_image(configs["and stretched"], galaxy).pixels for galaxy in galaxies]

    def floor(galaxy):
        resample(read_image(galaxy.file), npix)
        encode_png(pictures[galaxy.id])

    ways = {"read, resampled, encoded": floor}
    for name, config in configs.items():
        ways[name] = lambda galaxy, config=config: encode_png(prepare_image(config, galaxy).pixels)
    taken = least_times(ways, galaxies)
    least = taken["read, resampled, encoded"]
    for name, time_taken in taken.items():
        tell(name, len(files) / time_taken, least / time_taken)
    few = min(len(files) // 2, 20)
    with tempfile.TemporaryDirectory() as out:
        prepare(configure(folder, Path(out) / "warm", npix, STEPS["and stretched"], limit=1))  # matplotlib, too
        for name, cutout in STEPS.items():
            least = short = long = 0.0
            for turn in range(TURNS):
                least += seconds(lambda: [floor(galaxy) for galaxy in galaxies])
                short += seconds(prepare, configure(folder, f"{out}/{name} {turn} few", npix, cutout, limit=few))
                long += seconds(prepare, configure(folder, f"{out}/{name} {turn} all", npix, cutout, limit=len(files)))
            rate = TURNS * (len(files) - few) / (long - short)
            tell(f"gzmass prepare, {name}", rate, rate * least / TURNS / len(files), long / TURNS - len(files) / rate)


def least_times(ways, galaxies):
    """Seconds that each way takes for all galaxies, of each the least of several rounds."""
    for way in ways.values():
        way(galaxies[0])  # what is loaded at the first call
    rounds = {name: np.empty((ROUNDS, len(galaxies))) for name in ways}
    for i in range(ROUNDS):
        for number in range(0, len(galaxies), IN_TURN):
            for name in np.roll(list(ways), i + number // IN_TURN):
                for k, galaxy in enumerate(galaxies[number : number + IN_TURN], start=number):
                    rounds[name][i, k] = seconds(ways[name], galaxy)
    return {name: times.min(axis=0).sum() for name, times in rounds.items()}


def seconds(function, *arguments):
    """Measure the processor's time that a call takes."""
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


def tell(name, rate, of_floor, besides=None):
    """Print a line of the table."""
    constant = "" if besides is None else f", and {besides:.1f} s for any number"
    print(f"{name:40s} {rate:8.0f} images/s of a core {100 * of_floor:6.0f} % of the floor{constant}")


def memory(folder, files, npix, numbers):
    """Print the most memory that prepare held, for numbers of galaxies that share a few files."""
    for n in numbers:
        table = folder / f"list_{n}.csv"
        pd.DataFrame({"id": np.arange(n), "file": [files[k % len(files)].resolve() for k in range(n)]}).to_csv(table)
        command = [sys.executable, __file__, "--one", str(table), "--npix", str(npix)]
        held = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]  # noqa: S603
        print(f"{n:9,} images: most memory {float(held):7.0f} MiB")


def main():
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-images", type=int, default=400)
    parser.add_argument("--side", type=int, default=120)
    parser.add_argument("--npix", type=int, default=69)
    parser.add_argument("--memory", type=int, nargs="*", default=[1000, 10000])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is not None:
        with tempfile.TemporaryDirectory() as out:
            prepare(configure(None, Path(out) / "ds", arguments.npix, {}, images={"table": arguments.one}))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if arguments.data is None:
            write_images(folder, arguments.n_images, arguments.side)
        else:
            for file in sorted(arguments.data.glob("*.fits"))[: arguments.n_images]:
                (folder / file.name).symlink_to(file.resolve())
        files = sorted(folder.glob("*.fits"))
        speed(folder, files, arguments.npix)
        memory(folder, files, arguments.npix, arguments.memory)


if __name__ == "__main__":
    main()
