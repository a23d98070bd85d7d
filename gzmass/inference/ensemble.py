"""Several runs as one: their predictions as a mixture, calibrated on the galaxies that all of them held out."""

from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import pandas as pd
from scipy.special import ndtri

from gzmass.calibration.conformal import calibrate_intervals, interval_scores, sigma_scale
from gzmass.calibration.groups import QUANTITIES, choose_calibration
from gzmass.calibration.mixture import mixture_moments, mixture_quantile, mixture_score
from gzmass.errors import DataError
from gzmass.models import Run, load_run
from gzmass.models.columns import assemble
from gzmass.models.conventions import LABEL_KEYS, different_conventions
from gzmass.models.validation import read_validation

__all__ = ["MIN_COMMON", "Ensemble", "load_ensemble", "refuse_different_cards"]

#: Galaxies that all runs must have held out for the ensemble to be calibrated on them.
MIN_COMMON = 100

# what the card of a run says about its dataset, and what must be the same for a mean of predictions to mean anything
_CONVENTIONS = ("band", "stretch", *LABEL_KEYS)
# scores of a standard Gaussian, in the form of a calibration: what an ensemble is given that can not be calibrated
_GAUSSIAN = ndtri((np.arange(20_000) + 0.5) / 20_000)


@dataclass(frozen=True)
class Ensemble:
    """Runs whose predictions are averaged; `load_ensemble` makes one.

    Parameters
    ----------
    runs : tuple of gzmass.models.Run
        The runs.
    calibration : dict
        Calibration of the scores of the mixture, as `gzmass.calibration.choose_calibration` gives it.
    n_common : int
        Galaxies that it was calibrated on; 0 if the runs have too few in common, and the mixture is taken as it is.
    """

    runs: tuple
    calibration: dict = field(repr=False)
    n_common: int

    @property
    def metadata(self):
        """Names of the metadata columns that one of the graphs takes.

        Returns
        -------
        list of str
            Each once.
        """
        return list(dict.fromkeys(name for run in self.runs for name in run.metadata))

    @property
    def card(self):
        """What a report says of the ensemble.

        Returns
        -------
        dict
            ``ensemble``, the paths of the runs; ``description``, ``metadata``, ``calibration`` and ``n_common``.
        """
        return {
            "description": f"mean of {len(self.runs)} runs",
            "ensemble": [str(run.path) for run in self.runs],
            "metadata": self.metadata,
            "n_common": self.n_common,
            "calibration": self.calibration if self.n_common else None,
        }

    def predict(self, images, metadata=None, luminosity=None, batch_size=256):
        """Predict M/L, stellar mass and vote fractions.

        Parameters
        ----------
        images : array_like of uint8
            As `gzmass.models.Run.predict` takes them.
        metadata : pandas.DataFrame, optional
            The columns of all runs in physical units, and what the calibration groups by.
        luminosity : array_like of float, optional
            Luminosity in the g band [L_sun,g], shape (n,); by default the column ``luminosity_g`` of the metadata.
        batch_size : int, default 256
            Galaxies that go through a graph at once.

        Returns
        -------
        pandas.DataFrame
            The columns of `gzmass.models.Run.predict`: ``log_ml_g`` is the mean of the mixture and its percentiles and
            bounds are quantiles of the mixture; votes are the mean probabilities of the runs that have them;
            ``domain_score`` is made of the means of its parts, of those that have them.

        Raises
        ------
        DataError
            Images or metadata of another shape or type than a graph takes.
        """
        return self.predictions(
            [run.outputs(images, metadata, batch_size) for run in self.runs], self.known(metadata, luminosity)
        )

    def known(self, metadata=None, luminosity=None):
        """Collect what is known of galaxies beside their images.

        Parameters
        ----------
        metadata : pandas.DataFrame, optional
            As in `Ensemble.predict`.
        luminosity : array_like of float, optional
            As in `Ensemble.predict`.

        Returns
        -------
        dict of str to numpy.ndarray of float
            As `gzmass.models.Run.known` gives it.
        """
        return self.runs[0].known(metadata, luminosity)

    def predictions(self, outputs, known):
        """Make the columns of predictions of what the graphs gave.

        Parameters
        ----------
        outputs : sequence of dict
            What `gzmass.models.Run.outputs` returned, of each run.
        known : dict of str to numpy.ndarray of float
            What `Ensemble.known` returned.

        Returns
        -------
        pandas.DataFrame
            The columns of `Ensemble.predict`.
        """
        parts = {name: np.mean(found, axis=0) for name in ("votes", "domain_parts") if (found := _those(outputs, name))}
        reasons = zip(*_those(outputs, "reasons"), strict=True)
        parts["reasons"] = np.array([_union(one) for one in reasons], dtype=object)
        mass_to_light = None
        if "log_ml" in outputs[0]:
            means = np.stack([one["log_ml"][:, 0] for one in outputs])
            sigmas = np.stack([_scale(r) * one["log_ml"][:, 1] for r, one in zip(self.runs, outputs, strict=True)])
            mass_to_light = self._mass_to_light(means, sigmas, known)
        tree = next((run.tree for run in self.runs if run.tree), None)
        return assemble(mass_to_light, known.get("luminosity_g"), tree, parts, _learnt(self.runs))

    def _mass_to_light(self, means, sigmas, known):
        mean = mixture_moments(means, sigmas)[0]
        scores = interval_scores(self.calibration, len(mean), {**known, "log_ml_g": mean})
        columns = {name: mixture_quantile(np.clip(score, -8, 8), means, sigmas) for name, score in scores.items()}
        width = (columns["log_ml_g_p84"] - columns["log_ml_g_p16"]) / 2
        return pd.DataFrame({"log_ml_g": mean, "log_ml_g_sigma": width, **columns})


