"""Log conditional probability of each answer: a softmax within each question of a decision tree."""

import keras
from keras import ops

from gzmass.layers.segments import answer_largest, answer_sums, of_its_question
from gzmass.layers.tree_layer import TreeLayer

__all__ = ["ConditionalSoftmax"]


@keras.saving.register_keras_serializable(package="gzmass")
class ConditionalSoftmax(TreeLayer):
    """Softmax within each question of a decision tree, as log probabilities.

    All questions are normalised in one pass, without a loop. The result is computed in float32 under every
    precision policy: a half-precision softmax loses the rare answers.

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

    def call(self, logits):
        """Normalise the logits.

        Parameters
        ----------
        logits : tensor of float
            Shape (b, n_answers), any finite values.

        Returns
        -------
        tensor of float32
            Log conditional probability of each answer (nats), shape (b, n_answers): the exponentials of the
            answers to one question sum to 1.
        """
        logits = ops.cast(logits, "float32")
        # the shift cancels, so that no gradient has to pass through it
        largest = answer_largest(self.tree, ops.stop_gradient(logits))
        shifted = logits - of_its_question(self.tree, largest)
        return shifted - of_its_question(self.tree, ops.log(answer_sums(self.tree, ops.exp(shifted))))

    def compute_output_shape(self, input_shape):
        """Shape of the output.

        Parameters
        ----------
        input_shape : tuple of int or None
            Shape of the logits.

        Returns
        -------
        tuple of int or None
            The same shape.
        """
        return tuple(input_shape)
