"""The figures of the report, with units on every axis."""

import re
from itertools import cycle

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_rgb

from gzmass.evaluation.residuals import running_percentiles
from gzmass.pages.figures import BLUE, COLOURS, GREEN, GREY, INK, RED, new_figure, styled

__all__ = [
    "coverage_plot",
    "log_ml_label",
    "pit_histogram",
    "predicted_against_true",
    "reliability_plot",
    "residual_plot",
    "rmse_plot",
    "vote_rmse_plot",
]

DENSITY = LinearSegmentedColormap.from_list("density", ["#DCE9F3", "#A9CCE6", "#5BA3CF", BLUE])
MANY = 1500  # galaxies from which on a cloud of points is drawn as its density


@styled
def predicted_against_true(true, predicted, kind="true", band="g"):
    """Draw predicted against true log M/L, with the running median of the prediction and the least-squares line.

    Parameters
    ----------
    true : array_like of float
        True log10 M/L, shape (n,).
    predicted : array_like of float
        Predicted log10 M/L, shape (n,).
    kind : str, default "true"
        What the label is called on the axis: ``"true"`` or ``"proxy"``.
    band : str, default "g"
        Band of the luminosity.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    true, predicted = _finite(true, predicted)
    figure, axes = new_figure(4.4, 4.1)
    limits = _limits(np.concatenate([true, predicted]))
    cells = _cloud(axes, true, predicted, [*limits, *limits])
    if cells is not None:
        figure.colorbar(cells, ax=axes, label="galaxies", shrink=0.7, pad=0.02)
    axes.plot(limits, limits, color=INK, linewidth=1, linestyle="--", label="equal")
    _running(axes, running_percentiles(true, predicted))
    if len(true) > 1 and np.ptp(true) > 0:
        slope = np.cov(true, predicted)[0, 1] / np.var(true, ddof=1)
        fit = predicted.mean() + slope * (np.array(limits) - true.mean())
        axes.plot(limits, fit, color=GREEN, linewidth=1.4, linestyle="-.", label=f"fit: slope {slope:.2f}")
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    axes.set(xlabel=log_ml_label(kind, band), ylabel=log_ml_label("predicted", band))
    _outside(axes, true, predicted)
    axes.legend(loc="upper left")
    return figure


@styled
def residual_plot(x, residual, x_label, running):
    """Draw the residual of log M/L against a quantity, with the running median and the central 68 %.

    Parameters
    ----------
    x : array_like of float
        The quantity, shape (n,).
    residual : array_like of float
        Predicted minus true log10 M/L [dex], shape (n,).
    x_label : str
        Label of the quantity, with its unit.
    running : dict of str to list of float
        What `gzmass.evaluation.residuals.running_percentiles` returned for these.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    x, residual = _finite(x, residual)
    figure, axes = new_figure(4.4, 3.4)
    x_limits, y_limits = _limits(x), _limits(residual)
    largest = max(abs(y_limits[0]), abs(y_limits[1]))
    _cloud(axes, x, residual, [*x_limits, -largest, largest])
    axes.axhline(0, color=INK, linewidth=1, linestyle="--")
    _running(axes, running)
    axes.set(xlim=x_limits, ylim=(-largest, largest), xlabel=x_label, ylabel="predicted \N{MINUS SIGN} label [dex]")
    _outside(axes, x, residual)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper right", ncols=2)
    return figure


