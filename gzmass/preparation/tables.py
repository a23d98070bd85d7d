"""The catalogues of `prepare`: read, matched to the galaxies by id or position, and joined to one table."""

import math
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd

from gzmass.catalogs.conventions import LOG_ML_G, Convention, refuse_different
from gzmass.catalogs.distances import cosmology_in_words
from gzmass.catalogs.galaxy_zoo import read_kaggle, read_votes
from gzmass.catalogs.galaxy_zoo_2 import read_galaxy_zoo_2
from gzmass.catalogs.ids import among
from gzmass.catalogs.joins import outer_join
from gzmass.catalogs.mass_to_light import read_mass_to_light
from gzmass.catalogs.stellar_mass import read_stellar_mass
from gzmass.catalogs.surveys import describe
from gzmass.catalogs.tables import named_columns, read_table
from gzmass.errors import ConfigError
from gzmass.preparation.columns import plain_columns
from gzmass.preparation.config import BRIGHTNESSES
from gzmass.preparation.conventions import (
    bring_to_hubble,
    declared_convention,
    filled,
    join_conventions,
)
from gzmass.preparation.images import MEASURED
from gzmass.preparation.match import match_rows, read_mapping
from gzmass.preparation.values import without_impossible_masses, without_impossible_values

__all__ = ["Catalogs", "check_columns", "read_catalogs"]

_OURS = ("id", "file", "split", "reason", "image", *MEASURED)
_RATIO = ("log_ml_g", "log_ml_g_err", "ml_g", "ml_g_err")
_MASS = ("log_mstar", "log_mstar_err")
_LIGHT = ("luminosity_g", "log_luminosity_err")


