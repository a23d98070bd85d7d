"""The command line in a process of its own: ``KERAS_BACKEND=... python devices_process.py COMMAND ...``.

TensorFlow finds two devices, of which there is one in fact. Under another backend there is no TensorFlow.
"""

import os
import sys

if os.environ["KERAS_BACKEND"] == "tensorflow":
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
else:
    from importlib.machinery import PathFinder

    find_spec = PathFinder.find_spec

    def find_no_tensorflow(name, path=None, target=None):
        """Find a module, but never TensorFlow."""
        return None if name.partition(".")[0] == "tensorflow" else find_spec(name, path, target)

    PathFinder.find_spec = staticmethod(find_no_tensorflow)  # called on the class and on instances

from gzmass.cli import main

if __name__ == "__main__":
    sys.exit(main())
