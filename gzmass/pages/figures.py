"""The style of all figures: drawn without a window or global state, colours for colour-blind readers too."""

import io
from functools import wraps

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

__all__ = ["BLUE", "COLOURS", "GREEN", "GREY", "INK", "RED", "image_png", "new_figure", "styled", "to_png"]

# blue, vermilion and green of Okabe & Ito (2008), which stay apart in the common kinds of colour blindness
BLUE, RED, GREEN, GREY, INK = "#0072B2", "#D55E00", "#009E73", "#8A8A8A", "#222222"
#: The three, and the rest of their palette, for curves that a legend tells apart.
COLOURS = (BLUE, RED, GREEN, "#CC79A7", "#E69F00", "#56B4E9", INK)
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.labelsize": 10,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.6,
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
}


def styled(draw):
    """Make a function that draws use the style of the house.

    Parameters
    ----------
    draw : callable
        The function.

    Returns
    -------
    callable
        The same function within the style.
    """

    @wraps(draw)
    def inner(*args, **kwargs):
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return inner


def new_figure(width, height, **kwargs):
    """Make a figure that is drawn into memory, with one pair of axes.

    Parameters
    ----------
    width, height : float
        Size in inches.
    **kwargs : dict
        Arguments of the axes, such as ``projection``.

    Returns
    -------
    figure : matplotlib.figure.Figure
        The figure.
    axes : matplotlib.axes.Axes
        Its axes.
    """
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot(**kwargs)


@styled
def to_png(figure, dpi=170):
    """Write a figure as PNG.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    dpi : int, default 170
        Pixels an inch.

    Returns
    -------
    bytes
        The PNG file, with 256 colours and without a date: the same figure gives the same bytes.
    """
    figure.set_dpi(dpi)
    figure.canvas.draw()
    pixels = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    buffer = io.BytesIO()
    # a third of the bytes of true colours
    pixels.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def image_png(image, max_side=None):
    """Write the 8-bit image of a galaxy as PNG.

    Parameters
    ----------
    image : numpy.ndarray of uint8
        Shape (npix, npix) or (npix, npix, 1).
    max_side : int, optional
        A larger image is reduced to this number of pixels a side, so that a page of many stays small.

    Returns
    -------
    bytes
        The PNG file, greyscale.
    """
    buffer = io.BytesIO()
    picture = Image.fromarray(np.asarray(image, dtype=np.uint8).reshape(image.shape[:2]))
    if max_side is not None:
        picture.thumbnail((max_side, max_side))
    picture.save(buffer, format="PNG")
    return buffer.getvalue()
