"""The decision tree of one galaxy drawn with its fractions, as SVG text that a page takes in and styles."""

import textwrap
from html import escape

import numpy as np

__all__ = ["tree_svg"]

# lengths in pixels of the drawing, which is as wide as a phone
WIDTH, BOX = 352, 262
BAR_LEFT, BAR_RIGHT = 118, 190
ROW, LINE, GAP = 17, 14, 13
HEADER_LETTERS, ANSWER_LETTERS = 33, 18
RARE = 0.1  # a question that is asked less often than this is drawn fainter


def tree_svg(tree, fractions, votes, title):
    """Draw predicted and voted fractions down the decision tree.

    The questions stand below each other, each after those that lead to it. A bar is the predicted fraction
    among those who are asked, a tick the voted one; a curve leads from an answer to the question that follows,
    as wide as the predicted probability that somebody comes that way.

    Parameters
    ----------
    tree : gzmass.tree.DecisionTree
        The tree.
    fractions : array_like of float
        Predicted conditional probability of each answer, shape (n_answers,).
    votes : array_like of float
        Weight of the votes for each answer, shape (n_answers,), NaN where missing.
    title : str
        What it shows, for those who can not see it.

    Returns
    -------
    str
        An ``<svg>`` element whose colours come from the classes ``tree``, ``bar``, ``voted`` and ``way`` of the
        page.
    """
    fractions = np.asarray(fractions, dtype=float)
    asked, joint = (values[0] for values in tree.follow(fractions[None]))
    voted = tree.conditional(np.asarray(votes, dtype=float)[None])[0]
    parts, top, header, answer_row = [], 4, {}, {}
    for index in np.concatenate(tree.levels):
        question = tree.questions[index]
        lines = textwrap.wrap(question.text, HEADER_LETTERS, break_on_hyphens=False) or [question.name]
        header[index] = top + LINE / 2
        share = f"{100 * asked[index]:.0f} %" if np.isfinite(asked[index]) else ""
        texts = [f'<text class="share" x="{BOX}" y="{top + 11}">{share}</text>']
        texts += [f'<text class="ask" x="0" y="{top + 11 + LINE * i}">{escape(t)}</text>' for i, t in enumerate(lines)]
        top += LINE * len(lines) + 2
        for k in np.flatnonzero(tree.segment == index):
            answer_row[k] = top + ROW / 2
            texts.append(_answer(tree.answers[k].text, top, fractions[k], voted[k]))
            top += ROW
        faint = 0.45 if asked[index] < RARE else 1
        parts.append(f'<g opacity="{faint}">{"".join(texts)}</g>')
        top += GAP
    ways = [
        _way(answer_row[k], header[index], top, joint[k])
        for index in range(tree.n_questions)
        for k in np.flatnonzero(tree.parents[index])
    ]
    return (
        f'<svg class="tree" viewBox="0 0 {WIDTH} {top}" role="img" aria-label="{escape(title)}">'
        f"{''.join(ways)}{''.join(parts)}</svg>"
    )


def _answer(text, top, predicted, voted):
    text = text if len(text) <= ANSWER_LETTERS else text[: ANSWER_LETTERS - 1] + "\N{HORIZONTAL ELLIPSIS}"
    long, base = BAR_RIGHT - BAR_LEFT, top + 12
    parts = [
        f'<text x="6" y="{base}">{escape(text)}</text>',
        f'<rect class="track" x="{BAR_LEFT}" y="{top + 4}" width="{long}" height="9"/>',
    ]
    if np.isfinite(predicted):
        parts.append(f'<rect class="bar" x="{BAR_LEFT}" y="{top + 4}" width="{long * predicted:.1f}" height="9"/>')
        parts.append(f'<text class="number" x="{BAR_RIGHT + 33}" y="{base}">{predicted:.2f}</text>')
    if np.isfinite(voted):
        x = BAR_LEFT + long * voted
        parts.append(f'<rect class="voted" x="{x - 1.5:.1f}" y="{top + 1.5}" width="3" height="14"/>')
        parts.append(f'<text class="number votes" x="{BOX}" y="{base}">{voted:.2f}</text>')
    return "".join(parts)


def _way(start, end, height, share):
    share = share if np.isfinite(share) else 0.0
    out = BOX + 12 + (WIDTH - BOX - 20) * 4 / 3 * min(1.0, (end - start) / (0.5 * height))
    return (
        f'<path class="way" d="M{BOX + 4} {start:.1f}C{out:.0f} {start:.1f} {out:.0f} {end:.1f} {BOX + 4} {end:.1f}" '
        f'stroke-width="{0.6 + 6 * share:.1f}" opacity="{0.25 + 0.5 * share:.2f}"/>'
    )
