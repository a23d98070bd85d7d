"""What the residuals of M/L are looked at against: labels, metadata, size, shape and morphology, also in groups."""

from dataclasses import dataclass

import numpy as np

from gzmass.evaluation.image_statistics import image_statistics
from gzmass.evaluation.metrics import CHUNK, joint_truth, mass_to_light_metrics
from gzmass.evaluation.wording import span

__all__ = ["Quantity", "residual_groups", "residual_quantities", "running_percentiles"]

#: Columns of the joined table by the name of the quantity, the first known one counts; label; whether in decades.
COLUMNS = {
    "M/L label": (("true_log_ml_g",), None, False),
    "predicted M/L": (("log_ml_g",), None, False),
    "redshift": (("redshift",), "redshift", False),
    "radius": (("radius_kpc",), r"$\log_{10}$ radius [kpc]", True),
    "angular radius": (("radius_arcsec",), r"$\log_{10}$ radius [arcsec]", True),
    "luminosity": (("luminosity_g",), r"$\log_{10}$ luminosity [$L_\odot$ of the band]", True),
    "axis ratio": (("axis_ratio", "sim_axis_ratio"), "axis ratio b/a", False),
}
MEASURED = {  # what an image tells where no column does: quantity, its column of `image_statistics`, label
    "axis ratio": ("axis_ratio", "axis ratio b/a, of the image's second moments"),
    "size in the image": ("r50", "half-light radius / side, measured on the image"),
}
MAX_MEASURED = 4000  # images, spread evenly over the galaxies: 0.4 ms each
MIN_GALAXIES = 20  # in a figure or a group
MIN_VOTES = 5  # on a question, for a fraction that says something
MAX_QUESTIONS = 3


@dataclass(frozen=True)
class Quantity:
    """One quantity that residuals are looked at against.

    Parameters
    ----------
    name : str
        Its name, in words.
    title : str
        What a caption calls it.
    label : str or None
        Label of its axis, with the unit; None for M/L, whose label depends on what the labels are.
    values : numpy.ndarray of float
        One value a galaxy, shape (n,), NaN where it is not known.
    """

    name: str
    title: str
    label: str | None
    values: np.ndarray


def residual_quantities(labelled, dataset):
    """Collect what is known of labelled galaxies: from the columns of the dataset, its votes and its images.

    Parameters
    ----------
    labelled : pandas.DataFrame
        What `gzmass.evaluation.measure.join_truth` returned.
    dataset : gzmass.datasets.Dataset
        The dataset.

    Returns
    -------
    list of Quantity
        M/L label, prediction, redshift, size, luminosity, axis ratio (where no column has it, measured on at
        most 4,000 of the images), and voted fractions: of the first three questions of the tree that enough
        galaxies have votes on, the answer that varies most. What is known of fewer than 20 galaxies is left
        out.
    """
    found = []
    for name, (columns, label, decades) in COLUMNS.items():
        for column in columns:
            values = labelled[column].to_numpy(float) if column in labelled.columns else np.zeros(0)
            if decades:
                values = np.log10(np.where(values > 0, values, np.nan))
            if _enough(values):
                found.append(Quantity(name, name, label, values))
                break
    names = {quantity.name for quantity in found}
    wanted = [name for name in MEASURED if name not in names]
    if {"radius", "angular radius"} & names:
        wanted = [name for name in wanted if name != "size in the image"]
    found += [quantity for quantity in _measured(labelled, dataset, wanted) if _enough(quantity.values)]
    return found + _voted(labelled, dataset)


