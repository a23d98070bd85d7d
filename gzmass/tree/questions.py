"""Questions and answers of a decision tree, read from plain data."""

from dataclasses import dataclass, field

from gzmass.errors import TreeError

__all__ = ["Answer", "Question", "questions_of", "text_of", "tree_data"]


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


def questions_of(data, source):
    """Read the questions of a tree from plain data.

    Parameters
    ----------
    data : dict
        As `DecisionTree.from_dict` takes it.
    source : str
        What the data are called in an error: the file.

    Returns
    -------
    list of Question
        In the order of the data.

    Raises
    ------
    TreeError
        A key is missing, unknown or of the wrong kind.
    """
    _check_keys(data, {"name", "questions"}, {"source"}, source)
    questions = []
    for number, q in enumerate(_list(data["questions"], f"{source}: questions")):
        where = f"{source}: question {number + 1}"
        _check_keys(q, {"name", "answers"}, {"text", "parents"}, where)
        where = f"{source}: question {q['name']!r}"
        answers = tuple(_answer(a, q["name"], where) for a in _list(q["answers"], f"{where}: answers"))
        parents = tuple(text_of(p, f"{where}: a parent") for p in _list(q.get("parents") or [], f"{where}: parents"))
        text = text_of(q.get("text"), f"{where}: text", str(q["name"]))
        questions.append(Question(text_of(q["name"], f"{where}: name"), text, answers, parents))
    return questions


def tree_data(name, questions):
    """Turn the questions of a tree into plain data.

    Parameters
    ----------
    name : str
        Name of the tree.
    questions : sequence of Question
        Its questions.

    Returns
    -------
    dict
        What `questions_of` reads.
    """
    return {
        "name": name,
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
            for question in questions
        ],
    }


def text_of(value, where, default=None):
    """Take text as it stands in a file; YAML makes of yes and no what is none, and nothing of an empty key.

    Parameters
    ----------
    value : object
        What was read.
    where : str
        What it is called in an error.
    default : str, optional
        What stands for nothing.

    Returns
    -------
    str
        The text; that of a number.

    Raises
    ------
    TreeError
        It is no text.
    """
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TreeError(f"{where} must be text. Received: {value!r}; put it in quotes.")
    return str(value)


def _answer(data, question, where):
    _check_keys(data, {"name"}, {"text", "stem", "columns"}, f"{where}: answer")
    name = text_of(data["name"], f"{where}: the name of an answer")
    where = f"{where}: answer {name!r}"
    stem = text_of(data.get("stem"), f"{where}: stem", f"{question}_{name}")
    columns = data.get("columns") or {}
    if not isinstance(columns, dict):
        raise TreeError(f"{where}: columns must be a mapping. Received: {columns!r}.")
    return Answer(name, text_of(data.get("text"), f"{where}: text", name), stem, dict(columns))


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
