"""What the simulated galaxies let one know of M/L, by boosting on what lies behind their images, in Markdown.

python benchmarks/explainable_variance.py DATASET

R2 of log M/L on the test split, learnt from the training split, each with the luminosity: from the true parameters of
the morphology, without some of them, and from the true votes. What a network from the image falls short of the first
shows what seeing, noise and few galaxies hide.
"""

import sys

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from gzmass.datasets import open_dataset

SHAPE = (
    "maturity",
    "bulge_to_total",
    "sersic_index",
    "axis_ratio",
    "inclination_deg",
    "edge_on",
    "bar_strength",
    "arm_strength",
    "arm_number",
    "pitch_deg",
    "clumpiness",
    "ring_strength",
    "odd_feature",
    "boxy_bulge",
    "dust_lane",
    "kind",
)


def columns(dataset, names):
    """Numbers of some columns; text becomes the number of its value."""
    table = dataset.table[[f"sim_{name}" for name in names]]
    text = table.select_dtypes(exclude=["number", "bool"]).columns
    return table.assign(**{name: table[name].astype("category").cat.codes for name in text}).to_numpy(float)


def main():
    """Print the table."""
    dataset = open_dataset(sys.argv[1])
    rows = {split: dataset.rows(split, "log_ml") for split in ("train", "test")}
    every = np.arange(len(dataset.table))
    luminosity = np.log10(dataset.metadata(["luminosity_g"], every))
    votes = dataset.votes(every)
    known = np.isfinite(votes).any(axis=1)
    inputs = {
        "the luminosity alone": np.empty((len(every), 0)),
        "true parameters of the morphology": columns(dataset, SHAPE),
        **{
            f"the same without the {what}": columns(dataset, [name for name in SHAPE if name != left_out])
            for left_out, what in (
                ("bulge_to_total", "ratio of bulge to total light"),
                ("sersic_index", "Sérsic index"),
                ("clumpiness", "clumpiness"),
            )
        },
        "true votes, of galaxies that have some": votes,
    }
    print("| inputs, each with the luminosity | R2 [dex] |\n|---|--:|")
    for name, own in inputs.items():
        values = np.concatenate([own, luminosity], axis=1)
        train, test = (rows[k][known[rows[k]]] if "true votes" in name else rows[k] for k in ("train", "test"))
        model = HistGradientBoostingRegressor(max_iter=600, learning_rate=0.05, early_stopping=True, random_state=0)
        model.fit(values[train], dataset.log_ml(train)[:, 0])
        true = dataset.log_ml(test)[:, 0]
        error = true - model.predict(values[test])
        print(f"| {name} | {1 - np.mean(error**2) / np.var(true):.3f} |", flush=True)


if __name__ == "__main__":
    main()
