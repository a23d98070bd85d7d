"""The decision tree as data, against a brute-force enumeration of all walks down it."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gzmass.errors import TreeError
from gzmass.tree import load_tree

sys.path.insert(0, str(Path(__file__).parent))
from random_trees import enumerate_walks, trees

GZ2 = load_tree("gz2")


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


def test_what_does_not_hang_on_an_unknown_question_is_followed():
    fractions = GZ2.conditional(random_votes(GZ2, 5, 4))
    gap = np.isin(GZ2.segment, GZ2.segment[[column(GZ2, stem) for stem in GZ2.stems if stem.startswith("t05")]])
    with_gap = np.where(gap, np.nan, fractions)
    asked, joint = GZ2.follow(with_gap)
    # all answers to the size of the bulge lead to the same question
    np.testing.assert_allclose(asked, GZ2.asked(fractions))
    np.testing.assert_allclose(joint[:, ~gap], GZ2.joint(fractions)[:, ~gap])
    assert np.isnan(joint[:, gap]).all()


def test_an_unknown_question_is_unknown_whatever_the_others_say():
    answers = [{"name": "1"}, {"name": "2"}]
    questions = [
        {"name": "k", "answers": answers},
        {"name": "q", "parents": ["k_1"], "answers": answers},
        {"name": "r", "parents": ["k_2"], "answers": answers},
        {"name": "b", "parents": ["q_1", "r_2"], "answers": answers},
    ]
    tree = load_tree({"name": "t", "questions": questions})
    nan = np.nan
    # half the volunteers on each side: shares of one half, and of one answer alone, give the same sum
    asked, joint = tree.follow([[0.5, 0.5, nan, nan, nan, nan, 0.3, 0.7]])
    np.testing.assert_array_equal(asked, [[1, 0.5, 0.5, nan]])
    assert np.isnan(joint[0, 2:]).all()


def test_what_hangs_on_an_unknown_question_is_unknown():
    fractions = GZ2.conditional(random_votes(GZ2, 5, 4))
    gap = np.array([stem.startswith("t02") for stem in GZ2.stems])
    asked, joint = GZ2.follow(np.where(gap, np.nan, fractions))
    known = [GZ2.questions[k].name[:3] for k in np.flatnonzero(np.isfinite(asked).all(axis=0))]
    assert known == ["t01", "t02", "t06", "t07", "t08"]
    assert np.isfinite(joint).all(axis=0).sum() == 15
    np.testing.assert_allclose(joint[:, :3], GZ2.joint(fractions)[:, :3])
