"""A decision tree of questions and answers: validated once, compiled to arrays, with its probabilities in numpy."""

from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path

import numpy as np
import yaml

from gzmass.engine import UniqueKeyLoader, fingerprint
from gzmass.errors import TreeError

__all__ = ["Answer", "DecisionTree", "Question", "load_tree"]


@dataclass(frozen=True)
class Answer:
    """One answer to a question.

    Parameters
    ----------
    name : str
        Name, unique within its question.
    text : str
        What a volunteer reads on the button.
    stem : str
        Stem of the table columns (``<stem>_votes``, ``<stem>_fraction``), unique within the tree.
    columns : dict of str to str
        The column of this answer in other catalogues, by the name of the catalogue (``{"kaggle": "Class1.1"}``).
    """

    name: str
    text: str
    stem: str
    columns: dict = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Question:
    """One question, its answers and the answers that lead to it.

    Parameters
    ----------
    name : str
        Name, unique within the tree.
    text : str
        What a volunteer is asked.
    answers : tuple of Answer
        At least two.
    parents : tuple of str
        What leads to the question, any one of them: stems of answers, or the name of a question for each of its
        answers. Empty for a question that everyone is asked.
    """

    name: str
    text: str
    answers: tuple
    parents: tuple = ()


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
        self._check_names()
        self.answers = tuple(answer for question in self.questions for answer in question.answers)
        self.stems = tuple(answer.stem for answer in self.answers)
        sizes = [len(question.answers) for question in self.questions]
        self.segment = np.repeat(np.arange(len(self.questions)), sizes)
        self.starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int)
        self.parents = self._parent_matrix()
        self.levels = self._topological_levels()
        self._check_exclusive()

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
                [question.name, [answer.stem for answer in question.answers], sorted(self._parent_stems(index))]
                for index, question in enumerate(self.questions)
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
        # even shares for all that is unknown, and one answer alone: what depends on it differs
        even = 1 / np.bincount(self.segment)[self.segment]
        first = np.isin(np.arange(self.n_answers), self.starts).astype(float)
        walks = [self._walk(np.where(unknown, gap, conditional)) for gap in (even, first)]
        asked, joint = (np.where(np.abs(one - other) < 1e-6, one, np.nan) for one, other in zip(*walks, strict=True))
        return asked, joint

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
        return {
            "name": self.name,
            "questions": [
                {
                    "name": question.name,
                    "text": question.text,
                    "parents": list(question.parents),
                    "answers": [
                        {"name": a.name, "text": a.text, "stem": a.stem, "columns": dict(a.columns)}
                        for a in question.answers
                    ],
                }
                for question in self.questions
            ],
        }

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
        _check_keys(data, {"name", "questions"}, {"source"}, source)
        questions = []
        for number, q in enumerate(_list(data["questions"], f"{source}: questions")):
            where = f"{source}: question {number + 1}"
            _check_keys(q, {"name", "answers"}, {"text", "parents"}, where)
            where = f"{source}: question {q['name']!r}"
            answers = []
            for a in _list(q["answers"], f"{where}: answers"):
                _check_keys(a, {"name"}, {"text", "stem", "columns"}, f"{where}: answer")
                name = _text(a["name"], f"{where}: the name of an answer")
                stem = _text(a.get("stem"), f"{where}: answer {name!r}: stem", f"{q['name']}_{name}")
                columns = a.get("columns") or {}
                if not isinstance(columns, dict):
                    raise TreeError(f"{where}: answer {name!r}: columns must be a mapping. Received: {columns!r}.")
                text = _text(a.get("text"), f"{where}: answer {name!r}: text", name)
                answers.append(Answer(name, text, stem, dict(columns)))
            parents = tuple(_text(p, f"{where}: a parent") for p in _list(q.get("parents") or [], f"{where}: parents"))
            text = _text(q.get("text"), f"{where}: text", str(q["name"]))
            questions.append(Question(_text(q["name"], f"{where}: name"), text, tuple(answers), parents))
        try:
            return cls(str(data["name"]), questions)
        except TreeError as error:
            raise TreeError(f"{source}: {error}") from None

    # ---- validation ----------------------------------------------------------------------------------------------

    def _check_names(self):
        if not self.questions:
            raise TreeError("A tree needs at least one question.")
        names = [question.name for question in self.questions]
        stems = [answer.stem for question in self.questions for answer in question.answers]
        if twice := _first_repeated([*names, *stems]):
            raise TreeError(f"The name {twice!r} is used twice; every question and every answer's stem needs its own.")
        for question in self.questions:
            if len(question.answers) < 2:
                raise TreeError(
                    f"Question {question.name!r} has {len(question.answers)} answer(s); a question needs at least two."
                )
            if twice := _first_repeated([answer.name for answer in question.answers]):
                raise TreeError(f"Question {question.name!r} has two answers with the name {twice!r}.")

    def _parent_stems(self, index):
        by_question = {question.name: [a.stem for a in question.answers] for question in self.questions}
        stems = set()
        for parent in self.questions[index].parents:
            stems.update(by_question.get(parent, [parent]))
        return stems

    def _parent_matrix(self):
        position = {stem: k for k, stem in enumerate(self.stems)}
        matrix = np.zeros((self.n_questions, self.n_answers), dtype=bool)
        for index, question in enumerate(self.questions):
            for stem in self._parent_stems(index):
                if stem not in position:
                    raise TreeError(
                        f"Question {question.name!r} has the parent {stem!r}, which is neither the stem of an answer "
                        "nor the name of a question."
                    )
                matrix[index, position[stem]] = True
        return matrix

    def _topological_levels(self):
        # needs[q, p]: question q waits for question p
        needs = np.zeros((self.n_questions, self.n_questions), dtype=bool)
        for index in range(self.n_questions):
            needs[index, self.segment[self.parents[index]]] = True
        levels, done = [], np.zeros(self.n_questions, dtype=bool)
        while not done.all():
            ready = ~done & ~(needs & ~done).any(axis=1)
            if not ready.any():
                names = ", ".join(repr(self.questions[i].name) for i in np.flatnonzero(~done))
                raise TreeError(f"The questions {names} lie on, or behind, a cycle: they can never be asked.")
            levels.append(np.flatnonzero(ready))
            done |= ready
        return tuple(levels)

    def _check_exclusive(self):
        """Refuse two parents of one question that a volunteer can give both: the sum of their chances is not one.

        ``together[i, j]`` says whether answers i and j can both be given. The later of two questions is never an
        ancestor of the earlier one, so its answers go with whatever one of its parents goes with.
        """
        order = np.concatenate(self.levels)
        together = np.zeros((self.n_answers, self.n_answers), dtype=bool)
        earlier = []
        for index in order:
            own = np.flatnonzero(self.segment == index)
            for other in earlier:
                possible = together[self.parents[index], other].any() if self.parents[index].any() else True
                together[own, other] = together[other, own] = possible
            together[own, own] = True
            earlier.extend(own)
        for index, question in enumerate(self.questions):
            parents = np.flatnonzero(self.parents[index])
            clash = np.argwhere(np.triu(together[np.ix_(parents, parents)], k=1))
            if len(clash):
                first, second = (self.stems[parents[i]] for i in clash[0])
                raise TreeError(
                    f"Question {question.name!r} has the parents {first!r} and {second!r}, which one volunteer can "
                    "give both; the parents of a question must exclude each other."
                )


