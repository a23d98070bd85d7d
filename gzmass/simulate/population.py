"""The simulated galaxies as numbers: luminosity, distance, colour, and the M/L that follows from the morphology."""

from functools import cache
from importlib import resources

import numpy as np
import pandas as pd
import yaml
from astropy.cosmology import FlatLambdaCDM
from scipy.special import ndtr, ndtri

from gzmass.catalogs.distances import HUBBLE, OMEGA_M
from gzmass.catalogs.photometry import ZERO_POINT, solar_magnitude
from gzmass.errors import ConfigError
from gzmass.simulate.morphology import draw_morphology, structure_score, visibility

__all__ = [
    "DRAWS",
    "draw_population",
    "explainable_r2",
    "galaxy_rng",
    "galaxy_uniforms",
    "measured",
    "population_of",
]

R90_MIN_ARCSEC = 3.0  # the limit of the Galaxy Zoo 2 sample (Willett et al. 2013)
LUMINOSITY_DEX = 0.03  # what one standard deviation of luminosity adds to log M/L at a given look
SCATTER_DEX = 0.05  # what neither image nor luminosity shows, the error of the label included
STREAMS = {"population": 0, "votes": 1, "image": 2}

# Every galaxy draws these uniform numbers, in this order, from its own stream: a new one goes to the end.
DRAWS = (
    "maturity",
    "luminosity",
    "magnitude",
    "colour_gi",
    "colour_gr",
    "scatter",
    "label_error",
    "label_scatter",
    "ra",
    "dec",
    "size",
    "seeing",
    "kind",
    "bulge",
    "sersic",
    "roundness",
    "inclination",
    "angle",
    "bar",
    "bar_length",
    "arms",
    "arm_number",
    "pitch",
    "clumps",
    "ring",
    "ring_radius",
    "ring_strength",
    "odd",
    "boxiness",
    "dust",
    "lane",
    "variant",
    "side_angle",
    "side_distance",
    "side_flux",
    "vote_label",
    "ml_label",
)


