"""The catalogues of `prepare`: read, matched to the galaxies by id or position, and joined to one table."""

import math
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd

from gzmass.catalogs.conventions import LOG_ML_G, Convention, convert, refuse_different
from gzmass.catalogs.crossmatch import match_ids, match_sky, match_through
from gzmass.catalogs.distances import HUBBLE
from gzmass.catalogs.galaxy_zoo import read_kaggle, read_votes
from gzmass.catalogs.galaxy_zoo_2 import read_galaxy_zoo_2
from gzmass.catalogs.ids import among, optional_ids
from gzmass.catalogs.joins import outer_join
from gzmass.catalogs.mass_to_light import read_mass_to_light
from gzmass.catalogs.stellar_mass import read_stellar_mass
from gzmass.catalogs.tables import named_columns, read_table
from gzmass.datasets.prepare_config import plain_columns
from gzmass.errors import ConfigError, DataError

__all__ = ["Catalogs", "read_catalogs"]

_OURS = ("id", "file", "split", "stretch_scale", "centre_status", "centre_offset_arcsec", "filled_fraction")
_RATIO = ("log_ml_g", "log_ml_g_err", "ml_g", "ml_g_err")
_LOG_MSTAR = (2.0, 14.0)  # from the faintest dwarf to beyond any galaxy
_NAMES = {"imf": "imf", "solar_magnitude": "solar_magnitude", "source": "source"}


@dataclass(frozen=True)
class Catalogs:
    """What the catalogues say about the galaxies of a sample.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a galaxy, in the order of the sample; NaN where a value is missing.
    set_aside : dict of str to pandas.DataFrame
        ``id``, ``file`` and ``reason`` of rows that can not be used, by table.
    notes : list of str
        What the user should know.
    matches : list of dict
        How the rows of each table found their galaxies.
    convention : Convention
        What masses and mass-to-light ratios assume.
    cosmology : str or None
        The same of their distances, in words.
    """

    table: pd.DataFrame
    set_aside: dict
    notes: list
    matches: list
    convention: Convention
    cosmology: str | None


def read_catalogs(config, sample):
    """Read all catalogues and join them to the galaxies of a sample.

    Parameters
    ----------
    config : PrepareConfig
        The configuration.
    sample : pandas.DataFrame
        ``id`` and, for a match by sky, ``ra`` and ``dec``.

    Returns
    -------
    Catalogs
        The joined table, and what is to be said about it.

    Raises
    ------
    DataError
        A table can not be used, none of its rows is one of the galaxies, or two tables of masses assume different
        things.
    ConfigError
        A column is named that is not the user's to name, or is named twice.
    """
    result = Catalogs(sample, {}, [], [], Convention(), None)
    for name, part in _named(config.metadata, "metadata"):
        result = _add(result, name, part, *_read_columns(part, name))
    if config.votes is not None:
        result = _add(result, "votes", config.votes, *_read_votes(config.votes, sample))
    if config.photometry is not None and config.photometry.file is not None:
        result = _add(result, "photometry", config.photometry, *_read_columns(config.photometry, "photometry"))
    return _add_masses(config, result, sample)


def _named(parts, name):
    return [(name if len(parts) == 1 else f"{name} {k + 1}", part) for k, part in enumerate(parts)]


def _read_columns(part, name):
    columns = plain_columns(part.columns)
    _check_columns(name, columns)
    theirs = [c if isinstance(c, str) else c["column"] for c in columns.values()]
    table, bad = read_table(part.file, part.id or "id", theirs)
    return named_columns(table, columns, str(part.file)), bad, []


def _check_columns(key, columns):
    for column in columns:
        if column in _OURS or column.endswith("_votes"):
            raise ConfigError(f"The key {key}.columns can not hold {column!r}: gzmass makes that column itself.")
        if not key.startswith("mass_to_light") and column in _RATIO:
            raise ConfigError(f"The key {key}.columns can not hold {column!r}: the key mass_to_light.columns does.")


def _read_votes(part, sample):
    if part.format == "kaggle":
        return read_kaggle(part.file, part.tree, part.n_votes, part.q6_sums_to_one, part.id or "GalaxyID")
    if part.format == "columns":
        return read_votes(part.file, part.tree, part.columns, part.id or "id")
    return read_galaxy_zoo_2(part.file, part.statistic, _wanted(part, sample), part.tree, part.id)


