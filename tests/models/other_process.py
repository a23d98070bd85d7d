"""What a process of its own makes of saved models and runs: ``KERAS_BACKEND=... python other_process.py FOLDER``.

FOLDER holds the saved layers and, as ``run`` and ``dataset``, a run and its dataset. Under another backend than
TensorFlow there is no TensorFlow: whatever asks for it fails.
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

    PathFinder.find_spec = find_no_tensorflow

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "layers"), str(TESTS / "losses")]
import layer_cases  # noqa: E402
import loss_cases  # noqa: E402

from gzmass.config import FinetuneConfig  # noqa: E402
from gzmass.datasets import open_dataset  # noqa: E402
from gzmass.models import load_run  # noqa: E402
from gzmass.training import finetune_ml  # noqa: E402


def main(folder):
    """Write values and gradients, outputs of the saved layers, predictions of the run; under JAX train as well."""
    folder = Path(folder)
    run, dataset = load_run(folder / "run"), open_dataset(folder / "dataset")
    predictions = run.predict(dataset.images("test"), dataset.metadata(run.metadata, "test"))
    predictions.to_parquet(folder / f"predictions-{BACKEND}.parquet")
    layer_cases.main(folder, folder / f"layers-{BACKEND}.npz")
    loss_cases.main(folder / f"losses-{BACKEND}.npz")
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
            stages=[{"name": "all", "epochs": 1}],
        )
        finetune_ml(config)
    assert BACKEND == "tensorflow" or "tensorflow" not in sys.modules


if __name__ == "__main__":
    main(sys.argv[1])
