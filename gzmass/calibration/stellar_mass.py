"""Stellar mass from M/L and luminosity."""

import numpy as np

from gzmass.calibration.coverage import same_shape

__all__ = ["stellar_mass"]


def stellar_mass(log_ml, log_ml_sigma, luminosity, luminosity_err=None):
    """Stellar mass from M/L and luminosity in the same band: log M* = log M/L + log L.

    Parameters
    ----------
    log_ml : array_like of float
        Log10 M/L [M_sun / L_sun of the band], shape (n,).
    log_ml_sigma : array_like of float
        Its error [dex], shape (n,).
    luminosity : array_like of float
        Luminosity [L_sun of the band], shape (n,).
    luminosity_err : array_like of float or None, default None
        Its error in the same unit, added in quadrature as err / (L ln 10) dex; None is no error.

    Returns
    -------
    log_mstar : numpy.ndarray of float
        Log10 of the stellar mass [M_sun], shape (n,), NaN where the luminosity is missing or not positive.
    log_mstar_sigma : numpy.ndarray of float
        Its error [dex], shape (n,).
    """
    error = 0.0 if luminosity_err is None else luminosity_err
    log_ml, log_ml_sigma, luminosity, error = same_shape(log_ml, log_ml_sigma, luminosity, error)
    luminosity = np.where(luminosity > 0, luminosity, np.nan)
    log_mstar = log_ml + np.log10(luminosity)
    sigma = np.hypot(log_ml_sigma, error / (luminosity * np.log(10)))
    return log_mstar, np.where(np.isfinite(log_mstar), sigma, np.nan)
