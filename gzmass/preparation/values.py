"""Values of the tables of `prepare` that no galaxy has, such as -9999: taken as missing, or their row set aside."""

import numpy as np
import pandas as pd

from gzmass.catalogs.distances import MAX_REDSHIFT, luminosity_distance
from gzmass.catalogs.stellar_mass import LOG_MSTAR
from gzmass.errors import DataError

__all__ = ["refuse_other_units", "without_impossible_masses", "without_impossible_values"]

_ABOVE_0, _FROM_0 = (0, None, "values above 0"), (0, None, "values >= 0")
_MAGNITUDES = (0, 40, "0 to 40")
_LUMINOSITIES = (1e3, 1e14)  # of a median, from ultra-faint dwarfs to the brightest galaxies of clusters
_DISTANCES = 5.0  # comoving and luminosity distances of high redshift, and those of h = 1, differ by less
_HUBBLE_FLOW = 0.01  # redshifts below are as much the galaxies' own motion
# the nearest galaxies come towards us with less than 0.01 c
_ALLOWED = {
    "ra": (-180, 360, "-180 to 360 degrees"),
    "dec": (-90, 90, "-90 to 90 degrees"),
    "redshift": (-0.01, MAX_REDSHIFT, f"-0.01 to {MAX_REDSHIFT:g}"),
    "distance_mpc": _ABOVE_0,
    "luminosity_g": _ABOVE_0,
    "radius_kpc": _ABOVE_0,
    "radius_arcsec": _ABOVE_0,
    "pixel_scale_arcsec": _ABOVE_0,
    "log_mstar_err": _FROM_0,
    "magnitude": _MAGNITUDES,
    "colour_magnitude": _MAGNITUDES,
    "magnitude_err": _FROM_0,
    "colour_magnitude_err": _FROM_0,
    "flux_err": _FROM_0,
    "colour_flux_err": _FROM_0,
    "extinction": _FROM_0,
    "colour_extinction": _FROM_0,
}


def without_impossible_values(table, file):
    """Take values of the columns of the dataset contract that can not be as missing.

    Parameters
    ----------
    table : pandas.DataFrame
        With some of the columns that have a range; others stay as they are.
    file : str
        What the table is called.

    Returns
    -------
    table : pandas.DataFrame
        NaN where a value was out of range.
    notes : list of str
        How many values of which column, and what is allowed.

    Raises
    ------
    DataError
        A column has no value in its range.
    """
    notes = []
    for column, (low, high, allowed) in _ALLOWED.items():
        if column not in table:
            continue
        values = table[column]
        wrong = ((values <= low) if allowed == _ABOVE_0[2] else (values < low)).fillna(value=False)
        if high is not None:
            wrong |= (values > high).fillna(value=False)
        if not wrong.any():
            continue
        first = values[wrong].iloc[0]
        if wrong.sum() == values.notna().sum():
            raise DataError(
                f"No value of {column} of {file!r} can be used: allowed are {allowed}. Received: {first:g}."
            )
        table = table.assign(**{column: values.mask(wrong)})
        notes.append(
            f"{int(wrong.sum())} of {len(table)} values of {column} are taken as missing, the first {first:g}; allowed "
            f"are {allowed}"
        )
    return table, notes


def refuse_other_units(table):
    """Refuse luminosities that can not be solar luminosities, and distances that can not be Mpc.

    Parameters
    ----------
    table : pandas.DataFrame
        All that the catalogues say of the galaxies.

    Raises
    ------
    DataError
        The median luminosity is no galaxy's, as of a logarithm that was taken for the number; or distances and
        redshifts of the same galaxies differ by a factor that no cosmology explains.
    """
    if "luminosity_g" in table and not np.isnan(middle := table["luminosity_g"].median()):
        low, high = _LUMINOSITIES
        if not low <= middle <= high:
            raise DataError(
                f"The luminosities (luminosity_g) have the median {middle:.4g} solar luminosities; allowed are "
                f"{low:g} to {high:g}. Give the unit of the column: a logarithm has the unit 'dex(Lsun)'."
            )
    if not {"redshift", "distance_mpc"} <= set(table):
        return
    redshift = table["redshift"].where(table["redshift"] > _HUBBLE_FLOW)
    ratio = (table["distance_mpc"] / luminosity_distance(redshift.to_numpy(float))).median()
    if not np.isnan(ratio) and not 1 / _DISTANCES <= ratio <= _DISTANCES:
        raise DataError(
            f"The distances (distance_mpc) are in the median {ratio:.3g} times those that follow from the redshifts of "
            f"the same galaxies; allowed are factors up to {_DISTANCES:g}. Give the unit of the column: is it Mpc?"
        )


def without_impossible_masses(table, file):
    """Set rows aside whose mass can not be, or take the mass as missing where the row has a ratio of its own.

    Parameters
    ----------
    table : pandas.DataFrame
        With ``id`` and ``log_mstar``; may have ``log_ml_g``.
    file : str
        What the table is called.

    Returns
    -------
    table : pandas.DataFrame
        The other rows, and those with a ratio.
    set_aside : pandas.DataFrame
        ``id``, ``file`` and ``reason`` of those taken out, and of those without their mass.

    Raises
    ------
    DataError
        No mass is in the range.
    """
    low, high = LOG_MSTAR
    wrong = table["log_mstar"].notna() & ~table["log_mstar"].between(low, high)
    if wrong.any() and wrong.sum() == table["log_mstar"].notna().sum():
        value = table["log_mstar"][wrong].iloc[0]
        raise DataError(
            f"No value of log_mstar of {file!r} can be used: allowed are {low:g} to {high:g}, log10 of solar masses. "
            f"Received: {value:g}."
        )
    reasons = [f"log_mstar = {value:g}, allowed are {low:g} to {high:g}" for value in table["log_mstar"][wrong]]
    bad = pd.DataFrame({"id": table["id"][wrong].to_numpy(), "file": file, "reason": reasons})
    labelled = wrong & table["log_ml_g"].notna() if "log_ml_g" in table else np.zeros(len(table), dtype=bool)
    table = table.assign(log_mstar=table["log_mstar"].mask(wrong))
    return table[~wrong | labelled].reset_index(drop=True), bad
