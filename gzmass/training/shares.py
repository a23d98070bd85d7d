"""The share of each batch that one process feeds to its devices, filled up to as many galaxies for each device."""

import keras
import numpy as np

__all__ = ["Shares"]


class Shares(keras.utils.PyDataset):
    """One process's part of the batches that all devices work on together.

    Every device gets as many galaxies as the others. Where what is left for the last batch can not be divided so, it is
    filled up with galaxies without labels: losses and metrics, which are means over the labelled galaxies of all
    devices, pass them over.

    Parameters
    ----------
    batches : gzmass.datasets.batches.Batches
        The batches of all devices together, the same in every process.
    n_devices : int
        Number of devices, those of all processes together.
    process : int, default 0
        Number of this process, from 0.
    processes : int, default 1
        Number of processes; each has as many devices as the others.

    Attributes
    ----------
    epoch : int
        Number of the epoch, that of `batches`; may be set.
    """

    def __init__(self, batches, n_devices, process=0, processes=1):
        super().__init__()
        self.batches, self.n_devices, self.process, self.processes = batches, n_devices, process, processes

    @property
    def epoch(self):  # noqa: D102 -- described in the class
        return self.batches.epoch

    @epoch.setter
    def epoch(self, number):
        self.batches.epoch = number

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        inputs, labels = self.batches[index]
        n = len(next(iter(inputs.values())))
        missing = -n % self.n_devices
        part = (n + missing) // self.processes
        own = slice(self.process * part, (self.process + 1) * part)

        def share(values, filling):
            return np.concatenate([values, filling.repeat(missing, axis=0)])[own]

        return (
            {name: share(values, values[-1:]) for name, values in inputs.items()},
            {name: share(values, np.full_like(values[-1:], np.nan)) for name, values in labels.items()},
        )

    def on_epoch_end(self):
        """Go on to the next epoch; Keras calls it."""
        self.batches.on_epoch_end()
