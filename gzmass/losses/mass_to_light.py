"""Losses on the mass-to-light ratio: Gaussian likelihood, Huber and squared error."""

import math

import keras
from keras import ops

from gzmass.errors import ConfigError
from gzmass.losses.masked import MaskedLoss

__all__ = [
    "LOG_SIGMA_LIMIT",
    "MASS_TO_LIGHT_LOSSES",
    "GaussianMassToLight",
    "HuberMassToLight",
    "SquaredErrorMassToLight",
]

LOG_SIGMA_LIMIT = 10.0  # sigma from 5e-5 to 2e4 dex: no square of it leaves float32
LARGEST_ERROR = 1e3  # dex; an infinite one is that of a label that says nothing, and its square must stay finite
DEX_LIMIT = 12.0  # 10**12 squared stays within float32


@keras.saving.register_keras_serializable(package="gzmass")
class GaussianMassToLight(MaskedLoss):
    r"""Negative log-likelihood of log10 M/L under a Gaussian with a predicted mean and width.

    .. math:: \frac12\left[\frac{(y-\mu)^2}{v}+\ln v+\ln 2\pi\right], \qquad v=\sigma^2+e^2

    with the label's own error e added in quadrature to the predicted :math:`\sigma`, so that :math:`\sigma`
    is the scatter that the label's error does not explain. In nats per galaxy.

    Labels are log10 M/L, shape (b,), (b, 1), or (b, 2) with the error in dex (NaN is taken as 0); a galaxy
    without label is NaN. Predictions are the mean and the natural logarithm of sigma of log10 M/L, shape (b,
    2).

    Parameters
    ----------
    beta : float, default 0.0
        0 to 1. Each galaxy's value is multiplied by :math:`v^\beta` taken as a constant [1]_, which keeps the
        mean of galaxies that are fitted badly at first from being given up; 0 is the likelihood itself.
    name : str, default "gaussian_mass_to_light"
        Name of the loss.

    Raises
    ------
    ConfigError
        `beta` is out of its range, or labels or predictions have another shape.

    References
    ----------
    .. [1] Seitzer et al. 2022, ICLR, arXiv:2203.09168
    """

    def __init__(self, beta=0.0, name="gaussian_mass_to_light"):
        super().__init__(name=name)
        if not 0 <= beta <= 1:
            raise ConfigError(f"beta must be from 0 to 1. Received: {beta!r}.")
        self.beta = float(beta)

    def per_galaxy(self, y_true, y_pred):
        """Negative log-likelihood of each galaxy.

        Parameters
        ----------
        y_true : tensor of float32
            Labels: log10 M/L and its error (dex).
        y_pred : tensor of float32
            Mean and log sigma, shape (b, 2).

        Returns
        -------
        values : tensor of float32
            Nats, shape (b,).
        labelled : tensor of bool
            Shape (b,).
        """
        if len(y_pred.shape) != 2 or y_pred.shape[1] != 2:
            raise ConfigError(
                "GaussianMassToLight takes predictions of shape (b, 2), mean and log sigma. "
                f"Received: shape {tuple(y_pred.shape)}."
            )
        label, error, labelled = _labels(y_true, y_pred)
        log_sigma = ops.clip(y_pred[:, 1], -LOG_SIGMA_LIMIT, LOG_SIGMA_LIMIT)
        variance = ops.exp(2.0 * log_sigma) + ops.square(error)
        square = ops.square(label - y_pred[:, 0])
        values = 0.5 * (square / variance + ops.log(variance) + math.log(2 * math.pi))
        if self.beta:
            values = values * ops.stop_gradient(ops.power(variance, self.beta))
        return values, labelled

    def get_config(self):
        """Turn the loss into plain data.

        Returns
        -------
        dict
            What the constructor takes.
        """
        return {**super().get_config(), "beta": self.beta}


