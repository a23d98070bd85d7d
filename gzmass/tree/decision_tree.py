"""A decision tree of questions and answers: validated once, compiled to arrays, with its probabilities in numpy."""

from functools import cached_property

import numpy as np

from gzmass.engine import fingerprint
from gzmass.errors import TreeError
from gzmass.tree.questions import questions_of, text_of, tree_data
from gzmass.tree.structure import check_exclusive, check_names, parent_matrix, parent_stems, topological_levels

__all__ = ["DecisionTree"]


class DecisionTree:
    """A decision tree: questions in order, each reached from a set of answers to other questions.

    An answer may lead to several questions, which are then all asked, and a question may be reached from several
    answers, as long as no two of these can be given by one volunteer: its probability is then the sum of theirs.

    Parameters
    ----------
    name : str
        Name of the tree.
    questions : sequence of Question
        The questions, in the order of the columns.

    Attributes
    ----------
    stems : tuple of str
        Column stem of each answer, shape (n_answers,).
    segment : numpy.ndarray of int
        Index of the question of each answer, shape (n_answers,).
    starts : numpy.ndarray of int
        Index of the first answer of each question, shape (n_questions,).
    parents : numpy.ndarray of bool
        True where the answer leads to the question, shape (n_questions, n_answers).
    levels : tuple of numpy.ndarray of int
        Indices of the questions that can be computed together, in topological order; the first level are the roots.
    hash : str
        Fingerprint of names, answers and parents; the texts and other catalogues' columns do not count.

    Raises
    ------
    TreeError
        A name that is used twice, a parent that does not exist, a cycle, a question that can not be reached, fewer
        than two answers, or two parents of a question that one volunteer can give both.
    """

    def __init__(self, name, questions):
        self.name = name
        self.questions = tuple(questions)
        check_names(self.questions)
        self.answers = tuple(answer for question in self.questions for answer in question.answers)
        self.stems = tuple(answer.stem for answer in self.answers)
        sizes = [len(question.answers) for question in self.questions]
        self.segment = np.repeat(np.arange(len(self.questions)), sizes)
        self.starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int)
        self.parents = parent_matrix(self.questions)
        self.levels = topological_levels(self.questions, self.parents, self.segment)
        check_exclusive(self.questions, self.parents, self.segment, self.levels)

    @property
    def n_questions(self):
        """Number of questions.

        Returns
        -------
        int
            11 for GZ2.
        """
        return len(self.questions)

    @property
    def n_answers(self):
        """Number of answers.

        Returns
        -------
        int
            37 for GZ2.
        """
        return len(self.answers)

    @cached_property
    def hash(self):
        """Fingerprint of the structure: it travels with every dataset and run.

        Returns
        -------
        str
            16 hexadecimal digits.
        """
        return fingerprint(
            [
                [question.name, [answer.stem for answer in question.answers], sorted(parents)]
                for question, parents in zip(self.questions, parent_stems(self.questions), strict=True)
            ]
        )

    def __eq__(self, other):
        return isinstance(other, DecisionTree) and self.hash == other.hash

    def __hash__(self):
        return hash(self.hash)

    def __repr__(self):
        return f"DecisionTree({self.name!r}: {self.n_questions} questions, {self.n_answers} answers)"

    # ---- probabilities -------------------------------------------------------------------------------------------

    def question_sums(self, values):
        """Sum over the answers of each question.

        Parameters
        ----------
        values : array_like of float
            One value for each answer, shape (n, n_answers).

        Returns
        -------
        numpy.ndarray of float
            Shape (n, n_questions); NaN where an answer of the question is NaN.
        """
        return np.add.reduceat(self._checked(values), self.starts, axis=1)

    def voted_questions(self, votes):
        """Tell which questions have votes that can be used: all answers of the question known, one of them above 0.

        Parameters
        ----------
        votes : array_like of float
            Weight of the votes for each answer, shape (n, n_answers), NaN where missing.

        Returns
        -------
        numpy.ndarray of bool
            Shape (n, n_questions). The losses, too, leave out a question of which an answer is missing or infinite.
        """
        totals = self.question_sums(votes)
        return np.isfinite(totals) & (totals > 0)

    def conditional(self, votes):
        """Fraction of the votes for each answer among those who were asked its question.

        Parameters
        ----------
        votes : array_like of float
            Weight of the votes for each answer, >= 0, not necessarily whole, shape (n, n_answers).

        Returns
        -------
        numpy.ndarray of float
            Shape (n, n_answers), sums to 1 within a question; NaN for a question without votes, or with an answer
            whose votes are missing or infinite.
        """
        votes = self._checked(votes)
        total = np.add.reduceat(votes, self.starts, axis=1)
        total = np.where((total > 0) & np.isfinite(total), total, np.nan)
        return votes / total[:, self.segment]

    def asked(self, conditional):
        """Probability that each question is asked: the sum of the joint probabilities of the answers leading to it.

        Parameters
        ----------
        conditional : array_like of float
            Conditional probability of each answer, shape (n, n_answers).

        Returns
        -------
        numpy.ndarray of float
            Shape (n, n_questions): 1 for a root. A question that is never asked may have NaN as its own conditional
            probabilities: what hangs on it has probability 0. Elsewhere NaN is passed on.
        """
        return self._walk(conditional)[0]

    def follow(self, conditional):
        """Follow the tree as far as its questions are known: what hangs on an unknown one is unknown.

        Where all answers of a question lead to the same, what comes after it does not hang on them.

        Parameters
        ----------
        conditional : array_like of float
            Conditional probability of each answer, shape (n, n_answers), NaN where unknown.

        Returns
        -------
        asked : numpy.ndarray of float
            As from `asked`, shape (n, n_questions), NaN where unknown.
        joint : numpy.ndarray of float
            As from `joint`, shape (n, n_answers), NaN where unknown.
        """
        conditional = self._checked(conditional)
        unknown = np.isnan(self.question_sums(conditional))[:, self.segment]
        # even shares for all that is unknown, one answer alone, and shares as if at random: what depends on it differs,
        # and where it does not between two of them by chance it does in the third
        size = np.bincount(self.segment)[self.segment]
        first = np.isin(np.arange(self.n_answers), self.starts).astype(float)
        uneven = np.random.default_rng(0).uniform(0.1, 1.0, self.n_answers)
        uneven /= np.add.reduceat(uneven, self.starts)[self.segment]
        walks = [self._walk(np.where(unknown, gap, conditional)) for gap in (1 / size, first, uneven)]
        return tuple(np.where(np.ptp(values, axis=0) < 1e-6, values[0], np.nan) for values in zip(*walks, strict=True))

    def joint(self, conditional):
        """Probability that each answer is given: that its question is asked, times its conditional probability.

        Parameters
        ----------
        conditional : array_like of float
            Conditional probability of each answer, shape (n, n_answers).

        Returns
        -------
        numpy.ndarray of float
            Shape (n, n_answers); sums to the probability that the question is asked. This is the convention of the
            Kaggle Galaxy Zoo challenge.
        """
        return self._walk(conditional)[1]

    def _walk(self, conditional):
        conditional = self._checked(conditional)
        asked = np.ones((len(conditional), self.n_questions))
        joint = np.empty_like(conditional)
        for level in self.levels:
            for index in level:
                if self.parents[index].any():
                    asked[:, index] = joint[:, self.parents[index]].sum(axis=1)
                own = self.segment == index
                here = asked[:, [index]]
                joint[:, own] = np.where(here == 0, 0.0, here * conditional[:, own])
        return asked, joint

    def _checked(self, values):
        values = np.asarray(values, dtype=float)
        if values.ndim != 2 or values.shape[1] != self.n_answers:
            raise TreeError(
                f"The tree {self.name!r} has {self.n_answers} answers and takes arrays of shape (n, {self.n_answers}). "
                f"Received: shape {values.shape}."
            )
        return values

    # ---- as data -------------------------------------------------------------------------------------------------

    def to_dict(self):
        """Turn the tree into plain data, as it stands in a YAML file.

        Returns
        -------
        dict
            What `from_dict` takes: the tree made from it is equal to this one.
        """
        return tree_data(self.name, self.questions)

    @classmethod
    def from_dict(cls, data, source="tree"):
        """Make a tree from plain data.

        Parameters
        ----------
        data : dict
            ``name`` and ``questions``; a question has ``name``, ``answers`` and, as far as it needs them, ``text``
            and ``parents``; an answer has ``name`` and, as far as it needs them, ``text``, ``stem`` (else
            ``<question>_<answer>``) and ``columns``.
        source : str, default "tree"
            What the data are called in an error: the file.

        Returns
        -------
        DecisionTree
            The validated tree.

        Raises
        ------
        TreeError
            A key is missing, unknown or of the wrong kind, or the tree contradicts itself.
        """
        questions = questions_of(data, source)
        try:
            return cls(text_of(data["name"], f"{source}: name"), questions)
        except TreeError as error:
            raise TreeError(f"{source}: {error}") from None
