"""Which row of one table is the same galaxy as which row of another: by id, through a table of ids, or by position."""

from dataclasses import dataclass

import astropy.units as u
import numpy as np
import pandas as pd
from astropy.coordinates import SkyCoord, match_coordinates_sky

from gzmass.catalogs.ids import optional_ids
from gzmass.errors import ConfigError, DataError

__all__ = ["Match", "match_ids", "match_sky", "match_through"]

_NAMES = ("left", "right")
_SAMPLE = 20_000  # positions that an estimate is made from
_ROUNDING = 1e-6  # arcsec within which two separations are equal


@dataclass(frozen=True, eq=False)
class Match:
    """Pairs of rows of two tables; rows are positions counted from 0.

    Parameters
    ----------
    left, right : numpy.ndarray of int
        The pairs, shape (n_pairs,), in the order of the left rows; a left row stands in one pair at most.
    separation_arcsec : numpy.ndarray
        Distance on the sky, shape (n_pairs,); NaN for a match by id.
    several_right : numpy.ndarray of int
        Left rows that could be paired with several right rows.
    several_left : numpy.ndarray of int
        Right rows that several left rows claim.
    right_alone : numpy.ndarray of int
        Right rows that no left row could be paired with; the others that stand in no pair are the same galaxy again.
    n_left, n_right : int
        Rows of the two tables.
    chance_rate : float
        Share of shifted positions of the left table that have a right row within the radius, averaged over shifts to
        the four sides; NaN for a match by id.
    how : str
        How the pairs were found, in words.
    names : tuple of str
        What the two tables are called.
    """

    left: np.ndarray
    right: np.ndarray
    separation_arcsec: np.ndarray
    several_right: np.ndarray
    several_left: np.ndarray
    right_alone: np.ndarray
    n_left: int
    n_right: int
    chance_rate: float
    how: str
    names: tuple


def match_ids(left, right, left_on="id", right_on="id", names=_NAMES):
    """Match two tables by id.

    Integers and text of the same digits are the same id; a missing id matches nothing. Where an id stands in several
    right rows the first is taken.

    Parameters
    ----------
    left, right : pandas.DataFrame
        The tables.
    left_on, right_on : str, default "id"
        Columns of ids, integers or text: ``id``, ``dr7objid``, ``dr8objid``, ``specobjid``.
    names : tuple of str, default ("left", "right")
        What the tables are called in errors and in the summary.

    Returns
    -------
    Match
        The pairs.

    Raises
    ------
    DataError
        A column does not exist, or its ids are or were floating-point numbers.
    """
    ours, theirs = _alike(_ids(left, left_on, names[0]), _ids(right, right_on, names[1]))
    how = f"id {left_on}" if left_on == right_on else f"id {left_on} = {right_on}"
    return _match_keys(ours.index.to_numpy(), ours, theirs, (len(left), len(right)), how, names)


def match_through(left, right, mapping, through, left_on="id", right_on="id", names=_NAMES):
    """Match two tables by ids of different kinds, through a table that holds both.

    The file names of Galaxy Zoo 2 are such a table, ``objid, sample, asset_id``: images named by asset are matched to
    votes with ``through=("asset_id", "objid")``. An ``objid`` can stand in several samples, with an image in each; rows
    of one sample alone are taken by giving that part of the mapping.

    Parameters
    ----------
    left, right : pandas.DataFrame
        The tables.
    mapping : pandas.DataFrame
        The table of ids; where it leads from a left row to several right rows the first is taken.
    through : tuple of str
        Its two columns: with ids of the left table, and with ids of the right one.
    left_on, right_on : str, default "id"
        Columns of ids of the tables.
    names : tuple of str, default ("left", "right")
        What the tables are called in errors and in the summary.

    Returns
    -------
    Match
        The pairs.

    Raises
    ------
    DataError
        A column does not exist, or its ids are or were floating-point numbers.
    """
    ours, first = _alike(_ids(left, left_on, names[0]), _ids(mapping, through[0], "mapping"))
    theirs, second = _alike(_ids(right, right_on, names[1]), _ids(mapping, through[1], "mapping"))
    both = first.index.intersection(second.index)  # first of all: beside a missing id integers would lose digits
    pairs = pd.DataFrame({"first": first[both], "second": second[both]}).drop_duplicates()
    led = pd.DataFrame({"row": ours.index, "first": ours.to_numpy()}).merge(pairs, on="first")
    led = led.sort_values("row", kind="stable")
    how = f"id {left_on} = {through[0]}, {through[1]} = {right_on}"
    return _match_keys(led["row"].to_numpy(), led["second"], theirs, (len(left), len(right)), how, names)