@keras.saving.register_keras_serializable(package="gzmass")
class HuberMassToLight(MaskedLoss):
    r"""Huber loss: squared for small residuals r, linear for large ones.

    .. math:: \tfrac12 r^2 \ \text{where}\ |r|\le\delta, \qquad \delta\,(|r|-\tfrac12\delta)\ \text{elsewhere}

    Labels are as in `GaussianMassToLight` (the error is not used). Predictions are log10 M/L, shape (b, 1) or
    (b,), or its mean and log sigma, shape (b, 2), of which the mean is used.

    Parameters
    ----------
    delta : float, default 0.1
        Residual at which the loss turns linear, > 0: in dex, or in solar units for the linear target.
    target : {"log", "linear"}, default "log"
        Whether log10 M/L or M/L itself is compared. Labels and predictions are log10 M/L in both cases.
    name : str, default "huber_mass_to_light"
        Name of the loss.

    Raises
    ------
    ConfigError
        An argument is out of its range, or labels or predictions have another shape.
    """

    def __init__(self, delta=0.1, target="log", name="huber_mass_to_light"):
        super().__init__(name=name)
        if not delta > 0:
            raise ConfigError(f"delta must be > 0. Received: {delta!r}.")
        self.delta = float(delta)
        self.target = _checked_target(target)

    def per_galaxy(self, y_true, y_pred):
        """Huber loss of each galaxy.

        Parameters
        ----------
        y_true : tensor of float32
            Labels: log10 M/L, with or without its error.
        y_pred : tensor of float32
            Predictions: log10 M/L, with or without log sigma.

        Returns
        -------
        values : tensor of float32
            Shape (b,).
        labelled : tensor of bool
            Shape (b,).
        """
        residual, labelled = _residual(y_true, y_pred, self.target)
        size = ops.abs(residual)
        small = 0.5 * ops.square(residual)
        return ops.where(size <= self.delta, small, self.delta * (size - 0.5 * self.delta)), labelled

    def get_config(self):
        """Turn the loss into plain data.

        Returns
        -------
        dict
            What the constructor takes.
        """
        return {**super().get_config(), "delta": self.delta, "target": self.target}


@keras.saving.register_keras_serializable(package="gzmass")
class SquaredErrorMassToLight(MaskedLoss):
    """Squared error of log10 M/L, or of M/L itself as in the published single-band protocol.

    Labels and predictions are as in `HuberMassToLight`.

    Parameters
    ----------
    target : {"log", "linear"}, default "log"
        Whether log10 M/L or M/L itself is compared. Labels and predictions are log10 M/L in both cases.
    name : str, default "squared_error_mass_to_light"
        Name of the loss.

    Raises
    ------
    ConfigError
        `target` is none of the two, or labels or predictions have another shape.
    """

    def __init__(self, target="log", name="squared_error_mass_to_light"):
        super().__init__(name=name)
        self.target = _checked_target(target)

    def per_galaxy(self, y_true, y_pred):
        """Squared error of each galaxy.

        Parameters
        ----------
        y_true : tensor of float32
            Labels: log10 M/L, with or without its error.
        y_pred : tensor of float32
            Predictions: log10 M/L, with or without log sigma.

        Returns
        -------
        values : tensor of float32
            Shape (b,).
        labelled : tensor of bool
            Shape (b,).
        """
        residual, labelled = _residual(y_true, y_pred, self.target)
        return ops.square(residual), labelled

    def get_config(self):
        """Turn the loss into plain data.

        Returns
        -------
        dict
            What the constructor takes.
        """
        return {**super().get_config(), "target": self.target}


#: The losses on M/L by the name that a configuration gives them.
MASS_TO_LIGHT_LOSSES = {
    "gaussian": GaussianMassToLight,
    "huber": HuberMassToLight,
    "squared_error": SquaredErrorMassToLight,
}


def _labels(y_true, y_pred):
    # label, its error and whether there is a label, without any NaN
    if None not in (n := (y_true.shape[0], y_pred.shape[0])) and n[0] != n[1]:
        raise ConfigError(f"Labels and predictions must be of the same galaxies. Received: {n[0]} and {n[1]}.")
    if len(y_true.shape) == 1:
        y_true = y_true[:, None]
    if len(y_true.shape) != 2 or y_true.shape[1] not in {1, 2}:
        raise ConfigError(
            "Labels of log10 M/L must have the shape (b,), (b, 1), or (b, 2) with the error. "
            f"Received: shape {tuple(y_true.shape)}."
        )
    labelled = ops.isfinite(y_true[:, 0])
    label = ops.where(labelled, y_true[:, 0], 0.0)
    if y_true.shape[1] == 1:
        return label, ops.zeros_like(label), labelled
    # a negative number stands for an error that is not known, as NaN does
    error = ops.minimum(ops.where(y_true[:, 1] >= 0, y_true[:, 1], 0.0), LARGEST_ERROR)
    return label, error, labelled


def _residual(y_true, y_pred, target):
    # predicted less true value, in dex or in solar units, and whether there is a label
    if len(y_pred.shape) == 1:
        y_pred = y_pred[:, None]
    if len(y_pred.shape) != 2 or y_pred.shape[1] not in {1, 2}:
        raise ConfigError(
            "Predictions of log10 M/L must have the shape (b,), (b, 1), or (b, 2) with log sigma. "
            f"Received: shape {tuple(y_pred.shape)}."
        )
    label, _, labelled = _labels(y_true, y_pred)
    predicted = y_pred[:, 0]
    if target == "linear":
        label, predicted = _linear(label), _linear(predicted)
    return predicted - label, labelled


def _linear(log_mass_to_light):
    return ops.exp(math.log(10) * ops.clip(log_mass_to_light, -DEX_LIMIT, DEX_LIMIT))


def _checked_target(target):
    if target not in {"log", "linear"}:
        raise ConfigError(f"target must be 'log' or 'linear'. Received: {target!r}.")
    return target
