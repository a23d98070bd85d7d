"""The steps from a flux to a luminosity, and with a mass to a mass-to-light ratio, each with its error."""

import numpy as np
from astropy import units as u

from gzmass.catalogs.conventions import band_name
from gzmass.catalogs.distances import plain
from gzmass.catalogs.packaged import packaged
from gzmass.errors import ConfigError

__all__ = [
    "NANOMAGGIES",
    "ZERO_POINT",
    "absolute_magnitude",
    "colour_mass_to_light",
    "deredden",
    "log_luminosity",
    "log_mass",
    "log_mass_to_light",
    "magnitude",
    "solar_magnitude",
]

_POGSON = 2.5 / np.log(10)  # magnitudes per unit of relative error

#: AB magnitude of a flux of one nanomaggy, and how catalogues and images write the unit, in lower case.
ZERO_POINT = 22.5
NANOMAGGIES = {"nanomaggy", "nanomaggies", "nanomaggie", "nmgy", "nmgys"}


def magnitude(flux, flux_err=None):
    """AB magnitude of a flux in nanomaggies.

    Parameters
    ----------
    flux : array_like or astropy.units.Quantity
        In nanomaggies.
    flux_err : array_like or astropy.units.Quantity, optional
        Its standard deviation.

    Returns
    -------
    magnitude : numpy.ndarray
        22.5 - 2.5 log10(flux); NaN where the flux is missing or not above 0.
    error : numpy.ndarray
        2.5 / ln 10 * sigma / flux, NaN where the error is missing or negative; only when `flux_err` is given.
    """
    flux = plain(flux, u.nmgy)
    flux = np.where(flux > 0, flux, np.nan)
    value = ZERO_POINT - 2.5 * np.log10(flux)
    if flux_err is None:
        return value
    error = plain(flux_err, u.nmgy)
    return value, _POGSON * np.where(error >= 0, error, np.nan) / flux


def deredden(magnitude, extinction):
    """Correct a magnitude for Galactic extinction.

    Parameters
    ----------
    magnitude : array_like or astropy.units.Quantity
        Observed.
    extinction : array_like or astropy.units.Quantity
        Extinction A in the same band, in magnitudes (SDSS: ``extinction_g``), not E(B-V).

    Returns
    -------
    numpy.ndarray
        Magnitude without the extinction; NaN where the extinction is missing or negative.
    """
    extinction = plain(extinction, u.mag)
    return plain(magnitude, u.mag) - np.where(extinction >= 0, extinction, np.nan)


def absolute_magnitude(magnitude, modulus, k=0.0, magnitude_err=None, modulus_err=0.0, k_err=0.0):
    """Absolute magnitude M = m - DM - K.

    Parameters
    ----------
    magnitude : array_like or astropy.units.Quantity
        Apparent, corrected for Galactic extinction.
    modulus : array_like or astropy.units.Quantity
        Distance modulus.
    k : array_like, default 0
        K-correction.
    magnitude_err : array_like, optional
        Standard deviation of the apparent magnitude.
    modulus_err, k_err : array_like, default 0
        Those of distance modulus and K-correction.

    Returns
    -------
    value : numpy.ndarray
        The absolute magnitude.
    error : numpy.ndarray
        The three in quadrature; only when `magnitude_err` is given. A K-correction from a colour with this magnitude in
        it is not independent of it: `rest_frame` takes that into account.
    """
    value = plain(magnitude, u.mag) - plain(modulus, u.mag) - plain(k, u.mag)
    if magnitude_err is None:
        return value
    terms = (plain(err, u.mag) for err in (magnitude_err, modulus_err, k_err))
    return value, np.sqrt(sum(term**2 for term in terms))


def solar_magnitude(band):
    """Absolute AB magnitude of the Sun.

    Parameters
    ----------
    band : str
        A band of SDSS (``"g"`` or ``"sdss_g"``), or one with its survey before it (``"ps1_g"``).

    Returns
    -------
    float
        Willmer 2018, ApJS 236, 47.

    Raises
    ------
    ConfigError
        The band is not in ``solar_magnitudes.yaml``.
    """
    known = packaged("solar_magnitudes.yaml")
    name = band_name(band)
    if name not in known:
        raise ConfigError(f"There is no solar magnitude for the band {band!r}; there are {', '.join(known)}.")
    return known[name]


