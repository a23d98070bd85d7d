"""How far the predicted vote fractions are from the voted ones, question by question, during training."""

import keras
from keras import ops

from gzmass.errors import TreeError
from gzmass.layers.segments import answer_sums, of_its_question
from gzmass.losses.votes import known_votes
from gzmass.tree import load_tree

__all__ = ["VoteError"]


@keras.saving.register_keras_serializable(package="gzmass")
class VoteError(keras.metrics.Metric):
    r"""Root mean squared error of the conditional vote fractions, weighted by votes.

    For a question with K answers, :math:`N_i` votes of galaxy i, voted fractions :math:`f` and predicted
    :math:`p`

    .. math:: \sqrt{\frac{\sum_i N_i \frac1K\sum_k (p_{ik}-f_{ik})^2}{\sum_i N_i}}

    The sums are kept over all batches, so that the result does not depend on how the galaxies are cut into
    batches.

    Parameters
    ----------
    tree : str, pathlib.Path, dict or DecisionTree
        What `gzmass.tree.load_tree` takes.
    question : str, optional
        Name of the question; None (default) for the mean over the questions that have votes.
    name : str, optional
        Name of the metric; default ``vote_error``, followed by the question if there is one.

    Raises
    ------
    TreeError
        The tree can not be used, or has no such question.
    """

    def __init__(self, tree, question=None, name=None):
        super().__init__(name=name or "_".join(filter(None, ["vote_error", question])), dtype="float32")
        self.tree = load_tree(tree)
        names = [q.name for q in self.tree.questions]
        if question is not None and question not in names:
            raise TreeError(f"The tree {self.tree.name!r} has no question {question!r}; allowed are {names}.")
        self.question = question
        self._index = None if question is None else names.index(question)
        shape = (self.tree.n_questions,)
        self.error = self.add_variable(shape=shape, initializer="zeros", name="error")
        self.votes = self.add_variable(shape=shape, initializer="zeros", name="votes")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch.

        Parameters
        ----------
        y_true : tensor of float
            Weights of the votes, shape (b, n_answers), NaN where missing.
        y_pred : tensor of float
            Log conditional probabilities, shape (b, n_answers); more columns (log concentrations) are not
            looked at.
        sample_weight : tensor of float, optional
            Weight of each galaxy, shape (b,) or (b, 1).
        """
        tree = self.tree
        y_pred = ops.cast(ops.convert_to_tensor(y_pred), "float32")[:, : tree.n_answers]
        votes, totals = known_votes(tree, ops.cast(ops.convert_to_tensor(y_true), "float32"))
        fraction = votes / ops.maximum(of_its_question(tree, totals), 1e-30)
        sizes = answer_sums(tree, ops.ones_like(votes[:1]))
        square = answer_sums(tree, ops.square(ops.exp(y_pred) - fraction)) / sizes
        weight = totals
        if sample_weight is not None:
            sample_weight = ops.reshape(ops.cast(ops.convert_to_tensor(sample_weight), "float32"), (-1, 1))
            weight = totals * ops.where(totals > 0, sample_weight, 0.0)
        self.error.assign_add(ops.sum(weight * square, axis=0))
        self.votes.assign_add(ops.sum(weight, axis=0))

    def per_question(self):
        """Error of each question so far.

        Returns
        -------
        tensor of float32
            0 to 1, shape (n_questions,); 0 for a question without votes.
        """
        return ops.sqrt(ops.divide_no_nan(self.error, self.votes))

    def result(self):
        """Error of the question, or the mean over the questions that have votes.

        Returns
        -------
        tensor of float32
            Scalar, 0 to 1; 0 if there are no votes.
        """
        errors = self.per_question()
        if self._index is not None:
            return errors[self._index]
        n_voted = ops.sum(ops.cast(self.votes > 0, errors.dtype))
        return ops.sum(errors) / ops.maximum(n_voted, 1.0)

    def get_config(self):
        """Turn the metric into plain data, with the whole tree in it.

        Returns
        -------
        dict
            What the constructor takes.
        """
        return {"name": self.name, "tree": self.tree.to_dict(), "question": self.question}