def _wanted(part, sample):
    """Ids to which a large catalogue is confined while it is read; None for all of it."""
    if part.match.by == "sky":
        return None
    through = part.match.through
    if through is None:
        return sample["id"]
    mapping = _read_mapping(through)
    return mapping[through.catalogue][among(mapping[through.galaxy], sample["id"])]


def _read_mapping(through):
    if through.galaxy == through.catalogue:
        raise ConfigError(
            f"The keys galaxy and catalogue of match.through name the same column {through.galaxy!r}; each names "
            "another kind of id."
        )
    table, _ = read_table(through.file, through.galaxy, [through.catalogue])
    theirs = optional_ids(table[through.catalogue], f"column {through.catalogue!r} of {str(through.file)!r}")
    return table.rename(columns={"id": through.galaxy}).assign(**{through.catalogue: theirs})


def _add_masses(config, result, sample):
    parts = _named(config.mass_to_light, "mass_to_light")
    kinds = {part.kind for _, part in parts}
    if len(kinds) > 1:
        raise ConfigError(f"The tables of mass_to_light must be of one kind. Received: {', '.join(sorted(kinds))}.")
    convention, cosmology, first = Convention(), None, None
    for name, part in parts:
        table, bad, notes, own = _read_masses(config, part, name, sample)
        if first is not None:
            refuse_different(convention, own, None if "log_ml_g" in table else "log_mstar")
        convention = _filled(convention, own)
        cosmology = cosmology or part.cosmology or _in_words(own)
        before = result.table
        result = _add(
            replace(result, table=sample[_keys(sample)]) if first is not None else result, name, part, table, bad, notes
        )
        if first is not None:
            result = replace(result, table=_take_where_unknown(before, result.table))
        first = name
    return replace(result, convention=convention, cosmology=cosmology)


def _keys(sample):
    return [column for column in ("id", "ra", "dec") if column in sample]


def _take_where_unknown(table, other):
    """Fill the galaxies without mass and ratio from another catalogue, all its columns together."""
    labels = [column for column in ("log_ml_g", "log_mstar") if column in table]
    unknown = table[labels].isna().all(axis=1)
    for column in other.columns.difference(["id", "ra", "dec"], sort=False):
        known = table[column] if column in table else pd.Series(np.nan, index=table.index)
        table = table.assign(**{column: known.where(~unknown, other[column])})
    return table


def _read_masses(config, part, name, sample):
    """Read a table of masses or ratios: table, rows set aside, notes, convention."""
    if part.format != "columns":
        # an id of another name than the catalogue's first one can not be asked for while it is read
        table, bad, convention = read_stellar_mass(part.file, part.format, None if part.id else _wanted(part, sample))
        own = Convention(**{key: getattr(part, ours) for key, ours in _NAMES.items()})
        refuse_different(convention, own)
        notes = []
        if config.photometry is not None:
            # its own luminosities and ratios give way to those that are computed
            table = table.drop(columns=[c for c in (*_RATIO, "luminosity_g") if c in table])
        elif "log_ml_g" in table:
            refuse_different(convention, LOG_ML_G, "log_ml")
        if convention.h_scaling:
            hubble = HUBBLE if config.photometry is None else config.photometry.hubble
            wanted = replace(convention, hubble=hubble, h_scaling=0)
            table = table.assign(log_mstar=convert(table["log_mstar"], "log_mstar", convention, wanted))
            notes.append(
                f"{name}: masses brought from the unit Msun h^{convention.h_scaling} to H0 = {wanted.hubble:g}"
            )
            convention = wanted
        return table, bad, notes, _filled(convention, own)
    convention = Convention(**{key: getattr(part, ours) for key, ours in _NAMES.items()})
    columns = plain_columns(part.columns)
    _check_columns(name, columns)
    if config.photometry is None or "log_mstar" not in columns:
        table, bad, unused = read_mass_to_light(part.file, part.id or "id", columns, part.where)
        notes = [f"{name}: {unused} rows left out because {part.where} is false"] if unused else []
        if config.photometry is not None:
            raise ConfigError(
                f"The key photometry computes M/L, which {str(part.file)!r} already gives; leave one out."
            )
        return table, bad, notes, convention
    if given := sorted(set(columns) & {*_RATIO, "luminosity_g"}):
        raise ConfigError(
            f"The key photometry computes {given[0]!r}, which {name}.columns already gives; leave one out."
        )
    if part.where is not None:
        raise ConfigError(f"The key {name}.where goes with a column log_ml_g or ml_g, not with log_mstar.")
    table, bad, notes = _read_columns(part, name)
    return table, bad, notes, convention


