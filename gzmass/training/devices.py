"""Several devices for one training: which there are, what is shared among them, and what each backend needs for it.

Everything that TensorFlow or JAX must be asked for by name stands here and, for TensorFlow's graphs, in `mirrored`.
"""

import atexit
import os
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import keras

from gzmass.errors import ConfigError, GzmassError
from gzmass.layers import RandomAffine
from gzmass.training.shares import Shares

__all__ = ["ONE_DEVICE", "Devices", "find_devices"]

#: After so many seconds without a sign of life another machine counts as lost.
HEARTBEAT_SECONDS = 60

# what Slurm sets for each of the processes that `srun` starts; JAX looks for the same
_SLURM = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID")

# how what XLA says of a connection begins
_LOST = ("UNKNOWN:", "UNAVAILABLE:", "INTERNAL:", "ABORTED:", "CANCELLED:", "DEADLINE_EXCEEDED:")

_WHY_NOT = {
    "tensorflow": "TensorFlow trains on the devices of one machine here: its MultiWorkerMirroredStrategy fails with "
    "Keras 3 (keras issue 20585), and keras.distribution does nothing on it; several machines need KERAS_BACKEND=jax.",
    "torch": "neither keras.distribution nor tf.distribute knows PyTorch; allowed is 1, or KERAS_BACKEND=tensorflow "
    "or KERAS_BACKEND=jax.",
}


@dataclass(frozen=True)
class Devices:
    """The devices that one training uses; without arguments the one that the backend takes by itself.

    Parameters
    ----------
    n : int, default 1
        Number of devices, those of all processes together.
    process : int, default 0
        Number of this process; the first one, 0, writes.
    processes : int, default 1
        Number of processes.
    strategy : tf.distribute.MirroredStrategy or keras.distribution.DataParallel, optional
        How the devices work together, on TensorFlow and on JAX.
    """

    n: int = 1
    process: int = 0
    processes: int = 1
    strategy: object = field(default=None, repr=False)

    @property
    def mirrored(self):
        """Whether every device runs its own step, with its own part of the batch, as TensorFlow does it.

        Returns
        -------
        bool
            False on JAX, where one step works on the whole batch, wherever its parts lie.
        """
        return self.strategy is not None and keras.backend.backend() == "tensorflow"

    @contextmanager
    def together(self):
        """Go through a training with the other processes, and end where one of them has ended.

        Yields
        ------
        None
            In the block, a process that is lost is told of.

        Raises
        ------
        GzmassError
            Another process of the training was lost.
        """
        try:
            yield
        except BaseException as error:
            if self.processes == 1:
                raise
            # at exit JAX would wait for the other processes, which wait for this one
            atexit.register(_leave, 130 if isinstance(error, KeyboardInterrupt) else 2)
            if not (isinstance(error, RuntimeError | ValueError) and str(error).startswith(_LOST)):
                raise
            raise GzmassError(
                f"Process {self.process} of {self.processes} can not go on, since another one was lost "
                f"({str(error).splitlines()[0][:200]}): look for the reason in what that one said, and start all of "
                "them again; the training goes on after the last epoch that was finished."
            ) from None

    def scope(self):
        """Make graphs on these devices.

        Returns
        -------
        contextlib.AbstractContextManager
            In its block, graphs are spread over the devices.
        """
        return self.strategy.scope() if self.strategy else nullcontext()

    @contextmanager
    def training(self, model):
        """Train a graph on these devices.

        Parameters
        ----------
        model : keras.Model
            A graph of `gzmass.models.build_model` that was made in `scope`.

        Yields
        ------
        None
            In the block, it is trained on all devices.
        """
        if not self.mirrored:
            with self.scope():
                yield
            return
        from gzmass.training.mirrored import share_statistics  # noqa: PLC0415 -- it imports TensorFlow

        share_statistics(model, True)
        with self.scope():
            yield
        share_statistics(model, False)

    def wait(self, name):
        """Wait until every process has come to the same point.

        Parameters
        ----------
        name : str
            Name of the point.
        """
        if self.processes > 1:
            from jax.experimental import multihost_utils  # noqa: PLC0415 -- several processes are JAX's

            multihost_utils.sync_global_devices(name)

    def share(self, batches):
        """Take the part of each batch that this process feeds to its devices.

        Parameters
        ----------
        batches : gzmass.datasets.batches.Batches
            The batches of all devices together.

        Returns
        -------
        keras.utils.PyDataset
            Batches for `keras.Model.fit`.
        """
        return Shares(batches, self.n, self.process, self.processes) if self.strategy else batches

    def augmentation(self, **arguments):
        """Make the augmentation.

        Parameters
        ----------
        **arguments : dict
            Those of `gzmass.layers.RandomAffine`.

        Returns
        -------
        gzmass.layers.RandomAffine
            A layer that treats each galaxy as it would be treated on one device.
        """
        if not self.mirrored:
            return RandomAffine(**arguments)
        from gzmass.training.mirrored import MirroredAffine  # noqa: PLC0415 -- it imports TensorFlow

        return MirroredAffine(**arguments)

    def losses(self, losses):
        """Make losses the means over the labelled galaxies of all devices, however many each of them has.

        Parameters
        ----------
        losses : dict of str to gzmass.losses.masked.MaskedLoss
            The loss of each output.

        Returns
        -------
        dict of str to keras.losses.Loss
            What `keras.Model.compile` takes.
        """
        if not self.mirrored:
            return losses
        from gzmass.training.mirrored import GlobalMean  # noqa: PLC0415 -- it imports TensorFlow

        return {name: GlobalMean(loss) for name, loss in losses.items()}

    def optimizer(self, kind, rate, *, clipnorm, **arguments):
        """Make an optimizer that clips the gradients of the whole batch, not those of each device.

        Parameters
        ----------
        kind : type
            Class of the optimizer.
        rate : float or keras.optimizers.schedules.LearningRateSchedule
            The learning rate.
        clipnorm : float or None
            Largest norm of each weight's gradient.
        **arguments : dict
            Further ones of `kind`.

        Returns
        -------
        keras.optimizers.Optimizer
            The optimizer.
        """
        if not self.mirrored:
            return kind(rate, clipnorm=clipnorm, **arguments)
        from gzmass.training.mirrored import mean_gradients  # noqa: PLC0415 -- it imports TensorFlow

        # Keras clips before it adds the gradients of the devices up: each of them is given the mean over all devices
        # beforehand, so that what is clipped is the same everywhere, and the sum of the clipped ones is what is wanted
        return mean_gradients(kind)(rate, clipnorm=clipnorm and clipnorm / self.n, **arguments)

    def gathered(self, model):
        """Take a graph off these devices.

        Parameters
        ----------
        model : keras.Model
            A graph that was made in `scope`.

        Returns
        -------
        keras.Model
            The same graph with the same weights, on the device that the backend takes by itself.
        """
        if self.strategy is None:
            return model
        copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
        return copy


