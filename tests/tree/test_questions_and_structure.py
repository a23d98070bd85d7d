"""Trees as plain data: what goes through unchanged, what counts for the hash, and every mistake by name."""

import copy

import pytest

from gzmass.errors import TreeError
from gzmass.tree import DecisionTree, load_tree

GZ2 = load_tree("gz2")
DATA = {
    "name": "mini",
    "questions": [
        {"name": "disc", "answers": [{"name": "yes"}, {"name": "no"}]},
        {"name": "bar", "parents": ["disc_yes"], "answers": [{"name": "yes"}, {"name": "no"}]},
        {"name": "odd", "parents": ["bar", "disc_no"], "answers": [{"name": "yes"}, {"name": "no"}]},
    ],
}


def test_dict_round_trip_keeps_tree_and_hash():
    again = DecisionTree.from_dict(GZ2.to_dict())
    assert again == GZ2
    assert again.to_dict() == GZ2.to_dict()
    assert load_tree(GZ2) is GZ2


def test_hash_ignores_texts_and_columns_but_not_structure():
    tree = DecisionTree.from_dict(DATA)
    data = copy.deepcopy(DATA)
    data["questions"][0]["text"] = "Is there a disc?"
    data["questions"][0]["answers"][0] |= {"text": "Yes!", "columns": {"mine": "x"}}
    assert DecisionTree.from_dict(data).hash == tree.hash
    same = copy.deepcopy(DATA)
    same["questions"][2]["parents"] = ["disc_no", "bar_no", "bar_yes"]
    assert DecisionTree.from_dict(same).hash == tree.hash
    other = copy.deepcopy(DATA)
    other["questions"][2]["parents"] = ["bar"]
    assert DecisionTree.from_dict(other).hash != tree.hash
    renamed = copy.deepcopy(DATA)
    renamed["questions"][1]["answers"][0]["name"] = "strong"
    assert DecisionTree.from_dict(renamed).hash != tree.hash
    assert GZ2.hash == "56424bf6a8f6fb7d"


def change(path, value):
    """The data with one entry replaced, or removed for ``...``."""
    data = copy.deepcopy(DATA)
    *way, last = path
    place = data
    for key in way:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["name"], ..., "lacks the key 'name'"),
        (["name"], None, "name must be text. Received: None"),
        (
            ["questions", 0, "answers", 0, "name"],
            True,
            "the name of an answer must be text. Received: True; put it in q",
        ),
        (["questions", 0, "answers", 0, "stem"], False, "stem must be text. Received: False"),
        (["questions", 0, "name"], None, "name must be text. Received: None"),
        (["questions", 0, "text"], ["Is it?"], "text must be text. Received: "),
        (["question"], [], r"has the key 'question'; allowed are"),
        (["questions"], {}, "questions must be a list"),
        (["questions"], [], "at least one question"),
        (["questions", 0], "disc", "question 1 must be a mapping"),
        (["questions", 0, "answers"], ..., "question 1 lacks the key 'answers'"),
        (["questions", 0, "answers"], [{"name": "yes"}], "has 1 answer"),
        (["questions", 0, "answers", 1, "name"], "yes", "'disc_yes' is used twice"),
        (["questions", 0, "answers", 1], {"name": "yes", "stem": "other"}, "two answers with the name 'yes'"),
        (["questions", 0, "answers", 1, "txt"], "no", "has the key 'txt'"),
        (["questions", 1, "name"], "disc", "'disc' is used twice"),
        (["questions", 1, "parents"], ["disk_yes"], "parent 'disk_yes', which is neither"),
        (["questions", 1, "parents"], "disc_yes", "parents must be a list"),
        (["questions", 1, "parents"], ["odd_yes"], "'bar', 'odd' lie on, or behind, a cycle"),
        (["questions", 1, "parents"], ["bar_yes"], "'bar', 'odd' lie on, or behind, a cycle"),
        (["questions", 2, "parents"], ["bar_yes", "disc_yes"], "'disc_yes' and 'bar_yes', which one volunteer"),
        (["questions", 1, "parents"], [], "'disc_no' and 'bar_yes', which one volunteer"),
    ],
)
def test_every_mistake_is_named(path, value, message):
    with pytest.raises(TreeError, match=f"^mine.*{message}"):
        DecisionTree.from_dict(change(path, value), source="mine")


def test_an_empty_text_or_stem_is_none():
    tree = DecisionTree.from_dict(change(["questions", 0, "answers", 0], {"name": "yes", "text": None, "stem": None}))
    assert (tree.questions[0].answers[0].stem, tree.questions[0].answers[0].text) == ("disc_yes", "yes")
