"""Votes of Galaxy Zoo: the file of the Kaggle challenge, and tables with one column of votes an answer."""

import numpy as np
import pandas as pd

from gzmass.catalogs.tables import concat_set_aside, named_columns, read_table, set_aside_rows
from gzmass.errors import DataError
from gzmass.tree import load_tree

__all__ = ["read_kaggle", "read_votes"]

_ODD = "t06_odd"  # the question that the Kaggle file treats as if everybody were asked
_STAR = "t01_smooth_or_features_a03_star_or_artifact"


def read_kaggle(path, tree="gz2", n_votes=44, q6_sums_to_one=True, id_column="GalaxyID", tolerance=0.01):
    """Read the file of the Kaggle Galaxy Zoo challenge as votes.

    The file holds the probability of each answer times that of reaching its question; times the number of
    classifications this is the weight of the votes for the answer.

    Parameters
    ----------
    path : str or pathlib.Path
        The file, with any part of the columns ``Class1.1`` to ``Class11.6``.
    tree : DecisionTree or str, default "gz2"
        A tree whose answers name their ``kaggle`` columns.
    n_votes : float, default 44
        Number of classifications of a galaxy, which the file does not hold; 44 is the median of Galaxy Zoo 2
        (Willett et al. 2013).
    q6_sums_to_one : bool, default True
        Whether question 6 ("Is there anything odd?") sums to 1, as in Kaggle's own file, though a star or artifact is
        never asked: it, and what follows from it, is then multiplied by 1 - Class1.3.
    id_column : str, default "GalaxyID"
        Column with the ids.
    tolerance : float, default 0.01
        How far the sum of a question may be from the probability of reaching it.

    Returns
    -------
    votes : pandas.DataFrame
        ``id`` and ``<stem>_votes`` of each answer of the tree; NaN for the answers of a question that is absent, or of
        which only some answers are present.
    set_aside : pandas.DataFrame
        ``id`` and ``reason`` of the rows without an id, with a negative probability, and of those that contradict the
        convention.
    notes : list of str
        Which questions are absent or can not be used, and why.

    Raises
    ------
    DataError
        The file can not be read, has none of the columns, or every row a negative probability.
    """
    tree = load_tree(tree)
    theirs = {a.columns["kaggle"]: a.stem for a in tree.answers if "kaggle" in a.columns}
    if not theirs:
        raise DataError(
            f"The tree {tree.name!r} names no 'kaggle' columns; its answers need them to read {str(path)!r}."
        )
    table, set_aside = read_table(path, id_column)
    present = {stem: column for column, stem in theirs.items() if column in table.columns}
    if not present:
        raise DataError(f"The table {str(path)!r} has none of the columns {', '.join(theirs)}.")
    values, negative = _without_negative(named_columns(table, present, str(path)), present, str(path))
    joint = values.reindex(columns=tree.stems)
    notes = _drop_partial_questions(joint, tree)
    expected = _expected_sums(joint, tree, q6_sums_to_one)
    error = np.abs(tree.question_sums(joint) - expected)
    worst = np.where(np.isnan(error), 0, error)
    bad = pd.Series(worst.max(axis=1) > tolerance, index=values.index)

    def reason(row):
        question = int(worst[row.name].argmax())
        return (
            f"votes contradict the convention of the file: question {tree.questions[question].name} sums to "
            f"{tree.question_sums(joint)[row.name, question]:.3f}, expected {expected[row.name, question]:.3f}"
        )

    if q6_sums_to_one:
        notes += _scale_odd(joint, tree)
    votes = pd.concat([values[["id"]], (n_votes * joint).add_suffix("_votes")], axis=1)
    votes, contradicting = set_aside_rows(votes, bad, reason)
    return votes.reset_index(drop=True), concat_set_aside([set_aside, negative, contradicting]), notes


