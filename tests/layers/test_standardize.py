"""Standardisation of metadata: each column has statistics of its own."""

import keras
import numpy as np
import pytest

from gzmass.errors import DataError
from gzmass.layers import MetadataStandardize

RNG = np.random.default_rng(0)
DISTANCE = RNG.uniform(50, 600, 500)
LUMINOSITY = 10 ** RNG.normal(10, 0.4, 500)
METADATA = np.stack([DISTANCE, LUMINOSITY], axis=1).astype("float32")


def run(layer, x):
    return keras.ops.convert_to_numpy(layer(np.asarray(x, "float32")))


@pytest.mark.parametrize("log", [(True, True), (False, False), (False, True)])
def test_statistics_are_never_shared_between_columns(log):
    """Distances (300) and luminosities (1e10) under one mean and deviation would leave constant distances."""
    layer = MetadataStandardize(log=log, mask=False)
    layer.adapt(METADATA)
    standard = run(layer, METADATA)
    np.testing.assert_allclose(standard.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(standard.std(axis=0), 1, atol=1e-3)
    for column in range(2):
        physical = np.log10(METADATA[:, column]) if log[column] else METADATA[:, column]
        assert np.corrcoef(standard[:, column], physical)[0, 1] == pytest.approx(1.0, abs=1e-5)


def test_missing_values_become_zero_and_are_flagged():
    layer = MetadataStandardize(log=[True, False])
    layer.adapt(METADATA)
    got = run(layer, [[np.nan, 1e10], [-5.0, np.inf], [0.0, -1e10], [100.0, np.nan]])
    np.testing.assert_array_equal(got[:, 2:], [[1, 0], [1, 1], [1, 0], [0, 1]])
    assert (got[:, :2][got[:, 2:] == 1] == 0).all()
    assert (got[:, :2][got[:, 2:] == 0] != 0).all()


def test_statistics_ignore_what_is_missing():
    layer = MetadataStandardize(log=[True, False], mask=False)
    spoilt = np.concatenate([METADATA, [[np.nan, np.nan], [-1.0, np.inf], [0.0, -np.inf]]])
    layer.adapt(spoilt)
    expected = np.log10(METADATA[:, 0].astype(float))
    assert float(keras.ops.convert_to_numpy(layer.mean + 0.0)[0]) == pytest.approx(expected.mean(), rel=1e-6)
    assert float(keras.ops.convert_to_numpy(layer.std + 0.0)[0]) == pytest.approx(expected.std(), rel=1e-5)


def test_constant_and_empty_columns():
    layer = MetadataStandardize(log=[False, False, True], mask=False)
    layer.adapt([[0.1, np.nan, -1.0]] * 5)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer.mean + 0.0), [0.1, 0, 0], rtol=1e-6)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer.std + 0.0), 1)


def test_statistics_are_not_trained():
    layer = MetadataStandardize(log=[True])
    layer.adapt([[1.0], [10.0]])
    assert not layer.trainable_weights
    assert len(layer.non_trainable_weights) == 2


def test_wrong_columns_are_named():
    layer = MetadataStandardize(log=[True, False])
    with pytest.raises(DataError, match=r"2 metadata columns.*shape \(5, 3\)"):
        layer.adapt(np.ones((5, 3)))
    with pytest.raises(DataError, match=r"2 metadata columns.*shape \(5, 1\)"):
        run(layer, np.ones((5, 1)))
    with pytest.raises(DataError, match="at least one column"):
        MetadataStandardize(log=[])
