"""The votes of volunteers on simulated galaxies: probabilities that follow what can be seen, walked down the tree."""

import numpy as np
from scipy.special import expit

from gzmass.simulate.morphology import ODD_FEATURES
from gzmass.simulate.population import galaxy_rng
from gzmass.tree import load_tree

__all__ = ["CONCENTRATION", "cast_votes", "draw_votes", "vote_probabilities"]

CONCENTRATION = 20.0  # of the Dirichlet: how alike galaxies that look alike are voted on
MEAN_CLASSIFICATIONS, SD_CLASSIFICATIONS = 44, 5  # the median of the Galaxy Zoo 2 main sample (Willett et al. 2013)


def vote_probabilities(population):
    """Probability of each answer among those asked, from the morphology as far as seeing and noise leave it visible.

    Parameters
    ----------
    population : pandas.DataFrame
        Galaxies as `gzmass.simulate.draw_population` draws them.

    Returns
    -------
    numpy.ndarray of float
        Conditional probabilities, shape (n, 37), in the order of the Galaxy Zoo 2 tree; they sum to 1 within a
        question.
    """
    see = {name.removeprefix("sim_"): population[name].to_numpy() for name in population if name.startswith("sim_")}
    features = _features(see)
    answers = [
        _smooth_or_features(see, features),
        _yes_no(features["edge_on"]),
        _yes_no(features["bar"]),
        _yes_no(features["spiral"]),
        _ordered(features["bulge"], (-2.9, 0.0, 2.8), 1.0),
        _yes_no(features["odd"]),
        _ordered(np.where(see["kind"] == "artifact", 0.95, see["axis_ratio"]), (0.36, 0.82), 0.075)[:, ::-1],
        _odd_feature(see),
        _bulge_shape(see),
        _ordered(np.log(np.nan_to_num(see["pitch_deg"], nan=16.0)), (np.log(16.5), np.log(31.0)), 0.26),
        _arm_number(see),
    ]
    return np.concatenate(answers, axis=1)


def _features(see):
    """Logits of what a volunteer notices."""
    disc, irregular = see["kind"] == "disc", see["kind"] == "irregular"
    seen, q = see["visibility"], see["axis_ratio"]
    flat = np.where(disc, 1.0, 0.0) * expit((0.24 - q) / 0.035)
    face_on = expit((q - 0.33) / 0.06)
    arms = see["arm_strength"] * seen * face_on
    bar = see["bar_strength"] * seen * face_on
    ring = see["ring_strength"] * seen
    clumps = see["clumpiness"] * seen * np.where(disc | irregular, 1.0, 0.5)
    odd = see["odd_feature"]
    lane = np.where(see["edge_on"], 0.0, see["dust_lane"]) * seen
    peculiar = seen * np.select(
        [odd == "merger", odd == "disturbed", odd == "lens_or_arc", odd == "other", irregular],
        [0.75, 0.7, 0.8, 0.55, 0.6],
        0.0,
    )
    evidence = 2.0 * arms + 0.9 * bar + 1.2 * ring + 0.9 * clumps + 1.0 * lane
    evidence += 1.9 * flat * (0.5 + 0.5 * seen) + 0.8 * irregular * seen + 0.5 * peculiar
    evidence += np.where(disc, 0.35 * seen * (1 - see["bulge_to_total"]), 0.0)
    return {
        "features": -2.3 + 2.25 * evidence,
        "edge_on": np.where(disc | irregular, (0.265 - q) / 0.04, (0.16 - q) / 0.05) + 0.2,
        "bar": -1.6 + 4.6 * bar - 0.3 * arms,
        "spiral": -1.5 + 6.0 * arms,
        "bulge": _bulge_logit(see),
        "odd": -2.1 + 4.4 * np.maximum.reduce([peculiar, 0.85 * ring, 0.75 * lane]) + 0.4 * (1 - seen) + 0.6 * clumps,
    }


def _bulge_logit(see):
    share = np.clip(np.where(see["kind"] == "irregular", 0.02, see["bulge_to_total"]), 0.01, 0.95)
    return np.clip(0.75 * np.log(share / (1 - share)) + 1.0, -2.6, 3.0)


def _smooth_or_features(see, features):
    features = expit(features["features"])
    compact = expit((np.log(3.6) - np.log(see["r90_arcsec"])) / 0.25)
    concentrated = np.where(see["kind"] == "spheroid", expit((see["sersic_index"] - 3.2) / 0.6), 0.2)
    artifact = np.where(see["kind"] == "artifact", 0.85, 0.03 + 0.08 * concentrated + 0.05 * compact)
    artifact = artifact * (1 - 0.6 * features * (see["kind"] != "artifact"))
    return np.stack([(1 - artifact) * (1 - features), (1 - artifact) * features, artifact], axis=1)


