"""Time of the metrics and of the calibration on 10^6 galaxies; needs no data: python benchmarks/evaluate.py [N]."""

import resource
import sys
import time

import numpy as np

from gzmass.evaluation import (
    apply_calibration,
    calibrate_intervals,
    coverage_in_thirds,
    mass_to_light_metrics,
    vote_metrics,
)
from gzmass.evaluation.baselines import image_statistics
from gzmass.tree import load_tree


def timed(name, function, *args):
    """Print how long a call takes, and hand on what it returns."""
    start = time.perf_counter()
    result = function(*args)
    print(f"{name:42s} {time.perf_counter() - start:7.2f} s")
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
    del table, bounds
    votes = rng.integers(0, 20, (n, tree.n_answers)).astype(np.float32)
    fractions = np.full(votes.shape, 0.3, dtype=np.float32)
    timed("vote metrics of 37 answers", vote_metrics, votes, fractions, tree)
    images = rng.integers(0, 255, (1000, 69, 69), dtype=np.uint8)
    timed("image statistics of 1,000 images of 69 px", image_statistics, images)
    print(f"most memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10**6)
