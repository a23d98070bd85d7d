"""How the rows of a table of `prepare` find their galaxies: the settings, and the match."""

from pathlib import Path
from typing import Literal

from pydantic import PositiveFloat, model_validator

from gzmass.catalogs.crossmatch import match_ids, match_sky, match_through
from gzmass.catalogs.ids import optional_ids
from gzmass.catalogs.tables import read_table
from gzmass.config import StrictModel
from gzmass.errors import ConfigError, DataError
from gzmass.preparation.columns import ColumnOrName, plain_columns

__all__ = ["MatchSettings", "Through", "match_rows", "read_mapping"]


class Through(StrictModel):
    """A table that says which id of a catalogue belongs to which id of the galaxies.

    Parameters
    ----------
    file : pathlib.Path
        The table.
    galaxy, catalogue : str
        Its columns with the ids of the galaxies, and of the catalogue.
    """

    file: Path
    galaxy: str
    catalogue: str


class MatchSettings(StrictModel):
    """How the rows of a table find their galaxies.

    Parameters
    ----------
    by : {"id", "sky"}
        By the id or the position.
    radius_arcsec : float
        Largest separation by sky.
    mode : {"best", "mutual"}
        See `gzmass.catalogs.match_sky`.
    ra, dec : str or Column, optional
        Columns of the positions by sky, by default ``ra`` and ``dec``.
    through : Through, optional
        A table to go through by id.
    """

    by: Literal["id", "sky"] = "id"
    radius_arcsec: PositiveFloat = 1.0
    mode: Literal["best", "mutual"] = "mutual"
    ra: ColumnOrName | None = None
    dec: ColumnOrName | None = None
    through: Through | None = None

    @model_validator(mode="after")
    def _consistent(self):
        if self.by == "sky" and self.through is not None:
            raise ValueError("a table to go through belongs to a match by id, not by sky")
        if self.by == "id" and (idle := self.changed("ra", "dec", "radius_arcsec", "mode")):
            raise ValueError(f"{idle[0]} belongs to a match by sky, not by id: add by: sky")
        return self

    @property
    def positions(self):
        """Columns of right ascension and declination that are read to match by.

        Returns
        -------
        dict
            Our column to theirs, as `gzmass.catalogs.named_columns` takes them; empty for a match by id.
        """
        return plain_columns({"ra": self.ra or "ra", "dec": self.dec or "dec"}) if self.by == "sky" else {}

    def refuse_positions(self, layout):
        """Refuse names of the positions of a catalogue whose layout gives them.

        Parameters
        ----------
        layout : str
            The format of the catalogue.

        Raises
        ------
        ValueError
            A name is given.
        """
        if self.ra is not None or self.dec is not None:
            raise ValueError(f"match.ra and match.dec belong to other tables: those of the format {layout!r} are known")


def read_mapping(through):
    """Read the table that a match goes through.

    Parameters
    ----------
    through : Through
        Where it is.

    Returns
    -------
    pandas.DataFrame
        The two columns of ids.

    Raises
    ------
    ConfigError
        Both columns are the same.
    DataError
        The table can not be used.
    """
    if through.galaxy == through.catalogue:
        raise ConfigError(
            f"The keys galaxy and catalogue of match.through name the same column {through.galaxy!r}; each names "
            "another kind of id."
        )
    table, _ = read_table(through.file, through.galaxy, [through.catalogue], other_ids=[through.catalogue])
    theirs = optional_ids(table[through.catalogue], f"column {through.catalogue!r} of {str(through.file)!r}")
    return table.rename(columns={"id": through.galaxy}).assign(**{through.catalogue: theirs})


def match_rows(galaxies, other, name, part):
    """Find the galaxies of the rows of a table.

    Parameters
    ----------
    galaxies : pandas.DataFrame
        ``id`` and, for a match by sky, ``ra`` and ``dec``.
    other : pandas.DataFrame
        The table, with the same.
    name : str
        What it is called.
    part : object
        Its section of the configuration.

    Returns
    -------
    Match
        The pairs.

    Raises
    ------
    DataError
        There is none, or ids or positions can not be used.
    """
    match = _match(galaxies, other, name, part)
    if not len(match.left):
        raise DataError(_nothing_found(galaxies, other, name, part))
    return match


def _match(galaxies, other, name, part):
    names = ("galaxies", name)
    how = part.match
    if how.by == "sky":
        return match_sky(galaxies, other, how.radius_arcsec, how.mode, names)
    right_on = _id_column(other, part)
    if how.through is None:
        return match_ids(galaxies, other, right_on=right_on, names=names)
    through = (how.through.galaxy, how.through.catalogue)
    return match_through(galaxies, other, read_mapping(how.through), through, right_on=right_on, names=names)


def _id_column(other, part):
    # of a table of the user's the ids are called id by now, and another column may have the name that they had
    of_catalogue = getattr(part, "format", "columns") != "columns"
    return part.id if of_catalogue and part.id in other.columns else "id"


def _nothing_found(galaxies, other, name, part):
    first = f"the first one is {galaxies['id'].tolist()[0]!r}"
    theirs = f", whose first id is {other[_id_column(other, part)].tolist()[0]!r}" if len(other) else ""
    if part.match.by == "sky":
        hint = f"the key {name}.match.radius_arcsec has the value {part.match.radius_arcsec:g}"
    else:
        hint = "ids of another kind are translated by match.through, and match.by: sky goes by positions"
    return f"None of the galaxies ({first}) is found in the table of {name} {str(part.file)!r}{theirs}; {hint}."