def _odd_feature(see):
    seen, odd = see["visibility"], see["odd_feature"]
    strength = {name: (odd == name) * seen for name in ODD_FEATURES[1:]}
    ring = 1.3 * see["ring_strength"] * seen + 0.2 * see["arm_strength"]
    weights = [
        0.15 + 9.0 * ring,
        0.10 + 6.0 * strength["lens_or_arc"],
        0.10 + 5.0 * strength["disturbed"] + 0.6 * strength["merger"] + 0.3 * see["clumpiness"],
        0.10 + 6.0 * (see["kind"] == "irregular") * seen + 1.2 * see["clumpiness"] ** 2 + 0.8 * strength["disturbed"],
        0.75 + 5.0 * strength["other"] + 1.2 * (see["kind"] == "artifact"),
        0.45 + 9.0 * strength["merger"] + 2.5 * strength["other"] + 1.5 * strength["disturbed"],
        0.04 + 7.0 * see["dust_lane"] * seen * np.where(see["edge_on"], 0.3, 1.0),
    ]
    weights = np.stack(weights, axis=1)
    return weights / weights.sum(axis=1, keepdims=True)


def _bulge_shape(see):
    logit = np.log(np.clip(see["bulge_to_total"], 0.005, 0.95))
    bulge = expit((logit - np.log(0.11)) / 0.60)
    boxy = np.where(see["boxy_bulge"], 0.15 + 0.55 * see["visibility"], 0.07)
    return np.stack([bulge * (1 - boxy), bulge * boxy, 1 - bulge], axis=1)


def _arm_number(see):
    """Peak at the number of arms, with more of "can't tell" where they are faint or without order."""
    number = np.where(see["arm_number"] == 0, 6, see["arm_number"])[:, None]
    clear = np.clip(see["arm_strength"] * see["visibility"] * 1.25, 0, 1)[:, None]
    count = np.arange(1, 6)
    near = np.exp(-0.5 * ((number - count) / 0.42) ** 2)
    vague = np.array([0.10, 0.42, 0.12, 0.05, 0.06])
    near = np.where(number == 6, vague, near)
    near /= near.sum(axis=1, keepdims=True)
    tell = np.where(number == 6, 0.42, 0.45 + 0.48 * clear)
    known = tell * ((0.25 + 0.75 * clear) * near + (0.75 - 0.75 * clear) * vague / vague.sum())
    return np.concatenate([known, 1 - tell], axis=1)


def _yes_no(logit):
    yes = 0.01 + 0.98 * expit(logit)
    return np.stack([yes, 1 - yes], axis=1)


def _ordered(value, thresholds, width):
    """Probabilities of ordered answers: where `value`, blurred by `width`, lies among the thresholds."""
    above = expit((np.asarray(value)[:, None] - np.array(thresholds)) / width)
    steps = np.concatenate([np.ones((len(above), 1)), above, np.zeros((len(above), 1))], axis=1)
    chances = 0.01 + steps[:, :-1] - steps[:, 1:]
    return chances / chances.sum(axis=1, keepdims=True)


def draw_votes(probability, tree, rng, n_classifications=None):
    """Let volunteers walk down the tree: a question is asked as often as the answers that lead to it were given.

    Parameters
    ----------
    probability : array_like of float
        Conditional probability of each answer for one galaxy, shape (n_answers,).
    tree : gzmass.tree.DecisionTree
        The questions.
    rng : numpy.random.Generator
        Random numbers of this galaxy.
    n_classifications : int, optional
        How many volunteers; about 44 if it is not given.

    Returns
    -------
    numpy.ndarray of int
        Votes for each answer, shape (n_answers,): Dirichlet-multinomial within each question.
    """
    if n_classifications is None:
        n_classifications = int(np.clip(rng.normal(MEAN_CLASSIFICATIONS, SD_CLASSIFICATIONS), 20, 70))
    weight = np.maximum(rng.standard_gamma(CONCENTRATION * np.asarray(probability)), 1e-12)
    share = weight / np.add.reduceat(weight, tree.starts)[tree.segment]
    votes = np.zeros(tree.n_answers, dtype=np.int64)
    for question in np.concatenate(tree.levels):
        leads_here = tree.parents[question]
        asked = votes[leads_here].sum() if leads_here.any() else n_classifications
        own = slice(tree.starts[question], tree.starts[question] + len(tree.questions[question].answers))
        votes[own] = rng.multinomial(asked, share[own])
    return votes


def cast_votes(population, seed=0):
    """Votes on each galaxy, from random numbers of its own.

    Parameters
    ----------
    population : pandas.DataFrame
        Galaxies as `gzmass.simulate.draw_population` draws them.
    seed : int, default 0
        Seed of the simulation.

    Returns
    -------
    numpy.ndarray of float
        Votes for each of the 37 answers of the Galaxy Zoo 2 tree, shape (n, 37).
    """
    tree = load_tree("gz2")
    chances = vote_probabilities(population)
    return np.array(
        [
            draw_votes(chance, tree, galaxy_rng(seed, int(number), "votes"))
            for chance, number in zip(chances, population["id"], strict=True)
        ],
        dtype=float,
    )
