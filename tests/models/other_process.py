"""What a process of its own makes of saved models and runs: ``KERAS_BACKEND=... python other_process.py FOLDER``.

FOLDER holds the saved layers, a saved ResNet34, and, as ``run`` and ``dataset``, a run and its dataset. Under another
backend than TensorFlow there is no TensorFlow: whatever asks for it fails.
"""

import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path

BACKEND = os.environ["KERAS_BACKEND"]
if BACKEND != "tensorflow":
    find_spec = PathFinder.find_spec

    def find_no_tensorflow(name, path=None, target=None):
        """Find a module, but never TensorFlow."""
        return None if name.partition(".")[0] == "tensorflow" else find_spec(name, path, target)

    PathFinder.find_spec = staticmethod(find_no_tensorflow)  # called on the class and on instances

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "layers"), str(TESTS / "losses")]
import keras  # noqa: E402
import layer_cases  # noqa: E402
import loss_cases  # noqa: E402
import numpy as np  # noqa: E402

from gzmass.config import FinetuneConfig  # noqa: E402
from gzmass.datasets import open_dataset  # noqa: E402
from gzmass.inference import predict  # noqa: E402
from gzmass.models import load_run  # noqa: E402
from gzmass.training import finetune_ml  # noqa: E402
from gzmass.training.rates import LayerwiseAdam, LayerwiseAdamW, LayerwiseNadam  # noqa: E402

OPTIMIZERS = (LayerwiseAdam, LayerwiseAdamW, LayerwiseNadam)


def resnet(folder):
    """Apply the saved ResNet34 to an image, without the package that it was built with."""
    sys.modules["keras_hub"] = None
    model = keras.saving.load_model(folder / "resnet34.keras", compile=False)
    return model.predict({"image": np.load(folder / "image.npy")}, verbose=0)["log_ml"]


def rates():
    """Let two weights with the same gradients learn at 1 and 0.25 of a rate."""
    values = {}
    for kind in OPTIMIZERS:
        weights = [keras.Variable(np.full(2, 2.0, dtype="float32")) for _ in range(2)]
        optimizer = kind(0.01, factors=[1.0, 0.25], weight_decay=0.1)
        optimizer.build(weights)
        for step in range(3):
            gradient = keras.ops.convert_to_tensor(np.array([1.0, -0.1 * step], dtype="float32"))
            optimizer.apply([gradient, gradient], weights)
        values[kind.__name__] = np.stack([keras.ops.convert_to_numpy(weight) for weight in weights])
    return values


def main(folder):
    """Write values and gradients, outputs of the saved layers, predictions of the run; under JAX train as well."""
    folder = Path(folder)
    run, dataset = load_run(folder / "run"), open_dataset(folder / "dataset")
    sys.modules["gzmass.inference.predict"]._CHUNK = 2  # so that threads predict chunks at once
    predictions = predict(run, dataset, "test")
    predictions.to_parquet(folder / f"predictions-{BACKEND}.parquet")
    layer_cases.main(folder, folder / f"layers-{BACKEND}.npz")
    loss_cases.main(folder / f"losses-{BACKEND}.npz")
    np.savez(folder / f"rates-{BACKEND}.npz", **rates())
    if BACKEND != "jax" and (folder / "resnet34.keras").exists():  # JAX compiles its 150 layers one by one: 20 s
        np.save(folder / f"resnet34-{BACKEND}.npy", resnet(folder))
    if BACKEND == "jax":
        config = FinetuneConfig(
            dataset=dataset.path,
            out=folder / "trained",
            init_from=folder / "run",
            model={"hidden": 16},
            metadata=run.metadata,
            optimization={"batch_size": 12},
            n_labels=36,
            test_time_augmentation=1,
            stages=[{"name": "all", "epochs": 1, "rate_decay": 0.5}],
        )
        finetune_ml(config)
    assert BACKEND == "tensorflow" or "tensorflow" not in sys.modules


if __name__ == "__main__":
    main(sys.argv[1])
