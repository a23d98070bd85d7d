"""K-corrections of SDSS bands: built-in polynomials of one colour, or the template fits of the kcorrect package."""

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module

import numpy as np
from astropy import units as u

from gzmass.catalogs.conventions import band_name
from gzmass.catalogs.distances import plain
from gzmass.catalogs.packaged import packaged
from gzmass.errors import ConfigError

__all__ = [
    "KCORRECT_FLOOR",
    "TEMPLATE_BANDS",
    "Polynomial",
    "k_correction",
    "k_correction_from_templates",
    "k_correction_slopes",
    "k_polynomial",
    "require_kcorrect",
    "why_no_k_correction",
]

#: Relative errors added in quadrature to those of ugriz in a template fit (those of kcorrect's own SDSS examples).
KCORRECT_FLOOR = (0.05, 0.02, 0.02, 0.02, 0.03)

#: Bands of the templates of kcorrect, those of SDSS.
TEMPLATE_BANDS = ("u", "g", "r", "i", "z")
_GRID_STEP = 0.0025  # in redshift, between which kcorrect interpolates linearly


@dataclass(frozen=True)
class Polynomial:
    """K-correction of one band as a polynomial of redshift and one observed colour.

    Parameters
    ----------
    band : str
        Band of SDSS.
    colour : str
        Two bands of SDSS, such as ``"g-r"``.
    coefficients : numpy.ndarray
        Of redshift to the power of the row and colour to that of the column, shape (n, 4); the first row is 0.
    colour_range : tuple of float
        Observed colours for which it is used.
    max_redshift : float
        Highest redshift for which it is used.
    rms : float
        Root mean square of its difference from kcorrect at z < 0.3, in magnitudes.
    source : str
        Paper.
    """

    band: str
    colour: str
    coefficients: np.ndarray
    colour_range: tuple
    max_redshift: float
    rms: float
    source: str


def k_polynomial(band, colour_name):
    """Look up the built-in polynomial of a band and a colour.

    Parameters
    ----------
    band : {"u", "g", "r", "i", "z"}
        Band of SDSS.
    colour_name : str
        Colour such as ``"g-r"`` or ``"g - i"``.

    Returns
    -------
    Polynomial
        With its coefficients, where it is used, and how good it is.

    Raises
    ------
    ConfigError
        There is none for this band and colour.
    """
    known = _polynomials()
    key = (band_name(band), str(colour_name).replace(" ", ""))
    if key not in known:
        there = ", ".join(f"{b} from {c}" for b, c in known)
        raise ConfigError(f"There is no K-correction of {band!r} from {colour_name!r}; there are {there}.")
    return known[key]


def k_correction(band, redshift, colour_name, colour):
    """K-correction of an SDSS band to redshift 0 from one observed colour.

    The absolute magnitude is M = m - DM - K.

    Parameters
    ----------
    band : {"u", "g", "r", "i", "z"}
        Band of SDSS.
    redshift : array_like
        Redshifts.
    colour_name : str
        Colour such as ``"g-r"``. For g and r take g-r: it comes closest to a fit of all five bands.
    colour : array_like or astropy.units.Quantity
        Observed AB colour, corrected for Galactic extinction.

    Returns
    -------
    numpy.ndarray
        In magnitudes; NaN where the redshift is missing, not above 0 or above 0.5, or the colour missing or outside the
        range of the polynomial: `why_no_k_correction` says which.

    Raises
    ------
    ConfigError
        There is no polynomial for this band and colour.

    Notes
    -----
    Chilingarian, Melchior & Zolotukhin 2010, MNRAS 405, 1409; Chilingarian & Zolotukhin 2012, MNRAS 419, 1727.
    """
    polynomial = k_polynomial(band, colour_name)
    z, colour, _ = _within(polynomial, redshift, colour)
    return np.polynomial.polynomial.polyval2d(z, colour, polynomial.coefficients)


def k_correction_slopes(band, redshift, colour_name, colour):
    """Differentiate the K-correction, for its error.

    Parameters
    ----------
    band : {"u", "g", "r", "i", "z"}
        Band of SDSS.
    redshift : array_like
        Redshifts.
    colour_name : str
        Colour such as ``"g-r"``.
    colour : array_like or astropy.units.Quantity
        Observed AB colour, corrected for Galactic extinction.

    Returns
    -------
    by_redshift, by_colour : numpy.ndarray
        The derivatives dK/dz and dK/dcolour; NaN where the K-correction is.

    Raises
    ------
    ConfigError
        There is no polynomial for this band and colour.
    """
    polynomial = k_polynomial(band, colour_name)
    z, colour, _ = _within(polynomial, redshift, colour)
    evaluate, derive = np.polynomial.polynomial.polyval2d, np.polynomial.polynomial.polyder
    slopes = [evaluate(z, colour, derive(polynomial.coefficients, axis=axis)) for axis in (0, 1)]
    return slopes[0], slopes[1]


def why_no_k_correction(band, redshift, colour_name, colour):
    """Say why K-corrections are missing.

    Parameters
    ----------
    band : {"u", "g", "r", "i", "z"}
        Band of SDSS.
    redshift : array_like
        Redshifts.
    colour_name : str
        Colour such as ``"g-r"``.
    colour : array_like or astropy.units.Quantity
        Observed AB colour, corrected for Galactic extinction.

    Returns
    -------
    numpy.ndarray of object
        A reason for each galaxy, empty where there is a K-correction.

    Raises
    ------
    ConfigError
        There is no polynomial for this band and colour.
    """
    polynomial = k_polynomial(band, colour_name)
    z, _, reasons = _within(polynomial, redshift, colour)
    low, high = polynomial.colour_range
    texts = np.array(
        [
            "",
            f"redshift is missing or outside 0 to {polynomial.max_redshift:g}",
            f"colour {polynomial.colour} is missing or outside {low:g} to {high:g}",
        ],
        dtype=object,
    )
    return texts[reasons].reshape(z.shape)


