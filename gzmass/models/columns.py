"""The columns of a predictions table, put together from what a graph gives."""

import numpy as np
import pandas as pd

from gzmass.evaluation.calibration import stellar_mass

__all__ = ["assemble"]


def assemble(mass_to_light, luminosity, tree, parts):
    """Put the columns of a predictions table together.

    Parameters
    ----------
    mass_to_light : pandas.DataFrame or None
        What `gzmass.evaluation.apply_calibration` returned.
    luminosity : array_like of float or None
        Luminosity in the g band [L_sun,g], shape (n,), NaN where unknown.
    tree : gzmass.tree.DecisionTree or None
        The decision tree of the votes.
    parts : dict of str to numpy.ndarray
        What `Run.outputs` returned.

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
        fractions = parts["votes"]
        asked = tree.asked(fractions)
        columns.update({f"{stem}_fraction": fractions[:, k] for k, stem in enumerate(tree.stems)})
        columns.update({f"{q.name}_asked": asked[:, k] for k, q in enumerate(tree.questions)})
    if "domain_score" in parts:
        columns["domain_score"] = score = parts["domain_score"]
        unusual = [f"domain_score {value:.3g} above 1" if value > 1 else "" for value in score]
        reasons = np.array(["; ".join(filter(None, both)) for both in zip(reasons, unusual, strict=True)], dtype=object)
    columns["in_domain"] = reasons == ""
    columns["out_of_domain_reason"] = reasons
    return pd.DataFrame(columns)
