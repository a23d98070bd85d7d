"""The columns of a predictions table, put together from what a graph gives."""

import numpy as np
import pandas as pd

from gzmass.calibration.stellar_mass import stellar_mass
from gzmass.models.domain_score import PARTS, domain_score

__all__ = ["assemble"]

_ROUNDING = 1e-5  # by which the score of the very galaxy that a limit was taken from differs from batch to batch


def assemble(mass_to_light, luminosity, tree, parts, learnt=None):
    """Put the columns of a predictions table together.

    Parameters
    ----------
    mass_to_light : pandas.DataFrame or None
        What `gzmass.calibration.apply_calibration` returned.
    luminosity : array_like of float or None
        Luminosity in the g band [L_sun,g], shape (n,), NaN where unknown.
    tree : gzmass.tree.DecisionTree or None
        The decision tree of the votes.
    parts : dict of str to numpy.ndarray
        What `Run.outputs` returned.
    learnt : collection of str, optional
        Names of the questions whose votes were learnt; the others have no fractions, and what hangs on them no
        probability to be asked. By default all.

    Returns
    -------
    pandas.DataFrame
        The columns of `Run.predict`.
    """
    columns = {}
    reasons = parts["reasons"]
    if mass_to_light is not None:
        columns.update(mass_to_light)
        luminosity = np.full(len(reasons), np.nan) if luminosity is None else luminosity
        columns["log_mstar"], columns["log_mstar_sigma"] = stellar_mass(
            columns["log_ml_g"], columns["log_ml_g_sigma"], luminosity
        )
    if "votes" in parts:
        fractions, asked = _known_fractions(tree, parts["votes"], learnt)
        columns.update({f"{stem}_fraction": fractions[:, k] for k, stem in enumerate(tree.stems)})
        columns.update({f"{q.name}_asked": asked[:, k] for k, q in enumerate(tree.questions)})
    if "domain_parts" in parts:
        found = dict(zip(PARTS, parts["domain_parts"], strict=True))
        columns["domain_score"] = domain_score(parts["domain_parts"])
        columns |= {"domain_noise": found["noise"], "domain_blur": found["blur"]}
        reasons = reasons.astype(object)
        for name, values in found.items():
            for i in np.flatnonzero(np.abs(values) > 1 + _ROUNDING):
                reason = f"domain_{name} {values[i]:.3g} {'above 1' if values[i] > 0 else 'below -1'}"
                reasons[i] = f"{reasons[i]}; {reason}" if reasons[i] else reason
    columns["in_domain"] = reasons == ""
    columns["out_of_domain_reason"] = reasons
    return pd.DataFrame(columns)


def _known_fractions(tree, fractions, learnt):
    """Fractions of the questions that were learnt, and how often each is asked as far as it follows from these."""
    if learnt is None or all(question.name in learnt for question in tree.questions):
        return fractions, tree.asked(fractions)
    unknown = np.array([question.name not in learnt for question in tree.questions])[tree.segment]
    fractions = np.where(unknown, np.nan, fractions)
    return fractions, tree.follow(fractions)[0]