def k_correction_from_templates(fluxes, redshift, flux_errs, reference_redshift=0.0, floor=KCORRECT_FLOOR, to_ab=True):
    """K-corrections of ugriz from a fit of templates to all five bands, with the kcorrect package.

    Parameters
    ----------
    fluxes : array_like or astropy.units.Quantity
        Fluxes in ugriz, shape (n, 5), in nanomaggies, corrected for Galactic extinction; NaN is missing.
    redshift : array_like
        Shape (n,).
    flux_errs : array_like or astropy.units.Quantity
        Standard deviations, shape (n, 5).
    reference_redshift : float, default 0
        Redshift at which the band is at rest.
    floor : sequence of float, default KCORRECT_FLOOR
        Relative errors added in quadrature.
    to_ab : bool, default True
        Whether kcorrect first brings SDSS fluxes to the AB system (by -0.036, 0.012, 0.010, 0.028 and 0.040 mag).

    Returns
    -------
    numpy.ndarray
        K-corrections in magnitudes, shape (n, 5); NaN where the redshift is missing or not above 0, or no fit succeeds.

    Raises
    ------
    ConfigError
        The kcorrect package is not installed.

    Notes
    -----
    Blanton & Roweis 2007, AJ 133, 734. It takes seconds to prepare the templates and 0.1 ms a galaxy.
    """
    z = np.atleast_1d(plain(redshift, u.dimensionless_unscaled))
    fluxes, errors = (np.atleast_2d(plain(v, u.nmgy)) for v in (fluxes, flux_errs))
    usable = np.isfinite(fluxes) & (errors > 0) & np.isfinite(errors)
    flux = np.where(usable, fluxes, 0.0)
    variance = np.where(usable, errors, 1.0) ** 2 + (np.asarray(floor) * flux) ** 2
    inverse = np.where(usable, 1 / variance, 0.0)
    fitted = (z > 0) & usable.any(axis=1)
    result = np.full(fluxes.shape, np.nan)
    if fitted.any():
        highest = float(np.ceil(2 * z[fitted].max()) / 2)
        fitter = _templates(max(highest, 0.5), reference_redshift, to_ab)
        maggies, inverse = 1e-9 * flux[fitted], 1e18 * inverse[fitted]
        coefficients = fitter.fit_coeffs(redshift=z[fitted], maggies=maggies, ivar=inverse)
        k = fitter.kcorrect(redshift=z[fitted], coeffs=coefficients, band_shift=reference_redshift)
        result[fitted] = np.where(coefficients.sum(axis=1, keepdims=True) > 0, k, np.nan)
    return result


def _within(polynomial, redshift, colour):
    """Redshifts and colours of one shape, NaN outside the polynomial's range, and 1 or 2 for what is outside."""
    z, colour = np.broadcast_arrays(plain(redshift, u.dimensionless_unscaled), plain(colour, u.mag))
    low, high = polynomial.colour_range
    near = (z > 0) & (z <= polynomial.max_redshift)
    usual = (colour >= low) & (colour <= high)
    good = near & usual
    return np.where(good, z, np.nan), np.where(good, colour, np.nan), np.where(near, np.where(usual, 0, 2), 1)


@lru_cache(maxsize=1)
def _polynomials():
    data = packaged("chilingarian.yaml")
    papers = {
        2010: "Chilingarian, Melchior & Zolotukhin 2010, MNRAS 405, 1409",
        2012: "Chilingarian & Zolotukhin 2012, MNRAS 419, 1727",
    }
    return {
        (entry["band"], entry["colour"]): Polynomial(
            band=entry["band"],
            colour=entry["colour"],
            coefficients=np.array([[0.0] * 4, *entry["coefficients"]]),
            colour_range=tuple(entry["range"]),
            max_redshift=data["max_redshift"],
            rms=entry["rms"],
            source=papers[entry["year"]],
        )
        for entry in data["polynomials"]
    }


def require_kcorrect():
    """Import the kcorrect package.

    Returns
    -------
    module
        Its module ``kcorrect.kcorrect``.

    Raises
    ------
    ConfigError
        It is not installed.
    """
    try:
        return import_module("kcorrect.kcorrect")
    except ImportError:
        raise ConfigError(
            "K-corrections from templates need the kcorrect package: install it with 'pip install gzmass[kcorrect]', "
            "or use the built-in polynomials."
        ) from None


@lru_cache(maxsize=4)
def _templates(highest, reference_redshift, to_ab):
    kcorrect = require_kcorrect()
    # the bands at their reference redshift are looked up on the same grid
    highest = max(highest, reference_redshift + _GRID_STEP)
    grid = {"redshift_range": [0.0, highest], "nredshift": round(highest / _GRID_STEP) + 1}
    if to_ab:
        return kcorrect.KcorrectSDSS(**grid)
    return kcorrect.Kcorrect(responses=[f"sdss_{band}0" for band in TEMPLATE_BANDS], **grid)