def _filled(convention, other):
    """Add the terms that only the other one knows."""
    return Convention(**{k: v if v is not None else getattr(other, k) for k, v in asdict(convention).items()})


def _in_words(convention):
    if convention.hubble is None:
        return None
    density = "" if convention.omega_m is None else f", Om = {convention.omega_m:g}"
    return f"H0 = {convention.hubble:g} km/s/Mpc{density}"


def _add(result, name, part, other, bad, notes):
    """Join one table to the galaxies."""
    file = str(part.file)
    set_aside = {**result.set_aside, name: bad.assign(file=file)}
    if "log_mstar" in other:
        other, impossible = _plausible_masses(other, file)
        set_aside[f"{name}, masses"] = impossible
    named = set(getattr(part, "columns", {})) if isinstance(getattr(part, "columns", {}), dict) else set()
    twice = sorted((set(result.table.columns) - {"id"}) & named & set(other.columns))
    if twice:
        raise ConfigError(f"The column {twice[0]!r} is given twice; the key {name} gives it again.")
    match = _match(result.table, other, name, part)
    if not len(match.left):
        raise DataError(_nothing_found(result.table, other, name, part))
    table, summary = outer_join(result.table, other, match, how="left", prefer="left")
    # flags and the like are numbers beside NaN; the other ids of a catalogue keep all their digits
    flags = [c for c in table if table[c].dtype == "Int64" and not c.endswith("id")]
    table = table.astype(dict.fromkeys(flags, float))
    row = {"table": name, "file": file, **_plain(asdict(summary))}
    notes = [*result.notes, *(f"{name}: {note}" if not note.startswith(name) else note for note in notes)]
    if summary.n_right_only:
        notes.append(f"{name}: {summary.n_right_only} of {len(other)} galaxies have no image")
    return replace(result, table=table, set_aside=set_aside, notes=notes, matches=[*result.matches, row])


def _nothing_found(galaxies, other, name, part):
    first = f"the first one is {galaxies['id'].tolist()[0]!r}"
    theirs = f", whose first id is {other['id'].tolist()[0]!r}" if len(other) else ""
    if part.match.by == "sky":
        hint = f"the key {name}.match.radius_arcsec has the value {part.match.radius_arcsec:g}"
    else:
        hint = "ids of another kind are translated by match.through, and match.by: sky goes by positions"
    return f"None of the galaxies ({first}) is found in the table of {name} {str(part.file)!r}{theirs}; {hint}."


def _match(galaxies, other, name, part):
    names = ("galaxies", name)
    how = part.match
    if how.by == "sky":
        return match_sky(galaxies, other, how.radius_arcsec, how.mode, names)
    # where the column named is the one read as id, it is called id by now
    right_on = part.id if part.id in other.columns else "id"
    if how.through is None:
        return match_ids(galaxies, other, right_on=right_on, names=names)
    through = (how.through.galaxy, how.through.catalogue)
    return match_through(galaxies, other, _read_mapping(how.through), through, right_on=right_on, names=names)


def _plausible_masses(table, file):
    """Set rows aside whose mass can not be, such as -99."""
    low, high = _LOG_MSTAR
    wrong = table["log_mstar"].notna() & ~table["log_mstar"].between(low, high)
    if wrong.any() and wrong.sum() == table["log_mstar"].notna().sum():
        value = table["log_mstar"][wrong].iloc[0]
        raise DataError(
            f"No value of log_mstar of {file!r} can be used: allowed are {low:g} to {high:g}, log10 of solar masses. "
            f"Received: {value:g}."
        )
    reasons = [f"log_mstar = {value:g}, allowed are {low:g} to {high:g}" for value in table["log_mstar"][wrong]]
    bad = pd.DataFrame({"id": table["id"][wrong].to_numpy(), "file": file, "reason": reasons})
    return table[~wrong].reset_index(drop=True), bad


def _plain(values):
    values = {k: v.item() if isinstance(v, np.generic) else v for k, v in values.items()}
    values = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in values.items()}
    return {
        k: list(v) if isinstance(v, tuple) else v for k, v in values.items() if k not in {"names", "right_only_kept"}
    }