def read_votes(path, tree="gz2", columns="{stem}_votes", id_column="id"):
    """Read a table with a column of votes, counted or weighted, for each answer.

    Parameters
    ----------
    path : str or pathlib.Path
        Any table that `read_table` reads.
    tree : DecisionTree or str, default "gz2"
        The tree of the votes.
    columns : str or dict, default "{stem}_votes"
        Their columns: a pattern of the answer's stem, or ``<stem>_votes`` to the name of their column. Answers whose
        column is not in a pattern's table, or not in the dict, are missing.
    id_column : str, default "id"
        Column with the ids.

    Returns
    -------
    votes : pandas.DataFrame
        ``id`` and ``<stem>_votes`` of each answer of the tree; NaN where missing.
    set_aside : pandas.DataFrame
        ``id`` and ``reason`` of the rows without an id or with a negative vote.
    notes : list of str
        Which questions are absent or can not be used, and why; and whether the columns hold shares.

    Raises
    ------
    DataError
        The file can not be read, a column is missing or is none of the tree's, or every row has a negative vote.
    """
    tree = load_tree(tree)
    table, set_aside = read_table(path, id_column)
    if isinstance(columns, str):
        mapping = {stem: columns.replace("{stem}", stem) for stem in tree.stems}
        mapping = {stem: column for stem, column in mapping.items() if column in table.columns}
        if not mapping:
            example = columns.replace("{stem}", tree.stems[0])
            raise DataError(f"The table {str(path)!r} has no columns of votes such as {example!r}.")
    else:
        mapping = {ours.removesuffix("_votes"): theirs for ours, theirs in columns.items()}
        if unknown := [stem for stem in mapping if stem not in tree.stems]:
            raise DataError(f"The tree {tree.name!r} has no answer with the column {unknown[0] + '_votes'!r}.")
    values, negative = _without_negative(named_columns(table, mapping, str(path)), mapping, str(path))
    votes = values.reindex(columns=tree.stems)
    notes = [*_drop_partial_questions(votes, tree), *_shares(votes, tree)]
    table = pd.concat([values[["id"]], votes.add_suffix("_votes")], axis=1)
    return table, concat_set_aside([set_aside, negative]), notes


def _drop_partial_questions(values, tree):
    """Make a question missing of which some answers are; say what is absent. Changes `values`."""
    notes = []
    there = values.notna().any().to_numpy()
    for index, question in enumerate(tree.questions):
        own = tree.segment == index
        if not there[own].all():
            partly = there[own].any()
            absent = ", ".join(
                answer.stem for answer, here in zip(question.answers, there[own], strict=True) if not here
            )
            notes.append(
                f"question {question.name} is left out: {absent} missing"
                if partly
                else f"question {question.name} absent"
            )
            values.loc[:, own] = np.nan
    return notes


def _shares(votes, tree):
    """Say it if no galaxy has more than one vote on the first question: those are shares of an unknown number."""
    root = next(k for k in range(tree.n_questions) if not tree.parents[k].any())
    most = votes.loc[:, tree.segment == root].sum(axis=1).max()
    if not 0 < most < 1.01:  # printed to two digits, shares may sum to a little more than 1
        return []
    name = tree.questions[root].name
    return [f"no galaxy has more than {most:.3g} votes on {name}: shares, it seems, which count as one vote a galaxy"]


def _expected_sums(joint, tree, q6_sums_to_one):
    """Probability of reaching each question in the convention of the file, (n, n_questions); NaN if unknown."""
    values = joint.to_numpy()
    expected = np.ones((len(values), tree.n_questions))
    for index, question in enumerate(tree.questions):
        if tree.parents[index].any() and not (q6_sums_to_one and question.name == _ODD):
            expected[:, index] = values[:, tree.parents[index]].sum(axis=1)
    return expected


def _scale_odd(joint, tree):
    """Multiply question 6 and what follows from it by the probability of not being a star. Changes `joint`."""
    names = [question.name for question in tree.questions]
    if _ODD not in names:
        return []
    below = np.zeros(tree.n_questions, dtype=bool)
    below[names.index(_ODD)] = True
    for level in tree.levels:
        for index in level:
            below[index] |= below[tree.segment[tree.parents[index]]].any()
    own = below[tree.segment]
    known = joint[_STAR].notna().any()
    joint.loc[:, own] = joint.loc[:, own].mul(1 - joint[_STAR], axis=0)
    return [] if known else [f"question {_ODD} is left out: {_STAR}, which says how many are asked, is missing"]


def _without_negative(values, columns, source):
    """Set rows with a negative vote aside; values that are negative in every row are something else."""
    votes = values[list(columns)]
    negative = votes < 0
    bad = negative.any(axis=1)

    def reason(row):
        ours = negative.loc[row.name].idxmax()
        return f"{row[ours]:g} in the column {columns[ours]!r}; votes are >= 0 or empty"

    good, set_aside = set_aside_rows(values, bad, reason)
    if len(values) and good.empty:
        raise DataError(
            f"Every row of {source!r} has a negative vote; the first one, the galaxy {set_aside['id'].tolist()[0]!r}, "
            f"{set_aside['reason'].iloc[0]}."
        )
    return good.reset_index(drop=True), set_aside