def running_percentiles(x, y, n_bins=15):
    """Median and central 68 % of y in bins of x that hold equally many galaxies.

    Parameters
    ----------
    x : array_like of float
        Shape (n,).
    y : array_like of float
        Shape (n,). A galaxy with NaN in either is left out.
    n_bins : int, default 15
        Bins at most; each holds at least 15 galaxies.

    Returns
    -------
    dict of str to list of float
        ``x`` (median of x in the bin), ``p16``, ``p50``, ``p84`` (of y); empty lists where there are too few
        galaxies for three bins.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    n_bins = min(len(x) // 15, n_bins)
    if n_bins < 3:
        return {"x": [], "p16": [], "p50": [], "p84": []}
    parts = _equal_parts(x, n_bins)
    percentiles = np.transpose([np.quantile(y[part], [0.16, 0.5, 0.84]) for part in parts])
    keys = dict(zip(("p16", "p50", "p84"), percentiles.tolist(), strict=True))
    return {"x": [float(np.median(x[part])) for part in parts], **keys}


def residual_groups(labelled, dataset, quantities):
    """Measure M/L in groups of galaxies: thirds of each quantity, and what most volunteers saw.

    Parameters
    ----------
    labelled : pandas.DataFrame
        What `gzmass.evaluation.measure.join_truth` returned.
    dataset : gzmass.datasets.Dataset
        The dataset.
    quantities : list of Quantity
        What `residual_quantities` returned; the label itself and the fractions are not cut into thirds.

    Returns
    -------
    list of dict
        What `gzmass.evaluation.mass_to_light_metrics` returns for each group in dex, with its ``quantity`` and
        ``group``. A galaxy belongs to an answer that more than half of all its volunteers gave. Groups of
        fewer than 20 galaxies are left out.
    """
    true, predicted = (labelled[name].to_numpy(float) for name in ("true_log_ml_g", "log_ml_g"))
    groups = []
    for quantity in quantities:
        if quantity.name == "M/L label" or quantity.name not in {*COLUMNS, *MEASURED}:
            continue
        known = np.flatnonzero(np.isfinite(quantity.values))
        edges = np.quantile(quantity.values[known], [0, 1 / 3, 2 / 3, 1])
        third = np.searchsorted(edges[1:3], quantity.values[known], side="left")
        for index, name in enumerate(("lowest", "middle", "highest")):
            ends = edges[index : index + 2]
            if quantity.name in COLUMNS and COLUMNS[quantity.name][2]:
                ends = 10.0**ends
            label = f"{name} third ({span(quantity.name, *ends)})"
            groups.append((quantity.name, label, known[third == index]))
    if dataset.tree is not None:
        votes = dataset.votes(labelled["row"].to_numpy())
        chunks = [votes[start : start + CHUNK] for start in range(0, len(votes), CHUNK)]
        given = np.concatenate([joint_truth(chunk, dataset.tree) > 0.5 for chunk in chunks])
        for index, answer in enumerate(dataset.tree.answers):
            question = dataset.tree.questions[dataset.tree.segment[index]]
            groups.append((question.name, answer.text, np.flatnonzero(given[:, index])))
    return [
        {"quantity": quantity, "group": group, **mass_to_light_metrics(true[rows], predicted[rows], units=("dex",))}
        for quantity, group, rows in groups
        if np.isfinite(true[rows] - predicted[rows]).sum() >= MIN_GALAXIES
    ]


def _measured(labelled, dataset, wanted):
    if not wanted:
        return
    step = -(-len(labelled) // MAX_MEASURED)
    places = np.arange(0, len(labelled), step)
    rows = labelled["row"].to_numpy()[places]
    statistics = image_statistics(dataset.images(rows))
    for name in wanted:
        column, label = MEASURED[name]
        values = np.full(len(labelled), np.nan)
        values[places] = statistics[column]
        yield Quantity(name, name, label, values)


def _voted(labelled, dataset):
    tree, found = dataset.tree, []
    if tree is None:
        return found
    votes = dataset.votes(labelled["row"].to_numpy())
    for index, question in enumerate(tree.questions):
        if len(found) == MAX_QUESTIONS:
            break
        own = np.ascontiguousarray(votes[:, tree.segment == index].T, dtype=float)
        total = own.sum(axis=0)
        asked = total >= MIN_VOTES
        if asked.sum() < MIN_GALAXIES:
            continue
        fractions = own[:, asked] / total[asked]
        answer = int(np.argmax(fractions.std(axis=1).round(6)))  # of two answers the first: they vary alike
        values = np.full(len(labelled), np.nan)
        values[asked] = fractions[answer]
        text = question.answers[answer].text
        label = f"voted fraction: {text}"[:40].replace("$", r"\$")  # a dollar sign would start a formula
        name = f"{question.name}: {text}"
        found.append(Quantity(name, f"the voted fraction of {name}", label, values))
    return found


def _equal_parts(x, n):
    """Places of the values in order, cut into n parts; of equal values the first come first, as in a stable sort.

    Several times as fast: only values that are equal across a cut are put in the order of their places.
    """
    order = np.argsort(x)
    parts = np.array_split(order, n)
    for cut in np.cumsum([len(part) for part in parts])[:-1]:
        value = x[order[cut]]
        if x[order[cut - 1]] == value:
            first, last = (np.searchsorted(x, value, side=side, sorter=order) for side in ("left", "right"))
            order[first:last].sort()
    return parts


def _enough(values):
    return np.isfinite(values).sum() >= MIN_GALAXIES