def load_ensemble(runs):
    """Open several runs to predict with them together, and calibrate them as the one predictor that they are.

    The calibration needs galaxies with M/L that none of the runs has learnt from: those that are in the table of
    held-out galaxies of each (``validation.parquet``). Their labels are compared with the mixture of the runs, as for
    a single run. Where there are fewer than `MIN_COMMON`, because the runs were split differently or are old, the
    mixture is taken as it is, each run with its own calibrated sigma; its intervals then promise nothing.

    Parameters
    ----------
    runs : sequence of gzmass.models.Run, str or pathlib.Path
        At least two finished runs or their directories.

    Returns
    -------
    Ensemble
        The runs, their calibration, and `Ensemble.predict`.

    Raises
    ------
    DataError
        There are fewer than two runs, or two have the same weights, or they differ in npix, in the tree of their
        votes, in the conventions of their labels or images, or in whether they predict M/L.
    """
    runs = tuple(run if isinstance(run, Run) else load_run(run) for run in runs)
    if len(runs) < 2:
        raise DataError(f"An ensemble has at least two runs. Received: {len(runs)}.")
    refuse_different_cards([run.path for run in runs], [run.card for run in runs])
    if "log_ml" not in runs[0].model.output:
        return Ensemble(runs, {}, 0)
    tables = [read_validation(run.path) for run in runs]
    if any(table is None for table in tables) or len({str(table["id"].dtype) for table in tables}) > 1:
        return Ensemble(runs, calibrate_intervals(_GAUSSIAN, 0.0, 1.0), 0)
    ids = reduce(np.intersect1d, [table["id"].to_numpy() for table in tables])
    if len(ids) < MIN_COMMON:
        return Ensemble(runs, calibrate_intervals(_GAUSSIAN, 0.0, 1.0), 0)
    tables = [table.set_index("id").loc[ids] for table in tables]
    means = np.stack([table["log_ml_g"] for table in tables])
    sigmas = np.stack([_scale(run) * table["sigma"] for run, table in zip(runs, tables, strict=True)])
    score = mixture_score(tables[0]["true_log_ml_g"], means, sigmas)
    quantities = {name: tables[0][name].to_numpy() for name in QUANTITIES if name in tables[0]}
    mean, sigma = mixture_moments(means, sigmas)
    quantities["log_ml_g"] = mean
    # the scores are those of the mixture; its sigma makes dex of them, in which ways to calibrate are compared
    return Ensemble(runs, choose_calibration(mean + sigma * score, mean, sigma, quantities), len(ids))


def refuse_different_cards(paths, cards):
    """Refuse runs whose predictions can not be averaged.

    Parameters
    ----------
    paths : sequence of str or pathlib.Path
        The run directories.
    cards : sequence of dict
        Their cards.

    Raises
    ------
    DataError
        Two of them have the same weights, or differ in npix, in the tree of their votes, in the conventions of their
        labels or images, or in whether they predict M/L.
    """
    first = cards[0]
    with_tree = next((k for k, card in enumerate(cards) if card["tree"]), 0)  # a run may have no vote head
    for path, other in zip(paths[1:], cards[1:], strict=True):
        compared = {"npix": (first["npix"], other["npix"])}
        compared["output of M/L"] = tuple(card["kind"] == "finetune-ml" for card in (first, other))
        compared |= different_conventions(first["dataset"], other["dataset"], _CONVENTIONS)
        if other["tree"]:
            compared["tree"] = (cards[with_tree]["tree_hash"], other["tree_hash"])
        for key, (here, there) in compared.items():
            if here != there:
                compared_with = paths[with_tree if key == "tree" else 0]
                raise DataError(
                    f"The runs {str(compared_with)!r} and {str(path)!r} can not be averaged: the {key} of the first is "
                    f"{here!r}, that of the second {there!r}."
                )
    hashes = [card.get("weights_hash") for card in cards]
    for k, (path, own) in enumerate(zip(paths, hashes, strict=True)):
        if own is not None and own in hashes[:k]:
            raise DataError(
                f"The runs {str(paths[hashes.index(own)])!r} and {str(path)!r} have the same weights: to average them "
                "is to count one of them twice."
            )


def _learnt(runs):
    """Questions that all runs with a vote head have learnt; None where none of them says."""
    said = [run.card["learnt_questions"] for run in runs if run.tree and "learnt_questions" in run.card]
    return set.intersection(*map(set, said)) if said else None


def _scale(run):
    return sigma_scale(run.card["calibration"])


def _those(every, name):
    return [one[name] for one in every if name in one]


def _union(reasons):
    return "; ".join(dict.fromkeys(part for reason in reasons for part in reason.split("; ") if part))