#: The device that the backend takes by itself.
ONE_DEVICE = Devices()


def find_devices(optimization):
    """Find the devices that a training is to use, and on several machines the other processes.

    Parameters
    ----------
    optimization : gzmass.config.OptimizationConfig
        Its ``devices`` and ``batch_size``.

    Returns
    -------
    Devices
        The devices.

    Raises
    ------
    ConfigError
        There are fewer devices, they do not divide the batch size, the backend can not use several, or the other
        processes can not be found.
    """
    wanted, backend = optimization.devices, keras.backend.backend()
    if wanted == 1:
        return ONE_DEVICE
    if backend not in ("tensorflow", "jax"):
        raise ConfigError(f"The key 'optimization.devices' has the value {wanted!r}: {_WHY_NOT[backend]}")
    devices = (_find_mirrored if backend == "tensorflow" else _find_parallel)(wanted)
    if optimization.batch_size % devices.n:
        raise ConfigError(
            f"The key 'optimization.batch_size' has the value {optimization.batch_size}, which {devices.n} devices can "
            f"not share evenly; allowed is a multiple of {devices.n}."
        )
    return devices


def _chosen(wanted, found):
    n = len(found) if wanted == "all" else wanted
    if n > len(found):
        raise ConfigError(
            f"The key 'optimization.devices' has the value {wanted}, but there are {len(found)}: "
            f"{', '.join(map(str, found))}; allowed is 'all' or a number up to {len(found)}."
        )
    return found[:n]


def _find_mirrored(wanted):
    import tensorflow as tf  # noqa: PLC0415 -- only where it is the backend

    if _cluster() is not None or "TF_CONFIG" in os.environ:
        raise ConfigError(f"The key 'optimization.devices' has the value {wanted!r}: {_WHY_NOT['tensorflow']}")
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    names = _chosen(wanted, [device.name for device in found])
    return Devices(len(names), strategy=tf.distribute.MirroredStrategy(names)) if len(names) > 1 else ONE_DEVICE


def _find_parallel(wanted):
    import jax  # noqa: PLC0415 -- only where it is the backend

    cluster = _cluster()
    if cluster is not None and not jax.distributed.is_initialized():
        # it would catch SIGTERM, by which Slurm and users end a process, and do nothing
        jax.config.update("jax_enable_preemption_service", False)
        try:
            jax.distributed.initialize(**cluster, heartbeat_timeout_seconds=HEARTBEAT_SECONDS)
        except (RuntimeError, ValueError) as error:
            raise ConfigError(
                f"The processes of this training do not find each other ({str(error).splitlines()[0]}): "
                "JAX_COORDINATOR_ADDRESS must be host:port of the first one, which all the others can reach."
            ) from None
    found, processes = jax.devices(), jax.process_count()
    names = _chosen(wanted, [f"{device.platform}:{device.id}" for device in found])
    if len(names) == 1:
        return ONE_DEVICE
    if processes > 1 and len(names) < len(found):
        raise ConfigError(
            f"The key 'optimization.devices' has the value {wanted}, but {processes} processes have {len(found)} "
            f"devices; allowed is 'all' or {len(found)}."
        )
    # each process feeds its own part of a batch, so that nothing is left to be sharded
    strategy = keras.distribution.DataParallel(devices=names, auto_shard_dataset=False)
    return Devices(len(names), jax.process_index(), processes, strategy)


def _leave(code):
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _cluster():
    """Arguments of `jax.distributed.initialize`; None for a process that is alone."""
    slurm = all(name in os.environ for name in _SLURM)
    address = os.environ.get("JAX_COORDINATOR_ADDRESS")
    if address is None:
        return {} if slurm and int(os.environ["SLURM_NTASKS"]) > 1 else None
    arguments = {"coordinator_address": address}
    for key, name in (("num_processes", "JAX_NUM_PROCESSES"), ("process_id", "JAX_PROCESS_ID")):
        value = os.environ.get(name)
        if value is None and slurm:
            continue
        if value is None or not value.isdecimal():
            raise ConfigError(
                f"The environment variable {name} has the value {value!r}; beside JAX_COORDINATOR_ADDRESS it must be "
                "a whole number."
            )
        arguments[key] = int(value)
    return arguments
