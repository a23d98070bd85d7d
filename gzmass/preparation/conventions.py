"""What the tables of masses of `prepare` assume: declared, brought to one Hubble constant, and put together."""

from dataclasses import asdict, replace

from gzmass.catalogs.conventions import Convention, convert, refuse_different
from gzmass.catalogs.distances import HUBBLE
from gzmass.errors import DataError

__all__ = ["bring_to_hubble", "declared_convention", "filled", "join_conventions"]

_DECLARED = ("imf", "hubble", "omega_m", "h_scaling", "solar_magnitude", "source")
_LOGARITHMS = {"log_mstar": "log_mstar", "absolute_magnitude_g": "absolute_magnitude"}
_LENGTHS = ("distance_mpc", "radius_kpc")
# what has to be known of both tables if it is known of one: the key, and the columns that depend on it
_NEEDED = {
    "imf": ("log_ml_g", "log_mstar"),
    "hubble": ("log_mstar", "luminosity_g"),
    "solar_magnitude": ("log_ml_g", "luminosity_g"),
}


def declared_convention(part):
    """Take what the configuration says of a table of masses.

    Parameters
    ----------
    part : object
        A section ``mass_to_light`` of the configuration.

    Returns
    -------
    Convention
        What it says; None where it does not.
    """
    return Convention(**{name: getattr(part, name) for name in _DECLARED})


def filled(convention, other):
    """Add the terms that only the other one knows.

    Parameters
    ----------
    convention, other : Convention
        They agree in what both know.

    Returns
    -------
    Convention
        The terms of both.
    """
    return Convention(**{k: v if v is not None else getattr(other, k) for k, v in asdict(convention).items()})


def bring_to_hubble(table, convention, photometry):
    """Bring what depends on the Hubble constant to that of the luminosities, and out of units of h.

    Parameters
    ----------
    table : pandas.DataFrame
        Masses and what stands beside them.
    convention : Convention
        What they assume.
    photometry : object or None
        The section ``photometry`` of the configuration. Without it, masses in units of h are brought to H0 = 70, and
        others stay as they are.

    Returns
    -------
    table : pandas.DataFrame
        Masses and luminosities times (H / H')^2, distances and radii times H / H'.
    convention : Convention
        What they assume now.
    notes : list of str
        What was done.
    """
    if convention.hubble is None and not convention.h_scaling:
        known = photometry is None or "log_mstar" not in table
        return table, convention, [] if known else [f"the Hubble constant is not known, {photometry.hubble:g} assumed"]
    # the distances of masses in Msun h^-2 are those of a Hubble constant of 100
    given = replace(convention, hubble=100.0) if convention.h_scaling else convention
    hubble = photometry.hubble if photometry is not None else HUBBLE if convention.h_scaling else given.hubble
    wanted = replace(given, hubble=hubble, h_scaling=0)
    if given.hubble == hubble:
        return table, wanted, []
    new = {
        column: convert(table[column], quantity, given, wanted)
        for column, quantity in _LOGARITHMS.items()
        if column in table
    }
    ratio = given.hubble / hubble
    new |= {column: table[column] * ratio for column in _LENGTHS if column in table}
    new |= {column: table[column] * ratio**2 for column in ("luminosity_g",) if column in table}
    unit = f"the unit Msun h^{convention.h_scaling}" if convention.h_scaling else f"H0 = {given.hubble:g}"
    return table.assign(**new), wanted, [f"masses brought from {unit} to H0 = {hubble:g}"] if new else []


def join_conventions(first, second, columns, other_columns, names):
    """Put together what two tables assume whose galaxies are to stand in one dataset.

    Parameters
    ----------
    first, second : Convention
        What they assume.
    columns, other_columns : collection of str
        Their columns.
    names : tuple of str
        What the two tables are called in an error.

    Returns
    -------
    Convention
        What both assume, from the sources of both.

    Raises
    ------
    DataError
        They assume different things, or one does not say what the other says and the numbers depend on.
    """
    called = [replace(c, source=c.source or name) for c, name in zip((first, second), names, strict=True)]
    ratios = "log_ml_g" in columns or "log_ml_g" in other_columns
    unknown = refuse_different(*called, None if ratios else "log_mstar")
    for term, dependent in _NEEDED.items():
        if term in unknown and {*columns} & {*dependent} and {*other_columns} & {*dependent}:
            known, silent = (0, 1) if getattr(first, term) is not None else (1, 0)
            raise DataError(
                f"{names[known]} and {names[silent]} can not stand together: the term {term} is "
                f"{getattr((first, second)[known], term)} in the one and not known of the other; say it with the key "
                f"{term} of {names[silent]}, or leave one out."
            )
    sources = dict.fromkeys(source for c in (first, second) if c.source for source in c.source.split("; "))
    return replace(filled(first, second), source="; ".join(sources) or None)
