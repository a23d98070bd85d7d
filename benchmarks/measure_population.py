"""Measure the real galaxies that gzmass.simulate follows, and write its tables again.

python benchmarks/measure_population.py ../shared/data

reads sdss_photometry/gst_10000_masses.csv, sdss_g_mass/*-g.fits and gz2_votes_stripe82/*.csv* under the folder given,
and writes gzmass/simulate/population.yaml and gzmass/simulate/votes.yaml. No galaxy is copied: only quantiles, means
and correlations.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from astropy.io import fits
from astropy.stats import sigma_clipped_stats
from scipy.stats import norm, rankdata, spearmanr

from gzmass.catalogs import solar_magnitude
from gzmass.simulate.morphology import draw_morphology, structure_score
from gzmass.simulate.population import (
    DRAWS,
    LUMINOSITY_DEX,
    SCATTER_DEX,
    _distance_table,
    galaxy_rng,
)
from gzmass.tree import load_tree

FOLDER = Path(__file__).parents[1] / "gzmass" / "simulate"
PROBABILITY = (0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95,
               0.98, 0.99, 0.995, 0.998, 1)  # fmt: skip
LEAST_VOTES = {"spread": 10, "correlation": 5}


def read_photometry(folder):
    """Galaxies of the SDSS test file, selected as Galaxy Zoo 2 was, without failed fits."""
    table = pd.read_csv(folder / "sdss_photometry" / "gst_10000_masses.csv")
    frame = pd.DataFrame(
        {
            "redshift": table.z,
            "log_ml_g": np.log10(table.mtol_g),
            "log_mstar": table.log_mstar_kcorrect,
            "log_luminosity_g": -0.4 * (table.absmag_g_z0 - solar_magnitude("g")),
            "m_g": table.petromag_g - table.extinction_g,
            "m_r": table.petromag_r - table.extinction_r,
            "absolute_g": table.absmag_g_z0,
            "absolute_r": table.absmag_r_z0,
            "g_i": table.absmag_g_z0 - table.absmag_i_z0,
            "g_r": table.absmag_g_z0 - table.absmag_r_z0,
        }
    )
    whole = frame.log_ml_g.between(-0.6, 0.7) & frame.g_i.between(-0.2, 1.7) & frame.g_r.between(-0.1, 1.2)
    return frame[whole & frame.m_r.between(13, 17) & frame.redshift.between(0.005, 0.25)]


def k_correction(frame, band):
    """Coefficients of z, z (g-r), z^2."""
    redshift, distance = _distance_table()
    modulus = 5 * np.log10(np.interp(frame.redshift, redshift, distance)) + 25
    k = frame[f"m_{band}"] - modulus - frame[f"absolute_{band}"]
    terms = np.column_stack([frame.redshift, frame.redshift * frame.g_r, frame.redshift**2])
    keep = np.abs(k) < 1
    return np.linalg.lstsq(terms[keep], k[keep], rcond=None)[0]


def structure_relation(log_ml, n=40_000):
    """Find the log M/L that an image shows, by structure score, such that with the scatter it is as measured."""
    uniform = np.stack([galaxy_rng(123456789, i, "population").random(len(DRAWS)) for i in range(n)])
    shape = draw_morphology(dict(zip(DRAWS, np.clip(uniform, 1e-9, 1 - 1e-9).T, strict=True)))
    probability = np.array(PROBABILITY[2:-2])
    scores = np.quantile(structure_score(shape), probability)
    scatter = np.hypot(LUMINOSITY_DEX, SCATTER_DEX) * np.random.default_rng(1).normal(size=n)
    rank = (np.arange(n) + 0.5) / n
    fine = np.linspace(0.005, 0.995, 100)
    target = np.quantile(log_ml, fine)
    seen = target.copy()
    for _ in range(200):
        got = np.quantile(np.interp(rank, fine, seen) + scatter, fine)
        seen = np.sort(seen + 0.2 * (target - got))
    look = np.interp(probability, fine, seen)
    simulated = np.interp(rank, probability, look) + scatter
    return scores, look, np.quantile(simulated, PROBABILITY)


def numbers(values):
    """Plain floats for YAML."""
    return [round(float(v), 4) for v in np.atleast_1d(values)]


def measure_population(folder):
    """Everything in population.yaml."""
    frame = read_photometry(folder)
    names = ["log_ml_g", "log_luminosity_g", "m_r", "g_i", "g_r", "redshift", "log_mstar"]
    quantiles = {"probability": list(PROBABILITY)}
    quantiles |= {name: numbers(np.quantile(frame[name], PROBABILITY)) for name in names}
    score = {name: norm.ppf((rankdata(frame[name]) - 0.5) / len(frame)) for name in names}
    pairs = [("log_ml_g", "g_i"), ("g_i", "g_r"), ("log_luminosity_g", "m_r"), ("log_ml_g", "log_luminosity_g")]
    relation = np.polyfit(frame.g_i, frame.log_ml_g, 2)
    scores, look, simulated = structure_relation(frame.log_ml_g)
    return {
        "n_galaxies": len(frame),
        "quantiles": quantiles,
        "normal_score_correlation": {
            f"{a} {b}": round(float(np.corrcoef(score[a], score[b])[0, 1]), 3) for a, b in pairs
        },
        "colour_relation": {
            "log_ml_g_of_g_i": numbers(relation),
            "scatter_dex": round(float((frame.log_ml_g - np.polyval(relation, frame.g_i)).std()), 4),
        },
        "sky": measure_sky(folder),
        "k_correction_g": numbers(k_correction(frame, "g")),
        "k_correction_r": numbers(k_correction(frame, "r")),
        "structure": {
            "score": numbers(scores),
            "log_ml_g": numbers(look),
            "log_ml_g_with_scatter": numbers(simulated),
        },
    }


def measure_sky(folder):
    """Noise of a pixel, and what sky subtraction leaves, in linear SDSS g frames."""
    files = sorted((folder / "sdss_g_mass").glob("*-g.fits"))
    skies = [sigma_clipped_stats(fits.getdata(file).astype(float), sigma=2.5, maxiters=10)[1:] for file in files]
    level, sigma = np.median(skies, axis=0)
    return {
        "n_frames": len(files),
        "sigma_nanomaggy": round(float(sigma), 4),
        "residual_nanomaggy": round(float(level), 4),
    }


def measure_votes(folder):
    """Everything in votes.yaml: mean and spread of each answer's fraction, and its correlation with M/L."""
    tree = load_tree("gz2")
    folder = folder / "gz2_votes_stripe82"
    result = {}
    everyone = pd.read_csv(folder / "table5.csv.gz")
    joined = pd.read_csv(folder / "votes_with_photometry_551.csv")
    bright = joined[joined.sdss_petromag_r - joined.sdss_extinction_r < 17]
    log_ml = np.log10(bright.sdss_mtol_g).to_numpy()
    counts = {name: t[[f"{s}_count" for s in tree.stems]].to_numpy(float) for name, t in
              (("all", everyone), ("bright", bright))}  # fmt: skip
    for k, stem in enumerate(tree.stems):
        entry = {}
        for name, votes in counts.items():
            asked = tree.question_sums(votes)[:, tree.segment[k]]
            enough = asked >= LEAST_VOTES["spread" if name == "all" else "correlation"]
            fraction = tree.conditional(votes)[enough, k]
            entry[name] = {"n": int(enough.sum()), "mean": round(float(fraction.mean()), 3),
                           "sd": round(float(fraction.std()), 3)}  # fmt: skip
            if name == "bright":
                entry[name]["rho_log_ml_g"] = round(float(spearmanr(fraction, log_ml[enough])[0]), 2)
        result[stem] = entry
    return {"least_votes": dict(LEAST_VOTES), "answers": result}


