"""HTML that stands alone: the frame of a page with its style, tables, cards and embedded pictures."""

import base64
from html import escape
from importlib import resources
from string import Template

import numpy as np

__all__ = ["NONE", "cards", "figures", "number", "picture", "render_page", "table"]

#: What stands for a number that is not defined.
NONE = "\N{EN DASH}"


def render_page(title, body):
    """Put a body into the frame of all pages.

    Parameters
    ----------
    title : str
        Plain text.
    body : str
        HTML.

    Returns
    -------
    str
        The whole page.
    """
    template = resources.files("gzmass.pages").joinpath("page.html").read_text(encoding="utf-8")
    return Template(template).substitute(title=escape(title), body=body)


def cards(items):
    """Show the main numbers of a page.

    Parameters
    ----------
    items : iterable of (str, str)
        Value and label, plain text; what stands behind `` ± `` in a value is written smaller.

    Returns
    -------
    str
        HTML.
    """
    lines = "\n".join(f"<li><b>{_value(value)}</b><span>{escape(label)}</span></li>" for value, label in items)
    return f'<ul class="cards">{lines}</ul>'


def table(columns, rows, caption, *, strong_rows=0):
    """Write a table.

    Parameters
    ----------
    columns : sequence of str
        Headings, plain text.
    rows : iterable of sequences of str
        Cells, plain text.
    caption : str
        HTML.
    strong_rows : int, default 0
        How many of the first rows stand out.

    Returns
    -------
    str
        HTML.
    """
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    lines = []
    for index, row in enumerate(rows):
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in row)
        opening = '<tr class="run">' if index < strong_rows else "<tr>"
        lines.append(f"{opening}{cells}</tr>")
    return (
        f'<p class="note">{caption}</p><div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def figures(items, *, small=False, mark=""):
    """Show figures with their captions.

    Parameters
    ----------
    items : iterable of (str, str)
        PNG as base64 text, and caption as plain text.
    small : bool, default False
        Whether many stand in a row.
    mark : str, default ""
        HTML behind each caption.

    Returns
    -------
    str
        HTML.
    """
    parts = [
        f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{png}">'
        f"<figcaption>{escape(caption)}{mark}</figcaption></figure>"
        for png, caption in items
    ]
    return f'<div class="figures{" small" if small else ""}">{"".join(parts)}</div>'


def picture(png, alt):
    """Embed a picture.

    Parameters
    ----------
    png : bytes
        The PNG file.
    alt : str
        What it shows, plain text.

    Returns
    -------
    str
        HTML.
    """
    return f'<img alt="{escape(alt)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def number(value, *, sign=False):
    """Write a number for reading, with three decimals.

    Parameters
    ----------
    value : float
        The number; NaN is written as a dash.
    sign : bool, default False
        Whether to write the sign of a positive number.

    Returns
    -------
    str
        Plain text.
    """
    if not np.isfinite(value):
        return NONE
    text = f"{value:+.3f}" if sign else f"{value:.3f}"
    return text.replace("-", "\N{MINUS SIGN}")


def _value(text):
    value, *error = text.split(" ± ")
    return escape(value) + "".join(f" <small>± {escape(part)}</small>" for part in error)
