"""The galaxies that a report shows: best, median and worst, those most out of domain, and some with their votes."""

import numpy as np
import pandas as pd

from gzmass.evaluation.metrics import joint_truth

__all__ = ["mass_to_light_galleries", "most_out_of_domain", "vote_examples"]

MAX_EXAMPLES = 20_000  # galaxies that the examples of votes are chosen among


def mass_to_light_galleries(joined, n=8):
    """Choose galaxies by the size of their residual.

    Parameters
    ----------
    joined : pandas.DataFrame
        What `gzmass.evaluation.measure.join_truth` returned.
    n : int, default 8
        Galaxies in each gallery, at most.

    Returns
    -------
    dict of str to numpy.ndarray of int
        Places in the table by ``best``, ``median`` and ``worst``; empty without M/L.
    """
    if "log_ml_g" not in joined.columns:
        return {}
    residual = (joined["log_ml_g"] - joined["true_log_ml_g"]).to_numpy(float)
    known = np.flatnonzero(np.isfinite(residual))
    order = known[np.argsort(np.abs(residual[known]), kind="stable")]
    return _ends_and_middle(order, n) if len(order) else {}


def most_out_of_domain(joined, n=8):
    """Choose the galaxies that are least like what the model was trained on.

    Parameters
    ----------
    joined : pandas.DataFrame
        What `gzmass.evaluation.measure.join_truth` returned.
    n : int, default 8
        How many, at most.

    Returns
    -------
    numpy.ndarray of int
        Places in the table. Where the predictions have a ``domain_score``: those that count as outside, by that or
        for another reason, then others, both by the score (the higher the further outside); else those that are
        outside, by the number of their reasons.
    """
    outside = np.zeros(len(joined), dtype=bool)
    if "in_domain" in joined.columns:
        outside = ~joined["in_domain"].fillna(value=False).to_numpy(bool)
    if "domain_score" in joined.columns and joined["domain_score"].notna().any():
        score = joined["domain_score"].to_numpy(float)
    else:
        reasons = joined.get("out_of_domain_reason", pd.Series("", joined.index)).fillna("").astype(str)
        score = np.where(outside, reasons.str.count("; ").to_numpy(), np.nan)
    known = np.flatnonzero(np.isfinite(score))
    return known[np.lexsort((-score[known], ~outside[known]))][:n]


def vote_examples(joined, dataset):
    """Choose galaxies whose decision trees are drawn: best, median and worst predicted votes.

    Parameters
    ----------
    joined : pandas.DataFrame
        What `gzmass.evaluation.measure.join_truth` returned, with vote fractions.
    dataset : gzmass.datasets.Dataset
        The dataset, with a decision tree.

    Returns
    -------
    dict of str to int
        Places in the table, by ``best``, ``median`` and ``worst``: by the RMSE of the joint probabilities
        over the known answers, among at most 20,000 galaxies that are spread evenly.
    """
    tree = dataset.tree
    places = np.arange(0, len(joined), -(-len(joined) // MAX_EXAMPLES))
    sample = joined.iloc[places]
    fractions = sample[[f"{stem}_fraction" for stem in tree.stems]].to_numpy(float)
    votes = np.where(np.isnan(fractions), np.nan, dataset.votes(sample["row"].to_numpy()))
    truth, predicted = joint_truth(votes, tree), tree.follow(fractions)[1]
    squared = (predicted - truth) ** 2
    known = np.isfinite(squared)
    count = known.sum(axis=1)
    scored = np.flatnonzero(count > 0)
    mean = np.where(known, squared, 0.0).sum(axis=1)[scored] / count[scored]
    order = places[scored[np.argsort(mean, kind="stable")]]
    return {name: int(chosen[0]) for name, chosen in _ends_and_middle(order, 1).items() if len(chosen)}


def _ends_and_middle(order, n):
    middle = max((len(order) - n) // 2, 0)
    return {"best": order[:n], "median": order[middle : middle + n], "worst": order[::-1][:n]}
