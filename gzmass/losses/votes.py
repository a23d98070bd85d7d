"""Losses on the votes of volunteers: multinomial, Dirichlet-multinomial and squared error."""

import keras
import numpy as np
from keras import ops

from gzmass.errors import ConfigError, TreeError
from gzmass.layers.joint_probability import log_walk, place_in_level
from gzmass.layers.segments import LOG_ZERO, answer_sums, of_its_question
from gzmass.losses.masked import MaskedLoss
from gzmass.losses.rising_factorial import SHIFT, log_rising_factorial_rest
from gzmass.tree import load_tree

__all__ = ["VOTE_LOSSES", "DirichletMultinomialVotes", "MultinomialVotes", "SquaredErrorVotes", "known_votes"]

CONCENTRATION_RANGE = (1e-6, 1e12)


@keras.saving.register_keras_serializable(package="gzmass")
class MultinomialVotes(MaskedLoss):
    r"""Negative log-likelihood of the votes, each question a multinomial.

    .. math:: -\sum_q \left[\ln\frac{\Gamma(N_q+1)}{\prod_k\Gamma(n_k+1)} + \sum_{k\in q} n_k\ln p_k\right]

    with the weights of the votes :math:`n_k` (not necessarily whole), :math:`N_q` their sum over a question
    and the predicted conditional probabilities :math:`p_k`. In nats per galaxy, summed over the questions.

    Labels are the weights of the votes, shape (b, n_answers), >= 0. A question with a missing (NaN) answer or
    without votes contributes nothing; a galaxy is labelled when at least one question has votes. Predictions
    are log conditional probabilities (nats), shape (b, n_answers), as `gzmass.layers.ConditionalSoftmax`
    gives them.

    Parameters
    ----------
    tree : str, pathlib.Path, dict or DecisionTree
        What `gzmass.tree.load_tree` takes.
    name : str, default "multinomial_votes"
        Name of the loss.

    Raises
    ------
    TreeError
        The tree can not be used, or labels or predictions have another number of columns.
    """

    def __init__(self, tree, name="multinomial_votes"):
        super().__init__(name=name)
        self.tree = load_tree(tree)

    def per_galaxy(self, y_true, y_pred):
        """Negative log-likelihood of each galaxy.

        Parameters
        ----------
        y_true : tensor of float32
            Weights of the votes, shape (b, n_answers), NaN where missing.
        y_pred : tensor of float32
            Log conditional probabilities, shape (b, n_answers).

        Returns
        -------
        values : tensor of float32
            Nats, shape (b,).
        labelled : tensor of bool
            Shape (b,).
        """
        check_columns(self.tree, "y_pred", y_pred, self.tree.n_answers)
        votes, totals = known_votes(self.tree, y_true)
        log_p = ops.maximum(y_pred, LOG_ZERO)
        log_likelihood = ops.sum(votes * log_p, axis=1) + _log_coefficient(votes, totals)
        return -log_likelihood, ops.any(totals > 0, axis=1)

    def get_config(self):
        """Turn the loss into plain data, with the whole tree in it.

        Returns
        -------
        dict
            What the constructor takes.
        """
        return {**super().get_config(), "tree": self.tree.to_dict()}


