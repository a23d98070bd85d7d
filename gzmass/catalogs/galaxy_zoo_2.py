"""The Galaxy Zoo 2 catalogues as published, whose statistics become votes."""

import numpy as np
import pandas as pd

from gzmass.catalogs.ids import optional_ids
from gzmass.catalogs.pieces import column_names, iterate_table
from gzmass.catalogs.positions import refuse_hours
from gzmass.catalogs.surveys import Selection, describe, find_column, surplus_rows
from gzmass.catalogs.tables import concat_set_aside, named_columns
from gzmass.errors import ConfigError, DataError
from gzmass.tree import load_tree

__all__ = ["STATISTICS", "read_galaxy_zoo_2"]

#: The statistics that can be read as votes, and the counted ones whose sum is the number of votes for a question.
STATISTICS = {
    "count": "count",
    "weight": "weight",
    "fraction": "count",
    "weighted_fraction": "weight",
    "debiased": "weight",
}
_ROWS = 20_000  # of some 80 columns
_ROUNDING = 5.01e-4  # half of the last decimal printed, and the rounding of binary numbers
_SUM_TOLERANCE = 0.01  # fractions are printed with three decimals, and seven answers may all be rounded up


def read_galaxy_zoo_2(path, statistic="count", ids=None, tree="gz2", id_column=None):
    """Read votes from a published catalogue of Galaxy Zoo 2.

    Of the six statistics of each answer, ``_count`` and ``_weight`` are votes; ``_weight`` counts a vote of an
    inconsistent volunteer less. The other three are shares of the votes for one question, and become votes by

        votes of an answer = votes for the question x share of the answer / sum of the shares of the question,

    the votes for the question being the sum of the counts (for ``fraction``) or of the weights (for
    ``weighted_fraction`` and ``debiased``). The division keeps their number: debiased shares are corrected answer by
    answer and do not sum to 1. Where all shares of a question are 0 it has no votes.

    Parameters
    ----------
    path : str or pathlib.Path
        Hart et al. (2016) or Willett et al. (2013): CSV or FITS, names in upper or lower case.
    statistic : {"count", "weight", "fraction", "weighted_fraction", "debiased"}, default "count"
        What becomes votes.
    ids : iterable of int or str, optional
        Only these galaxies are kept; by default all.
    tree : DecisionTree or str, default "gz2"
        Its stems are the names of the columns before ``_count`` and so on.
    id_column : str, optional
        The column that becomes ``id``; by default the first there is of dr7objid, objid, dr8objid and specobjid.

    Returns
    -------
    votes : pandas.DataFrame
        ``id``, every id there is under its own name, ``ra`` and ``dec`` (deg) where they are there,
        ``total_classifications``, and ``<stem>_votes`` of each answer; NaN where missing.
    set_aside : pandas.DataFrame
        ``id`` and ``reason`` of rows without an id, with negative votes, with shares that do not sum to 1 (except
        debiased ones), and of a galaxy's other rows than that with the most classifications.
    notes : list of str
        Which column is the id, which questions are absent, and how the sums came out.

    Raises
    ------
    ConfigError
        The statistic is unknown.
    DataError
        The file can not be read or lacks columns, ids went through floating-point numbers, or the right ascensions of
        all its galaxies look like hours.
    """
    if statistic not in STATISTICS:
        raise ConfigError(f"The statistic must be one of {', '.join(STATISTICS)}. Received: {statistic!r}.")
    tree, source = load_tree(tree), str(path)
    columns = _find_columns(path, tree, statistic, id_column)
    selection = Selection(source, ids)
    id_names = [columns["ids"][name] for name in columns["ids"]]
    wanted = [*id_names, *columns["numbers"].values()]
    parts, checks = [], _Sums(tree, statistic)
    for piece in iterate_table(path, wanted, _ROWS, id_names):
        kept = selection.ids(piece[columns["id"]], columns["id"])
        part = named_columns(piece.loc[kept.index].assign(id=kept), columns["numbers"], source, judge_hours=False)
        for name, theirs in columns["ids"].items():
            part[name] = optional_ids(piece.loc[kept.index, theirs], f"column {theirs!r} of {source!r}")
        parts.append(_with_votes(part, tree, statistic, checks, selection))
    votes = pd.concat(parts)
    if ids is None and {"ra", "dec"} <= set(votes):  # a few galaxies tell nothing of the unit of a catalogue
        refuse_hours(votes["ra"], votes["dec"], repr(source))
    order = -votes["total_classifications"] if "total_classifications" in votes else pd.Series(0.0, index=votes.index)
    votes = votes[~surplus_rows(votes["id"], order, "the row with the most classifications", selection)]
    ordered = ["id", *columns["ids"], *[c for c in ("ra", "dec", "total_classifications") if c in votes]]
    votes = votes[[*ordered, *[f"{stem}_votes" for stem in tree.stems]]].reset_index(drop=True)
    notes = [f"the id is {columns['id']}", *columns["notes"], *checks.notes()]
    return votes, concat_set_aside(selection.set_aside), notes


