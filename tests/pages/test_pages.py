"""The parts of a page show what they are given as text, never as HTML."""

import numpy as np
import pytest

from gzmass.pages import cards, figures, image_png, number, picture, render_page, table


def test_text_is_escaped_everywhere():
    evil = "<script>&"
    parts = [
        cards([(evil, evil)]),
        table([evil], [[evil]], "caption"),
        figures([("QUJD", evil)]),
        picture(image_png(np.zeros((4, 4), np.uint8)), evil),
        render_page(evil, "body"),
    ]
    for part in parts:
        assert "<script" not in part
        assert "&lt;script&gt;&amp;" in part


def test_an_error_is_written_smaller_and_strong_rows_stand_out():
    assert "<small>± 2</small>" in cards([("1 ± 2", "x")])
    assert table(["a"], [["1"], ["2"]], "", strong_rows=1).count('class="run"') == 1


@pytest.mark.parametrize(
    ("value", "sign", "text"), [(1.5, True, "+1.500"), (-1.5, False, "\u22121.500"), (np.nan, False, "\u2013")]
)
def test_numbers_are_written_for_reading(value, sign, text):
    assert number(value, sign=sign) == text