@styled
def coverage_plot(coverages):
    """Draw the share of galaxies inside their intervals, for all of them and in thirds of some quantities.

    Parameters
    ----------
    coverages : list of dict
        One dict a level: ``level``, ``overall`` (what `gzmass.calibration.coverage` returns) and
        ``thirds``, a dict of lists of three such dicts by the name of the quantity.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    names = ["all"]
    for quantity in coverages[0]["thirds"] if coverages else ():
        names += [f"{quantity}: {third}" for third in ("low", "middle", "high")]
    figure, axes = new_figure(4.6, 1.3 + 0.24 * len(names))
    position = -np.arange(len(names), dtype=float)
    styles = zip(coverages, (BLUE, GREEN, RED, GREY), ("o", "s", "D", "^"), strict=False)
    for item, colour, marker in styles:
        groups = [item["overall"], *[third for thirds in item["thirds"].values() for third in thirds]]
        share = [100 * group["coverage"] for group in groups]
        error = [100 * group["error"] for group in groups]
        label = f"{100 * item['level']:.6g} %"
        axes.axvline(100 * item["level"], color=colour, linewidth=1, linestyle="--")
        axes.errorbar(share, position, xerr=error, fmt=marker, color=colour, markersize=4.5, label=label)
    for edge in position[1::3]:
        axes.axhline(edge + 0.5, color="#DDDDDD", linewidth=0.8)
    axes.set(yticks=position, yticklabels=names, xlabel="galaxies inside the interval [%]")
    axes.set_ylim(position[-1] - 0.6, 0.6)
    axes.set_xlim(right=100.5)
    figure.legend(loc="outside upper center", ncols=4, title="level of the interval (dashed: aim)", title_fontsize=9)
    return figure


@styled
def pit_histogram(values, n_calibrated=None):
    """Draw the histogram of the probability integral transform beside the uniform one.

    Parameters
    ----------
    values : array_like of float
        What `gzmass.calibration.pit` returned, shape (n,).
    n_calibrated : int, optional
        Galaxies that the distributions were calibrated on; None if they were not.

    Returns
    -------
    matplotlib.figure.Figure
        The figure; a bin of well calibrated galaxies lies in the grey band 95 times out of 100. Its width is that of
        a binomial share of the galaxies, and of the beta variable that a bin holds after calibration on others.
    """
    (values,) = _finite(values)
    figure, axes = new_figure(4.4, 3.0)
    n_bins = int(np.clip(len(values) // 20, 5, 20))
    density, edges = np.histogram(values, bins=n_bins, range=(0, 1))
    density = density * n_bins / max(len(values), 1)
    noise = 1 / max(len(values), 1) + (0 if n_calibrated is None else 1 / (n_calibrated + 2))
    half = 1.96 * np.sqrt((n_bins - 1) * noise)
    axes.axhspan(max(1 - half, 0), 1 + half, color="#DDDDDD", label="uniform: 95 % of bins")
    axes.axhline(1, color=GREY, linewidth=1)
    axes.stairs(density, edges, baseline=None, color=BLUE, linewidth=1.8, label="galaxies")
    axes.set(xlim=(0, 1), ylim=(0, max(1.9, 1.35 * density.max(initial=0))))
    axes.set(xlabel="predicted probability of a lower M/L than the label", ylabel="density")
    axes.legend(loc="upper center", ncols=2)
    return figure


@styled
def rmse_plot(names, values, errors, x_label):
    """Draw the error of each predictor beside that of the run.

    Parameters
    ----------
    names : sequence of str
        The predictors; the first is the run.
    values : sequence of float
        RMSE of each.
    errors : sequence of float
        Standard error of each.
    x_label : str
        Label of the axis, with its unit.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure, axes = new_figure(4.4, 0.9 + 0.34 * len(names))
    position = -np.arange(len(names), dtype=float)
    colours = [BLUE] + [GREY] * (len(names) - 1)
    axes.barh(position, values, xerr=errors, color=colours, height=0.62, error_kw={"ecolor": INK, "capsize": 2})
    axes.set(yticks=position, yticklabels=[_short(name, end=True) for name in names], xlabel=x_label)
    axes.set_xlim(left=0)
    return figure


