"""Time of the metrics, the calibration and the report on 10^6 galaxies; needs no data: benchmarks/evaluate.py [N]."""

import resource
import sys
import tempfile
import time

import numpy as np
import pandas as pd

from gzmass.evaluation import (
    apply_calibration,
    calibrate_intervals,
    coverage_in_thirds,
    evaluate,
    mass_to_light_metrics,
    vote_metrics,
)
from gzmass.evaluation.baselines import image_statistics
from gzmass.tree import load_tree


class Galaxies:
    """As much of a dataset as `evaluate` needs, of one split, with noise for images."""

    path, info = "benchmark", {}

    def __init__(self, table, votes, tree):
        self.table, self._votes, self.tree = table, votes, tree

    def rows(self, split=None, labelled=None):
        """All rows, and none that baselines or means could be learnt from."""
        return np.arange(len(self.table) if split == "test" and labelled is None else 0)

    def votes(self, rows):
        """Votes of the rows."""
        return self._votes[rows]

    def images(self, rows):
        """Noise."""
        return np.random.default_rng(0).integers(0, 255, (len(rows), 69, 69, 1), dtype=np.uint8)


def timed(name, function, *args, **kwargs):
    """Print how long a call takes, and hand on what it returns."""
    start, used = time.perf_counter(), time.process_time()
    result = function(*args, **kwargs)
    times = f"{time.perf_counter() - start:7.2f} s, {time.process_time() - used:7.2f} s of processor time"
    print(f"{name:42s} {times}")
    return result


def main(n):
    """Time every step on n simulated galaxies."""
    rng, tree = np.random.default_rng(0), load_tree("gz2")
    true = rng.normal(0.3, 0.26, n)
    mean, sigma = 0.6 * true + 0.12 + rng.normal(0, 0.15, n), rng.uniform(0.1, 0.2, n)
    print(f"{n:,} galaxies")
    timed("M/L metrics with bootstrap errors", mass_to_light_metrics, true, mean)
    calibration = timed("calibration of the intervals", calibrate_intervals, true, mean, sigma)
    table = timed("M/L columns of the predictions table", apply_calibration, mean, sigma, calibration)
    bounds = (table["log_ml_g_p16"], table["log_ml_g_p84"])
    timed("coverage in thirds", coverage_in_thirds, mean, true, *bounds)
    votes = rng.integers(0, 20, (n, tree.n_answers)).astype(np.float32)
    fractions = np.full(votes.shape, 0.3, dtype=np.float32)
    timed("vote metrics of 37 answers", vote_metrics, votes, fractions, tree)
    images = rng.integers(0, 255, (1000, 69, 69), dtype=np.uint8)
    timed("image statistics of 1,000 images of 69 px", image_statistics, images)
    redshift, radius = rng.uniform(0.01, 0.2, n), 10 ** rng.uniform(0, 1, n)
    known = pd.DataFrame({"id": np.arange(n), "log_ml_g": true, "redshift": redshift, "radius_kpc": radius})
    predicted = pd.DataFrame(fractions, columns=[f"{stem}_fraction" for stem in tree.stems])
    predicted = pd.concat([known[["id"]], table, predicted], axis=1)
    with tempfile.TemporaryDirectory() as out:
        galaxies = Galaxies(known, votes, tree)
        timed("the whole report without baselines", evaluate, predicted, galaxies, "test", out, baselines=False)
    print(f"most memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10**6)
