"""Batches of a dataset for Keras on any backend: 8-bit pixels, labels with NaN where they are missing."""

import keras
import numpy as np

from gzmass.datasets.pixels import row_numbers
from gzmass.errors import DataError

__all__ = ["Batches"]


class Batches(keras.utils.PyDataset):
    """Galaxies in batches; the order of an epoch is a pure function of seed and epoch.

    Keras counts the epochs on, and may count one more when it looks at the data before the first epoch. Where the exact
    order matters, as it does for going on after an interruption, a callback sets ``epoch`` in its ``on_epoch_begin``.
    Pass ``shuffle=False`` to ``fit``, which would otherwise shuffle the batches once more, without a seed.

    Parameters
    ----------
    dataset : gzmass.datasets.Dataset
        The dataset.
    rows : array_like of int or bool
        Row numbers of the galaxies, or a mask of all of the dataset.
    batch_size : int, default 64
        Galaxies a batch; the last batch has what is left.
    shuffle : bool, default False
        Whether each epoch has an order of its own.
    seed : int, default 0
        Seed of the order.
    metadata : sequence of str, default ()
        Columns of the input ``metadata``; without any the input is left out.
    targets : sequence of {"votes", "log_ml"}, default ("votes", "log_ml")
        Labels to give; without any the batches hold inputs only.
    **kwargs : dict
        ``workers`` and the like of ``keras.utils.PyDataset``.

    Attributes
    ----------
    epoch : int
        Number of the epoch, from 0; may be set.

    Raises
    ------
    DataError
        There is no galaxy, no such column or label, or the batch size is not positive.
    """

    def __init__(
        self,
        dataset,
        rows,
        batch_size=64,
        shuffle=False,
        seed=0,
        metadata=(),
        targets=("votes", "log_ml"),
        **kwargs,
    ):
        super().__init__(**kwargs)
        rows = row_numbers(rows, len(dataset.table))
        if not len(rows):
            raise DataError(f"There is no galaxy to make batches of in the dataset {str(dataset.path)!r}.")
        if batch_size < 1:
            raise DataError(f"The batch size must be at least 1. Received: {batch_size!r}.")
        labels = {"votes": dataset.votes, "log_ml": dataset.log_ml}
        if unknown := [target for target in targets if target not in labels]:
            raise DataError(f"A target is one of {', '.join(labels)}. Received: {unknown[0]!r}.")
        self.rows = rows
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0
        self._pixels = dataset.pixels
        self._metadata = dataset.metadata(metadata, rows) if len(metadata) else None
        self._targets = {target: labels[target](rows) for target in targets}
        self._order = (None, None)

    def __len__(self):
        return (len(self.rows) + self.batch_size - 1) // self.batch_size

    def __getitem__(self, index):
        chosen = self.order()[index * self.batch_size : (index + 1) * self.batch_size]
        inputs = {"image": self._pixels[self.rows[chosen]][..., None]}
        if self._metadata is not None:
            inputs["metadata"] = self._metadata[chosen]
        if not self._targets:
            return (inputs,)
        return inputs, {name: values[chosen] for name, values in self._targets.items()}

    def order(self):
        """Order of the galaxies in this epoch.

        Returns
        -------
        numpy.ndarray of int
            Positions in `rows`, shape (n,).
        """
        key, order = self._order
        if key != self.epoch:
            key, n = self.epoch, len(self.rows)
            order = np.random.default_rng([self.seed, key]).permutation(n) if self.shuffle else np.arange(n)
            self._order = (key, order)
        return order

    def on_epoch_end(self):
        """Go on to the next epoch; Keras calls it."""
        self.epoch += 1