def _find_columns(path, tree, statistic, id_column):
    there = column_names(path)
    survey, source = describe("galaxy_zoo_2"), str(path)
    ids = {name: column for name in survey["ids"] if (column := find_column(name, there))}
    chosen = find_column(id_column, there) if id_column else next(iter(ids.values()), None)
    if chosen is None:
        wanted = [id_column] if id_column else survey["ids"]
        raise DataError(f"The table {source!r} has no column of ids; it needs one of {', '.join(wanted)}.")
    if chosen not in ids.values():
        ids[id_column] = chosen
    numbers = {name: c for name in ("ra", "dec", *survey["classifications"]) if (c := find_column(name, there))}
    needed, notes = dict.fromkeys((statistic, STATISTICS[statistic])), []
    for question in tree.questions:
        stems = [answer.stem for answer in question.answers]
        found = {f"{stem}_{kind}": find_column(f"{stem}_{kind}", there) for stem in stems for kind in needed}
        absent = [name for name, column in found.items() if column is None]
        if absent:
            whole = len(absent) == len(found)
            notes.append(
                f"question {question.name} absent"
                if whole
                else f"question {question.name} is left out: {', '.join(absent)} missing"
            )
        else:
            numbers |= found
    if len(notes) == tree.n_questions:
        raise DataError(f"The table {source!r} has no question with all its columns ending in _{statistic}.")
    return {"id": chosen, "ids": ids, "numbers": numbers, "notes": notes}


def _with_votes(part, tree, statistic, checks, selection):
    """Turn the statistics of a piece into votes; rows that contradict themselves are set aside."""
    shares, counted = (
        part.reindex(columns=[f"{stem}_{kind}" for stem in tree.stems]).to_numpy()
        for kind in (statistic, STATISTICS[statistic])
    )
    part = part[[name for name in part if not name.endswith((f"_{statistic}", f"_{STATISTICS[statistic]}"))]]
    negative = (shares < 0).any(axis=1) | (counted < 0).any(axis=1)
    if statistic == STATISTICS[statistic]:
        values, bad = counted, negative
    else:
        totals, sums = tree.question_sums(counted), tree.question_sums(shares)
        values = shares / np.where(sums > 0, sums, 1.0)[:, tree.segment] * totals[:, tree.segment]
        values = np.where(totals[:, tree.segment] == 0, 0.0, values)  # a share of no votes may be NaN
        off = checks.add(counted, shares) & (statistic != "debiased")
        bad = negative | off.any(axis=1)
    votes = pd.DataFrame(values, index=part.index, columns=[f"{stem}_votes" for stem in tree.stems])

    def reasons(rows):
        for row in part.index.get_indexer(rows.index):
            if negative[row]:
                yield f"a {statistic} or {STATISTICS[statistic]} is negative; votes are >= 0 or empty"
            else:
                question = int(np.flatnonzero(off[row])[0])
                yield f"{statistic} of {tree.questions[question].name} sums to {sums[row, question]:.3f}, expected 1"

    return selection.drop(pd.concat([part, votes], axis=1), bad, reasons)


class _Sums:
    """How the shares of each question sum up, and whether they are those of the counted votes, over all pieces."""

    def __init__(self, tree, statistic):
        self.tree, self.statistic = tree, statistic
        self.n_asked = self.n_off = self.n_empty = self.n_other = 0
        self.lowest, self.highest = np.inf, -np.inf

    def add(self, counted, shares):
        """Count a piece; give which questions of which galaxies do not sum to 1, shape (n, n_questions)."""
        totals, sums = self.tree.question_sums(counted), self.tree.question_sums(shares)
        asked = (totals > 0) & np.isfinite(sums)
        empty = asked & (sums == 0)
        off = asked & ~empty & (np.abs(sums - 1) > _SUM_TOLERANCE)
        # a share of a question without votes is NaN, which is no difference
        other = np.abs(shares - self.tree.conditional(counted)) > _ROUNDING
        self.n_asked += asked.sum()
        self.n_off += off.sum()
        self.n_empty += empty.sum()
        self.n_other += (np.logical_or.reduceat(other, self.tree.starts, axis=1) & asked).sum()
        if off.any():
            self.lowest, self.highest = min(self.lowest, sums[off].min()), max(self.highest, sums[off].max())
        return off

    def notes(self):
        """Say what was found."""
        kind, counted = self.statistic, STATISTICS[self.statistic]
        notes = []
        if self.n_off:
            fate = "they are scaled" if kind == "debiased" else "these galaxies are set aside"
            notes.append(
                f"{kind}: {self.n_off} of {self.n_asked} questions sum to {self.lowest:.2f} to {self.highest:.2f} "
                f"instead of 1; {fate}"
            )
        if self.n_empty:
            notes.append(
                f"{kind}: {self.n_empty} of {self.n_asked} questions have votes and yet only shares of 0; "
                "they count as not asked"
            )
        if self.n_other and kind != "debiased":
            notes.append(
                f"{kind}: {self.n_other} of {self.n_asked} questions have other shares than the {counted} columns"
            )
        return notes
