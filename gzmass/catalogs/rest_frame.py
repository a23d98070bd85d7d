"""Luminosity in a band at rest from fluxes in two bands: the whole recipe, its errors with their correlations."""

from dataclasses import dataclass

import numpy as np
from astropy import units as u

from gzmass.catalogs.conventions import Convention, band_name
from gzmass.catalogs.distances import HUBBLE, OMEGA_M, distance_modulus, luminosity_distance, plain
from gzmass.catalogs.k_corrections import k_correction, k_correction_slopes, k_polynomial
from gzmass.catalogs.photometry import absolute_magnitude, deredden, log_luminosity, magnitude, solar_magnitude
from gzmass.errors import ConfigError

__all__ = ["RestFrame", "rest_frame"]


@dataclass(frozen=True)
class RestFrame:
    """Light of galaxies in a band at rest.

    Parameters
    ----------
    log_luminosity : numpy.ndarray
        Log10 of the luminosity in solar luminosities of the band itself.
    log_luminosity_err : numpy.ndarray
        Its standard deviation in dex.
    absolute_magnitude : numpy.ndarray
        AB.
    k_correction : numpy.ndarray
        In magnitudes.
    distance_mpc : numpy.ndarray
        Luminosity distance.
    convention : Convention
        What the numbers assume.
    """

    log_luminosity: np.ndarray
    log_luminosity_err: np.ndarray
    absolute_magnitude: np.ndarray
    k_correction: np.ndarray
    distance_mpc: np.ndarray
    convention: Convention


def rest_frame(
    fluxes,
    redshift,
    band="g",
    colour_name="g-r",
    flux_errs=None,
    extinctions=None,
    redshift_err=None,
    solar=None,
    hubble=HUBBLE,
    omega_m=OMEGA_M,
    distance_mpc=None,
):
    """Luminosity in a band at rest from fluxes in two bands: the whole recipe in one step.

    Parameters
    ----------
    fluxes : dict of str to array_like or astropy.units.Quantity
        Fluxes in nanomaggies by band of SDSS: of `band` and of the two bands of `colour_name`. The colour must be
        measured within one aperture in both bands; the flux of `band` should be that of the whole galaxy.
    redshift : array_like
        Redshifts.
    band : {"u", "g", "r", "i", "z"}, default "g"
        Band of the luminosity.
    colour_name : str, default "g-r"
        Colour for the K-correction, see `k_polynomial`.
    flux_errs : dict of str to array_like, optional
        Standard deviations of the fluxes; a band left out has none.
    extinctions : dict of str to array_like, optional
        Galactic extinction in magnitudes by band; by default the fluxes are taken to be corrected already.
    redshift_err : array_like, optional
        Standard deviation of the redshift.
    solar : float, optional
        Absolute magnitude of the Sun; by default that of `solar_magnitude`.
    hubble, omega_m : float, default 70 and 0.3
        Cosmology.
    distance_mpc : array_like or astropy.units.Quantity, optional
        Luminosity distances that are known without the redshift, which then serves the K-correction only; where they
        are NaN, as by default, the distance is that of redshift and cosmology.

    Returns
    -------
    RestFrame
        Its numbers are NaN where a flux is missing or not above 0, or the redshift or colour allow no K-correction.

    Raises
    ------
    ConfigError
        There is no K-correction for the band and colour, or one of the bands has no flux or extinction.

    Notes
    -----
    M = m_b - DM(z) - K(z, c) with c = m_1 - m_2, so that, where b, 1 and 2 may be the same band,

        sigma_M^2 = sum over bands of (dM/dm)^2 sigma_m^2 + (dDM/dz + dK/dz)^2 sigma_z^2 + sigma_K^2

    with dM/dm = [b] - dK/dc ([1] - [2]): the errors of magnitude and colour are not independent. sigma_K is the rms of
    the polynomial against kcorrect. The solar magnitude's error (0.03 mag) is common to all galaxies and not in it.
    """
    polynomial = k_polynomial(band, colour_name)
    first, second = polynomial.colour.split("-")
    used = dict.fromkeys([polynomial.band, first, second])
    fluxes, flux_errs = _by_band(fluxes), _by_band(flux_errs)
    extinctions = _by_band(extinctions) if extinctions is not None else dict.fromkeys(used, 0.0)
    magnitudes, errors = {}, {}
    for name in used:
        for what, given in (("flux", fluxes), ("extinction", extinctions)):
            if name not in given:
                raise ConfigError(
                    f"The {what} in {name!r} is needed for {band!r} from {colour_name!r}. Received: {', '.join(given)}."
                )
        apparent, errors[name] = magnitude(fluxes[name], flux_errs.get(name, 0.0))
        magnitudes[name] = deredden(apparent, extinctions[name])
    colour = magnitudes[first] - magnitudes[second]
    k = k_correction(band, redshift, colour_name, colour)
    by_redshift, by_colour = k_correction_slopes(band, redshift, colour_name, colour)
    z_err = 0.0 if redshift_err is None else plain(redshift_err, u.dimensionless_unscaled)
    distance, slope = luminosity_distance(redshift, 1.0, hubble, omega_m)
    if distance_mpc is not None:
        known = plain(distance_mpc, u.Mpc)
        distance, slope = np.where(np.isnan(known), distance, known), np.where(np.isnan(known), slope, 0.0)
    modulus, modulus_slope = distance_modulus(distance, slope)
    weights = {name: (name == polynomial.band) - by_colour * ((name == first) - (name == second)) for name in used}
    variance = sum((weights[name] * errors[name]) ** 2 for name in used)
    variance = variance + ((modulus_slope + by_redshift) * z_err) ** 2 + polynomial.rms**2
    absolute = absolute_magnitude(magnitudes[polynomial.band], modulus, k)
    solar = solar_magnitude(band) if solar is None else solar
    logarithm, error = log_luminosity(absolute, solar, np.sqrt(variance))
    convention = Convention(
        hubble=hubble,
        omega_m=omega_m,
        band=polynomial.band,
        solar_magnitude=solar,
        kcorrection_redshift=0.0,
        h_scaling=0,
        source=f"fluxes, K-correction from {polynomial.colour} ({polynomial.source})",
    )
    return RestFrame(logarithm, error, absolute, k, np.broadcast_to(distance, absolute.shape), convention)


def _by_band(values):
    return {band_name(name): value for name, value in (values or {}).items()}
