"""Iterating ahead of what is worked on: in order, in bounded memory, with errors in their turn."""

import threading
import time

import pytest

from gzmass.errors import DataError
from gzmass.inference.reading import compute_ahead, read_ahead


def numbered(taken, n=20, fails_at=None):
    for k in range(n):
        if k == fails_at:
            raise DataError("the file is damaged")
        taken.append(k)
        yield k


def slow_first(k):
    time.sleep(0.05 if k == 0 else 0)
    return 10 * k


@pytest.mark.parametrize("ahead", [read_ahead, lambda items: compute_ahead(slow_first, items)])
def test_what_is_held_is_bounded(ahead):
    taken = []
    iterator = ahead(numbered(taken))
    next(iterator)
    time.sleep(0.1)
    assert len(taken) <= 3
    iterator.close()
    assert len(taken) <= 3


def test_reading_keeps_the_order_and_raises_after_what_was_before():
    taken, seen = [], []
    with pytest.raises(DataError, match="damaged"):
        seen.extend(read_ahead(numbered(taken, fails_at=5)))
    assert list(read_ahead(numbered([]))) == list(range(20))
    assert taken == [0, 1, 2, 3, 4]


def test_computing_keeps_the_order_of_the_items():
    assert list(compute_ahead(slow_first, numbered([]))) == [10 * k for k in range(20)]
    assert list(compute_ahead(slow_first, [])) == []


def test_computing_works_on_several_items_at_once():
    meeting = threading.Barrier(2, timeout=10)  # nobody gets past it alone

    def both(k):
        meeting.wait()
        return k

    assert list(compute_ahead(both, range(4))) == [0, 1, 2, 3]


@pytest.mark.parametrize("fails_at", [0, 7, 19])
def test_an_error_of_the_function_comes_in_its_turn(fails_at):
    seen = []

    def function(k):
        if k == fails_at:
            raise DataError(f"galaxy {k} is damaged")
        return k

    with pytest.raises(DataError, match=f"galaxy {fails_at} is"):
        seen.extend(compute_ahead(function, range(20)))
    assert seen == list(range(fails_at))


def test_an_error_of_the_items_ends_the_computing():
    with pytest.raises(DataError, match="damaged"):
        list(compute_ahead(slow_first, numbered([], fails_at=5)))
