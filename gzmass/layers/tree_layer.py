"""What layers on the answers of a decision tree have in common."""

import keras

from gzmass.errors import TreeError
from gzmass.tree import load_tree

__all__ = ["TreeLayer"]


class TreeLayer(keras.layers.Layer):
    """A layer whose input has a column for each answer of a decision tree.

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

    def __init__(self, tree, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.tree = load_tree(tree)

    def build(self, input_shape):
        """Check the number of columns.

        Parameters
        ----------
        input_shape : tuple of int or None
            Shape of the input: (None, n_answers).

        Raises
        ------
        TreeError
            The number of columns is not the number of answers.
        """
        if len(input_shape) != 2 or input_shape[1] != self.tree.n_answers:
            raise TreeError(
                f"The tree {self.tree.name!r} has {self.tree.n_answers} answers and takes arrays of shape "
                f"(b, {self.tree.n_answers}). Received: shape {tuple(input_shape)}."
            )
        super().build(input_shape)

    def get_config(self):
        """Turn the layer into plain data, with the whole tree in it.

        Returns
        -------
        dict
            What the constructor takes.
        """
        return {**super().get_config(), "tree": self.tree.to_dict()}