@dataclass(frozen=True)
class Catalogs:
    """What the catalogues say about the galaxies of a sample.

    Parameters
    ----------
    table : pandas.DataFrame or None
        One row a galaxy, in the order of the sample; NaN where a value is missing. None where it has been used.
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

    table: pd.DataFrame | None
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
    sample, notes = without_impossible_values(sample, "" if config.galaxies is None else str(config.galaxies.file))
    result = Catalogs(sample, {}, [f"galaxies: {note}" for note in notes], [], Convention(), None)
    if config.photometry is not None:
        _refuse_light(config)
    for name, part in _named(config.metadata, "metadata"):
        result = _add(result, name, part, *_read_columns(part, name))
    if config.votes is not None:
        result = _add(result, "votes", config.votes, *_read_votes(config.votes, sample))
    if config.photometry is not None and config.photometry.file is not None:
        result = _add(result, "photometry", config.photometry, *_read_columns(config.photometry, "photometry"))
    return _add_masses(config, result, sample)


def _refuse_light(config):
    """Refuse luminosities of a table beside photometry, which computes them."""
    galaxies = [] if config.galaxies is None else [("galaxies", config.galaxies)]
    for name, part in (*galaxies, *_named(config.metadata, "metadata")):
        if given := [column for column in _LIGHT if column in part.columns]:
            raise ConfigError(
                f"The key photometry computes {given[0]!r}, which {name}.columns already gives; leave one out."
            )
        if given := [column for column in BRIGHTNESSES if column in part.columns]:
            raise ConfigError(
                f"The key {name}.columns can not hold {given[0]!r} beside the key photometry, whose columns have that "
                "name; give it another one, or photometry.columns."
            )


def _named(parts, name):
    return [(name if len(parts) == 1 else f"{name} {k + 1}", part) for k, part in enumerate(parts)]


def _read_columns(part, name):
    return *_take_columns(part, _columns(part, name)), []


def _columns(part, name):
    """Columns of a table that are asked for, and the positions to match by."""
    columns = plain_columns(part.columns)
    check_columns(name, columns)
    if getattr(part, "zero_point", None) is not None:  # it says what the fluxes are, whatever the table calls them
        given = {ours: {"column": c} if isinstance(c, str) else c for ours, c in columns.items()}
        columns = {ours: {"scale": 1.0, **c} for ours, c in given.items()}
    positions = part.match.positions
    if named := sorted(set(columns) & set(positions)):
        raise ConfigError(
            f"The key {name}.columns can not hold {named[0]!r} in a match by sky: the galaxies have it, and the "
            f"column to match by is {name}.match.{named[0]}."
        )
    return columns | positions


def _take_columns(part, columns):
    theirs = [c if isinstance(c, str) else c["column"] for c in columns.values()]
    table, bad = read_table(part.file, part.id or "id", theirs)
    return named_columns(table, columns, str(part.file)), bad


def check_columns(key, columns):
    """Refuse names of columns that are not the user's to give.

    Parameters
    ----------
    key : str
        The section of the configuration.
    columns : iterable of str
        The names.

    Raises
    ------
    ConfigError
        gzmass makes that column itself, or it belongs to another section.
    """
    for column in columns:
        if (column in _OURS and not (key == "photometry" and column in BRIGHTNESSES)) or column.endswith("_votes"):
            raise ConfigError(f"The key {key}.columns can not hold {column!r}: gzmass makes that column itself.")
        if not key.startswith("mass_to_light") and column in (*_RATIO, *_MASS):
            raise ConfigError(f"The key {key}.columns can not hold {column!r}: the key mass_to_light.columns does.")


def _read_votes(part, sample):
    if part.format == "galaxy_zoo_2":
        return read_galaxy_zoo_2(part.file, part.statistic, _wanted(part, sample), part.tree, part.id)
    id_column = part.id or {"kaggle": "GalaxyID", "columns": "id"}[part.format]
    if part.format == "kaggle":
        table, bad, notes = read_kaggle(part.file, part.tree, part.n_votes, part.q6_sums_to_one, id_column)
    else:
        table, bad, notes = read_votes(part.file, part.tree, part.columns, id_column)
    if part.match.by == "sky":
        positions, _ = _take_columns(part.model_copy(update={"id": id_column}), part.match.positions)
        table = table.merge(positions, on="id", validate="one_to_one")
    return table, bad, notes


def _wanted(part, sample):
    """Ids to which a large catalogue is confined while it is read; None for all of it."""
    if part.match.by == "sky":
        return None
    through = part.match.through
    if through is None:
        return sample["id"]
    mapping = read_mapping(through)
    return mapping[through.catalogue][among(mapping[through.galaxy], sample["id"])]


def _add_masses(config, result, sample):
    parts = _named(config.mass_to_light, "mass_to_light")
    kinds = {part.kind for _, part in parts}
    if len(kinds) > 1:
        raise ConfigError(f"The tables of mass_to_light must be of one kind. Received: {', '.join(sorted(kinds))}.")
    convention, cosmology, first = Convention(), None, None
    earlier = list(result.table)
    for name, part in parts:
        if part.format != "columns":
            part = part.model_copy(update={"id": _id_of_catalogue(part, name)})  # noqa: PLW2901
        table, bad, notes, own = _read_masses(config, part, name, sample)
        table, own, more = bring_to_hubble(table, own, config.photometry)
        light = own if config.photometry is None else config.photometry
        cosmology = cosmology or part.cosmology or cosmology_in_words(light.hubble, light.omega_m)
        before = result.table
        if first is None:
            convention = own
        else:
            convention = join_conventions(convention, own, before.columns, table.columns, (first, name))
            result = replace(result, table=before[earlier])
        result = _add(result, name, part, table, bad, [*notes, *more])
        if first is not None:
            result = replace(result, table=_take_where_unknown(before, result.table, earlier))
        first = name if first is None else f"{first}, {name}"
    if cosmology is None and config.photometry is not None:
        cosmology = cosmology_in_words(config.photometry.hubble, config.photometry.omega_m)
    return replace(result, convention=convention, cosmology=cosmology)


def _take_where_unknown(table, other, earlier):
    """Fill the galaxies without mass and ratio from another catalogue that has one, all its columns together.

    What the sections before those of masses give stays theirs; of galaxies that neither catalogue knows a mass of, the
    other one gives what is missing.
    """
    unknown = _labels(table).isna().all(axis=1)
    labelled = unknown & _labels(other).notna().any(axis=1)
    for column in other:
        known = table[column] if column in table else pd.Series(np.nan, index=table.index)
        taken = labelled | (unknown & known.isna())
        table = table.assign(**{column: other[column] if column in earlier else known.where(~taken, other[column])})
    return table


def _labels(table):
    return table[[column for column in ("log_ml_g", "log_mstar") if column in table]]


def _read_masses(config, part, name, sample):
    """Read a table of masses or ratios: table, rows set aside, notes, convention."""
    if part.format != "columns":
        # an id of another name than the catalogue's first one can not be asked for while it is read
        ids = None if part.id else _wanted(part, sample)
        table, bad, convention = read_stellar_mass(part.file, part.format, ids, part.where)
        table, notes = _chosen(table, part, name)
        own = declared_convention(part)
        refuse_different(convention, replace(own, source=f"the section {name}"))
        if config.photometry is not None:
            # its own luminosities and ratios give way to those that are computed
            table = table.drop(columns=[c for c in (*_RATIO, "luminosity_g") if c in table])
        elif "log_ml_g" in table:
            refuse_different(convention, replace(LOG_ML_G, band=config.band), "log_ml")
        return table, bad, notes, filled(convention, own)
    convention = declared_convention(part)
    columns = _columns(part, name)
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


def _id_of_catalogue(part, name):
    """Our name of the id of a catalogue that is asked for, by that name or the catalogue's own; None for its first."""
    if part.id is None:
        return None
    ids = describe("stellar_mass", part.format)["ids"]
    for ours, theirs in ids.items():
        if part.id.casefold() in {ours.casefold(), str(theirs).casefold()}:
            return ours
    raise ConfigError(
        f"The key {name}.id has the value {part.id!r}; the ids of the format {part.format!r} are {', '.join(ids)}."
    )


