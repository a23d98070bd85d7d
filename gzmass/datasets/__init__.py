"""Datasets of galaxies: one directory with one table and 8-bit images, split by id, in batches for Keras."""

from gzmass.datasets.dataset import Dataset, open_dataset
from gzmass.datasets.split import split_by_id, subset_by_id
from gzmass.datasets.write import begin_dataset, change_storage, hold_dataset, write_dataset

__all__ = [
    "Dataset",
    "begin_dataset",
    "change_storage",
    "hold_dataset",
    "open_dataset",
    "split_by_id",
    "subset_by_id",
    "write_dataset",
]