@keras.saving.register_keras_serializable(package="gzmass")
class DirichletMultinomialVotes(MaskedLoss):
    r"""Negative log-likelihood of the votes, each question a Dirichlet-multinomial.

    .. math:: -\sum_q \left[\ln\frac{\Gamma(N_q+1)}{\prod_k\Gamma(n_k+1)} - \ln\,(c_q)_{N_q}
              + \sum_{k\in q}\ln\,(c_q p_k)_{n_k}\right], \qquad (a)_n = \frac{\Gamma(a+n)}{\Gamma(a)}

    The concentration :math:`c_q` says how well the predicted probabilities :math:`p_k` are known, apart from
    the probabilities themselves: :math:`c_q\to\infty` is the multinomial. In nats per galaxy, summed over the
    questions, as Walmsley et al. [1]_ but with any weights of votes. It is computed in float32 without
    subtracting log-gammas.

    Labels are as in `MultinomialVotes`. Predictions are log conditional probabilities (nats), shape (b,
    n_answers), followed, if `concentration` is None, by the log concentration of each question: (b, n_answers
    + n_questions).

    Parameters
    ----------
    tree : str, pathlib.Path, dict or DecisionTree
        What `gzmass.tree.load_tree` takes.
    concentration : float or sequence of float, optional
        One for all questions or one for each, 1e-6 to 1e12; None (default) if it is predicted, when it is
        held within that range.
    name : str, default "dirichlet_multinomial_votes"
        Name of the loss.

    Raises
    ------
    TreeError
        The tree can not be used, or labels or predictions have another number of columns.
    ConfigError
        The concentration is out of its range, or not one for each question.

    References
    ----------
    .. [1] Walmsley et al. 2022, MNRAS 509, 3966
    """

    def __init__(self, tree, concentration=None, name="dirichlet_multinomial_votes"):
        super().__init__(name=name)
        self.tree = load_tree(tree)
        self.concentration = concentration
        if concentration is not None:
            values = np.asarray(concentration, dtype=float)
            if values.shape not in {(), (self.tree.n_questions,)}:
                raise ConfigError(
                    f"concentration must be one number or one for each of the {self.tree.n_questions} "
                    f"questions. Received: {concentration!r}."
                )
            low, high = CONCENTRATION_RANGE
            if not np.all((values >= low) & (values <= high)):
                raise ConfigError(f"concentration must be from {low:g} to {high:g}. Received: {concentration!r}.")
            self.concentration = values.tolist()

    def per_galaxy(self, y_true, y_pred):
        """Negative log-likelihood of each galaxy.

        Parameters
        ----------
        y_true : tensor of float32
            Weights of the votes, shape (b, n_answers), NaN where missing.
        y_pred : tensor of float32
            Log conditional probabilities, with the log concentrations after them if they are predicted.

        Returns
        -------
        values : tensor of float32
            Nats, shape (b,).
        labelled : tensor of bool
            Shape (b,).
        """
        tree = self.tree
        predicted = self.concentration is None
        check_columns(tree, "y_pred", y_pred, tree.n_answers + (tree.n_questions if predicted else 0))
        votes, totals = known_votes(tree, y_true)
        log_p = ops.maximum(y_pred[:, : tree.n_answers], LOG_ZERO)
        low, high = np.log(CONCENTRATION_RANGE)
        if predicted:
            log_c = ops.clip(y_pred[:, tree.n_answers :], low, high)
        else:
            log_c = ops.zeros_like(totals) + np.log(self.concentration).astype("float32")
        c = ops.exp(log_c)
        log_c_of_answer = of_its_question(tree, log_c)
        c_of_answer = of_its_question(tree, c)
        a = c_of_answer * ops.exp(log_p)
        main = votes * ops.log((a + SHIFT) / (c_of_answer + SHIFT))
        parts = log_rising_factorial_rest(a, log_c_of_answer + log_p, votes)
        wholes = log_rising_factorial_rest(c, log_c, totals)
        log_likelihood = ops.sum(main + parts, axis=1) - ops.sum(wholes, axis=1) + _log_coefficient(votes, totals)
        return -log_likelihood, ops.any(totals > 0, axis=1)

    def get_config(self):
        """Turn the loss into plain data, with the whole tree in it.

        Returns
        -------
        dict
            What the constructor takes.
        """
        return {**super().get_config(), "tree": self.tree.to_dict(), "concentration": self.concentration}


