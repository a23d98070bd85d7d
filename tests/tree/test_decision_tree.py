"""The decision tree as data, against a brute-force enumeration of all walks down it."""

import copy
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gzmass.errors import TreeError
from gzmass.tree import DecisionTree, load_tree

sys.path.insert(0, str(Path(__file__).parent))
from random_trees import enumerate_walks, trees

GZ2 = load_tree("gz2")
DATA = {
    "name": "mini",
    "questions": [
        {"name": "disc", "answers": [{"name": "yes"}, {"name": "no"}]},
        {"name": "bar", "parents": ["disc_yes"], "answers": [{"name": "yes"}, {"name": "no"}]},
        {"name": "odd", "parents": ["bar", "disc_no"], "answers": [{"name": "yes"}, {"name": "no"}]},
    ],
}


def random_votes(tree, seed, n=1):
    return np.random.default_rng(seed).gamma(0.7, 10.0, size=(n, tree.n_answers)) + 1e-3


def column(tree, stem):
    return tree.stems.index(stem)


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(tree=trees(), seed=st.integers(0, 2**32 - 1))
def test_probabilities_equal_enumeration_on_random_trees(tree, seed):
    conditional = tree.conditional(random_votes(tree, seed))
    asked, joint = enumerate_walks(tree, conditional[0])
    np.testing.assert_allclose(tree.asked(conditional)[0], asked, atol=1e-12)
    np.testing.assert_allclose(tree.joint(conditional)[0], joint, atol=1e-12)


def test_probabilities_equal_enumeration_on_gz2():
    conditional = GZ2.conditional(random_votes(GZ2, 5, n=2))
    for row in range(2):
        asked, joint = enumerate_walks(GZ2, conditional[row])
        np.testing.assert_allclose(GZ2.asked(conditional)[row], asked, atol=1e-12)
        np.testing.assert_allclose(GZ2.joint(conditional)[row], joint, atol=1e-12)


def test_gz2_has_the_published_questions():
    assert [len(q.answers) for q in GZ2.questions] == [3, 2, 2, 2, 4, 2, 3, 7, 3, 3, 6]
    assert [answer.name[1:3] for answer in GZ2.answers] == [
        f"{k:02d}" for k in [*range(1, 25), 38, *range(25, 35), 36, 37]
    ]
    assert [a.columns["kaggle"] for a in GZ2.answers] == [
        f"Class{q + 1}.{k + 1}" for q, question in enumerate(GZ2.questions) for k in range(len(question.answers))
    ]


def test_conditional_is_the_fraction_within_a_question():
    votes = random_votes(GZ2, 1, n=4)
    conditional = GZ2.conditional(votes)
    np.testing.assert_allclose(GZ2.question_sums(conditional), 1.0)
    np.testing.assert_allclose(conditional[:, 1], votes[:, 1] / votes[:, :3].sum(axis=1))


def test_conditional_without_votes_or_with_a_missing_answer_is_nan():
    votes = np.ones((1, GZ2.n_answers))
    votes[0, 3:5] = 0
    votes[0, 5] = np.nan
    missing = np.isnan(GZ2.conditional(votes)[0])
    assert np.flatnonzero(missing).tolist() == [3, 4, 5, 6]
    votes[0, 0] = np.inf
    assert np.isnan(GZ2.conditional(votes)[0, :3]).all()
    assert GZ2.voted_questions(votes)[0].tolist() == [False] * 3 + [True] * 8


def test_bar_is_asked_of_few_featured_edge_on_discs():
    conditional = GZ2.conditional(np.ones((1, GZ2.n_answers)))
    conditional[0, :3] = 0.1, 0.9, 0.0
    conditional[0, 3:5] = 0.9, 0.1
    asked = GZ2.asked(conditional)[0]
    assert asked[2] == pytest.approx(0.09, abs=1e-12)


def test_odd_is_asked_of_all_but_stars():
    conditional = GZ2.conditional(random_votes(GZ2, 3, n=20))
    np.testing.assert_allclose(GZ2.asked(conditional)[:, 5], 1 - conditional[:, 2], atol=1e-12)


