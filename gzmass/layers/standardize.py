"""Metadata in physical units to numbers of order one, column by column, with a mask for what is missing."""

import keras
import numpy as np
from keras import ops

from gzmass.errors import DataError

__all__ = ["MetadataStandardize"]


@keras.saving.register_keras_serializable(package="gzmass")
class MetadataStandardize(keras.layers.Layer):
    """Standardise metadata column by column; what is missing becomes 0 and is flagged.

    Each column has a mean and a standard deviation of its own, in its own logarithm where that is told. (One
    mean and one deviation over a distance of 300 Mpc and a luminosity of 1e10 would turn the distance into a
    constant.) The statistics are weights that are not trained: `adapt` sets them, and they are saved and
    loaded with the model.

    Parameters
    ----------
    log : sequence of bool
        For each column whether its log10 is taken; a value <= 0 of such a column counts as missing. Its
        length is the number of columns k.
    mask : bool, default True
        Whether k more columns are given that are 1 where the value is missing and 0 elsewhere.
    **kwargs : dict
        Arguments of `keras.layers.Layer`; `dtype` is float32 unless it is given.

    Raises
    ------
    DataError
        `log` is empty, or (when built or adapted) the metadata have another number of columns than `log`.
    """

    def __init__(self, log, mask=True, **kwargs):
        # 1e10 solar luminosities do not fit into half precision: the layer takes its input as it is
        super().__init__(**{"dtype": "float32", **kwargs}, autocast=False)
        self.log = tuple(bool(value) for value in log)
        self.mask = bool(mask)
        if not self.log:
            raise DataError("MetadataStandardize needs at least one column: log has one bool for each. Received: ().")

    def build(self, input_shape):
        """Make the statistics: mean 0 and standard deviation 1 for each column.

        Parameters
        ----------
        input_shape : tuple of int or None
            Shape of the metadata: (None, k).

        Raises
        ------
        DataError
            The number of columns is not that of `log`.
        """
        self._check_columns(input_shape)
        size = (len(self.log),)
        fixed = {"trainable": False, "dtype": "float32", "autocast": False}
        self.mean = self.add_weight(name="mean", shape=size, initializer="zeros", **fixed)
        self.std = self.add_weight(name="std", shape=size, initializer="ones", **fixed)
        super().build(input_shape)

    def adapt(self, metadata):
        """Set the statistics of each column from its finite values.

        Parameters
        ----------
        metadata : array_like of float
            The training split in physical units, shape (n, k), NaN where missing. A column without any value
            keeps mean 0 and standard deviation 1; a constant column is given the standard deviation 1.

        Raises
        ------
        DataError
            The number of columns is not that of `log`.
        """
        metadata = np.asarray(metadata, dtype=np.float64)
        self._check_columns(metadata.shape)
        mean, std = np.zeros(len(self.log)), np.ones(len(self.log))
        for column, log in enumerate(self.log):
            values = metadata[:, column]
            values = values[np.isfinite(values)]
            if log:
                values = np.log10(values[values > 0])
            if len(values):
                mean[column] = values.mean()
                spread = values.std()
                # rounding alone gives a constant column a tiny spread
                std[column] = spread if spread > 1e-6 * max(abs(mean[column]), 1e-30) else 1.0
        if not self.built:
            self.build((None, len(self.log)))
        self.mean.assign(mean.astype("float32"))
        self.std.assign(std.astype("float32"))

    def call(self, metadata):
        """Standardise.

        Parameters
        ----------
        metadata : tensor of float32
            Physical units, shape (b, k), NaN where missing.

        Returns
        -------
        tensor of float32
            Shape (b, k), or (b, 2 k) with the mask; finite everywhere.
        """
        metadata = ops.cast(metadata, "float32")
        log = np.array(self.log)
        known = ops.logical_and(ops.isfinite(metadata), ops.logical_or(metadata > 0, np.logical_not(log)))
        # replaced before it is used: neither a NaN nor its gradient gets any further
        values = ops.where(known, metadata, 1.0)
        values = ops.where(log, ops.log10(ops.where(log, values, 1.0)), values)
        values = ops.where(known, ops.divide(ops.subtract(values, self.mean), self.std), 0.0)
        if not self.mask:
            return values
        return ops.concatenate([values, 1.0 - ops.cast(known, "float32")], axis=-1)

    def compute_output_shape(self, input_shape):
        """Shape of the output.

        Parameters
        ----------
        input_shape : tuple of int or None
            Shape of the metadata.

        Returns
        -------
        tuple of int or None
            (b, k), or (b, 2 k) with the mask.
        """
        return (input_shape[0], len(self.log) * (2 if self.mask else 1))

    def get_config(self):
        """Turn the layer into plain data.

        Returns
        -------
        dict
            What the constructor takes; the statistics are weights and saved as such.
        """
        return {**super().get_config(), "log": list(self.log), "mask": self.mask}

    def _check_columns(self, shape):
        if len(shape) != 2 or shape[1] != len(self.log):
            raise DataError(
                f"The layer {self.name!r} standardises {len(self.log)} metadata columns, one for each "
                f"value of log, and takes arrays of shape "
                f"(n, {len(self.log)}). Received: shape {tuple(shape)}."
            )
