"""What the masses, luminosities and mass-to-light ratios of a table assume, and which of them may stand together."""

from dataclasses import dataclass

import numpy as np

from gzmass.catalogs.distances import luminosity_distance
from gzmass.catalogs.packaged import packaged
from gzmass.errors import ConfigError, DataError

__all__ = ["LOG_ML_G", "Convention", "band_name", "convert", "refuse_different"]


@dataclass(frozen=True)
class Convention:
    """What a table of masses, luminosities or mass-to-light ratios assumes; None is what is not known.

    Parameters
    ----------
    imf : str or None, default None
        Initial mass function: ``"chabrier"``, ``"kroupa"``, ``"salpeter"`` or another name, in upper or lower case.
    hubble : float or None, default None
        Hubble constant of the distances in km/s/Mpc.
    omega_m : float or None, default None
        Density of matter today of the distances, in a flat universe.
    band : str or None, default None
        Band of luminosity and mass-to-light ratio: a key of ``solar_magnitudes.yaml`` such as ``"g"`` (SDSS; also
        ``"sdss_g"``) or ``"ps1_g"``, or another name.
    solar_magnitude : float or None, default None
        Absolute AB magnitude of the Sun in that band.
    kcorrection_redshift : float or None, default None
        Redshift at which the band is at rest: 0 is the band itself, 0.1 a band whose wavelengths are divided by 1.1.
    h_scaling : int or None, default None
        Power of h in the unit of the masses: -2 for masses in Msun/h^2 (with absolute magnitudes M - 5 log10 h), which
        are those of a Hubble constant of 100 whatever `hubble` says; 0 or None for masses in Msun.
    source : str or None, default None
        Where the numbers come from.
    """

    imf: str | None = None
    hubble: float | None = None
    omega_m: float | None = None
    band: str | None = None
    solar_magnitude: float | None = None
    kcorrection_redshift: float | None = None
    h_scaling: int | None = None
    source: str | None = None


#: What the column ``log_ml_g`` of a dataset is: in the g band of SDSS itself.
LOG_ML_G = Convention(band="g", kcorrection_redshift=0.0, source="log_ml_g")

# what each quantity depends on; a mass-to-light ratio does not depend on the distance, nor a mass on the band
_TERMS = {
    "log_mstar": ("imf", "hubble", "omega_m"),
    "log_ml": ("imf", "band", "kcorrection_redshift", "solar_magnitude"),
    "log_luminosity": ("hubble", "omega_m", "band", "kcorrection_redshift", "solar_magnitude"),
    "absolute_magnitude": ("hubble", "omega_m", "band", "kcorrection_redshift"),
}
_ALL_TERMS = ("imf", "hubble", "omega_m", "band", "kcorrection_redshift", "solar_magnitude")
_NAMES = {
    "imf": "initial mass function",
    "hubble": "Hubble constant",
    "omega_m": "density of matter",
    "band": "band",
    "kcorrection_redshift": "reference redshift of the K-correction",
    "solar_magnitude": "solar magnitude",
}
_TOLERANCE = 1e-3
# a density of matter that moves masses by less than this at the far end of Galaxy Zoo 2 is no difference
_OMEGA_DEX, _OMEGA_REDSHIFT = 0.01, 0.25


def refuse_different(first, second, quantity=None):
    """Refuse to let two tables stand together whose numbers do not mean the same.

    Parameters
    ----------
    first, second : Convention
        What the two tables assume.
    quantity : {"log_mstar", "log_ml", "log_luminosity", "absolute_magnitude"}, optional
        What is put together; by default each term counts.

    Returns
    -------
    tuple of str
        The terms that are known of one table only, of which nothing can be said.

    Raises
    ------
    DataError
        They differ in a term that matters: which, how large the effect is, and what can be done.
    ConfigError
        The quantity is unknown.
    """
    unknown = []
    for term in _terms(quantity):
        ours, theirs = _value(first, term), _value(second, term)
        if ours is None or theirs is None:
            if ours is not theirs:
                unknown.append(term)
        elif _differ(term, first, second):
            a, b = first.source or "the first table", second.source or "the second table"
            raise DataError(
                f"{a} and {b} can not stand together: the {_NAMES[term]} is {ours} in the first and {theirs} in "
                f"the second ({_effect(term, ours, theirs)}); {_REMEDIES[term]}."
            )
    return tuple(unknown)