def _chosen(table, part, name):
    """Confine a catalogue to the rows that are asked for, or say how many its authors do not hold for good."""
    if part.where is None:
        good, notes = describe("stellar_mass", part.format).get("good", {}), []
        for column, values in good.items():
            if n_wrong := int((~table[column].isin(values) & table[column].notna()).sum()):
                notes.append(
                    f"{name}: {n_wrong} rows have a {column} other than {values[0]}; where: "
                    f"{{{column}: {values}}} leaves them out"
                )
        return table, notes
    if strange := sorted(set(part.where) - set(table)):
        raise ConfigError(
            f"The key {name}.where names a column {strange[0]!r} that the format {part.format!r} has not; it has "
            f"{', '.join(column for column in table if column != 'id')}."
        )
    used = np.logical_and.reduce([table[column].isin(values) for column, values in part.where.items()])
    notes = [f"{name}: {int((~used).sum())} rows left out by where"] if not used.all() else []
    return table[used].reset_index(drop=True), notes


def _add(result, name, part, other, bad, notes):
    """Join one table to the galaxies."""
    file = str(part.file)
    set_aside = {**result.set_aside, name: bad.assign(file=file)}
    if "log_mstar" in other:
        other, impossible = without_impossible_masses(other, file)
        set_aside[f"{name}, masses"] = impossible
    other, impossible_notes = without_impossible_values(other, file)
    notes = [*notes, *impossible_notes]
    named = set(part.columns) if isinstance(part.columns, dict) else set()
    twice = sorted((set(result.table.columns) - {"id"}) & named & set(other.columns))
    if twice:
        raise ConfigError(f"The column {twice[0]!r} is given twice; the key {name} gives it again.")
    match = match_rows(result.table, other, name, part)
    galaxies, n_filled = _with_redshifts(result.table, other, match)
    if n_filled:
        notes.append(f"{name}: {n_filled} redshifts that were missing before are from this table")
    table, summary = outer_join(galaxies, other, match, how="left", prefer="left")
    # flags and the like are numbers beside NaN; the other ids of a catalogue keep all their digits
    flags = [c for c in table if table[c].dtype == "Int64" and not c.endswith("id")]
    table = table.astype(dict.fromkeys(flags, float))
    row = {"table": name, "file": file, **_plain(asdict(summary))}
    notes = [*result.notes, *(f"{name}: {note}" if not note.startswith(name) else note for note in notes)]
    if summary.n_right_only:
        notes.append(f"{name}: {summary.n_right_only} of {len(other)} galaxies have no image")
    return replace(result, table=table, set_aside=set_aside, notes=notes, matches=[*result.matches, row])


def _with_redshifts(galaxies, other, match):
    """Fill redshifts that are missing: they have no error that had to come from the same table."""
    if "redshift" not in galaxies or "redshift" not in other:
        return galaxies, 0
    redshift = galaxies["redshift"].to_numpy(float, copy=True)
    theirs = np.full(len(redshift), np.nan)
    theirs[match.left] = other["redshift"].to_numpy(float)[match.right]
    filled = np.isnan(redshift) & np.isfinite(theirs)
    return galaxies.assign(redshift=np.where(filled, theirs, redshift)), int(filled.sum())


def _plain(values):
    values = {k: v.item() if isinstance(v, np.generic) else v for k, v in values.items()}
    values = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in values.items()}
    return {
        k: list(v) if isinstance(v, tuple) else v for k, v in values.items() if k not in {"names", "right_only_kept"}
    }