@styled
def vote_rmse_plot(questions, mean="the training set"):
    """Draw the error of the vote fractions of each question beside that of predicting the mean.

    Parameters
    ----------
    questions : list of dict
        What `gzmass.evaluation.vote_metrics` returned as ``questions``.
    mean : str, default "the training set"
        What the mean is that of.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure, axes = new_figure(4.6, 1.3 + 0.3 * len(questions))
    position = -np.arange(len(questions), dtype=float)
    model, of_mean = [q["rmse"] for q in questions], [q["rmse_mean"] for q in questions]
    axes.hlines(position, model, of_mean, color="#BBBBBB", linewidth=2.5)
    axes.plot(of_mean, position, "D", color=GREY, markersize=5, label=f"mean of {mean}")
    error = [q["rmse_error"] for q in questions]
    axes.errorbar(model, position, xerr=error, fmt="o", color=BLUE, markersize=6, label="run")
    axes.set(yticks=position, yticklabels=[_short(q["question"]) for q in questions])
    axes.set(xlabel="RMSE of the conditional fraction", ylim=(position[-1] - 0.6, 0.6))
    axes.set_xlim(left=0)
    figure.legend(loc="outside upper center", ncols=2)
    return figure


@styled
def reliability_plot(question):
    """Draw voted against predicted fractions of each answer of one question; of two only of the first.

    Parameters
    ----------
    question : dict
        An entry of ``questions``, as `gzmass.evaluation.vote_metrics` gives them.

    Returns
    -------
    matplotlib.figure.Figure
        The figure; the area of a point is the share of the votes in its bin, and bins with next to none stand alone.
    """
    answers = list(zip(question["answers"], question["reliability"], strict=True))
    if len(answers) == 2:  # the second is the first turned by half a turn
        answers = answers[:1]
    figure, axes = new_figure(2.5, 2.65 + 0.19 * len(answers))
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle="--")
    for (answer, bins), colour in zip(answers, cycle(COLOURS), strict=False):
        line = [(b["predicted"], b["voted"]) for b in bins if b["weight"] > 0.002]  # the others are a handful of votes
        axes.plot(*np.reshape(line, (-1, 2)).T, color=colour, linewidth=1.2, label=_short(answer))
        size = [8 + 150 * b["weight"] for b in bins]
        points = [b["predicted"] for b in bins], [b["voted"] for b in bins]
        axes.scatter(*points, s=size, color=colour, alpha=0.75, linewidth=0)
    figure.legend(loc="outside lower left", fontsize=8, labelspacing=0.2, borderpad=0.1)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    axes.set(xlabel="predicted fraction", ylabel="voted fraction")
    axes.set_title(_short(question["question"]), fontsize=10, color=INK)
    return figure


def log_ml_label(kind, band="g"):
    """Label of an axis with log M/L.

    Parameters
    ----------
    kind : str
        ``"true"``, ``"proxy"`` or ``"predicted"``.
    band : str, default "g"
        Band of the luminosity.

    Returns
    -------
    str
        The label, with its unit.
    """
    band = rf"\mathrm{{{re.sub('[^A-Za-z0-9]', '', band)}}}" if len(band) > 1 else band
    return rf"{kind} $\log_{{10}}\,M_\star/L_{{{band}}}$ [$M_\odot/L_{{\odot,{band}}}$]"


def _cloud(axes, x, y, extent):
    """Draw points, or the density of many: its colours are returned then."""
    if len(x) < MANY:
        axes.plot(x, y, ".", color=BLUE, markersize=4, alpha=0.45, markeredgewidth=0, rasterized=True)
        return None
    gridsize = int(np.clip(np.sqrt(len(x)) / 1.2, 30, 60))
    return axes.hexbin(x, y, gridsize=gridsize, extent=extent, mincnt=1, norm=LogNorm(), cmap=DENSITY, linewidths=0)


def _running(axes, running):
    if running["x"]:
        band = {"facecolor": (*to_rgb(RED), 0.15), "edgecolor": RED, "linewidth": 0.9, "linestyle": ":"}
        axes.fill_between(running["x"], running["p16"], running["p84"], label="central 68 %", **band)
        axes.plot(running["x"], running["p50"], color=RED, label="running median")


def _limits(values):
    if len(values) == 0:
        return -1.0, 1.0
    low, high = np.quantile(values, [0.001, 0.999])
    margin = 0.06 * (high - low) or 0.5
    return float(low - margin), float(high + margin)


def _outside(axes, x, y):
    """Say in a corner how many points lie outside the axes, which the few most extreme ones do not stretch."""
    low, high = axes.get_xlim(), axes.get_ylim()
    n = int(np.sum((x < low[0]) | (x > low[1]) | (y < high[0]) | (y > high[1])))
    if n:
        axes.text(0.98, 0.02, f"{n} outside", transform=axes.transAxes, ha="right", fontsize=8, color=GREY)


def _finite(*arrays):
    arrays = [np.asarray(array, dtype=float) for array in arrays]
    known = np.logical_and.reduce([np.isfinite(array) for array in arrays])
    return [array[known] for array in arrays]


def _short(name, length=27, *, end=False):
    # a dollar sign would start a formula
    name = str(name).replace("$", r"\$")
    if len(name) <= length:
        return name
    # the end of a path is what tells runs apart
    dots = "\N{HORIZONTAL ELLIPSIS}"
    return dots + name[1 - length :] if end else name[: length - 1] + dots
