"""Splits and nested subsets of galaxies by a hash of their ids, the same in a growing catalogue."""

import hashlib

import numpy as np

from gzmass.errors import ConfigError, DataError

__all__ = ["FRACTIONS", "SPLITS", "split_by_id", "subset_by_id"]

#: The names of the splits.
SPLITS = ("train", "val", "test")

#: Fractions of the galaxies in the splits, unless others are asked for.
FRACTIONS = {"train": 0.7, "val": 0.1, "test": 0.2}

_PART = 4096  # ids that are Python's objects at a time


def split_by_id(ids, fractions=None, salt="gzmass"):
    """Assign each galaxy to a split by a hash of its id.

    A galaxy's split depends on its own id, the fractions and the salt only, so it stays where it is when the catalogue
    grows or is sorted. The test split does not change with the fraction for validation.

    Parameters
    ----------
    ids : array_like of int or str
        Ids of the galaxies, shape (n,); the number 7 and the text "7" are the same galaxy.
    fractions : dict of str to float, optional
        Fraction of the galaxies in "train", "val" and "test", each >= 0, with the sum 1. By default 0.7, 0.1, 0.2.
    salt : str, default "gzmass"
        Another salt gives another, independent split.

    Returns
    -------
    numpy.ndarray of str
        "train", "val" or "test" for each galaxy, shape (n,).

    Raises
    ------
    ConfigError
        The fractions name another split, are negative, or do not sum to 1.
    """
    fractions = dict(FRACTIONS if fractions is None else fractions)
    if unknown := set(fractions) - set(SPLITS):
        raise ConfigError(f"The fractions of the splits name {min(unknown)!r}; allowed are {', '.join(SPLITS)}.")
    values = [float(fractions.get(name, 0.0)) for name in SPLITS]
    if not all(value >= 0 for value in values) or abs(sum(values) - 1) > 1e-6:
        raise ConfigError(f"The fractions of the splits must be >= 0 and sum to 1. Received: {fractions}.")
    place = _uniform(ids, f"split-{salt}")
    test, val = values[2], values[1]
    split = np.full(len(place), "train", dtype="<U5")
    split[place < test + val] = "val"
    split[place < test] = "test"
    if values[0] == 0:  # the sum of two fractions may miss 1 by a rounding
        split[split == "train"] = "val" if val else "test"
    return split


def subset_by_id(ids, n, seed=0):
    """Choose galaxies by a hash of their ids, so that a smaller subset is contained in every larger one.

    Parameters
    ----------
    ids : array_like of int or str
        Ids to choose from, shape (m,).
    n : int
        How many, 0 <= n <= m.
    seed : int, default 0
        Another seed gives another series of nested subsets.

    Returns
    -------
    numpy.ndarray of int
        Positions in `ids` of the n smallest hashes, ascending, shape (n,).

    Raises
    ------
    DataError
        There are fewer than `n` ids.
    """
    place = _uniform(ids, f"subset-{seed}")
    if not 0 <= n <= len(place):
        raise DataError(f"A subset of {n} galaxies can not be chosen from {len(place)}.")
    return np.sort(np.argsort(place, kind="stable")[:n])


def _uniform(ids, salt):
    """Hash of each id as a number in [0, 1), shape (n,): the first 53 bits of BLAKE2b of its decimal or plain text."""
    key = hashlib.blake2b(salt.encode(), digest_size=32).digest()
    ids, digests = np.asarray(ids), bytearray()
    for start in range(0, len(ids), _PART):
        for i in ids[start : start + _PART].tolist():
            digests += hashlib.blake2b(str(i).encode(), digest_size=8, key=key).digest()
    return (np.frombuffer(digests, dtype=">u8") >> np.uint64(11)).astype(np.float64) * 2.0**-53
