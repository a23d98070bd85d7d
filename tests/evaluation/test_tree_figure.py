"""The drawn decision tree holds what it is given, and the curves lead where the tree leads."""

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from gzmass.evaluation.tree_figure import BAR_LEFT, BAR_RIGHT, tree_svg
from gzmass.tree import load_tree

GZ2 = load_tree("gz2")


def test_bars_and_ticks_are_the_fractions_and_missing_votes_have_none():
    fractions = GZ2.conditional(np.random.default_rng(0).dirichlet(np.ones(37), 1))[0]
    votes = np.full(37, 10.0)
    votes[GZ2.starts[2] : GZ2.starts[3]] = np.nan
    root = ET.fromstring(tree_svg(GZ2, fractions, votes, "a <tree> & more"))  # noqa: S314 -- our own text
    assert root.get("aria-label") == "a <tree> & more"
    order = np.concatenate([np.flatnonzero(GZ2.segment == q) for q in np.concatenate(GZ2.levels)])
    widths = [float(bar.get("width")) for bar in root.iterfind(".//rect[@class='bar']")]
    assert widths == pytest.approx((BAR_RIGHT - BAR_LEFT) * fractions[order], abs=0.06)
    assert len(root.findall(".//rect[@class='voted']")) == 35
    shares = [text.text for text in root.iterfind(".//text[@class='share']")]
    asked = GZ2.asked(fractions[None])[0][np.concatenate(GZ2.levels)]
    assert shares == [f"{100 * share:.0f} %" for share in asked]


def test_a_curve_runs_from_every_answer_that_leads_on_and_never_backwards():
    svg = tree_svg(GZ2, np.full(37, 0.3), np.ones(37), "tree")
    ways = re.findall(r'd="M\d+ ([\d.]+)C\d+ [\d.]+ (\d+) ([\d.]+)', svg)
    assert len(ways) == GZ2.parents.sum()
    assert all(float(start) < float(end) for start, _, end in ways)
    width, height = map(float, re.search(r'viewBox="0 0 (\d+) (\d+)"', svg).groups())
    assert all(float(end) < height for _, _, end in ways)
    # a cubic curve reaches three quarters of the way to its control points
    assert all(266 + 0.75 * (float(out) - 266) < width - 4 for _, out, _ in ways)


def test_texts_that_look_like_html_are_shown_as_text():
    answers = [{"name": "a", "text": "<b>&"}, {"name": "b"}]
    tree = load_tree({"name": "evil", "questions": [{"name": "q", "text": "<script>?", "answers": answers}]})
    svg = tree_svg(tree, [np.nan, np.nan], [np.nan, np.nan], "t")
    assert "&lt;script&gt;?" in svg
    assert "&lt;b&gt;&amp;" in svg
    assert "nan" not in svg


def test_a_curve_is_as_wide_as_the_probability_of_its_way():
    fractions = GZ2.conditional(np.random.default_rng(1).dirichlet(np.ones(37), 1))[0]
    svg = tree_svg(GZ2, fractions, np.ones(37), "tree")
    widths = np.array([float(width) for width in re.findall(r'class="way"[^>]*stroke-width="([\d.]+)"', svg)])
    joint = GZ2.joint(fractions[None])[0]
    expected = np.array([joint[k] for q in range(GZ2.n_questions) for k in np.flatnonzero(GZ2.parents[q])])
    assert len(widths) == len(expected)
    assert np.corrcoef(widths, expected)[0, 1] > 0.95
