"""Log rising factorial in float32, without log-gamma functions that Keras does not have."""

from keras import ops

__all__ = ["SHIFT", "log_rising_factorial_rest"]

SHIFT = 4.0


def log_rising_factorial_rest(a, log_a, n):
    r"""Log rising factorial less the part that cancels between a whole and its parts.

    The log rising factorial :math:`\ln (a)_n = \ln\Gamma(a+n) - \ln\Gamma(a)` is the difference of two
    numbers that are as large as 1e9 for a = 1e8. With z = a + 4, Stirling's series for both log-gammas [1]_
    and four steps of the recurrence :math:`\Gamma(x+1) = x\Gamma(x)` it is

    .. math:: \ln (a)_n = n\ln z + \left(z+n-\tfrac12\right)\ln\left(1+\tfrac nz\right) - n + s(z+n) - s(z)
              - \sum_{i=0}^{3}\ln\left(1+\frac{n}{a+i}\right),

    :math:`s(z) = \frac{1}{12z} - \frac{1}{360z^3} + \frac{1}{1260z^5} - \frac{1}{1680z^7}`, right to 4e-9.
    All but the first term is returned: in a Dirichlet-multinomial the first terms combine to :math:`\sum_k
    n_k\ln(z_k/z)`, in which nothing large is subtracted.

    Parameters
    ----------
    a : tensor of float32
        Any value >= 0, where 0 stands for what is too small for float32.
    log_a : tensor of float32
        Its logarithm, which is used where `a` is small.
    n : tensor of float32
        Number of factors, >= 0, not necessarily whole, of a shape that fits to `a`.

    Returns
    -------
    tensor of float32
        The value ln (a)_n - n ln(a + 4), of the common shape; 0 where `n` is 0.

    References
    ----------
    .. [1] Abramowitz & Stegun 1964, Handbook of Mathematical Functions, 6.1.15 and 6.1.40
    """
    z = a + SHIFT
    # ln(1 + n/a), the only term that is singular at a = 0
    first = ops.where(n > 0, ops.softplus(ops.log(ops.where(n > 0, n, 1.0)) - log_a), 0.0)
    others = ops.log((1.0 + n / (a + 1.0)) * (1.0 + n / (a + 2.0)) * (1.0 + n / (a + 3.0)))
    return (z + n - 0.5) * ops.log1p(n / z) - n + _stirling(z + n) - _stirling(z) - first - others


def _stirling(z):
    inverse = 1.0 / z
    square = inverse * inverse
    return inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square / 1680)))
