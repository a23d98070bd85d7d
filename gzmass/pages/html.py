"""HTML that stands alone: the frame of a page with its style, tables, cards and embedded pictures."""

import base64
from html import escape
from importlib import resources
from string import Template

import numpy as np

__all__ = ["NONE", "cards", "figures", "number", "picture", "render_page", "table"]

#: What stands for a number that is not defined.
NONE = "\N{EN DASH}"


def render_page(title, head, sections=()):
    """Put the parts of a page into the frame of all pages.

    Parameters
    ----------
    title : str
        Plain text.
    head : str
        HTML that comes first.
    sections : iterable of (str, str, str), default ()
        Their names in links, headings (plain text) and HTML. One without HTML is left out.

    Returns
    -------
    str
        The whole page.
    """
    sections = [section for section in sections if section[2]]
    links = " ".join(f'<a href="#{name}">{escape(heading)}</a>' for name, heading, _ in sections)
    parts = [head, f"<nav>{links}</nav>"] if sections else [head]
    parts += [f'<h2 id="{name}">{escape(heading)}</h2>\n{text}' for name, heading, text in sections]
    template = resources.files("gzmass.pages").joinpath("page.html").read_text(encoding="utf-8")
    return Template(template).substitute(title=escape(title), body="\n".join(parts))


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


def table(columns, rows, caption, *, strong_rows=0, text_columns=1, foot=()):
    """Write a table, which a click on a heading sorts.

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
    text_columns : int, default 1
        How many of the first columns hold text, set to the left.
    foot : iterable of sequences of str, default ()
        Rows that stay at the end however the others are sorted.

    Returns
    -------
    str
        HTML.
    """

    def line(tag, cells, opening="<tr>"):
        texts = [
            f'<{tag} class="text">{escape(cell)}</{tag}>' if k < text_columns else f"<{tag}>{escape(cell)}</{tag}>"
            for k, cell in enumerate(cells)
        ]
        return f"{opening}{''.join(texts)}</tr>"

    body = [line("td", row, '<tr class="run">' if k < strong_rows else "<tr>") for k, row in enumerate(rows)]
    feet = [line("td", row) for row in foot]
    end = f"<tfoot>{''.join(feet)}</tfoot>" if feet else ""
    return (
        f'<p class="note">{caption}</p><div class="wide"><table><thead>{line("th", columns)}</thead>'
        f"<tbody>{''.join(body)}</tbody>{end}</table></div>"
    )


def figures(items, *, small=False, mark=""):
    """Show figures with their captions.

    Parameters
    ----------
    items : iterable of (bytes, str)
        The PNG file, and its caption as plain text.
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
        f'<figure><img class="plot" alt="{escape(caption)}" src="{_embedded(png)}">'
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
    return f'<img alt="{escape(alt)}" src="{_embedded(png)}">'


def number(value, *, sign=False, digits=3):
    """Write a number for reading.

    Parameters
    ----------
    value : float
        The number; NaN is written as a dash.
    sign : bool, default False
        Whether to write the sign of a positive number.
    digits : int, default 3
        Decimals.

    Returns
    -------
    str
        Plain text.
    """
    if not np.isfinite(value):
        return NONE
    text = f"{round(value, digits) + 0.0:{'+' if sign else ''}.{digits}f}"  # + 0.0: no minus before a zero
    return text.replace("-", "\N{MINUS SIGN}")


def _embedded(png):
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _value(text):
    value, *error = text.split(" ± ")
    return escape(value) + "".join(f" <small>± {escape(part)}</small>" for part in error)
