"""Muon: the kernels of layers move along orthogonal matrices, all other weights as with AdamW."""

import math

import keras
from keras import ops

__all__ = ["Muon", "orthogonal"]

# of the quintic polynomial p(x) = a x + b x^3 + c x^5, which takes singular values from 0 to 1 close to 1
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_MOMENTUM = 0.95
# root mean square of an update in units of the learning rate, which is about that of an update of AdamW
_RMS = 0.2
# last layers of the heads, whose outputs have each a meaning of its own
_OUTPUT_LAYERS = {"logits", "log_concentration", "log_ml"}


@keras.saving.register_keras_serializable(package="gzmass")
class Muon(keras.optimizers.AdamW):
    """Muon for kernels, AdamW for the biases and the output layers of the heads.

    The momentum of the gradient of a kernel is brought near to an orthogonal matrix before it is added: every direction
    that the gradient has is learnt at the same rate, those in which it is small too. A kernel of a convolution is taken
    as the matrix of its inputs, shape (height * width * channels in, channels out). The learning rate means the same as
    that of AdamW, since updates have the same root mean square (Liu et al. 2025, arXiv:2502.16982, section 2.2); the
    method is that of Jordan et al. 2024, https://kellerjordan.github.io/posts/muon. (`keras.optimizers.Muon` leaves the
    kernels of convolutions to AdamW.)

    Parameters
    ----------
    *args, **kwargs
        Those of `keras.optimizers.AdamW`.
    """

    def build(self, variables):
        """Lay out the momentums, and tell kernels from other weights.

        Parameters
        ----------
        variables : list of keras.Variable
            The weights that are trained.
        """
        super().build(variables)
        # here, since `update_step` gets weights without their paths from some backends
        self.kernels = [
            len(variable.shape) > 1 and not _OUTPUT_LAYERS & set(variable.path.split("/")) for variable in variables
        ]

    def update_step(self, gradient, variable, learning_rate):
        """Update one weight.

        Parameters
        ----------
        gradient : tensor
            Its gradient.
        variable : keras.Variable
            The weight.
        learning_rate : tensor
            The learning rate.
        """
        index = self._get_variable_index(variable)
        if not self.kernels[index]:
            super().update_step(gradient, variable, learning_rate)
            return
        momentum = self._momentums[index]
        gradient = ops.cast(gradient, variable.dtype)
        self.assign(momentum, ops.add(ops.multiply(momentum, _MOMENTUM), gradient))
        ahead = ops.add(gradient, ops.multiply(momentum, _MOMENTUM))  # of Nesterov
        columns = variable.shape[-1]
        rows = math.prod(variable.shape[:-1])
        rate = ops.cast(learning_rate, variable.dtype) * _RMS * max(rows, columns) ** 0.5
        direction = orthogonal(ops.reshape(ahead, (rows, columns)))
        self.assign_sub(variable, ops.multiply(ops.reshape(direction, variable.shape), rate))


def orthogonal(matrix):
    """Bring the singular values of a matrix close to 1, by Newton-Schulz iterations.

    Parameters
    ----------
    matrix : tensor
        Shape (rows, columns).

    Returns
    -------
    tensor
        The same shape; singular values are between 0.68 and 1.21 where those of the matrix were above 0.002 of its
        Frobenius norm, and the matrix 0 stays 0.
    """
    wide = ops.transpose(matrix) if matrix.shape[0] > matrix.shape[1] else matrix
    a, b, c = _COEFFICIENTS
    x = ops.divide(wide, ops.add(ops.sqrt(ops.sum(ops.square(wide))), 1e-7))
    # each iteration multiplies x by a polynomial of its Gram matrix x x^T, which stays small where x has many columns
    # (kernels of convolutions): so the polynomials are multiplied, and x itself once by all of them
    gram, identity = ops.matmul(x, ops.transpose(x)), ops.eye(x.shape[0], dtype=x.dtype)
    factors = identity
    for _ in range(_ITERATIONS):
        factor = ops.add(a * identity + b * gram, c * ops.matmul(gram, gram))
        factors = ops.matmul(factor, factors)
        gram = ops.matmul(factor, ops.matmul(gram, factor))
    x = ops.matmul(factors, x)
    return ops.transpose(x) if matrix.shape[0] > matrix.shape[1] else x
