"""Learning rate from the history."""

import pytest

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
