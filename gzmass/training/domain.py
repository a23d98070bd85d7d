"""What a run was trained on, for telling later which galaxies are like that: ranges, and what its trunk sees."""

import numpy as np

from gzmass.models.domain import describe_domain
from gzmass.models.domain_score import FALSE_ALARM_RATE, IMAGE_COLUMNS, fit_domain_score
from gzmass.models.forward import forward, with_features

__all__ = ["domain_arrays", "domain_ranges"]

DOMAIN_SAMPLE = 20_000  # galaxies whose pixels describe the domain: enough for its quantiles, little enough for memory
ALWAYS_KNOWN = 0.95  # share of the galaxies in which a column beside the metadata must be known to be looked at
SCORE_SAMPLE = 5_000  # galaxies that go through the trunk once more, to score others by: enough for their covariance


def domain_arrays(model, config, dataset, rows, metadata=(), linear_metadata=()):
    """Measure what the trunk sees in the training galaxies, to score others by, and write it down for the card.

    Parameters
    ----------
    model : keras.Model
        The trained graph.
    config : gzmass.config.PretrainConfig or gzmass.config.FinetuneConfig
        The configuration.
    dataset : gzmass.datasets.Dataset
        What it was trained on; its validation split says from where on a galaxy is unusual.
    rows : numpy.ndarray of int
        The training galaxies.
    metadata : sequence of str, default ()
        Columns of the metadata input.
    linear_metadata : sequence of str, default ()
        Those without logarithm.

    Returns
    -------
    arrays : dict of str to numpy.ndarray
        What `gzmass.models.domain_score.fit_domain_score` returned.
    record : dict
        For the card: ``columns`` that were looked at beside the images, ``false_alarm_rate``, ``n_training``,
        ``n_validation``.
    """
    graph = with_features(model)
    columns = [*metadata, *(name for name in IMAGE_COLUMNS if name not in metadata and _is_known(dataset, name, rows))]

    def seen(rows):
        images, inputs = dataset.images(rows), dataset.metadata(metadata, rows)
        features = forward(graph, images, inputs, config.test_time_augmentation)["features"]
        return features, images, dataset.metadata(columns, rows)

    training, validation = (_sample(some, SCORE_SAMPLE) for some in (rows, dataset.rows("val")))
    logarithmic = [name not in linear_metadata for name in columns]
    arrays = fit_domain_score(seen(training), seen(validation), columns, logarithmic)
    record = {
        "columns": columns,
        "false_alarm_rate": FALSE_ALARM_RATE,
        "n_training": len(training),
        "n_validation": len(validation),
    }
    return arrays, record


def domain_ranges(dataset, rows, metadata, linear_metadata):
    """Measure the ranges of the inputs of the training galaxies.

    Parameters
    ----------
    dataset : gzmass.datasets.Dataset
        What it was trained on.
    rows : numpy.ndarray of int
        The training galaxies.
    metadata : sequence of str
        Columns of the metadata input.
    linear_metadata : sequence of str
        Those without logarithm.

    Returns
    -------
    dict
        What `gzmass.models.domain.describe_domain` returned.
    """
    rows = _sample(rows, DOMAIN_SAMPLE)
    return describe_domain(dataset.images(rows), dataset.metadata(metadata, rows), metadata, linear_metadata)


def _is_known(dataset, name, rows):
    return name in dataset.table and np.isfinite(dataset.metadata([name], rows)).mean() > ALWAYS_KNOWN


def _sample(rows, most):
    return rows if len(rows) <= most else np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