def match_sky(left, right, radius_arcsec, mode="mutual", names=_NAMES):
    """Match two tables by position.

    Parameters
    ----------
    left, right : pandas.DataFrame
        The tables, with the columns ``ra`` and ``dec`` in degrees; a row with one of them missing matches nothing.
    radius_arcsec : float
        Largest separation of a pair.
    mode : {"mutual", "best"}, default "mutual"
        With "mutual" each row of a pair is the nearest to the other, and no row stands in two pairs. With "best" each
        left row has its nearest right row, which several left rows can have.
    names : tuple of str, default ("left", "right")
        What the tables are called in errors and in the summary.

    Returns
    -------
    Match
        The pairs.

    Raises
    ------
    DataError
        A column does not exist or holds no degrees; the right ascensions of one table seem to be in hours.
    ConfigError
        The radius is not positive, or the mode is unknown.
    """
    if not 0 < radius_arcsec < np.inf:
        raise ConfigError(f"The radius of a match must be positive, in arcsec. Received: {radius_arcsec}.")
    if mode not in {"mutual", "best"}:
        raise ConfigError(f"The mode of a match must be 'mutual' or 'best'. Received: {mode!r}.")
    left_rows, ours = _positions(left, names[0])
    right_rows, theirs = _positions(right, names[1])
    _refuse_hours(ours, theirs, radius_arcsec, names[0])
    _refuse_hours(theirs, ours, radius_arcsec, names[1])
    nearest, separation = _nearest(ours, theirs)
    _, back = _nearest(theirs, ours)
    claiming = np.flatnonzero(separation <= radius_arcsec)
    claimed = nearest[claiming]
    _, second = _nearest(ours[claiming], theirs, 2)
    chosen = claiming
    if mode == "mutual":
        chosen = chosen[separation[chosen] <= back[nearest[chosen]] + _ROUNDING]
        chosen = chosen[np.sort(np.unique(nearest[chosen], return_index=True)[1])]
    near = np.zeros(len(right), dtype=bool)
    near[right_rows[back <= radius_arcsec]] = True
    return Match(
        left=left_rows[chosen],
        right=right_rows[nearest[chosen]],
        separation_arcsec=separation[chosen],
        several_right=left_rows[claiming[second <= radius_arcsec]],
        several_left=right_rows[_repeated(claimed, len(theirs))],
        right_alone=np.flatnonzero(~near),
        n_left=len(left),
        n_right=len(right),
        chance_rate=_chance_rate(ours, theirs, radius_arcsec),
        how=f"sky within {radius_arcsec:g} arcsec, {mode}",
        names=tuple(names),
    )


def _ids(table, column, name):
    """Clean ids of the rows that have one; the index is the row."""
    if column not in table:
        raise DataError(f"The table {name!r} has no column of ids {column!r}; it has {', '.join(table.columns[:20])}.")
    ids = optional_ids(table[column].reset_index(drop=True), f"the column {column!r} of the table {name!r}").dropna()
    return ids.astype(np.int64 if pd.api.types.is_integer_dtype(ids) else str)


def _alike(first, second):
    return (first, second) if first.dtype == second.dtype else (first.astype(str), second.astype(str))


