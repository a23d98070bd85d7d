"""What the simulated galaxies let one know of M/L, from what lies behind their images and from these, in Markdown.

python benchmarks/explainable_variance.py DATASET [PREDICTIONS]

First R2 of log M/L on the test split, learnt from the training split by boosting, each with the luminosity: from the
true parameters of the morphology, without some of them, from the true votes, and with the distance and the flux beside:
luminosity less flux at a distance is the K-correction, which tells the colour, and the colour tells of the scatter of
M/L that no morphology shows.

Then what seeing and noise hide: the variance of log M/L that is left to whoever knows how the images come about, down
to the phases of the arms, and reads the strength of each part of a galaxy from its image as well as the noise allows.
Near the true parameters the image is taken for linear in their normal scores, of which the prior is a standard
Gaussian: with the Fisher information F of the pixels and the gradient g of log M/L it is g' (F + 1)^-1 g.

With the table that `gzmass predict` wrote for galaxies of the dataset that and nothing else: what the run misses of the
variance that could be explained, by kind of galaxy, and how much of that lies with the few galaxies it misses most.
"""

import sys

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri
from sklearn.ensemble import HistGradientBoostingRegressor

from gzmass.datasets import open_dataset
from gzmass.simulate import galaxy_rng, render_light
from gzmass.simulate.population import DRAWS, galaxy_uniforms, population_of
from gzmass.simulate.rendering import noise_sigma, pixel_scale

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


#: Random numbers of a galaxy that its image tells of; the others are choices, which the reader knows, or not in it.
READ = (
    "maturity",
    "magnitude",
    "size",
    "seeing",
    "bulge",
    "sersic",
    "roundness",
    "inclination",
    "angle",
    "bar_length",
    "arms",
    "pitch",
    "clumps",
    "ring_radius",
    "ring_strength",
    "lane",
    "side_angle",
    "side_distance",
    "side_flux",
    "variant",
)
CHOICES = ("kind", "edge_on", "arm_number", "odd_feature")
STEP = 0.02  # standard deviations of a normal score, for the derivatives
GALAXIES = 500


def columns(dataset, names):
    """Numbers of some columns; text becomes the number of its value."""
    table = dataset.table[[f"sim_{name}" for name in names]]
    text = table.select_dtypes(exclude=["number", "bool"]).columns
    return table.assign(**{name: table[name].astype("category").cat.codes for name in text}).to_numpy(float)


def with_k_correction(dataset, luminosity, error):
    """Logarithms of the distance, and of what is left of the luminosity when flux and distance are known."""
    distance = np.log10(dataset.metadata(["distance_mpc"])).astype(float)
    flux = np.log10(dataset.table[["sim_flux_g"]].to_numpy(float))
    flux += np.log10(1 + error * np.random.default_rng(0).normal(size=flux.shape))
    return np.concatenate([distance, flux - luminosity + 2 * distance], axis=1)


def main():
    """Print the tables."""
    dataset = open_dataset(sys.argv[1])
    if len(sys.argv) > 2:
        print_missed(dataset, pd.read_parquet(sys.argv[2]))
        return
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
        **{
            f"true parameters of the morphology, distance and flux{what}": np.concatenate(
                [columns(dataset, SHAPE), with_k_correction(dataset, luminosity, error)], axis=1
            )
            for error, what in ((0.0, ""), (0.01, " to 1 %"), (0.03, " to 3 %"))
        },
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
    print_hidden(dataset, rows["test"])