def log_luminosity(absolute_magnitude, solar, absolute_magnitude_err=None):
    """Log10 of the luminosity in solar luminosities of the band itself, -0.4 (M - M_sun).

    Parameters
    ----------
    absolute_magnitude : array_like or astropy.units.Quantity
        AB.
    solar : float or str
        Absolute magnitude of the Sun in the band, or the band.
    absolute_magnitude_err : array_like or astropy.units.Quantity, optional
        Standard deviation.

    Returns
    -------
    value : numpy.ndarray
        In log10 of solar luminosities.
    error : numpy.ndarray
        0.4 sigma_M, in dex; only when `absolute_magnitude_err` is given.

    Raises
    ------
    ConfigError
        The band has no solar magnitude.
    """
    sun = solar_magnitude(solar) if isinstance(solar, str) else plain(solar, u.mag)
    value = -0.4 * (plain(absolute_magnitude, u.mag) - sun)
    if absolute_magnitude_err is None:
        return value
    return value, 0.4 * plain(absolute_magnitude_err, u.mag)


def log_mass_to_light(log_mstar, log_luminosity, log_mstar_err=None, log_luminosity_err=0.0, covariance=0.0):
    """Log10 of the mass-to-light ratio from mass and luminosity.

    Parameters
    ----------
    log_mstar : array_like
        Log10 of the stellar mass in solar masses.
    log_luminosity : array_like
        Log10 of the luminosity in solar luminosities, with the same Hubble constant.
    log_mstar_err : array_like, optional
        Standard deviation of the mass in dex.
    log_luminosity_err : array_like, default 0
        That of the luminosity.
    covariance : array_like, default 0
        Covariance of the two in dex^2. A mass that was fitted to the same fluxes at the same distance has one, up to
        the variance of the luminosity; without it the error of the ratio is an upper limit.

    Returns
    -------
    value : numpy.ndarray
        Log M - log L.
    error : numpy.ndarray
        In dex, sqrt(sigma_M^2 + sigma_L^2 - 2 cov); only when `log_mstar_err` is given.
    """
    value = np.asarray(log_mstar, dtype=np.float64) - np.asarray(log_luminosity, dtype=np.float64)
    if log_mstar_err is None:
        return value
    return value, _in_quadrature(log_mstar_err, log_luminosity_err, -2 * np.asarray(covariance))


def log_mass(log_ml, log_luminosity, log_ml_err=None, log_luminosity_err=0.0, covariance=0.0):
    """Log10 of the stellar mass from mass-to-light ratio and luminosity.

    Parameters
    ----------
    log_ml : array_like
        Log10 of the mass-to-light ratio in solar units of the band.
    log_luminosity : array_like
        Log10 of the luminosity in solar luminosities of the same band.
    log_ml_err : array_like, optional
        Standard deviation of the ratio in dex.
    log_luminosity_err : array_like, default 0
        That of the luminosity.
    covariance : array_like, default 0
        Covariance of the two in dex^2; that of a ratio predicted from an image alone is small.

    Returns
    -------
    value : numpy.ndarray
        Log M/L + log L, in log10 of solar masses.
    error : numpy.ndarray
        In dex, sqrt(sigma_ML^2 + sigma_L^2 + 2 cov); only when `log_ml_err` is given.
    """
    value = np.asarray(log_ml, dtype=np.float64) + np.asarray(log_luminosity, dtype=np.float64)
    if log_ml_err is None:
        return value
    return value, _in_quadrature(log_ml_err, log_luminosity_err, 2 * np.asarray(covariance))


def colour_mass_to_light(g_minus_i, g_minus_i_err=None):
    """Log10 M/L_g from the g-i colour: -1.197 + 1.431 (g-i).

    Parameters
    ----------
    g_minus_i : array_like or astropy.units.Quantity
        Colour at rest, AB, corrected for Galactic extinction.
    g_minus_i_err : array_like, optional
        Standard deviation.

    Returns
    -------
    value : numpy.ndarray
        For a Chabrier IMF.
    error : numpy.ndarray
        1.431 sigma, without the scatter of the relation (about 0.1 dex); only when `g_minus_i_err` is given.

    Notes
    -----
    Zibetti, Charlot & Rix 2009, MNRAS 400, 1181, table B1.
    """
    value = -1.197 + 1.431 * plain(g_minus_i, u.mag)
    if g_minus_i_err is None:
        return value
    return value, 1.431 * plain(g_minus_i_err, u.mag)


def _in_quadrature(first, second, cross):
    squares = np.asarray(first, dtype=np.float64) ** 2 + np.asarray(second, dtype=np.float64) ** 2
    return np.sqrt(np.maximum(squares + cross, 0.0))
