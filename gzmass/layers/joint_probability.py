"""Probability that each question is asked and each answer given, in log space down the tree."""

import keras
import numpy as np
from keras import ops

from gzmass.layers.segments import LOG_ZERO
from gzmass.layers.tree_layer import TreeLayer

__all__ = ["JointProbability", "log_walk", "place_in_level"]


@keras.saving.register_keras_serializable(package="gzmass")
class JointProbability(TreeLayer):
    """Log probability that each question is asked and that each answer is given.

    A question is asked with the sum of the joint probabilities of the answers leading to it, and an answer is
    given with the probability that its question is asked times its conditional probability. The sums are
    taken in log space, level by level of the tree.

    Parameters
    ----------
    tree : str, pathlib.Path, dict or DecisionTree
        What `gzmass.tree.load_tree` takes: ``"gz2"``, a YAML file, the plain data of a tree, or a tree.
    **kwargs : dict
        Arguments of `keras.layers.Layer`; `dtype` is float32 unless it is given.

    Raises
    ------
    TreeError
        The tree can not be used, or (when built) the input has another number of columns than the tree
        answers.
    """

    def call(self, log_conditional):
        """Walk down the tree.

        Parameters
        ----------
        log_conditional : tensor of float
            Log conditional probability of each answer (nats), shape (b, n_answers), as `ConditionalSoftmax`
            gives it.

        Returns
        -------
        dict of str to tensor of float32
            ``asked``: log probability that each question is asked, shape (b, n_questions), 0 for a root;
            ``joint``: log probability that each answer is given, shape (b, n_answers).
        """
        asked, joint = log_walk(self.tree, log_conditional)
        return {"asked": asked, "joint": joint}

    def compute_output_shape(self, input_shape):
        """Shapes of the outputs.

        Parameters
        ----------
        input_shape : tuple of int or None
            Shape of the log conditional probabilities.

        Returns
        -------
        dict of str to tuple
            Shapes of ``asked`` and ``joint``.
        """
        return {"asked": (input_shape[0], self.tree.n_questions), "joint": tuple(input_shape)}


def log_walk(tree, log_conditional):
    """Log probabilities that questions are asked and answers given, as a function on tensors.

    Parameters
    ----------
    tree : DecisionTree
        The tree.
    log_conditional : tensor of float
        Log conditional probability of each answer (nats), shape (b, n_answers); -inf is taken as -1e30.

    Returns
    -------
    asked : tensor of float32
        Shape (b, n_questions).
    joint : tensor of float32
        Shape (b, n_answers).
    """
    # questions and answers first, as in gzmass.layers.segments; each row is made once, and nothing but its parents is
    # summed for a question
    conditional = ops.transpose(ops.maximum(ops.cast(log_conditional, "float32"), LOG_ZERO))
    joint = ops.full_like(conditional[:1], 10 * LOG_ZERO * len(tree.levels))  # row 0 stands for no answer
    row_of, asked = np.zeros(tree.n_answers, dtype=int), []
    for number, level in enumerate(tree.levels):
        if number == 0:
            here = ops.zeros_like(conditional[: len(level)])
        else:
            parents = _padded([row_of[tree.parents[question]] for question in level])
            leading = ops.reshape(ops.take(joint, parents.ravel(), axis=0), (*parents.shape, -1))
            here = ops.logsumexp(leading, axis=1)
        own, place = place_in_level(tree, level)
        row_of[own] = joint.shape[0] + np.arange(own.sum())
        answers = ops.take(here, place[own], axis=0) + ops.take(conditional, np.flatnonzero(own), axis=0)
        joint = ops.concatenate([joint, answers])
        asked.append(here)
    asked = ops.take(ops.concatenate(asked), np.argsort(np.concatenate(tree.levels)), axis=0)
    return ops.transpose(asked), ops.transpose(ops.take(joint, row_of, axis=0))


def _padded(rows):
    """Make one array of lists of rows, filled up with row 0."""
    padded = np.zeros((len(rows), max(map(len, rows))), dtype=int)
    for one, own in zip(padded, rows, strict=True):
        one[: len(own)] = own
    return padded


def place_in_level(tree, level):
    """Where the answers to the questions of one level are.

    Parameters
    ----------
    tree : DecisionTree
        The tree.
    level : numpy.ndarray of int
        Indices of the questions of the level.

    Returns
    -------
    own : numpy.ndarray of bool
        Which answers belong to them, shape (n_answers,).
    place : numpy.ndarray of int
        At which place of `level` the question of such an answer stands (0 for the others), shape
        (n_answers,).
    """
    matches = tree.segment[:, None] == level
    return matches.any(axis=1), matches.argmax(axis=1)
