"""How fast galaxies are simulated, and how like real ones they are.

OMP_NUM_THREADS=1 python benchmarks/simulate.py [--npix 64] [--n-galaxies 1000]     time on one core, and its split
python benchmarks/simulate.py --compare [--n-galaxies 6000]                         the tables of docs/simulation.md
"""

import tempfile
import time
from importlib import resources
from pathlib import Path

import numpy as np
import yaml
from _tables import parser, print_table, spread, take_turns
from scipy.stats import spearmanr

from gzmass.datasets.write import encode_png
from gzmass.images import log_stretch
from gzmass.simulate import cast_votes, draw_population, explainable_r2, galaxy_rng, render, render_light, simulate
from gzmass.simulate.population import measured
from gzmass.tree import load_tree


def speed(n_galaxies, npix, turns):
    """Print galaxies per second of one core, end to end and by part: other work on the machine does not count.

    The floor is what no simulation of noisy images can do without: normal random numbers for the pixels, and PNGs.
    """
    population = draw_population(n_galaxies)
    galaxies = population.to_dict("records")
    images = [render(g, npix, galaxy_rng(0, g["id"], "image")) for g in galaxies]
    pictures = [log_stretch(image)[0] for image in images]
    rng = np.random.default_rng(0)
    floor, whole = "noise and PNGs alone", "end to end, files written"
    with tempfile.TemporaryDirectory() as folder:
        numbers = iter(range(10**9))
        ways = {
            floor: lambda: [(rng.normal(size=(npix, npix)), encode_png(picture)) for picture in pictures],
            "population": lambda: draw_population(n_galaxies),
            "votes": lambda: cast_votes(population),
            "light, seeing, neighbours": lambda: [
                render_light(g, npix, galaxy_rng(0, g["id"], "image")) for g in galaxies
            ],
            "the same and noise": lambda: [render(g, npix, galaxy_rng(0, g["id"], "image")) for g in galaxies],
            "stretch": lambda: [log_stretch(image) for image in images],
            whole: lambda: simulate(Path(folder) / str(next(numbers)), n_galaxies, npix=npix),
        }
        seconds = take_turns(ways, turns, time.process_time)
    print_table(
        f"{n_galaxies} galaxies of {npix} px, processor time",
        ["part", "ms a galaxy", "of the whole"],
        [[name, spread(1e3 * t / n_galaxies, ".3f"), spread(t / seconds[whole])] for name, t in seconds.items()],
        f"{n_galaxies / np.median(seconds[whole]):.0f} galaxies a second of one core.",
    )


def compare(n_galaxies):
    """Print simulated against measured numbers as Markdown tables."""
    table = draw_population(n_galaxies, seed=1)
    numbers = measured()
    quantile, levels = numbers["quantiles"], (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
    columns = {
        "log_ml_g": table["log_ml_g"], "log_mstar": table["log_mstar"], "redshift": table["redshift"],
        "log_luminosity_g": np.log10(table["luminosity_g"]), "g_i": table["sim_g_minus_i"],
        "g_r": table["sim_g_minus_r"],
    }  # fmt: skip
    print("| simulated / SDSS at quantile | " + " | ".join(map(str, levels)) + " |\n" + "|---" * 8 + "|")
    for name, values in columns.items():
        pairs = [(np.quantile(values, q), np.interp(q, quantile["probability"], quantile[name])) for q in levels]
        print(f"| {name} | " + " | ".join(f"{a:.3f} / {b:.3f}" for a, b in pairs) + " |")
    relation = np.polyfit(table["sim_g_minus_i"], table["log_ml_g"], 2)
    scatter = (table["log_ml_g"] - np.polyval(relation, table["sim_g_minus_i"])).std()
    real = numbers["colour_relation"]
    print(f"\ncolour-M/L: simulated {relation.round(2)}, scatter {scatter:.3f} dex; SDSS {real}")
    print(f"explainable R2: {explainable_r2(table)}\n")
    tree, votes = load_tree("gz2"), cast_votes(table, seed=1)
    fraction, asked = tree.conditional(votes), tree.question_sums(votes)
    file = resources.files("gzmass.simulate").joinpath("votes.yaml")
    real = yaml.safe_load(file.read_text(encoding="utf-8"))["answers"]
    print("| answer | mean: sim | GZ2 all | GZ2 bright | spread: sim | all | bright | rho with log M/L: sim | bright |")
    print("|---" * 9 + "|")
    for k, stem in enumerate(tree.stems):
        rows = asked[:, tree.segment[k]] >= 10
        f, everyone, bright = fraction[rows, k], real[stem]["all"], real[stem]["bright"]
        rho = spearmanr(f, table["log_ml_g"][rows])[0]
        print(f"| {stem} | {f.mean():.2f} | {everyone['mean']:.2f} | {bright['mean']:.2f} | {f.std():.2f} | "
              f"{everyone['sd']:.2f} | {bright['sd']:.2f} | {rho:+.2f} | {bright['rho_log_ml_g']:+.2f} |")  # fmt: skip


def main():
    """Read the command line."""
    own = parser(__doc__)
    own.add_argument("--npix", type=int, default=64)
    own.add_argument("--n-galaxies", type=int)
    own.add_argument("--compare", action="store_true")
    args = own.parse_args()
    if args.compare:
        compare(args.n_galaxies or 6000)
    else:
        speed(args.n_galaxies or (200 if args.short else 1000), args.npix, 3 if args.short else 5)


if __name__ == "__main__":
    main()
