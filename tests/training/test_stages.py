"""Learning rate from the history, and the time that a training took."""

import pytest

from gzmass.training.checkpoint import Progress
from gzmass.training.stages import plateau_rate


@pytest.mark.parametrize(
    ("values", "rate"),
    [
        ([], 1.0),
        ([3, 2, 1], 1.0),
        ([1, 1, 1], 1.0),
        ([1, 1, 1, 1], 0.3),
        ([1, 2, 2, 2, 2, 2], 0.3),
        ([1, 2, 2, 2, 2, 2, 2], 0.09),
        ([1, 0.99995, 0.99993, 0.99991], 0.3),  # less than min_delta below the best is no progress
        ([1, 1, 1, 0.5, 1, 1, 1], 0.3),
    ],
)
def test_the_rate_falls_when_the_loss_does_not(values, rate):
    assert plateau_rate(values, 1.0) == pytest.approx(rate)


def test_an_interruption_and_the_compilation_do_not_count_as_training_time():
    # two stages; the first epoch of each, and the one after a new start, took longer
    seconds = [[0, 9.0], [0, 2.0], [0, 12.0], [0, 2.0], [0, 2.0], [1, 8.0], [1, 3.0], [1, 3.0]]
    assert Progress(seconds=seconds).training_seconds() == 5 * 2.0 + 3 * 3.0
    assert Progress().training_seconds() == 0
