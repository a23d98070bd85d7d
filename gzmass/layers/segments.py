"""From answers to questions and back, on tensors."""

from keras import ops

__all__ = ["LOG_ZERO", "answer_largest", "answer_sums", "of_its_question"]

LOG_ZERO = -1e30  # stands for log(0): exp(LOG_ZERO) is 0, and unlike -inf it has finite gradients

# Segment operations work on the first axis. Both transpositions cost less than gathers along the second one,
# whose gradient is a slow scatter, and unlike products with a 0/1 matrix nothing is rounded on a GPU.


def answer_sums(tree, values):
    """Sum over the answers of each question.

    Parameters
    ----------
    tree : DecisionTree
        The tree.
    values : tensor of float32
        Shape (b, n_answers).

    Returns
    -------
    tensor of float32
        Shape (b, n_questions).
    """
    return ops.transpose(ops.segment_sum(ops.transpose(values), tree.segment, tree.n_questions))


def answer_largest(tree, values):
    """Largest value among the answers of each question.

    Parameters
    ----------
    tree : DecisionTree
        The tree.
    values : tensor of float32
        Shape (b, n_answers).

    Returns
    -------
    tensor of float32
        Shape (b, n_questions).
    """
    return ops.transpose(ops.segment_max(ops.transpose(values), tree.segment, tree.n_questions))


def of_its_question(tree, values):
    """Give each answer the value of its question.

    Parameters
    ----------
    tree : DecisionTree
        The tree.
    values : tensor of float32
        Shape (b, n_questions).

    Returns
    -------
    tensor of float32
        Shape (b, n_answers).
    """
    return ops.transpose(ops.take(ops.transpose(values), tree.segment, axis=0))