@keras.saving.register_keras_serializable(package="gzmass")
class SquaredErrorVotes(MaskedLoss):
    """Mean squared error between predicted and voted probabilities, over the answers that are known.

    Labels and predictions are as in `MultinomialVotes`. With joint probabilities (that the question is asked
    and the answer given) it is the squared error of the Kaggle Galaxy Zoo challenge and of Dobbels et al.
    [1]_. A voted joint probability is known when all voted fractions on the ways to it are; a question that
    nobody can have been asked has 0.

    Parameters
    ----------
    tree : str, pathlib.Path, dict or DecisionTree
        What `gzmass.tree.load_tree` takes.
    probability : {"joint", "conditional"}, default "joint"
        Which probabilities are compared. Where part of the tree has no votes, "conditional" uses what there
        is.
    name : str, default "squared_error_votes"
        Name of the loss.

    Raises
    ------
    TreeError
        The tree can not be used, or labels or predictions have another number of columns.
    ConfigError
        `probability` is none of the two.

    References
    ----------
    .. [1] Dobbels et al. 2019, A&A 624, A102
    """

    def __init__(self, tree, probability="joint", name="squared_error_votes"):
        super().__init__(name=name)
        self.tree = load_tree(tree)
        if probability not in {"joint", "conditional"}:
            raise ConfigError(f"probability must be 'joint' or 'conditional'. Received: {probability!r}.")
        self.probability = probability

    def per_galaxy(self, y_true, y_pred):
        """Mean squared error of each galaxy.

        Parameters
        ----------
        y_true : tensor of float32
            Weights of the votes, shape (b, n_answers), NaN where missing.
        y_pred : tensor of float32
            Log conditional probabilities, shape (b, n_answers).

        Returns
        -------
        values : tensor of float32
            0 to 1, shape (b,).
        labelled : tensor of bool
            Shape (b,).
        """
        check_columns(self.tree, "y_pred", y_pred, self.tree.n_answers)
        votes, totals = known_votes(self.tree, y_true)
        totals = of_its_question(self.tree, totals)
        known = totals > 0
        voted = votes / ops.where(known, totals, 1.0)
        log_p = ops.maximum(y_pred, LOG_ZERO)
        if self.probability == "joint":
            voted, known = _voted_joint(self.tree, voted, known)
            log_p = log_walk(self.tree, log_p)[1]
        known = ops.cast(known, "float32")
        count = ops.sum(known, axis=1)
        error = ops.sum(known * ops.square(ops.exp(log_p) - voted), axis=1)
        return error / ops.maximum(count, 1.0), count > 0

    def get_config(self):
        """Turn the loss into plain data, with the whole tree in it.

        Returns
        -------
        dict
            What the constructor takes.
        """
        return {**super().get_config(), "tree": self.tree.to_dict(), "probability": self.probability}


def known_votes(tree, votes):
    """Votes that can be used: without the questions of which an answer is missing, infinite or negative.

    Parameters
    ----------
    tree : DecisionTree
        The tree.
    votes : tensor of float32
        Weights of the votes, shape (b, n_answers), NaN where missing.

    Returns
    -------
    votes : tensor of float32
        The same, 0 for each answer to a question with a missing answer.
    totals : tensor of float32
        Their sum over each question, shape (b, n_questions): 0 where the question contributes nothing.
    """
    check_columns(tree, "y_true", votes, tree.n_answers)
    missing = ops.logical_not(ops.logical_and(ops.isfinite(votes), votes >= 0))
    incomplete = of_its_question(tree, answer_sums(tree, ops.cast(missing, "float32"))) > 0
    votes = ops.where(incomplete, 0.0, votes)
    return votes, answer_sums(tree, votes)


def check_columns(tree, name, values, n_columns):
    """Refuse labels or predictions of another shape.

    Parameters
    ----------
    tree : DecisionTree
        The tree.
    name : str
        What the array is called in the error.
    values : tensor
        The array.
    n_columns : int
        Number of columns it must have.

    Raises
    ------
    TreeError
        The shape is not (b, n_columns).
    """
    if len(values.shape) != 2 or values.shape[1] != n_columns:
        raise TreeError(
            f"{name} must have the shape (b, {n_columns}) for the tree {tree.name!r} with {tree.n_answers} "
            f"answers to {tree.n_questions} questions. Received: shape {tuple(values.shape)}."
        )


#: The losses on votes by the name that a configuration gives them.
VOTE_LOSSES = {
    "multinomial": MultinomialVotes,
    "dirichlet_multinomial": DirichletMultinomialVotes,
    "squared_error": SquaredErrorVotes,
}


def _log_coefficient(votes, totals):
    # log multinomial coefficients, summed over the questions: ln (1)_N - sum of ln (1)_n
    one, zero = ops.ones_like(votes[:, :1]), ops.zeros_like(votes[:, :1])
    wholes = log_rising_factorial_rest(one, zero, totals)
    return ops.sum(wholes, axis=1) - ops.sum(log_rising_factorial_rest(one, zero, votes), axis=1)


def _voted_joint(tree, fraction, known_fraction):
    # DecisionTree.joint on tensors, with a mask instead of NaN
    joint, known = fraction, known_fraction
    for level in tree.levels[1:]:
        leads = tree.parents[level]
        asked = ops.sum(joint[:, None, :] * leads.astype("float32"), axis=-1)
        asked_known = ops.all(ops.logical_or(known[:, None, :], ~leads), axis=-1)
        own, place = place_in_level(tree, level)
        asked, asked_known = ops.take(asked, place, axis=1), ops.take(asked_known, place, axis=1)
        joint = ops.where(own, asked * fraction, joint)
        here = ops.logical_and(asked_known, ops.logical_or(known_fraction, asked == 0))
        known = ops.where(own, here, known)
    return joint, known
