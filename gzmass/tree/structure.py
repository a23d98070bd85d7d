"""The structure of a decision tree as arrays, and what it must hold to."""

import numpy as np

from gzmass.errors import TreeError

__all__ = ["check_exclusive", "check_names", "parent_matrix", "parent_stems", "topological_levels"]


def check_names(questions):
    """Refuse a tree without questions, a question without a choice, and names that are used twice.

    Parameters
    ----------
    questions : sequence of Question
        The questions of the tree.

    Raises
    ------
    TreeError
        As above.
    """
    if not questions:
        raise TreeError("A tree needs at least one question.")
    names = [question.name for question in questions]
    stems = [answer.stem for question in questions for answer in question.answers]
    if twice := _first_repeated([*names, *stems]):
        raise TreeError(f"The name {twice!r} is used twice; every question and every answer's stem needs its own.")
    for question in questions:
        if len(question.answers) < 2:
            raise TreeError(
                f"Question {question.name!r} has {len(question.answers)} answer(s); a question needs at least two."
            )
        if twice := _first_repeated([answer.name for answer in question.answers]):
            raise TreeError(f"Question {question.name!r} has two answers with the name {twice!r}.")


def parent_stems(questions):
    """Stems of the answers that lead to each question.

    Parameters
    ----------
    questions : sequence of Question
        The questions of the tree.

    Returns
    -------
    list of set of str
        One set for each question; a question as a parent stands for all of its answers.
    """
    by_question = {question.name: [answer.stem for answer in question.answers] for question in questions}
    return [{stem for parent in q.parents for stem in by_question.get(parent, [parent])} for q in questions]


def parent_matrix(questions):
    """Tell which answers lead to which questions.

    Parameters
    ----------
    questions : sequence of Question
        The questions of the tree.

    Returns
    -------
    numpy.ndarray of bool
        Shape (n_questions, n_answers).

    Raises
    ------
    TreeError
        A parent does not exist.
    """
    stems = [answer.stem for question in questions for answer in question.answers]
    position = {stem: k for k, stem in enumerate(stems)}
    matrix = np.zeros((len(questions), len(stems)), dtype=bool)
    for index, parents in enumerate(parent_stems(questions)):
        for stem in parents:
            if stem not in position:
                raise TreeError(
                    f"Question {questions[index].name!r} has the parent {stem!r}, which is neither the stem of an "
                    "answer nor the name of a question."
                )
            matrix[index, position[stem]] = True
    return matrix


def topological_levels(questions, parents, segment):
    """Order the questions so that each comes after those that lead to it.

    Parameters
    ----------
    questions : sequence of Question
        The questions of the tree.
    parents : numpy.ndarray of bool
        From `parent_matrix`.
    segment : numpy.ndarray of int
        Index of the question of each answer, shape (n_answers,).

    Returns
    -------
    tuple of numpy.ndarray of int
        Indices of the questions that can be computed together; the first level are the roots.

    Raises
    ------
    TreeError
        Questions lie on a cycle, or behind one.
    """
    # needs[q, p]: question q waits for question p
    needs = np.zeros((len(questions), len(questions)), dtype=bool)
    for index in range(len(questions)):
        needs[index, segment[parents[index]]] = True
    levels, done = [], np.zeros(len(questions), dtype=bool)
    while not done.all():
        ready = ~done & ~(needs & ~done).any(axis=1)
        if not ready.any():
            names = ", ".join(repr(questions[i].name) for i in np.flatnonzero(~done))
            raise TreeError(f"The questions {names} lie on, or behind, a cycle: they can never be asked.")
        levels.append(np.flatnonzero(ready))
        done |= ready
    return tuple(levels)


def check_exclusive(questions, parents, segment, levels):
    """Refuse two parents of one question that a volunteer can give both: the sum of their chances is not one.

    Parameters
    ----------
    questions : sequence of Question
        The questions of the tree.
    parents : numpy.ndarray of bool
        Which answers lead to each question, shape (n_questions, n_answers).
    segment : numpy.ndarray of int
        Number of the question of each answer, shape (n_answers,).
    levels : sequence of numpy.ndarray of int
        What `topological_levels` returned.

    Raises
    ------
    TreeError
        As above.
    """
    # together[i, j]: answers i and j can both be given. The later of two questions is never an ancestor of the earlier
    # one, so its answers go with whatever one of its parents goes with.
    together = np.zeros((len(segment), len(segment)), dtype=bool)
    earlier = []
    for index in np.concatenate(levels):
        own = np.flatnonzero(segment == index)
        for other in earlier:
            possible = together[parents[index], other].any() if parents[index].any() else True
            together[own, other] = together[other, own] = possible
        together[own, own] = True
        earlier.extend(own)
    stems = [answer.stem for question in questions for answer in question.answers]
    for index, question in enumerate(questions):
        leading = np.flatnonzero(parents[index])
        clash = np.argwhere(np.triu(together[np.ix_(leading, leading)], k=1))
        if len(clash):
            first, second = (stems[leading[i]] for i in clash[0])
            raise TreeError(
                f"Question {question.name!r} has the parents {first!r} and {second!r}, which one volunteer can "
                "give both; the parents of a question must exclude each other."
            )


def _first_repeated(names):
    seen = set()
    return next((name for name in names if name in seen or seen.add(name)), None)