def print_missed(dataset, predictions):
    """Print what a run misses of the variance that could be explained, by kind of galaxy."""
    truth = dataset.table[dataset.table["log_ml_g"].notna()]
    table = truth.merge(predictions[["id", "log_ml_g"]], on="id", suffixes=("", "_predicted"))
    variance = table["log_ml_g"].var()
    r2 = 1 - ((table["log_ml_g_predicted"] - table["log_ml_g"]) ** 2).mean() / variance
    best = table["sim_log_ml_g_from_image"] + table["sim_log_ml_g_from_luminosity"]
    missed = (table["log_ml_g_predicted"] - best) ** 2 / variance
    # of what neither look nor luminosity tell: flux, distance and luminosity together tell some of it, by the colour
    scatter = table["log_ml_g"] - best
    known = 2 * (scatter * (table["log_ml_g_predicted"] - best)).mean() / variance
    print(
        f"R2 {r2:.3f}: look and luminosity explain {1 - (scatter**2).mean() / variance:.3f} of the variance, of which "
        f"{missed.mean():.3f} is missed; {known:.3f} is of the scatter that neither shows.\n"
    )
    print("| kind | share of the galaxies | missed, of the variance of log M/L | share of all that is missed |")
    print("|---|--:|--:|--:|")
    for kind, own in missed.groupby(table["sim_kind"]):
        print(f"| {kind} | {len(own) / len(missed):.3f} | {own.mean():.3f} | {own.sum() / missed.sum():.2f} |")
    worst = np.sort(missed)[-len(missed) // 20 :].sum() / missed.sum()
    print(f"\nThe twentieth of the galaxies that is missed most has {worst:.2f} of it.")


def print_hidden(dataset, rows):
    """Print the variance of log M/L that seeing and noise hide from whoever knows all else, by kind of galaxy."""
    recipe = dataset.info["simulation"]
    rows = np.random.default_rng(0).choice(rows, min(GALAXIES, len(rows)), replace=False)
    ids, kinds = dataset.table["id"].to_numpy()[rows], dataset.table["sim_kind"].to_numpy()[rows]
    hidden = np.array([hidden_variance(int(i), recipe["seed"], recipe["npix"]) for i in ids])
    variance = np.var(dataset.log_ml(dataset.rows("test", "log_ml"))[:, 0])
    print(f"\n| {recipe['npix']} px | galaxies | hidden, of the variance of log M/L |\n|---|--:|--:|")
    for kind in (*np.unique(kinds), "all but artifacts"):
        chosen = kinds != "artifact" if kind == "all but artifacts" else kinds == kind
        print(f"| {kind} | {chosen.sum()} | {hidden[chosen].mean() / variance:.4f} |")


def hidden_variance(number, seed, npix):
    """Variance [dex2] of log M/L that is left to an ideal reader of the image of one galaxy."""
    scores = ndtri(galaxy_uniforms(seed, number))
    moved = np.repeat(scores[None], 1 + 2 * len(READ), axis=0)
    for k, name in enumerate(READ):
        moved[1 + 2 * k : 3 + 2 * k, DRAWS.index(name)] += STEP, -STEP
    galaxies = population_of(np.full(len(moved), number), ndtr(moved)).to_dict("records")

    def image(galaxy):
        return render_light(galaxy, npix, galaxy_rng(seed, number, "image"))

    here = image(galaxies[0])
    noise = noise_sigma(float(pixel_scale(galaxies[0]["sim_r90_arcsec"], npix)), here)
    slopes, gradient = [1 / noise.ravel()], [0.0]  # the level of the sky, of which nothing is known
    for above, below in zip(galaxies[1::2], galaxies[2::2], strict=True):
        if any(above[f"sim_{name}"] != below[f"sim_{name}"] for name in CHOICES):
            continue  # a step over the edge of a choice is no derivative
        slopes.append(((image(above) - image(below)) / (2 * STEP) / noise).ravel())
        gradient.append((above["sim_log_ml_g_from_image"] - below["sim_log_ml_g_from_image"]) / (2 * STEP))
    slopes, gradient = np.array(slopes, dtype=float), np.array(gradient)
    prior = np.eye(len(gradient))
    prior[0, 0] = 0
    return gradient @ np.linalg.solve(slopes @ slopes.T + prior, gradient)


if __name__ == "__main__":
    main()
