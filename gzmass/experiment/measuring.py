"""One training of an experiment: trained or found finished, and measured on the galaxies of the test split."""

import multiprocessing
import os
import threading
from functools import cache

import yaml

from gzmass._version import __version__
from gzmass.calibration import coverage
from gzmass.calibration.conformal import LEVELS, interval_columns
from gzmass.config import PretrainConfig
from gzmass.datasets import open_dataset
from gzmass.datasets.layout import read_info
from gzmass.engine import fingerprint, held_back_errors, write_yaml
from gzmass.errors import DataError, GzmassError
from gzmass.evaluation import mass_to_light_metrics, vote_metrics
from gzmass.evaluation.baselines import mass_to_light_baselines
from gzmass.experiment.config import METRICS

__all__ = ["measure_baselines", "measured", "run_job"]

# for a process that shares the machine with others: one thread of TensorFlow's, and no more of a GPU than it needs
_MODEST = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}


def measured(job, any_version=False):
    """Read what an earlier call measured of a training.

    Parameters
    ----------
    job : gzmass.experiment.plan.Job
        The training.
    any_version : bool, default False
        Whether numbers count that another version of gzmass has measured.

    Returns
    -------
    dict or None
        Its numbers; None if there are none that count, or their file is damaged.
    """
    return _read(job.config.out / "test.yaml", any_version)


def run_job(job, progress=None, modest=False):
    """Train, or find what an earlier call has trained, and measure.

    Parameters
    ----------
    job : gzmass.experiment.plan.Job
        The training.
    progress : callable, optional
        As in `gzmass.training.finetune_ml`.
    modest : bool, default False
        Whether the process is one of several that `gzmass.engine.LocalEngine` has started: it then has one thread, and
        ends when the process that started it does.

    Returns
    -------
    dict
        Its numbers, which are kept in ``test.yaml`` of the run directory; ``failed`` alone, the reason in one
        sentence, if it can not be run.
    """
    if modest:
        os.environ.update(_MODEST)
        _end_with_parent()
    with held_back_errors():
        import keras  # noqa: PLC0415 -- seconds, and of several processes only those that train need it

    from gzmass.training import finetune_ml, pretrain_gz2  # noqa: PLC0415

    try:
        keras.backend.clear_session()  # graphs of earlier trainings stay in memory otherwise
        train = pretrain_gz2 if isinstance(job.config, PretrainConfig) else finetune_ml
        numbers = _measure(train(job.config, progress=progress), open_dataset(job.config.dataset))
    except Exception as error:  # noqa: BLE001 -- whatever it is, the other trainings go on
        kind = "" if isinstance(error, GzmassError) else f"{type(error).__name__}: "
        return {"failed": kind + " ".join(str(error).split())}
    _write(job.config.out / "test.yaml", numbers)
    return numbers


def measure_baselines(path, metadata, out, train=True):
    """Measure the baselines of a dataset, learnt from all labels of its training split.

    Parameters
    ----------
    path : pathlib.Path
        The dataset directory.
    metadata : list of str
        Metadata columns of the baselines.
    out : pathlib.Path
        Folder of the experiment, where they are kept.
    train : bool, default True
        Whether they are trained if they are not there. Otherwise those of any version of gzmass count.

    Returns
    -------
    dict of str to dict
        The numbers of each baseline by its name; ``failed`` alone, the reason in one sentence, if there are none.
    """
    try:
        identity = fingerprint({"dataset": read_info(path)["content_hash"], "metadata": metadata})
        file = out / f"baselines-{identity[:8]}.yaml"
        if found := _read(file, any_version=not train):
            return found
        if not train:
            return {"failed": "not finished"}
        dataset = open_dataset(path)
        learnt, test = dataset.rows("train", "log_ml"), dataset.rows("test", "log_ml")
        predictions = mass_to_light_baselines(dataset, learnt, test, metadata)["predictions"]
    except GzmassError as error:
        return {"failed": str(error)}
    true = dataset.log_ml(test)[:, 0]
    numbers = {
        name: {"n_train": len(learnt), **_chosen(mass_to_light_metrics(true, predicted, n_resamples=0))}
        for name, predicted in predictions.items()
    }
    _write(file, numbers)
    return numbers


@cache  # once a process
def _end_with_parent():
    """Let this process end with the one that started it, which may have been killed.

    It would train on otherwise, while the command, started again, continues the same training.
    """

    def wait():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _measure(run, dataset):
    from gzmass.inference import predict  # noqa: PLC0415 -- loads Keras

    predictions = predict(run, dataset, "test")
    if (failed := predictions["status"] == "failed").any():  # numbers of the others would stand for all
        first = predictions["status_reason"][failed].iloc[0]
        raise DataError(f"{failed.sum()} galaxies can not be predicted, the first since {first}.")
    seconds = run.card.get("training_seconds")
    numbers = {"n_train": run.card["n_train"], "n_test": len(predictions)}
    if "log_ml_g" in predictions:
        true = dataset.log_ml("test")[:, 0]
        numbers |= _chosen(mass_to_light_metrics(true, predictions["log_ml_g"], n_resamples=0))
        for level in LEVELS:
            lower, upper = interval_columns(level)
            inside = coverage(true, predictions[lower], predictions[upper])["coverage"]
            numbers[f"coverage_{100 * level:.0f}"] = float(inside)
    if run.tree is not None and dataset.tree == run.tree:
        fractions = predictions[[f"{stem}_fraction" for stem in run.tree.stems]].to_numpy()
        train = dataset.votes(dataset.rows("train", "votes"))
        joint = vote_metrics(dataset.votes("test"), fractions, run.tree, train, n_resamples=0)["joint"]
        numbers |= {"votes_rmse": joint["rmse"], "votes_rmse_mean": joint["rmse_mean"]}
    return numbers if seconds is None else {**numbers, "training_seconds": seconds}


def _chosen(numbers):
    return {name: numbers[name] for name in METRICS if name in numbers}


def _read(file, any_version=False):
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
        return found["measured"] if any_version or found["gzmass"] == __version__ else None
    except (FileNotFoundError, UnicodeDecodeError, yaml.YAMLError, LookupError, TypeError):
        return None  # missing or damaged: it is measured (again)


def _write(file, numbers):
    write_yaml(file, {"gzmass": __version__, "measured": numbers})
