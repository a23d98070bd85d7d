"""The figures of preparation.html: what the labels and columns of a dataset look like, and where its galaxies are."""

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator, NullFormatter

from gzmass.pages.figures import BLUE, GREY, INK, new_figure, styled

__all__ = ["column_figure", "sky_figure", "votes_figure"]

_MAX_BINS = 40
_FAR = 20  # of a value that is not drawn: distance from the median over the width of the central 90 %
_FEW = 10  # different values, as of a flag: all of them are drawn
_DECADES = 1.5  # a positive column that spans more has a logarithmic axis
_WIDE = 30.0  # degrees; a wider sample is drawn on the whole sky
_MANY = 5000  # galaxies from which on their density is drawn


@styled
def column_figure(values, label):
    """Draw the distribution of a column; on a logarithmic axis where it spans decades.

    Parameters
    ----------
    values : array_like of float
        Shape (n,); what is not finite is left out.
    label : str
        What it is, with its unit.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    figure, axes = new_figure(2.6, 2.1)
    values = _without_strays(axes, values)
    low, high = np.quantile(values, [0.0, 1.0])
    if low == high:
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    n_bins = int(np.clip(2 * np.sqrt(len(values)), 6, _MAX_BINS))
    if low > 0 and np.log10(high / low) > _DECADES:
        edges = np.geomspace(low, high, n_bins + 1)
        axes.set_xscale("log")
        axes.set_xticks(*_log_ticks(low, high))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        edges = np.linspace(low, high, n_bins + 1)
        _few_ticks(axes.xaxis, 3)
    counts, edges = np.histogram(values, edges)
    axes.stairs(counts, edges, color=BLUE, fill=True, alpha=0.85)
    axes.set(ylabel="galaxies", xlim=(edges[0], edges[-1]))
    axes.yaxis.get_major_locator().set_params(integer=True)
    figure.supxlabel(label, fontsize=9, color=INK)  # may be wider than the axes
    return figure


def _without_strays(axes, values):
    """Leave out what is so far from the rest that it would press that into one bar, and say so above the axes."""
    p5, p50, p95 = np.quantile(values, [0.05, 0.5, 0.95])
    stray = np.abs(values - p50) > _FAR * (p95 - p5)
    decades = values.min() > 0 and np.log10(values.max() / values.min()) > _DECADES
    if not stray.any() or len(np.unique(values)) < _FEW or decades:
        return values
    ends = "to".join(f" {value:.4g} " for value in np.unique([values[stray].min(), values[stray].max()]))
    axes.set_title(f"{stray.sum():,} beyond:{ends}".rstrip().replace("-", "\N{MINUS SIGN}"), fontsize=8, color=INK)
    return values[~stray]


def _log_ticks(low, high):
    """Ticks of a logarithmic axis and their labels: a few powers of ten, with their triples where they are too few."""
    first, last = int(np.floor(np.log10(low))), int(np.floor(np.log10(high)))
    powers = [(1, power) for power in range(first, last + 1) if low <= 10.0**power <= high]
    if len(powers) < 2:
        powers = [(c, power) for power in range(first, last + 1) for c in (1, 3) if low <= c * 10.0**power <= high]
    powers = powers[:: -(-len(powers) // 4)]
    labels = [f"$10^{{{power}}}$" if c == 1 else rf"${c}\times10^{{{power}}}$" for c, power in powers]
    return [c * 10.0**power for c, power in powers], labels


def _few_ticks(axis, n=4):
    """Tick an axis so sparsely that long numbers do not touch, and write them out."""
    axis.set_major_locator(MaxNLocator(n))
    axis.get_major_formatter().set_useOffset(False)


@styled
def votes_figure(fractions, names, title):
    """Draw how the vote fractions of one question are distributed.

    Parameters
    ----------
    fractions : numpy.ndarray
        Fraction of each answer, shape (n, n_answers), in 0 to 1; NaN where the question was not asked.
    names : sequence of str
        The answers.
    title : str
        The question, with how many galaxies answer it.

    Returns
    -------
    matplotlib.figure.Figure
        The figure: median, central 68 % and central 90 % of each answer.
    """
    figure, axes = new_figure(3.0, 1.0 + 0.27 * len(names))
    position = -np.arange(len(names), dtype=float)
    known = fractions[np.isfinite(fractions).all(axis=1)]
    p5, p16, p50, p84, p95 = np.quantile(known, [0.05, 0.16, 0.5, 0.84, 0.95], axis=0)
    axes.hlines(position, p5, p95, color="#9CC6E0", linewidth=3)
    axes.hlines(position, p16, p84, color=BLUE, linewidth=6)
    axes.plot(p50, position, "o", color="white", markeredgecolor=INK, markersize=5.5)
    axes.set(yticks=position, yticklabels=names, xlim=(-0.02, 1.02), ylim=(position[-1] - 0.6, 0.6))
    figure.supxlabel("fraction of the votes on the question", fontsize=9, color=INK)
    axes.set_title(title, fontsize=9.5, color=INK, loc="left")
    return figure


@styled
def sky_figure(ra, dec):
    """Draw where on the sky the galaxies are.

    Parameters
    ----------
    ra, dec : array_like of float
        Positions in degrees, shape (n,).

    Returns
    -------
    matplotlib.figure.Figure
        The figure: the whole sky in Mollweide's projection, or the part of it where the sample lies.
    """
    ra, dec = np.asarray(ra, dtype=float), np.asarray(dec, dtype=float)
    known = np.isfinite(ra) & np.isfinite(dec)
    ra, dec = ra[known], dec[known]
    x, y = np.cos(np.radians(ra)).mean(), np.sin(np.radians(ra)).mean()
    middle = np.degrees(np.arctan2(y, x)) % 360
    offset = (ra - middle + 180) % 360 - 180
    if np.ptp(offset) < _WIDE and np.ptp(dec) < _WIDE:
        figure, axes = new_figure(4.6, 3.6)
        axes.plot(middle + offset, dec, ".", color=BLUE, markersize=4, alpha=0.6, markeredgewidth=0)
        axes.invert_xaxis()  # east is left
        axes.set(xlabel="right ascension [deg]", ylabel="declination [deg]")
        _few_ticks(axes.xaxis)
        axes.xaxis.set_major_formatter(lambda degrees, _: f"{degrees % 360:g}")
        axes.set_aspect(1 / max(np.cos(np.radians(dec.mean())), 0.1), adjustable="datalim")
        return figure
    figure, axes = new_figure(6.6, 3.7, projection="mollweide")
    # east is left; right ascension 180 deg in the middle, where the surveys of the northern sky look
    longitude = np.radians((180 - ra + 180) % 360 - 180)
    if len(ra) < _MANY:
        axes.plot(longitude, np.radians(dec), ".", color=BLUE, markersize=3, alpha=0.5, markeredgewidth=0)
    else:
        cells = axes.hexbin(
            longitude, np.radians(dec), gridsize=90, mincnt=1, norm=LogNorm(), cmap="Blues", linewidths=0
        )
        figure.colorbar(cells, ax=axes, label="galaxies", shrink=0.6, pad=0.03)
    axes.set_xticks(np.radians([-120, -60, 0, 60, 120]), ["300°", "240°", "180°", "120°", "60°"])
    axes.tick_params(labelsize=8, colors=GREY)
    axes.grid(visible=True, color="#DDDDDD", linewidth=0.6)
    return figure
