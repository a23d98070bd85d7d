"""One table out of two that were matched, and the summary of what was found and what was not."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gzmass.errors import ConfigError, DataError

__all__ = ["MatchSummary", "outer_join"]


@dataclass(frozen=True)
class MatchSummary:
    """What became of two tables in a join.

    Parameters
    ----------
    names : tuple of str
        What the two tables are called.
    how : str
        How they were matched, in words.
    n_left, n_right : int
        Their rows.
    n_matched : int
        Left rows with a right row.
    n_left_only : int
        Left rows without one.
    n_right_only : int
        Right rows that no left row could be paired with.
    right_only_kept : bool
        Whether these are in the joined table.
    n_right_spare : int
        Right rows left out since they could only be paired with a left row that has another one: the same galaxy again.
    n_several_right : int
        Left rows that could be paired with several right rows.
    n_several_left : int
        Right rows that several left rows claim.
    median_separation_arcsec, p95_separation_arcsec : float
        Median and 95th percentile of the separations of the pairs; NaN if there is none, or none is known.
    chance_rate : float
        Probability that a position finds a right row by chance, measured with shifted positions; NaN for ids.
    n_chance : float
        Matches expected to be by chance; NaN for ids.
    empty_columns : tuple of str
        Columns of the joined table that hold nothing.
    """

    names: tuple
    how: str
    n_left: int
    n_right: int
    n_matched: int
    n_left_only: int
    n_right_only: int
    right_only_kept: bool
    n_right_spare: int
    n_several_right: int
    n_several_left: int
    median_separation_arcsec: float
    p95_separation_arcsec: float
    chance_rate: float
    n_chance: float
    empty_columns: tuple

    def rows(self):
        """Give the summary as the rows of a table; what can not be or is not known is left out.

        Returns
        -------
        list of tuple of str
            Pairs of what was counted or measured, and its value.
        """
        left, right = self.names
        rows = [
            ("matched by", self.how),
            (f"rows of {left}", f"{self.n_left:,}"),
            (f"rows of {right}", f"{self.n_right:,}"),
            ("matched", f"{self.n_matched:,}"),
            (f"{left} only", f"{self.n_left_only:,}"),
            (f"{right} only", f"{self.n_right_only:,}" + ("" if self.right_only_kept else " (not kept)")),
        ]
        if self.n_several_right:
            rows.append((f"{left} with several {right}", f"{self.n_several_right:,}"))
        if self.n_several_left:
            rows.append((f"{right} claimed by several {left}", f"{self.n_several_left:,}"))
        if self.n_right_spare:
            rows.append((f"{right} left out, same galaxy again", f"{self.n_right_spare:,}"))
        if np.isfinite(self.median_separation_arcsec):
            rows.append(("median separation", f"{self.median_separation_arcsec:.3g} arcsec"))
            rows.append(("95 % of separations below", f"{self.p95_separation_arcsec:.3g} arcsec"))
        if np.isfinite(self.chance_rate):
            rows.append(("matches by chance", f"about {self.n_chance:,.1f} ({self.chance_rate:.2g} of positions)"))
        if self.empty_columns:
            more = len(self.empty_columns) - 5
            shown = ", ".join(self.empty_columns[:5]) + (f" and {more} more" if more > 0 else "")
            rows.append(("empty columns", shown))
        return rows


def outer_join(left, right, match, how="outer", prefer=None, right_id=None):
    """Join two matched tables, keeping the galaxies of only one of them.

    Parameters
    ----------
    left, right : pandas.DataFrame
        The tables that were matched, each with a column ``id``.
    match : Match
        The pairs, as `match_ids`, `match_through` or `match_sky` give them.
    how : {"outer", "left"}, default "outer"
        Whether right rows without a left one are kept, or left rows alone, as for a sample of images.
    prefer : {"left", "right"} or dict, optional
        Which table gives a column that both have, or that for each such column. Its value stands wherever it has the
        galaxy, missing or not, so that a value and its error never come from two tables.
    right_id : str, optional
        Name of a column for the id in the right table, which is otherwise dropped where a left one stands.

    Returns
    -------
    table : pandas.DataFrame
        All left rows in their order and then the right rows without one: ``id`` (the left one, else the right one), the
        other columns of the left table and those of the right one. Missing numbers are NaN, and integers stay integers
        (nullable where some are missing).
    summary : MatchSummary
        What was matched and what was not.

    Raises
    ------
    ConfigError
        An argument is none of those allowed, or both tables have a column and `prefer` does not say which to take.
    DataError
        A right row that is kept has the id of another galaxy; the match is one of other tables.
    """
    if how not in {"outer", "left"}:
        raise ConfigError(f"The kind of join must be 'outer' or 'left'. Received: {how!r}.")
    if (len(left), len(right)) != (match.n_left, match.n_right):
        raise DataError(
            f"The match is one of tables with {match.n_left} and {match.n_right} rows, and the tables have {len(left)} "
            f"and {len(right)}."
        )
    if right_id is not None:
        right = right.assign(**{right_id: right["id"]})
    winners = _winners(left, right, prefer, match.names)
    from_left, from_right = _rows(match, keep_right=how == "outer")
    columns = {"id": _ids(left, right, from_left, from_right, match.names)}
    for name in [*left.columns, *(c for c in right.columns if c not in left.columns)]:
        if name == "id":
            continue
        if name not in right.columns:
            columns[name] = _take(left[name], from_left)
        elif name not in left.columns:
            columns[name] = _take(right[name], from_right)
        elif winners[name] == "left":
            columns[name] = _take_either(left[name], from_left, right[name], from_right)
        else:
            columns[name] = _take_either(right[name], from_right, left[name], from_left)
    table = pd.DataFrame(columns)
    return table, _summary(match, table, kept=how == "outer")


def _winners(left, right, prefer, names):
    """Which table gives each column that both have."""
    shared = [name for name in right.columns if name in left.columns and name != "id"]
    given = prefer if isinstance(prefer, dict) else {} if prefer is None else dict.fromkeys(shared, prefer)
    for name, table in given.items():
        if table not in {"left", "right"}:
            raise ConfigError(
                f"The table that gives the column {name!r} must be 'left' or 'right'. Received: {table!r}."
            )
        if name not in shared:
            raise ConfigError(f"The column {name!r} stands in one table at most, so that none can be preferred for it.")
    for name in shared:
        if name not in given:
            raise ConfigError(
                f"The column {name!r} stands in both tables, {names[0]!r} and {names[1]!r}: say which of them gives it."
            )
    return given


def _rows(match, keep_right):
    """Row of each table for each row of the join; -1 where there is none."""
    alone = match.right_alone if keep_right else np.empty(0, dtype=int)
    partner = np.full(match.n_left, -1)
    partner[match.left] = match.right
    return np.concatenate([np.arange(match.n_left), np.full(len(alone), -1)]), np.concatenate([partner, alone])


def _ids(left, right, from_left, from_right, names):
    ours, theirs = left["id"], right["id"]
    if len(from_left) == len(left):
        return ours.reset_index(drop=True)
    if ours.dtype != theirs.dtype:
        ours, theirs = ours.astype(str), theirs.astype(str)
    ids = _take_either(ours, from_left, theirs, from_right)
    twice = ids.duplicated() & (from_left < 0)
    if twice.any():
        raise DataError(
            f"The id {ids[twice].tolist()[0]!r} of the table {names[1]!r} would stand for two galaxies in the join "
            f"with {names[0]!r} ({int(twice.sum())} such ids): match by id, or keep the galaxies of {names[0]!r} alone."
        )
    return ids


def _take(values, rows):
    """Take rows, missing where -1; no integer becomes a floating-point number, which would change a 64-bit id."""
    kind = values.dtype
    if (rows < 0).any():
        if pd.api.types.is_bool_dtype(kind):
            kind = "boolean"
        elif isinstance(kind, np.dtype) and kind.kind in "iu":
            kind = {"i": "Int", "u": "UInt"}[kind.kind] + str(8 * kind.itemsize)
    return pd.Series(values.astype(kind).array.take(rows, allow_fill=True))


def _take_either(first, first_rows, second, second_rows):
    """Take rows of the first column, or else of the second."""
    rows = np.where(first_rows >= 0, first_rows, len(first) + second_rows)
    return _take(pd.concat([first, second], ignore_index=True), rows)


def _summary(match, table, kept):
    median, p95 = np.nan, np.nan
    if np.isfinite(match.separation_arcsec).any():
        median, p95 = np.percentile(match.separation_arcsec, [50, 95])
    n_left_only = match.n_left - len(match.left)
    # of the rows without a true counterpart a share `rate` has one by chance, and the others have none
    rate = match.chance_rate
    chance = float(min(n_left_only * rate / (1 - rate), len(match.left))) if rate < 1 else rate * len(match.left)
    paired = np.bincount(match.right, minlength=1).astype(bool).sum()
    return MatchSummary(
        names=match.names,
        how=match.how,
        n_left=match.n_left,
        n_right=match.n_right,
        n_matched=len(match.left),
        n_left_only=n_left_only,
        n_right_only=len(match.right_alone),
        right_only_kept=kept,
        n_right_spare=match.n_right - len(match.right_alone) - int(paired),
        n_several_right=len(match.several_right),
        n_several_left=len(match.several_left),
        median_separation_arcsec=float(median),
        p95_separation_arcsec=float(p95),
        chance_rate=rate,
        n_chance=chance,
        empty_columns=tuple(table.columns[table.isna().all()]) if len(table) else (),
    )
