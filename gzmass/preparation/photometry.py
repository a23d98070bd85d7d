"""Luminosities, and with masses the mass-to-light ratios, out of the brightnesses of a table or of the images."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pandas as pd

from gzmass.catalogs.conventions import Convention, band_name, refuse_different
from gzmass.catalogs.distances import distance_modulus, luminosity_distance
from gzmass.catalogs.k_corrections import (
    TEMPLATE_BANDS,
    k_correction_from_templates,
    k_polynomial,
    require_kcorrect,
)
from gzmass.catalogs.mass_to_light import MAX_LOG_ML
from gzmass.catalogs.photometry import (
    ZERO_POINT,
    absolute_magnitude,
    deredden,
    log_luminosity,
    log_mass_to_light,
    magnitude,
    solar_magnitude,
)
from gzmass.catalogs.rest_frame import rest_frame
from gzmass.errors import ConfigError, DataError
from gzmass.preparation.config import BRIGHTNESSES

__all__ = ["add_photometry", "check_photometry"]

_DISTANCES = ("redshift", "distance_mpc")
_KCORRECT = "fluxes, K-correction from templates (kcorrect, Blanton & Roweis 2007, AJ 133, 734)"


def check_photometry(config, table, convention):
    """Refuse what can not be computed, before the images are made.

    Parameters
    ----------
    config : PrepareConfig
        The configuration.
    table : pandas.DataFrame
        What the catalogues give.
    convention : Convention
        What the masses assume.

    Raises
    ------
    DataError
        There is no redshift and no distance, or masses and luminosities would assume different things.
    ConfigError
        The band has no solar magnitude, there is no K-correction for it, or the package for it is not installed.
    """
    part = config.photometry
    if part is None:
        return
    _redshift_and_distance(part, table)
    own = Convention(
        hubble=part.hubble, omega_m=part.omega_m, band=part.band, solar_magnitude=solar_magnitude(part.band)
    )
    if part.k_correction == "chilingarian":
        _colour(part)
    elif part.k_correction == "kcorrect":
        require_kcorrect()
    if "log_mstar" in table:
        refuse_different(convention, own, "log_mstar")


def add_photometry(config, table, convention):
    """Add luminosities and mass-to-light ratios to a table, where the configuration asks for them.

    Parameters
    ----------
    config : PrepareConfig
        The configuration.
    table : pandas.DataFrame
        The brightnesses by the names of ``photometry.columns``; ``redshift`` or ``distance_mpc``, which counts for the
        luminosity where a galaxy has both; with ``log_mstar`` [log10 of solar masses] the ratio is computed too.
    convention : Convention
        What the masses assume.

    Returns
    -------
    table : pandas.DataFrame
        With ``luminosity_g`` [solar luminosities of the band], ``log_luminosity_err`` [dex], NaN where no error of the
        brightness is known, ``log_ml_g`` and ``log_ml_g_err`` [dex], ``distance_mpc``; without the brightnesses.
    convention : Convention
        What masses, luminosities and ratios assume.
    notes : list of str
        What could not be computed.

    Raises
    ------
    DataError
        No galaxy gets a luminosity, or no ratio is one that stars can have.
    """
    part = config.photometry
    if part is None:
        return table, convention, []
    redshift, distance = _redshift_and_distance(part, table)
    bright = {prefix: _flux(part, table, prefix) for prefix in ("", "colour_")}
    if part.k_correction == "chilingarian":
        light, light_err, own = _of_two_bands(part, redshift, distance, bright)
    elif part.k_correction == "kcorrect":
        light, light_err, own = _of_one_band(part, distance, *bright[""], _template_k(part, table, redshift))
        own = replace(own, kcorrection_redshift=0.0, h_scaling=0, source=_KCORRECT)
    else:
        light, light_err, own = _of_one_band(part, distance, *bright[""])
    light = np.where(np.isfinite(light), light, np.nan)
    if np.isnan(light).all():
        known = int(((bright[""][0] > 0) & (distance > 0)).sum())
        why = "" if not known else "; of these the colour, extinction or K-correction is missing or out of its range"
        raise DataError(
            f"No galaxy gets a luminosity: {known} of {len(table)} have a flux and a redshift or distance above 0{why}."
        )
    notes = []
    if missing := int(np.isnan(light).sum()):
        notes.append(f"photometry: {missing} of {len(table)} galaxies get no luminosity")
    if "flux_complete" in table and (cut := int((table["flux_complete"] == 0).sum())):
        notes.append(
            f"photometry: the edge of the image cuts the aperture of {cut} of {len(table)} galaxies (flux_complete "
            "is 0), so some of their light is missing"
        )
    known_err = np.where(np.isfinite(bright[""][1]), light_err, np.nan)
    new = {"luminosity_g": 10**light, "log_luminosity_err": known_err, "distance_mpc": distance}
    if "log_mstar" in table:
        mass_err = table["log_mstar_err"] if "log_mstar_err" in table else pd.Series(np.nan, index=table.index)
        ratio, ratio_err = log_mass_to_light(table["log_mstar"], light, mass_err, light_err)
        beyond = np.abs(ratio) > MAX_LOG_ML
        if beyond.any() and beyond.sum() == np.isfinite(ratio).sum():
            raise DataError(
                f"No mass-to-light ratio out of the luminosities can be used: all {int(beyond.sum())} are beyond "
                f"10^+-{MAX_LOG_ML:g}, the first is 10^{ratio[beyond][0]:.3g}; the unit of the fluxes "
                "(photometry.zero_point) or of the masses must be another one."
            )
        if beyond.any():
            notes.append(f"photometry: {int(beyond.sum())} ratios beyond 10^+-{MAX_LOG_ML:g} are left out")
        new["log_ml_g"] = np.where(beyond, np.nan, ratio)
        new["log_ml_g_err"] = np.where(beyond | np.isnan(ratio), np.nan, ratio_err)
    table = table.drop(columns=[c for c in BRIGHTNESSES if c in table]).assign(**new)
    return table, _together(convention, own), notes


def _redshift_and_distance(part, table):
    """Redshift and luminosity distance in Mpc, each from the other where a galaxy has only one of them."""
    empty = np.full(len(table), np.nan)
    redshift, distance = (table[name].to_numpy(float) if name in table else empty for name in _DISTANCES)
    if np.isnan(redshift).all() and np.isnan(distance).all():
        raise DataError("The key photometry needs a redshift: no table gives the column redshift or distance_mpc.")
    grid = np.geomspace(1e-5, 5, 4096)
    distances = luminosity_distance(grid, hubble=part.hubble, omega_m=part.omega_m)
    # a nearby galaxy may come towards us; its K-correction is that of its distance
    of_distance = np.interp(distance, distances, grid, left=grid[0], right=np.nan)
    of_redshift = luminosity_distance(redshift, hubble=part.hubble, omega_m=part.omega_m)
    return np.where(redshift > 0, redshift, of_distance), np.where(distance > 0, distance, of_redshift)


def _colour(part):
    """Name of the colour for the K-correction, in that order of its bands in which there is one."""
    with suppress(ConfigError):
        return k_polynomial(part.band, f"{part.colour_band}-{part.band}").colour
    return k_polynomial(part.band, f"{part.band}-{part.colour_band}").colour


def _flux(part, table, prefix):
    """Flux in nanomaggies, its error, and the extinction or None."""
    zero_point = ZERO_POINT if part.zero_point is None else part.zero_point
    scale = 10 ** (0.4 * (ZERO_POINT - zero_point))
    empty = pd.Series(np.nan, index=table.index)
    extinction = table[f"{prefix}extinction"].to_numpy(float) if f"{prefix}extinction" in table else None
    if f"{prefix}magnitude" in part.columns:
        magnitudes = table[f"{prefix}magnitude"].to_numpy(float)
        flux = 10 ** (0.4 * (ZERO_POINT - magnitudes))
        error = table.get(f"{prefix}magnitude_err", empty).to_numpy(float) * flux * np.log(10) / 2.5
        return flux, error, extinction
    flux, error = (table.get(f"{prefix}{name}", empty).to_numpy(float) * scale for name in ("flux", "flux_err"))
    return flux, error, extinction


def _of_two_bands(part, redshift, distance, bright):
    bands = {"": part.band, "colour_": part.colour_band}
    fluxes = {bands[prefix]: flux for prefix, (flux, _, _) in bright.items()}
    errors = {bands[prefix]: error for prefix, (_, error, _) in bright.items() if np.isfinite(error).any()}
    extinctions = {bands[prefix]: value for prefix, (_, _, value) in bright.items() if value is not None}
    made = rest_frame(
        fluxes,
        redshift,
        part.band,
        _colour(part),
        errors or None,
        extinctions or None,
        hubble=part.hubble,
        omega_m=part.omega_m,
        distance_mpc=distance,
    )
    return made.log_luminosity, made.log_luminosity_err, made.convention


def _template_k(part, table, redshift):
    """K-corrections of the band from templates fitted to five bands; NaN where there is none."""

    def of_five_bands(name):
        return table[[f"template_{name}_{band}" for band in TEMPLATE_BANDS]].to_numpy(float)

    factor = 1.0  # a K-correction follows from colours: the unit of the fluxes does not matter
    if f"template_extinction_{TEMPLATE_BANDS[0]}" in table:
        factor = 10 ** (0.4 * of_five_bands("extinction"))
    k = k_correction_from_templates(factor * of_five_bands("flux"), redshift, factor * of_five_bands("flux_err"))
    return k[:, TEMPLATE_BANDS.index(band_name(part.band))]


def _of_one_band(part, distance, flux, flux_err, extinction, k=0.0):
    if not np.isfinite(flux_err).any():
        flux_err = 0.0  # as in two bands: an error that nothing tells counts as none
    apparent, apparent_err = magnitude(flux, flux_err)
    if extinction is not None:
        apparent = deredden(apparent, extinction)
    absolute, absolute_err = absolute_magnitude(apparent, distance_modulus(distance), k, apparent_err)
    sun = solar_magnitude(part.band)
    light, light_err = log_luminosity(absolute, sun, absolute_err)
    own = Convention(hubble=part.hubble, omega_m=part.omega_m, band=part.band, solar_magnitude=sun)
    return light, light_err, own


def _together(masses, light):
    """Convention of ratios: what the masses assume, and the band and Sun of the luminosities."""
    kept = {name: getattr(masses, name) for name in ("imf", "source", "h_scaling")}
    return replace(light, **{name: value for name, value in kept.items() if value is not None})