HEADERS = {
    "population.yaml": """\
# Measured by `python benchmarks/measure_population.py ../shared/data` from the SDSS test file of the kcorrect package:
# 10,000 galaxies, model photometry, M/L from template fits (Chabrier IMF, H0 = 70, Om = 0.3), here those with
# 13 < m_r < 17 (as Galaxy Zoo 2, dereddened Petrosian) and 0.005 < z < 0.25. Template fits have too small a scatter at
# fixed colour, and pile up at the oldest template (log M/L_g = 0.43). K-corrections: coefficients of z, z (g-r), z^2.
# `sky`: noise of a 0.396" pixel and median level left by sky subtraction, medians over 20 frames (AstroHack sample).
# `structure` is computed, not measured: the log M/L_g that the look of a simulated galaxy stands for, by its
# structure score, such that with the hidden scatter added log M/L_g is distributed as measured.
""",
    "votes.yaml": """\
# Measured by `python benchmarks/measure_population.py ../shared/data` from the Galaxy Zoo 2 votes on Stripe 82
# (Willett et al. 2013, table 5; coadded images, 20 classifications a galaxy): mean and standard deviation of the
# fraction of the votes for each answer among those who were asked. `all`: 19,761 galaxies with m_r < 17.77, where at
# least 10 were asked. `bright`: those with m_r < 17 and an SDSS M/L, at least 5 asked, with the Spearman rank
# correlation of the fraction with log M/L_g.
""",
}


def main():
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with sdss_photometry/ and gz2_votes_stripe82/")
    data = parser.parse_args().data
    for name, measure in (("population.yaml", measure_population), ("votes.yaml", measure_votes)):
        text = yaml.safe_dump(measure(data), sort_keys=False, width=118, default_flow_style=None)
        (FOLDER / name).write_text(HEADERS[name] + text, encoding="utf-8")
        print(f"wrote {FOLDER / name}")


if __name__ == "__main__":
    main()
