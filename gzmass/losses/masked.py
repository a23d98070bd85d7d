"""Losses averaged over the labelled galaxies of a batch: what has no label has no effect."""

import keras
from keras import ops

__all__ = ["LabelledMean", "MaskedLoss"]


class MaskedLoss(keras.losses.Loss):
    """Weighted mean of a value per galaxy over the labelled galaxies.

    A batch without any labelled galaxy gives exactly 0 with gradient 0, and adding galaxies without a label,
    or with weight 0, changes nothing. A subclass defines `per_galaxy`. All is computed in float32.

    Parameters
    ----------
    name : str, optional
        Name of the loss.
    """

    def __init__(self, name=None):
        super().__init__(name=name, reduction="mean_with_sample_weight", dtype="float32")

    def per_galaxy(self, y_true, y_pred):
        """Value of each galaxy and whether it counts.

        Parameters
        ----------
        y_true : tensor of float32
            Labels, NaN where missing.
        y_pred : tensor of float32
            Predictions.

        Returns
        -------
        values : tensor of float32
            Shape (b,), finite also where a label is missing.
        labelled : tensor of bool
            Shape (b,).
        """
        raise NotImplementedError

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Weighted mean over the labelled galaxies.

        Parameters
        ----------
        y_true : tensor of float
            Labels, NaN where missing.
        y_pred : tensor of float
            Predictions.
        sample_weight : tensor of float, optional
            Weight of each galaxy, >= 0, shape (b,) or (b, 1); that of a galaxy without a label is not looked
            at.

        Returns
        -------
        tensor of float32
            Scalar: sum(weight * value) / sum(weight), or 0 if no galaxy counts.
        """
        total, weight = self.sums(y_true, y_pred, sample_weight)
        return ops.divide_no_nan(total, weight)

    def sums(self, y_true, y_pred, sample_weight=None):
        """Sum of the weighted values and sum of the weights, for means over many batches.

        Parameters
        ----------
        y_true : tensor of float
            Labels, NaN where missing.
        y_pred : tensor of float
            Predictions.
        sample_weight : tensor of float, optional
            Weight of each galaxy, shape (b,) or (b, 1).

        Returns
        -------
        total : tensor of float32
            Scalar: sum(weight * value).
        weight : tensor of float32
            Scalar: sum(weight) over the labelled galaxies.
        """
        values, labelled = self.per_galaxy(_float32(y_true), _float32(y_pred))
        weight = galaxy_weights(labelled, sample_weight)
        return ops.sum(weight * ops.where(weight > 0, values, 0.0)), ops.sum(weight)

    def get_config(self):
        """Turn the loss into plain data.

        Returns
        -------
        dict
            What the constructor takes.
        """
        return {"name": self.name}


@keras.saving.register_keras_serializable(package="gzmass")
class LabelledMean(keras.metrics.Metric):
    """A masked loss as a metric: its mean over all labelled galaxies of all batches.

    The `val_loss` that Keras reports weights every batch by its size, also where few of its galaxies have
    labels. Use this one to stop early when labels are scarce.

    Parameters
    ----------
    loss : MaskedLoss
        The loss.
    name : str, default "labelled_mean"
        Name of the metric.
    """

    def __init__(self, loss, name="labelled_mean"):
        super().__init__(name=name, dtype="float32")
        self.loss = loss
        self.total = self.add_variable(shape=(), initializer="zeros", name="total")
        self.weight = self.add_variable(shape=(), initializer="zeros", name="weight")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch.

        Parameters
        ----------
        y_true : tensor of float
            Labels, NaN where missing.
        y_pred : tensor of float
            Predictions.
        sample_weight : tensor of float, optional
            Weight of each galaxy, shape (b,) or (b, 1).
        """
        total, weight = self.loss.sums(y_true, y_pred, sample_weight)
        self.total.assign_add(total)
        self.weight.assign_add(weight)

    def result(self):
        """Mean over all labelled galaxies so far.

        Returns
        -------
        tensor of float32
            Scalar; 0 if there was none.
        """
        return ops.divide_no_nan(self.total, self.weight)

    def get_config(self):
        """Turn the metric into plain data.

        Returns
        -------
        dict
            What `from_config` takes.
        """
        return {"name": self.name, "loss": keras.saving.serialize_keras_object(self.loss)}

    @classmethod
    def from_config(cls, config):
        """Make the metric from plain data.

        Parameters
        ----------
        config : dict
            What `get_config` gave.

        Returns
        -------
        LabelledMean
            The metric.
        """
        return cls(keras.saving.deserialize_keras_object(config["loss"]), name=config["name"])


def galaxy_weights(labelled, sample_weight=None):
    """Weight of each galaxy: 0 where it has no label.

    Parameters
    ----------
    labelled : tensor of bool
        Shape (b,).
    sample_weight : tensor of float, optional
        Shape (b,) or (b, 1); default 1 for each.

    Returns
    -------
    tensor of float32
        Shape (b,).
    """
    if sample_weight is None:
        return ops.cast(labelled, "float32")
    return ops.where(labelled, ops.reshape(_float32(sample_weight), (-1,)), 0.0)


def _float32(values):
    return ops.cast(ops.convert_to_tensor(values), "float32")