def _match_keys(rows, keys, theirs, sizes, how, names):
    """Match candidates, a left row and the right id it looks for each, to the ids of the right rows."""
    distinct = theirs[~theirs.duplicated()]
    found = pd.Index(distinct).get_indexer(keys)
    rows, found = rows[found >= 0], found[found >= 0]
    codes = pd.Index(distinct).get_indexer(theirs)
    copies = np.bincount(codes, minlength=len(distinct))
    n_candidates = np.bincount(rows, weights=copies[found], minlength=sizes[0])
    left, first = np.unique(rows, return_index=True)
    sought, alone = np.zeros(len(distinct), dtype=bool), np.ones(sizes[1], dtype=bool)
    sought[found] = True
    alone[theirs.index[sought[codes]]] = False
    return Match(
        left=left,
        right=distinct.index.to_numpy()[found[first]],
        separation_arcsec=np.full(len(left), np.nan),
        several_right=np.flatnonzero(n_candidates > 1),
        several_left=distinct.index.to_numpy()[_repeated(found, len(distinct))],
        right_alone=np.flatnonzero(alone),
        n_left=sizes[0],
        n_right=sizes[1],
        chance_rate=np.nan,
        how=how,
        names=tuple(names),
    )


def _repeated(values, n):
    return np.flatnonzero(np.bincount(values, minlength=n) > 1)


def _positions(table, name):
    """Rows that have a position, and the positions."""
    degrees = []
    for column, low, high in (("ra", -360, 360), ("dec", -90, 90)):
        if column not in table:
            raise DataError(f"The table {name!r} has no column {column!r}, in degrees, to match it by position.")
        try:
            values = table[column].to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError):
            raise DataError(f"The column {column!r} of the table {name!r} must hold degrees as numbers.") from None
        bad = (values < low) | (values > high)
        if bad.any():
            raise DataError(
                f"The column {column!r} of the table {name!r} must hold degrees from {low} to {high}, and NaN where "
                f"missing. Received: {values[bad][0]:g}."
            )
        degrees.append(values)
    rows = np.flatnonzero(np.isfinite(degrees).all(axis=0))
    return rows, SkyCoord(degrees[0][rows], degrees[1][rows], unit="deg")


def _nearest(coordinates, catalogue, nth=1):
    """Index of the nth nearest position of the catalogue and the separation in arcsec; infinite if there is none."""
    if not len(coordinates) or len(catalogue) < nth:
        return np.zeros(len(coordinates), dtype=int), np.full(len(coordinates), np.inf)
    index, separation, _ = match_coordinates_sky(coordinates, catalogue, nthneighbor=nth)
    return index, separation.arcsec


def _sample(coordinates):
    return coordinates[:: max(1, len(coordinates) // _SAMPLE)]


def _chance_rate(coordinates, catalogue, radius_arcsec):
    """Share of positions, moved well out of the radius but not out of the survey, that have a neighbour within it."""
    if not len(coordinates):
        return np.nan
    sample, shift = _sample(coordinates), _well_out_of(radius_arcsec)
    shifted = (sample.directional_offset_by(angle * u.deg, shift) for angle in (0, 90, 180, 270))
    return float(np.mean([_nearest(moved, catalogue)[1] <= radius_arcsec for moved in shifted]))


def _well_out_of(radius_arcsec):
    return max(60, 10 * radius_arcsec) * u.arcsec


def _refuse_hours(coordinates, catalogue, radius_arcsec, name):
    """Refuse right ascensions up to 24 that match better, and not by chance, if they are taken for hours."""
    if not len(coordinates) or coordinates.ra.deg.max() > 24:
        return
    sample = _sample(coordinates)
    turned = SkyCoord(sample.ra.deg * 15, sample.dec.deg, unit="deg")
    far = sample.separation(turned) > _well_out_of(radius_arcsec)  # at a pole and at 0 h both are much the same place
    if not far.any():
        return
    turned = turned[far]
    as_degrees, as_hours = (int((_nearest(c, catalogue)[1] <= radius_arcsec).sum()) for c in (sample, turned))
    chance = _chance_rate(turned, catalogue, radius_arcsec) * len(turned)
    if as_hours > max(as_degrees, 10 * chance) and as_hours >= min(3, len(sample)):
        raise DataError(
            f"The column 'ra' of the table {name!r} seems to be in hours and must be in degrees: its largest value is "
            f"{coordinates.ra.deg.max():.4g}, and of {len(sample)} positions {as_hours} match if it is multiplied by "
            f"15, {as_degrees} as it stands."
        )
