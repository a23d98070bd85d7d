"""Own luminosities and mass-to-light ratios against those of kcorrect, on 10,000 SDSS galaxies, and the time they take.

    python benchmarks/photometry.py ../shared/data/sdss_photometry [--n-templates 2000]

The table's magnitudes are put together as kcorrect was given them: colours of the model magnitudes, scaled to the
Petrosian flux in r, corrected for extinction, and where K-corrections alone are compared also by kcorrect's AB offsets.
With the kcorrect package installed its fits are made again, for the first N galaxies. Differences are own less table's.
"""

import argparse
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.table import Table

from gzmass.catalogs import (
    colour_mass_to_light,
    distance_modulus,
    k_correction,
    k_correction_from_templates,
    log_luminosity,
    log_mass_to_light,
    luminosity_distance,
    rest_frame,
)
from gzmass.catalogs.k_corrections import k_polynomial
from gzmass.errors import ConfigError

BANDS = "ugriz"
#: What kcorrect adds to SDSS magnitudes (its utils.sdss_ab_correct).
AB_OFFSETS = dict(zip(BANDS, (-0.036, 0.012, 0.010, 0.028, 0.040), strict=True))
POLYNOMIALS = [
    (band, colour)
    for band, colours in {
        "g": ["g-r", "g-i", "g-z"],
        "r": ["g-r", "u-r"],
        "i": ["g-i", "u-i"],
        "z": ["r-z", "g-z", "u-z"],
        "u": ["u-r", "u-i", "u-z"],
    }.items()
    for colour in colours
]
EDGES = (0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)


def row(name, difference, redshift):
    """Print number, median and spread of a difference below redshift 0.3, and its medians in bins of redshift."""
    used = np.isfinite(difference) & (redshift < EDGES[-1])
    values, z = np.asarray(difference)[used], np.asarray(redshift)[used]
    bins = [np.median(values[(z >= a) & (z < b)]) for a, b in pairwise(EDGES)]
    spread = f"{np.median(values):+.4f} | {values.std():.4f} | {np.sqrt((values**2).mean()):.4f}"
    print(f"| {name} | {used.sum()} | {spread} | " + " ".join(f"{value:+.3f}" for value in bins) + " |")


def heading(title, unit):
    """Print the head of a Markdown table."""
    print(f"\n| {title} | galaxies | median [{unit}] | std | rms | medians in bins of redshift, 0 to 0.3 |")
    print("|---|---|---|---|---|---|")


def compare(folder, n_templates):
    """Print every comparison."""
    table = pd.read_csv(folder / "gst_10000_masses.csv")
    z = table["z"].to_numpy()
    scale = table["petromag_r"] - table["modelmag_r"]
    observed = {b: (table[f"modelmag_{b}"] + scale).to_numpy() for b in BANDS}
    ab = {b: observed[b] - table[f"extinction_{b}"].to_numpy() + AB_OFFSETS[b] for b in BANDS}
    absolute = {b: table[f"absmag_{b}_z0"].where(table[f"absmag_{b}_z0"] > -90).to_numpy() for b in BANDS}
    modulus = distance_modulus(luminosity_distance(z))

    heading("K-correction", "mag")
    for band, name in POLYNOMIALS:
        first, second = name.split("-")
        k = k_correction(band, z, name, ab[first] - ab[second])
        row(
            f"{band} from {name}, {k_polynomial(band, name).source[-22:].strip()}",
            k - (ab[band] - modulus - absolute[band]),
            z,
        )

    fluxes = {b: 10 ** (0.4 * (22.5 - observed[b])) for b in BANDS}
    extinctions = {b: table[f"extinction_{b}"].to_numpy() for b in BANDS}
    mass, ratio, light = table["log_mstar_kcorrect"], np.log10(table["mtol_g"]), log_luminosity(absolute["g"], "g")
    heading("log L_g and log M/L_g", "dex")
    for name in ("g-r", "g-i"):
        own = rest_frame(fluxes, z, "g", name, extinctions=extinctions).log_luminosity
        row(f"L_g, K from {name}", own - light, z)
        row(f"M/L_g, K from {name}", log_mass_to_light(mass, own) - ratio, z)
    row("M/L_g from the g-i colour at rest (Zibetti)", colour_mass_to_light(absolute["g"] - absolute["i"]) - ratio, z)
    row("M/L_i less M/L_g of the table", np.log10(table["mtol_i"]) - ratio, z)

    try:
        templates(folder, fluxes, extinctions, ab, absolute, modulus, z, n_templates)
    except ConfigError as error:
        print(f"\n{error}")


def templates(folder, fluxes, extinctions, ab, absolute, modulus, z, n):
    """Compare the fits of kcorrect, and what another reference redshift does to M/L_g."""
    data = Table.read(folder / "gst_10000.fits")[:n]
    scale = np.asarray(data["PETROFLUX"][:, 2] / data["MODELFLUX"][:, 2], dtype=float)[:, None]
    dust = 10 ** (0.4 * np.asarray(data["EXTINCTION"], dtype=float))
    flux = np.column_stack([fluxes[b][:n] * 10 ** (0.4 * extinctions[b][:n]) for b in BANDS])
    error = scale * dust / np.sqrt(np.asarray(data["MODELFLUX_IVAR"], dtype=float))
    start = time.perf_counter()
    k = {z0: k_correction_from_templates(flux, z[:n], error, reference_redshift=z0) for z0 in (0, 0.1, 0.55)}
    print(f"\n{3 * n} template fits with their preparation in {time.perf_counter() - start:.1f} s")
    heading("K-correction from templates", "mag")
    for i, band in enumerate(BANDS):
        row(band, k[0][:, i] - (ab[band] - modulus - absolute[band])[:n], z[:n])
    heading("log M/L_g at another reference redshift less that at 0", "dex")
    for z0 in (0.1, 0.55):
        row(f"z0 = {z0}", 0.4 * (k[0][:, 1] - k[z0][:, 1]), z[:n])


def speed(n=10**6):
    """Print how long a million galaxies take."""
    rng = np.random.default_rng(0)
    z = rng.uniform(0.01, 0.3, n)
    fluxes = {"g": rng.uniform(10, 100, n), "r": rng.uniform(30, 200, n)}
    luminosity_distance(0.1)
    for name, work in (
        ("distances", lambda: luminosity_distance(z)),
        ("the whole recipe with errors", lambda: rest_frame(fluxes, z, flux_errs=fluxes, redshift_err=0.01 * z)),
    ):
        start = time.perf_counter()
        work()
        print(f"{n:,} galaxies, {name}: {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--n-templates", type=int, default=2000)
    arguments = parser.parse_args()
    compare(arguments.folder, arguments.n_templates)
    print()
    speed()
