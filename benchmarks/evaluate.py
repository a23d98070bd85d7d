"""The metrics, the calibration and the report on 10^6 galaxies, step by step, and the memory.

    python benchmarks/evaluate.py [--n-galaxies 1000000] [--short]

Seconds of processor time: other work on the machine does not count. The report is also made for few galaxies, to tell
what it takes for any number (mostly its figures). The floor is reading the predictions table from its Parquet file;
what one would take instead of the M/L metrics is scikit-learn with a bootstrap of 200 draws of all galaxies (ten are
drawn, and counted twenty times). `--short` changes nothing.
"""

import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from _tables import parser, print_table
from sklearn.metrics import r2_score, root_mean_squared_error

from gzmass.calibration import apply_calibration, calibrate_intervals, coverage_in_thirds
from gzmass.evaluation import evaluate, mass_to_light_metrics, vote_metrics
from gzmass.evaluation.image_statistics import image_statistics
from gzmass.tree import load_tree

FEW = 5000
TREE = load_tree("gz2")


class Galaxies:
    """As much of a dataset as `evaluate` needs, of one split, with noise for images."""

    path, info, tree = "benchmark", {}, TREE

    def __init__(self, table, votes):
        self.table, self._votes = table, votes

    def rows(self, split=None, labelled=None):
        """All rows, and none that baselines or means could be learnt from."""
        return np.arange(len(self.table) if split == "test" and labelled is None else 0)

    def votes(self, rows):
        """Votes of the rows."""
        return self._votes[rows]

    def images(self, rows):
        """Noise."""
        return np.random.default_rng(0).integers(0, 255, (len(rows), 69, 69, 1), dtype=np.uint8)


def bootstrap(true, predicted):
    """Resample all galaxies as one would with scikit-learn; ten draws stand for 200."""
    rng = np.random.default_rng(0)
    for _ in range(10):
        draw = rng.integers(0, len(true), len(true))
        r2_score(true[draw], predicted[draw]), root_mean_squared_error(true[draw], predicted[draw])


def main():
    """Print the table."""
    own = parser(__doc__)
    own.add_argument("--n-galaxies", type=int, default=10**6)
    n = own.parse_args().n_galaxies
    rows = []

    def timed(name, function, *args, times=1, **kwargs):
        start, used = time.perf_counter(), time.process_time()
        result = function(*args, **kwargs)
        passed, used = time.perf_counter() - start, time.process_time() - used
        rows.append([name, f"{times * used:.2f}", f"{times * passed:.2f}"])
        return result

    rng = np.random.default_rng(0)
    true = rng.normal(0.3, 0.26, n)
    mean, sigma = 0.6 * true + 0.12 + rng.normal(0, 0.15, n), rng.uniform(0.1, 0.2, n)
    timed("M/L metrics with bootstrap errors", mass_to_light_metrics, true, mean)
    timed("r2_score and error of scikit-learn, and 200 draws of them", bootstrap, true, mean, times=20)
    calibration = timed("calibration of the intervals", calibrate_intervals, true, mean, sigma)
    table = timed("M/L columns of the predictions table", apply_calibration, mean, sigma, calibration)
    bounds = (table["log_ml_g_p16"], table["log_ml_g_p84"])
    timed("coverage in thirds", coverage_in_thirds, mean, true, *bounds)
    votes = rng.integers(0, 20, (n, TREE.n_answers)).astype(np.float32)
    fractions = np.full(votes.shape, 0.3, dtype=np.float32)
    timed("vote metrics of 37 answers", vote_metrics, votes, fractions, TREE)
    images = rng.integers(0, 255, (1000, 69, 69), dtype=np.uint8)
    timed("image statistics of 1,000 images of 69 px", image_statistics, images)
    redshift, radius = rng.uniform(0.01, 0.2, n), 10 ** rng.uniform(0, 1, n)
    known = pd.DataFrame({"id": np.arange(n), "log_ml_g": true, "redshift": redshift, "radius_kpc": radius})
    predicted = pd.DataFrame(fractions, columns=[f"{stem}_fraction" for stem in TREE.stems])
    predicted = pd.concat([known[["id"]], table, predicted], axis=1)
    with tempfile.TemporaryDirectory() as out:
        file = Path(out) / "predictions.parquet"
        predicted.to_parquet(file)
        timed("reading the predictions table alone", pd.read_parquet, file)
        few = Galaxies(known[:FEW], votes[:FEW])
        evaluate(predicted[:FEW], few, "test", Path(out) / "warm", baselines=False)  # what is loaded at the first call
        timed(
            f"the whole report of {FEW:,}, no baselines", evaluate, predicted[:FEW], few, "test", out, baselines=False
        )
        name = "the whole report of all, no baselines"
        timed(name, evaluate, predicted, Galaxies(known, votes), "test", out, baselines=False)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    columns = [f"{n:,} galaxies", "s of processor time", "s passed"]
    print_table("Once each", columns, rows, f"Most memory {memory:.2f} GiB.")


if __name__ == "__main__":
    main()
