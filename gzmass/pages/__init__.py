"""Pages for people: HTML in one file that needs nothing outside itself, and figures in one style."""

from gzmass.pages.figures import image_png, new_figure, styled, to_png
from gzmass.pages.html import NONE, cards, figures, number, picture, render_page, table

__all__ = [
    "NONE",
    "cards",
    "figures",
    "image_png",
    "new_figure",
    "number",
    "picture",
    "render_page",
    "styled",
    "table",
    "to_png",
]
