"""Sorting of pixels by the bits of their floats."""

import numpy as np

from gzmass.images.compiled import compiled

__all__ = ["sorted_keys", "sorted_pixels"]

_N_DIGITS, _DIGIT_BITS = 3, 11  # hold the 32 bits of a float32
_N_VALUES = 1 << _DIGIT_BITS
_SIGN = np.uint32(1 << 31)  # bit of a float32


@compiled
def sorted_pixels(pixels):
    """Sort pixels.

    Parameters
    ----------
    pixels : numpy.ndarray of float32
        Shape (n,), no NaN.

    Returns
    -------
    numpy.ndarray of float32
        Ascending, shape (n,).
    """
    keys = pixels.view(np.uint32).copy()
    for i in range(len(keys)):  # as integers these have the order of the floats
        keys[i] = ~keys[i] if keys[i] & _SIGN else keys[i] | _SIGN
    keys = sorted_keys(keys, 0)
    for i in range(len(keys)):
        keys[i] = keys[i] ^ _SIGN if keys[i] & _SIGN else ~keys[i]
    return keys.view(np.float32)


@compiled
def sorted_keys(keys, first_bit):
    """Sort integers by 32 of their bits, in a third of the time that numpy takes.

    One digit after the other, so that the processor has no comparison to guess wrong.

    Parameters
    ----------
    keys : numpy.ndarray of uint32 or uint64
        Shape (n,).
    first_bit : int
        Number of the lowest of the bits that count: 0, or 32 where the keys have 64.

    Returns
    -------
    numpy.ndarray of uint32 or uint64
        Ascending, shape (n,); keys that are equal in these bits keep their order.
    """
    n = len(keys)
    keys, other = keys.copy(), np.empty_like(keys)
    starts = np.zeros((_N_DIGITS, _N_VALUES), dtype=np.int32)
    for i in range(n):
        for number in range(_N_DIGITS):
            starts[number, _digit(keys[i], first_bit, number)] += 1
    for number in range(_N_DIGITS):
        start = starts[number]
        before = 0
        for value in range(_N_VALUES):
            start[value], before = before, before + start[value]
        for i in range(n):
            value = _digit(keys[i], first_bit, number)
            other[start[value]] = keys[i]
            start[value] += 1
        keys, other = other, keys
    return keys


@compiled
def _digit(key, first_bit, number):
    return np.uint64(key >> np.uint64(first_bit + _DIGIT_BITS * number)) & np.uint64(_N_VALUES - 1)
