"""Coverage of the intervals of several runs in thirds, beside what intervals without a fault would show, in Markdown.

python benchmarks/interval_coverage.py DATASET RUN [RUN ...]

The gaps of thirds scatter because galaxies are few, on the test split and on the validation split alike. So two more
columns tell what is noise: the same worst gap for labels that are drawn from the very distribution that the intervals
assume; and the gaps of the mean coverage over 200 other divisions of the held-out galaxies (validation and test
together) into as many to calibrate on and as many to test on, in which most of that noise is gone.
"""

import sys

import numpy as np
from scipy.special import ndtri

from gzmass.calibration import calibrate_intervals, choose_calibration
from gzmass.calibration.conformal import LEVELS, interval_columns, interval_scores
from gzmass.calibration.groups import QUANTITIES, calibrate_groups
from gzmass.datasets import open_dataset
from gzmass.evaluation.image_statistics import statistics_of_rows
from gzmass.models import load_run
from gzmass.models.forward import forward

N_DIVISIONS, N_DRAWS = 200, 500
R50 = 8  # column of the statistics of an image: radius of half of the light, where no column tells a size
METHODS = ("plain", "in groups by prediction", "chosen")


def held_out(run, dataset, rows):
    """Scores, sigmas and groupings of held-out galaxies, and the quantities whose thirds are looked at."""
    outputs = forward(run.model, dataset.images(rows), dataset.metadata(run.metadata, rows), 4)["log_ml"]
    mean, sigma = outputs.T
    known = [name for name in QUANTITIES if name != "log_ml_g" and np.isfinite(dataset.metadata([name], rows)).all()]
    quantities = {"log_ml_g": mean} | {name: dataset.metadata([name], rows)[:, 0].astype(float) for name in known}
    looked_at = {"predicted M/L": mean}
    if "redshift" in known:
        looked_at["redshift"] = quantities["redshift"]
    looked_at["size"] = quantities["radius_kpc"] if "radius_kpc" in known else statistics_of_rows(dataset, rows)[:, R50]
    return (dataset.log_ml(rows)[:, 0] - mean) / sigma, sigma, quantities, looked_at


def gaps(score, sigma, quantities, looked_at, learn, test, method):
    """Coverage less level in percent, shape (levels, 1 + thirds + 2): over all, in thirds, at the ends of M/L."""
    one, there = np.zeros(len(learn)), {name: values[learn] for name, values in quantities.items()}
    if method == "chosen":
        mean = there["log_ml_g"]  # in dex, as runs choose: how wide the intervals are counts
        calibration = choose_calibration(mean + score[learn] * sigma[learn], mean, sigma[learn], there)
    elif method == "true":
        calibration = calibrate_intervals(ndtri((np.arange(20_000) + 0.5) / 20_000), 0.0, 1.0)
    elif method == "plain":
        calibration = calibrate_intervals(score[learn], one, 1.0)
    else:
        calibration = calibrate_groups(score[learn], one, 1.0, there, "log_ml_g")
    bounds = interval_scores(calibration, len(test), {name: values[test] for name, values in quantities.items()})
    members = [np.ones(len(test), dtype=bool)]
    for values in looked_at.values():
        third = np.searchsorted(np.quantile(values[test], [1 / 3, 2 / 3]), values[test], side="left")
        members += [third == k for k in range(3)]
    predicted = quantities["log_ml_g"][test]
    lowest, highest = np.quantile(predicted, [0.1, 0.9])
    members += [predicted < lowest, predicted > highest]
    found = []
    for level in LEVELS:
        lower, upper = (bounds[name] for name in interval_columns(level))
        inside = (score[test] >= lower) & (score[test] <= upper)
        found.append([100 * (inside[member].mean() - level) for member in members])
    return np.array(found)


def worst(found):
    """Largest gap over all galaxies, and in thirds."""
    return np.abs(found[:, 0]).max(), np.abs(found[:, 1:-2]).max()


def main():
    """Print the table."""
    dataset, runs = open_dataset(sys.argv[1]), [load_run(path) for path in sys.argv[2:]]
    parts = [dataset.require_rows(split, "log_ml") for split in ("val", "test")]
    n_val, rows = len(parts[0]), np.concatenate(parts)
    galaxies = [held_out(run, dataset, rows) for run in runs]
    val, test = np.arange(n_val), np.arange(n_val, len(rows))
    print(f"{n_val} galaxies to calibrate on, {len(test)} to test on; {len(runs)} runs. Gaps in points of percent.\n")
    noise = "without a fault: median, 95 %"
    print(f"| intervals | 68 / 90 / 95 % over all | worst over all | worst third, mean (least to most) | {noise} "
          f"| worst third of other divisions | {noise} | lowest tenth of the prediction | highest |\n"
          "|---|---|--:|--:|--:|--:|--:|---|---|")  # fmt: skip
    rng = np.random.default_rng(0)
    divisions = [np.split(rng.permutation(len(rows)), [n_val]) for _ in range(N_DIVISIONS)]
    for method in METHODS:
        found = [gaps(*one, val, test, method) for one in galaxies]
        overall, thirds = np.transpose([worst(one) for one in found])
        levels, lowest, highest = (
            " / ".join(f"{gap:+.1f}" for gap in np.mean(found, axis=0)[:, k]) for k in (0, -2, -1)
        )
        line = f"| {method} | {levels} | {overall.mean():.1f} | {thirds.mean():.1f} "
        line += f"({thirds.min():.1f} to {thirds.max():.1f}) |"
        if method == "chosen":  # too slow to repeat, and between the other two
            print(f"{line} | | | {lowest} | {highest} |")
            continue
        first = galaxies[0][1:]
        drawn = [gaps(rng.normal(size=len(rows)), *first, val, test, method) for _ in range(N_DRAWS)]
        mean = [np.mean([gaps(*one, *parts, method) for parts in divisions], axis=0) for one in galaxies]
        null = []
        for _ in range(N_DRAWS // 10):
            score = rng.normal(size=len(rows))
            null.append(np.mean([gaps(score, *first, *parts, method) for parts in divisions[:50]], axis=0))
        line += "".join(
            f" {middle:.1f}, {most:.1f} |" if not there else f" {there} | {middle:.1f}, {most:.1f} |"
            for there, (middle, most) in (
                ("", np.quantile([worst(one)[1] for one in drawn], [0.5, 0.95])),
                (f"{worst(np.mean(mean, axis=0))[1]:.1f}", np.quantile([worst(one)[1] for one in null], [0.5, 0.95])),
            )
        )
        print(f"{line} {lowest} | {highest} |", flush=True)
        thirds = np.mean(mean, axis=0)[0, 1:-2].reshape(-1, 3)
        told = "; ".join(
            f"{name} {' / '.join(f'{gap:+.1f}' for gap in of)}" for name, of in zip(first[-1], thirds, strict=True)
        )
        print(f"<!-- {method}, 68 %, lowest / middle / highest third, other divisions: {told} -->", flush=True)
    scores = rng.normal(size=(N_DRAWS, len(rows)))
    drawn = np.array([worst(gaps(score, *galaxies[0][1:], val, test, "true"))[1] for score in scores])
    middle, most = np.quantile(drawn, [0.5, 0.95])
    print(f"\nThe true quantiles: worst third {middle:.1f}, {most:.1f}; within 4 in {100 * np.mean(drawn <= 4):.0f} %.")


if __name__ == "__main__":
    main()
