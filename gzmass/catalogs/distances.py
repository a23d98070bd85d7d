"""Luminosity distances in a flat universe, fast enough for 10^6 redshifts."""

from functools import lru_cache

import numpy as np
from astropy import units as u
from scipy.interpolate import CubicSpline

__all__ = [
    "HUBBLE",
    "MAX_REDSHIFT",
    "OMEGA_M",
    "cosmology_in_words",
    "distance_modulus",
    "luminosity_distance",
    "plain",
]

#: The cosmology of GSWLC and of the simulated galaxies: H0 in km/s/Mpc and the density of matter, flat.
HUBBLE, OMEGA_M = 70.0, 0.3
#: Up to here distances are known; beyond they are NaN.
MAX_REDSHIFT = 20.0

# astropy integrates 10^6 redshifts in 13 s; a cubic spline between so many is within 2 x 10^-8 of it
_NODES = 1025


def luminosity_distance(redshift, redshift_err=None, hubble=HUBBLE, omega_m=OMEGA_M):
    """Luminosity distance in a flat universe of matter and a cosmological constant.

    Interpolated between distances of `astropy.cosmology.FlatLambdaCDM`, to 2 x 10^-8 of their value; the same whichever
    other redshifts stand beside.

    Parameters
    ----------
    redshift : array_like or astropy.units.Quantity
        Redshifts, of any shape.
    redshift_err : array_like, optional
        Standard deviation of the redshifts, for photometric ones.
    hubble : float, default 70
        Hubble constant in km/s/Mpc.
    omega_m : float, default 0.3
        Density of matter today.

    Returns
    -------
    distance : numpy.ndarray
        In Mpc; NaN where the redshift is missing, not above 0 or above 20.
    error : numpy.ndarray
        Standard deviation in Mpc, to first order; only when `redshift_err` is given.
    """
    z = plain(redshift, u.dimensionless_unscaled)
    z = np.where((z > 0) & (z <= MAX_REDSHIFT), z, np.nan)
    spline, slope = _comoving_distance(float(hubble), float(omega_m))
    comoving = spline(np.log1p(z))
    distance = (1 + z) * comoving
    if redshift_err is None:
        return distance
    return distance, (comoving + slope(np.log1p(z))) * plain(redshift_err, u.dimensionless_unscaled)


def distance_modulus(distance, distance_err=None):
    """Distance modulus 5 log10(d / 10 pc).

    Parameters
    ----------
    distance : array_like or astropy.units.Quantity
        Luminosity distance in Mpc.
    distance_err : array_like or astropy.units.Quantity, optional
        Its standard deviation in Mpc.

    Returns
    -------
    modulus : numpy.ndarray
        In magnitudes; NaN where the distance is missing or not above 0.
    error : numpy.ndarray
        Standard deviation, 5 / ln 10 * sigma_d / d; only when `distance_err` is given.
    """
    distance = plain(distance, u.Mpc)
    distance = np.where(distance > 0, distance, np.nan)
    modulus = 5 * np.log10(distance) + 25
    if distance_err is None:
        return modulus
    return modulus, 5 / np.log(10) * plain(distance_err, u.Mpc) / distance


def plain(value, unit):
    """Take a quantity in a unit as an array without one.

    Parameters
    ----------
    value : array_like or astropy.units.Quantity
        What has no unit is taken to be in `unit`.
    unit : astropy.units.Unit
        The unit wanted.

    Returns
    -------
    numpy.ndarray of float64
        The numbers.

    Raises
    ------
    astropy.units.UnitConversionError
        The quantity is of another kind.
    """
    if isinstance(value, u.Quantity):
        value = value.to_value(unit)
    return np.asarray(value, dtype=np.float64)


@lru_cache(maxsize=16)
def _comoving_distance(hubble, omega_m):
    """Comoving distance as a spline in ln(1+z), which is smooth at both ends, and its derivative."""
    from astropy.cosmology import FlatLambdaCDM  # noqa: PLC0415 -- most commands read datasets and need no distances

    nodes = np.linspace(0, np.log1p(MAX_REDSHIFT), _NODES)
    model = FlatLambdaCDM(H0=hubble, Om0=omega_m)
    spline = CubicSpline(nodes, model.comoving_distance(np.expm1(nodes)).to_value(u.Mpc))
    return spline, spline.derivative()


def cosmology_in_words(hubble, omega_m):
    """Write a cosmology as ``dataset.yaml`` has it.

    Parameters
    ----------
    hubble, omega_m : float or None
        Hubble constant in km/s/Mpc and density of matter; None where not known.

    Returns
    -------
    str or None
        The words; None without a Hubble constant.
    """
    if hubble is None:
        return None
    density = "" if omega_m is None else f", Om = {omega_m:g}"
    return f"H0 = {hubble:g} km/s/Mpc{density}"