def test_question_that_is_never_asked_needs_no_fractions():
    conditional = GZ2.conditional(random_votes(GZ2, 3))
    conditional[0, :3] = 1.0, 0.0, 0.0  # all smooth: no edge-on question
    conditional[0, 3:13] = np.nan
    conditional[0, 25:] = np.nan
    joint = GZ2.joint(conditional)[0]
    assert np.isfinite(joint).all()
    assert (joint[3:13] == 0).all()
    assert joint[13:15].sum() == pytest.approx(1.0)


def test_missing_fractions_of_an_asked_question_are_passed_on():
    conditional = GZ2.conditional(np.ones((1, GZ2.n_answers)))
    conditional[0, 3:5] = np.nan
    joint = GZ2.joint(conditional)[0]
    assert np.isfinite(joint[[0, 1, 2, 15, 16, 17]]).all()
    assert np.isnan(joint[[3, 5, 13, 25]]).all()


def test_wrong_number_of_columns_is_named():
    with pytest.raises(TreeError, match=r"37 answers .* shape \(2, 36\)"):
        GZ2.joint(np.ones((2, 36)))


# ---- as data ---------------------------------------------------------------------------------------------------------


def test_dict_round_trip_keeps_tree_and_hash():
    again = DecisionTree.from_dict(GZ2.to_dict())
    assert again == GZ2
    assert again.to_dict() == GZ2.to_dict()
    assert load_tree(GZ2) is GZ2


def test_user_tree_from_yaml(tmp_path):
    path = tmp_path / "mini.yaml"
    path.write_text(
        "name: mini\nquestions:\n"
        "- {name: disc, answers: [{name: 'yes'}, {name: 'no', stem: round}]}\n"
        "- {name: bar, parents: [disc_yes], answers: [{name: 'yes'}, {name: 'no'}]}\n",
        encoding="utf-8",
    )
    tree = load_tree(path)
    assert tree.stems == ("disc_yes", "round", "bar_yes", "bar_no")
    np.testing.assert_allclose(tree.joint([[0.25, 0.75, 0.4, 0.6]]), [[0.25, 0.75, 0.1, 0.15]])


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


def test_files_that_are_no_trees(tmp_path):
    with pytest.raises(TreeError, match=r"nowhere\.yaml' does not exist"):
        load_tree(tmp_path / "nowhere.yaml")
    with pytest.raises(TreeError, match="no tree 'gz3'; allowed are 'gz2'"):
        load_tree("gz3")
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: [", encoding="utf-8")
    with pytest.raises(TreeError, match="is not a YAML file"):
        load_tree(broken)
    broken.write_text("name: a\nquestions: []\nname: b\n", encoding="utf-8")
    with pytest.raises(TreeError, match=r"broken.yaml: the key 'name' stands twice"):
        load_tree(broken)


def test_an_empty_text_or_stem_is_none():
    tree = DecisionTree.from_dict(change(["questions", 0, "answers", 0], {"name": "yes", "text": None, "stem": None}))
    assert (tree.questions[0].answers[0].stem, tree.questions[0].answers[0].text) == ("disc_yes", "yes")


def test_what_does_not_hang_on_an_unknown_question_is_followed():
    fractions = GZ2.conditional(random_votes(GZ2, 5, 4))
    gap = np.isin(GZ2.segment, GZ2.segment[[column(GZ2, stem) for stem in GZ2.stems if stem.startswith("t05")]])
    with_gap = np.where(gap, np.nan, fractions)
    asked, joint = GZ2.follow(with_gap)
    # all answers to the size of the bulge lead to the same question
    np.testing.assert_allclose(asked, GZ2.asked(fractions))
    np.testing.assert_allclose(joint[:, ~gap], GZ2.joint(fractions)[:, ~gap])
    assert np.isnan(joint[:, gap]).all()


def test_what_hangs_on_an_unknown_question_is_unknown():
    fractions = GZ2.conditional(random_votes(GZ2, 5, 4))
    gap = np.array([stem.startswith("t02") for stem in GZ2.stems])
    asked, joint = GZ2.follow(np.where(gap, np.nan, fractions))
    known = [GZ2.questions[k].name[:3] for k in np.flatnonzero(np.isfinite(asked).all(axis=0))]
    assert known == ["t01", "t02", "t06", "t07", "t08"]
    assert np.isfinite(joint).all(axis=0).sum() == 15
    np.testing.assert_allclose(joint[:, :3], GZ2.joint(fractions)[:, :3])