def convert(values, quantity, given, wanted, imf_offset=None):
    """Bring values to another convention, where that is exact or the offset is stated.

    The Hubble constant scales masses and luminosities by (H / H')^2 and moves absolute magnitudes by
    5 log10(H' / H); the Sun's magnitude moves log L by 0.4 (M' - M) and log M/L by as much the other way.

    Parameters
    ----------
    values : array_like
        Values of `quantity`.
    quantity : {"log_mstar", "log_ml", "log_luminosity", "absolute_magnitude"}
        What they are.
    given, wanted : Convention
        What they assume, and what they shall assume; terms of `wanted` that are None stay as they are.
    imf_offset : float, optional
        Log10 of the mass under the wanted initial mass function less that under the given one. Without it masses are
        not converted from one to another: the offset depends on age and on what is counted as stellar mass.

    Returns
    -------
    numpy.ndarray
        The values in the wanted convention.

    Raises
    ------
    DataError
        A term differs that can not be converted, or one that is wanted is not known of what is given.
    ConfigError
        The quantity is unknown.
    """
    shift = 0.0
    for term in _terms(quantity):
        ours, theirs = _value(given, term), _value(wanted, term)
        if theirs is None:
            continue
        source = given.source or "the values"
        if ours is None:
            raise DataError(f"The {_NAMES[term]} of {source} is not known: they can not be converted to {theirs}.")
        if not _differ(term, given, wanted):
            continue
        if term == "hubble":
            shift += (5 if quantity == "absolute_magnitude" else -2) * np.log10(theirs / ours)
        elif term == "solar_magnitude":
            shift += (0.4 if quantity == "log_luminosity" else -0.4) * (theirs - ours)
        elif term == "imf" and imf_offset is not None:
            shift += imf_offset
        else:
            raise DataError(
                f"The {_NAMES[term]} of {source} is {ours} and can not be converted to {theirs} "
                f"({_effect(term, ours, theirs)}); {_REMEDIES[term]}."
            )
    return np.asarray(values, dtype=np.float64) + shift


def band_name(band):
    """Name of a band as ``solar_magnitudes.yaml`` has it.

    Parameters
    ----------
    band : str
        ``"g"``, ``"sdss_g"`` or ``"SDSS_g"`` for a band of SDSS, else survey and band.

    Returns
    -------
    str
        Without the prefix of SDSS, the survey in lower case.
    """
    survey, underscore, name = str(band).rpartition("_")
    survey = survey.lower()
    return name if survey in ("", "sdss") else f"{survey}{underscore}{name}"


_REMEDIES = {
    "imf": "convert one of them beforehand with an offset that you state (gzmass.catalogs.convert), or leave one out",
    "hubble": "convert one of them, which is exact",
    "omega_m": "scale one of them galaxy by galaxy with luminosity_distance, or leave one out",
    "band": "divide the mass by the luminosity in the band that is wanted (rest_frame, log_mass_to_light)",
    "kcorrection_redshift": "divide the mass by a luminosity K-corrected to the redshift that is wanted (rest_frame, "
    "log_mass_to_light)",
    "solar_magnitude": "convert one of them, which is exact",
}

# measured on the SDSS galaxies and with the templates of kcorrect 5.1.9 (benchmarks/photometry.py)
_SIZES = {
    "imf": "up to some 0.3 dex in mass and M/L",
    "band": "M/L of a typical galaxy differs by 0.2 dex from g to i, and by another amount for each galaxy",
    "kcorrection_redshift": "M/L_g of a typical galaxy rises by 0.16 dex from 0 to 0.1 and by 1.0 dex from 0 to 0.55, "
    "with the same solar magnitude",
}


def _terms(quantity):
    if quantity is not None and quantity not in _TERMS:
        raise ConfigError(f"The quantity must be one of {', '.join(_TERMS)}. Received: {quantity!r}.")
    return _ALL_TERMS if quantity is None else _TERMS[quantity]


def _value(convention, term):
    if term == "hubble" and convention.h_scaling == -2:
        return 100.0
    value = getattr(convention, term)
    if value is None:
        return None
    return value.strip().lower() if term == "imf" else band_name(value) if term == "band" else float(value)


def _differ(term, first, second):
    ours, theirs = _value(first, term), _value(second, term)
    if term in ("imf", "band"):
        return ours != theirs
    if term == "omega_m":
        return _omega_effect(ours, theirs) > _OMEGA_DEX
    return abs(ours - theirs) > _TOLERANCE


def _effect(term, ours, theirs):
    offsets = packaged("imf_offsets.yaml")
    if term == "imf" and {ours, theirs} <= set(offsets):
        return f"{offsets[theirs] - offsets[ours]:+.2f} dex in mass and M/L from one to the other"
    if term == "hubble":
        return f"{2 * np.log10(ours / theirs):+.2f} dex in mass and luminosity from one to the other"
    if term == "omega_m":
        return f"{_omega_effect(ours, theirs):.3f} dex in mass and luminosity at redshift {_OMEGA_REDSHIFT}"
    if term == "solar_magnitude":
        return f"{0.4 * (theirs - ours):+.3f} dex in luminosity from one to the other"
    return _SIZES[term]


def _omega_effect(ours, theirs):
    distances = [float(luminosity_distance(_OMEGA_REDSHIFT, omega_m=omega)) for omega in (ours, theirs)]
    return abs(2 * np.log10(distances[1] / distances[0]))