def load_tree(tree):
    """Load a decision tree by the name of a built-in one or from a YAML file.

    Parameters
    ----------
    tree : str, pathlib.Path, dict or DecisionTree
        ``"gz2"`` for the Galaxy Zoo 2 tree [1]_, the path of a YAML file of the same form as ``gzmass/tree/gz2.yaml``,
        the plain data of a tree, or a tree (returned as it is).

    Returns
    -------
    DecisionTree
        The validated tree.

    Raises
    ------
    TreeError
        The file is missing, is not YAML, or the tree contradicts itself.

    References
    ----------
    .. [1] Willett et al. 2013, MNRAS 435, 2835
    """
    if isinstance(tree, DecisionTree):
        return tree
    if isinstance(tree, dict):
        return DecisionTree.from_dict(tree)
    path = Path(tree)
    if path.suffix in {".yaml", ".yml"}:
        if not path.is_file():
            raise TreeError(f"The tree file {str(path)!r} does not exist.")
        source, read = str(path), path.read_text
    else:
        built_in = {p.name.removesuffix(".yaml"): p for p in _built_in_files()}
        if str(tree) not in built_in:
            raise TreeError(
                f"There is no tree {str(tree)!r}; allowed are {', '.join(map(repr, sorted(built_in)))} "
                "or the path of a .yaml file."
            )
        source, read = str(tree), built_in[str(tree)].read_text
    try:
        data = yaml.load(read(encoding="utf-8"), UniqueKeyLoader)  # noqa: S506  a safe loader
    except yaml.constructor.ConstructorError as error:
        raise TreeError(f"{source}: {error.problem}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TreeError(f"{source} is not a YAML file: {str(error).splitlines()[0]}.") from None
    return DecisionTree.from_dict(data, source=source)


def _built_in_files():
    return [p for p in resources.files("gzmass.tree").iterdir() if p.name.endswith(".yaml")]


def _text(value, where, default=None):
    """Text as it stands in a file; YAML makes of yes and no what is none, and nothing of an empty key."""
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TreeError(f"{where} must be text. Received: {value!r}; put it in quotes.")
    return str(value)


def _first_repeated(names):
    seen = set()
    return next((name for name in names if name in seen or seen.add(name)), None)


def _check_keys(data, needed, allowed, where):
    if not isinstance(data, dict):
        raise TreeError(f"{where} must be a mapping with the keys {sorted(needed)}. Received: {data!r}.")
    if missing := needed - set(data):
        raise TreeError(f"{where} lacks the key {min(missing)!r}.")
    if unknown := set(data) - needed - allowed:
        raise TreeError(f"{where} has the key {min(map(str, unknown))!r}; allowed are {sorted(needed | allowed)}.")


def _list(value, where):
    if not isinstance(value, list):
        raise TreeError(f"{where} must be a list. Received: {value!r}.")
    return value
