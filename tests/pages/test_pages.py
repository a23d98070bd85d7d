"""The parts of a page show what they are given as text, never as HTML."""

import io

import numpy as np
import pytest
from PIL import Image

from gzmass.pages import cards, figures, image_png, new_figure, number, picture, render_page, table, to_png


def test_text_is_escaped_everywhere():
    evil = "<script>&"
    parts = [
        cards([(evil, evil)]),
        table([evil], [[evil]], "caption"),
        figures([(b"ABC", evil)]),
        picture(image_png(np.zeros((4, 4), np.uint8)), evil),
        render_page(evil, "body"),
    ]
    for part in parts:
        assert "<script>&" not in part
        assert "&lt;script&gt;&amp;" in part


def test_an_error_is_written_smaller_and_strong_rows_stand_out():
    assert "<small>± 2</small>" in cards([("1 ± 2", "x")])
    assert table(["a"], [["1"], ["2"]], "", strong_rows=1).count('class="run"') == 1
    assert table(["a", "b"], [["1", "2"]], "", text_columns=2, foot=[["3", "4"]]).count('class="text"') == 6


def test_a_large_image_is_reduced_and_a_small_one_is_left():
    for side, shown in ((300, 160), (69, 69)):
        png = image_png(np.zeros((side, side, 1), np.uint8), 160)
        with Image.open(io.BytesIO(png)) as image:
            assert image.size == (shown, shown)


def test_figures_keep_their_colours():
    figure = new_figure(1, 1)[0]
    figure.set_facecolor((1, 0, 0))
    with Image.open(io.BytesIO(to_png(figure, dpi=20))) as image:
        assert image.convert("RGB").getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("value", "sign", "text"),
    [(1.5, True, "+1.500"), (-1.5, False, "\u22121.500"), (np.nan, False, "\u2013"), (-1e-9, True, "+0.000")],
)
def test_numbers_are_written_for_reading(value, sign, text):
    assert number(value, sign=sign) == text