@cache
def measured():
    """Read what was measured from real galaxies.

    Returns
    -------
    dict
        The content of ``gzmass/simulate/population.yaml``, which says where each number comes from.
    """
    text = resources.files("gzmass.simulate").joinpath("population.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def galaxy_rng(seed, index, stream):
    """Random numbers of one galaxy, whatever else is simulated.

    Parameters
    ----------
    seed : int
        Seed of the whole simulation, >= 0.
    index : int
        Number of the galaxy, from 0.
    stream : {"population", "votes", "image"}
        What the numbers are for: images stay the same when the votes draw one number more.

    Returns
    -------
    numpy.random.Generator
        A generator of its own.
    """
    return np.random.default_rng((seed, index, STREAMS[stream]))


def draw_population(n, seed=0, start=0):
    """Draw galaxies: their photometry follows SDSS; their M/L follows what an image shows, plus scatter.

    Parameters
    ----------
    n : int
        Number of galaxies, >= 1.
    seed : int, default 0
        Seed of the simulation; galaxy number 17 is the same in every draw with this seed.
    start : int, default 0
        Number of the first galaxy.

    Returns
    -------
    pandas.DataFrame
        One row a galaxy: ``id``, ``ra`` and ``dec`` (deg), ``redshift``, ``distance_mpc`` (luminosity distance, flat
        LCDM, H0 = 70 km/s/Mpc, Om = 0.3), ``luminosity_g`` (L_sun,g), ``radius_kpc`` (Petrosian R90), ``log_ml_g``
        and ``log_ml_g_err`` (dex), ``log_mstar``, and the truth behind them in ``sim_`` columns
        (docs/simulation.md).

    Raises
    ------
    ConfigError
        `n` is below 1, or `seed` or `start` is negative.
    """
    for name, value, least in (("n_galaxies", n, 1), ("seed", seed, 0), ("start", start, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ConfigError(f"{name} must be a whole number of at least {least}. Received: {name}={value!r}.")
    numbers = np.arange(start, start + n, dtype=np.int64)
    return population_of(numbers, np.stack([galaxy_uniforms(seed, int(i)) for i in numbers]))


def galaxy_uniforms(seed, index):
    """Random numbers that a galaxy follows from.

    Parameters
    ----------
    seed : int
        Seed of the whole simulation, >= 0.
    index : int
        Number of the galaxy, from 0.

    Returns
    -------
    numpy.ndarray of float
        Uniform between 0 and 1, in the order of `DRAWS`, shape (n_draws,).
    """
    return np.clip(galaxy_rng(seed, index, "population").random(len(DRAWS)), 1e-9, 1 - 1e-9)


def population_of(numbers, uniforms):
    """Make galaxies of their random numbers.

    Parameters
    ----------
    numbers : numpy.ndarray of int
        What becomes their ``id``, shape (n,).
    uniforms : numpy.ndarray of float
        Between 0 and 1, exclusive, in the order of `DRAWS`, shape (n, n_draws).

    Returns
    -------
    pandas.DataFrame
        What `draw_population` returns.
    """
    uniform = dict(zip(DRAWS, uniforms.T, strict=True))
    shape = draw_morphology(uniform)
    shape["structure_score"] = structure_score(shape)
    columns, hidden = _photometry(uniform, shape)
    seeing = 1.35 * np.exp(0.12 * ndtri(uniform["seeing"]))
    seen = visibility(hidden["r90_arcsec"], seeing, hidden["surface_brightness_g"])
    hidden |= {
        "seeing_arcsec": seeing,
        "visibility": seen,
        "vote_label_draw": uniform["vote_label"],
        "ml_label_draw": uniform["ml_label"],
    }
    return pd.DataFrame(
        {"id": numbers, **columns, **{f"sim_{name}": value for name, value in (hidden | shape).items()}}
    )


def _photometry(uniform, shape):
    """Luminosity, magnitude and colours through the normal scores of the measured distributions (a Gaussian copula)."""
    numbers = measured()
    normal = {name: ndtri(value) for name, value in uniform.items()}
    quantile, correlation = numbers["quantiles"], numbers["normal_score_correlation"]

    def value_of(name, score):
        return np.interp(ndtr(score), quantile["probability"], quantile[name])

    # M/L: what the image shows, what the luminosity adds, and what neither shows
    look = np.interp(shape["structure_score"], numbers["structure"]["score"], numbers["structure"]["log_ml_g"])
    err = np.clip(0.02 * np.exp(0.25 * normal["label_error"]), 0.01, 0.04)
    hidden_scatter = np.sqrt(SCATTER_DEX**2 - err**2) * normal["scatter"]
    luminous = LUMINOSITY_DEX * normal["luminosity"]
    true = look + luminous + hidden_scatter
    log_ml = true + err * normal["label_scatter"]

    rank = np.interp(true, numbers["structure"]["log_ml_g_with_scatter"], quantile["probability"])
    score = ndtri(np.clip(rank, 1e-3, 1 - 1e-3))
    gi_score = correlation["log_ml_g g_i"] * score
    gi_score += np.sqrt(1 - correlation["log_ml_g g_i"] ** 2) * normal["colour_gi"]
    gr_score = correlation["g_i g_r"] * gi_score
    gr_score += np.sqrt(1 - correlation["g_i g_r"] ** 2) * normal["colour_gr"]
    g_r = value_of("g_r", gr_score)
    log_luminosity = value_of("log_luminosity_g", normal["luminosity"])
    rho = correlation["log_luminosity_g m_r"]
    m_r = value_of("m_r", rho * normal["luminosity"] + np.sqrt(1 - rho**2) * normal["magnitude"])

    absolute_g = solar_magnitude("g") - 2.5 * log_luminosity
    redshift, distance = _distance(m_r - (absolute_g - g_r), g_r, numbers["k_correction_r"])
    m_g = absolute_g + 5 * np.log10(distance) + 25 + _k_correction(redshift, g_r, numbers["k_correction_g"])
    kpc_per_arcsec = distance * 1e3 / (1 + redshift) ** 2 * np.radians(1 / 3600)
    spheroid = shape["kind"] == "spheroid"
    # size-luminosity relations of early and late types (Shen et al. 2003, MNRAS 343, 978), half-light radius
    bright = log_luminosity - 10.4
    log_r50 = np.where(spheroid, 0.60 + 0.50 * bright, 0.66 + 0.30 * bright) + 0.12 * normal["size"]
    concentration = np.where(spheroid, 2.1 + 0.25 * shape["sersic_index"], 2.3 + shape["bulge_to_total"])
    log_r90 = np.log10(concentration * 10**log_r50 / kpc_per_arcsec / R90_MIN_ARCSEC)
    r90 = R90_MIN_ARCSEC * 10 ** np.abs(log_r90)  # the sample has none below the limit
    flux = 10 ** (0.4 * (ZERO_POINT - m_g))
    columns = {
        "ra": 360 * uniform["ra"],
        "dec": np.degrees(np.arcsin(2 * uniform["dec"] - 1)),
        "redshift": redshift,
        "distance_mpc": distance,
        "luminosity_g": 10**log_luminosity,
        "radius_kpc": r90 * kpc_per_arcsec,
        "log_ml_g": log_ml,
        "log_ml_g_err": err,
        "log_mstar": log_ml + log_luminosity,
    }
    hidden = {
        "log_ml_g_true": true,
        "log_ml_g_from_image": look,
        "log_ml_g_from_luminosity": luminous,
        "g_minus_i": value_of("g_i", gi_score),
        "g_minus_r": g_r,
        "m_r": m_r,
        "flux_g": flux,
        "r90_arcsec": r90,
        "surface_brightness_g": m_g + 2.5 * np.log10(np.pi * r90**2),
    }
    return columns, hidden


@cache
def _distance_table():
    redshift = np.geomspace(1e-4, 1.0, 2000)
    model = FlatLambdaCDM(H0=HUBBLE, Om0=OMEGA_M)
    return redshift, model.luminosity_distance(redshift).value


def _distance(modulus, g_r, k_coefficients):
    """Redshift and luminosity distance (Mpc) at which m - M, the K-correction included, is `modulus`."""
    redshifts, distances = _distance_table()
    moduli = 5 * np.log10(distances) + 25
    redshift = np.zeros_like(modulus)
    for _ in range(15):  # the K-correction is a few hundredths: converged to 1e-8 long before
        redshift = np.interp(modulus - _k_correction(redshift, g_r, k_coefficients), moduli, redshifts)
    return redshift, np.interp(redshift, redshifts, distances)


def _k_correction(redshift, g_r, coefficients):
    z, z_colour, z_squared = coefficients
    return z * redshift + z_colour * redshift * g_r + z_squared * redshift**2


def explainable_r2(table):
    """R2 of ``log_ml_g`` for whoever reads the morphology of simulated galaxies without error.

    With the luminosity this reader is left with the scatter that was added, and with all of M/L where an artifact hides
    the galaxy; without it with the part of the luminosity too. No strict bound: brightness and size tell a little of
    the luminosity, and at a known distance and luminosity the flux tells the colour by way of the K-correction.

    Parameters
    ----------
    table : pandas.DataFrame
        A table of `draw_population`, or of a simulated dataset; galaxies without ``log_ml_g`` do not count.

    Returns
    -------
    dict of str to float
        ``image_and_luminosity`` and ``image``: 1 minus the mean squared residual over the variance; NaN with fewer
        than two labelled galaxies.
    """
    labelled = table[table["log_ml_g"].notna()]
    truth = labelled["log_ml_g"].to_numpy()
    variance = truth.var() if len(truth) > 1 else np.nan
    image = labelled["sim_log_ml_g_from_image"].to_numpy(copy=True)
    artifact = (labelled["sim_kind"] == "artifact").to_numpy()
    image[artifact] = image[artifact].mean() if artifact.any() else np.nan
    both = image + labelled["sim_log_ml_g_from_luminosity"].to_numpy()
    return {
        name: float(1 - ((truth - best) ** 2).mean() / variance) if len(truth) > 1 else float("nan")
        for name, best in (("image_and_luminosity", both), ("image", image))
    }
