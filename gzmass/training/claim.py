"""Claiming a run directory: it belongs to one configuration, one dataset and one start."""

from pathlib import Path

import yaml

from gzmass.config import load_config, revisions_of, save_config, what_counts
from gzmass.engine import fingerprint, hold_directory, write_yaml
from gzmass.engine.lock import LOCK
from gzmass.errors import ConfigError, DataError
from gzmass.models import load_run
from gzmass.models.run import read_card
from gzmass.training.devices import ONE_DEVICE

__all__ = ["claim", "start_mark"]

_WORDS = {"revisions": "network of the same name, of an earlier version"}


def claim(config, dataset, stack, init_from=None, devices=ONE_DEVICE):
    """Take possession of the run directory, or find that its work is done.

    Of several processes the first one does it, and the others wait for that. It keeps all others out of the directory,
    as `gzmass.engine.hold_directory` does, until the stack is closed.

    Parameters
    ----------
    config : gzmass.config.PretrainConfig or gzmass.config.FinetuneConfig
        The configuration; it is written to ``config.yaml``.
    dataset : gzmass.datasets.Dataset
        The dataset.
    stack : contextlib.ExitStack
        What is closed when the training is over.
    init_from : gzmass.models.Run, optional
        The run that the weights come from.
    devices : gzmass.training.devices.Devices, optional
        The devices of the training.

    Returns
    -------
    gzmass.models.Run or None
        The finished run, if an earlier call with the same configuration, data and start made it.

    Raises
    ------
    ConfigError
        The directory holds another run, or another process works in it.
    DataError
        An image of the dataset can not be read.
    """
    out = Path(config.out)
    if devices.process == 0:
        wanted = {
            "config": fingerprint(what_counts(config)),
            "dataset": dataset.info["content_hash"],
            "init_from": init_from and init_from.card["weights_hash"],
            "revisions": revisions_of(config, defaults=False),
        }
        _refuse_another(out, config, wanted)  # into which nothing is written, not even for a moment
        if not (out / "card.yaml").is_file():
            _ = dataset.pixels  # decoded now: a bad image is told of before anything is written
            stack.enter_context(hold_directory(out))
            _refuse_another(out, config, wanted)  # that another process has begun meanwhile
        if not (out / "card.yaml").is_file():
            # first: what a kill leaves is told from something else by it
            write_yaml(out / "fingerprint.yaml", wanted)
            save_config(config, out / "config.yaml")
    devices.wait("the run directory is claimed")
    return load_run(out) if (out / "card.yaml").is_file() else None


def start_mark(path):
    """Tell by what a run is known in the fingerprint of those that start from it; its graph is not opened.

    Parameters
    ----------
    path : str or pathlib.Path
        The run directory.

    Returns
    -------
    str
        Hash of its weights.

    Raises
    ------
    DataError
        It holds no finished run, or its card is damaged.
    """
    return read_card(path)["weights_hash"]


def _refuse_another(out, config, wanted):
    """Refuse a directory that holds something else, or another run."""
    file = out / "fingerprint.yaml"
    if file.is_file():
        found = _read_fingerprint(file)
        revisions = {name: n for name, n in (found.get("revisions") or {}).items() if name != "defaults"}
        found["revisions"] = revisions or None  # some were written with that of the defaults, which are in the config
        different = [key for key in wanted if found.get(key) != wanted[key]]
        if different and not (different == ["config"] and _resolved(out, type(config)) == wanted["config"]):
            keys = _different_keys(out, config) if different[0] == "config" else []
            where = f" (the keys {', '.join(keys)} differ)" if keys else ""
            what = _WORDS.get(different[0], different[0])
            raise ConfigError(
                f"The key 'out' has the value {str(out)!r}, which holds a run with another {what}{where}; "
                "give another directory, or remove that one."
            )
    elif out.exists() and (not out.is_dir() or any(not f.name.startswith((".partial-", LOCK)) for f in out.iterdir())):
        raise ConfigError(f"The key 'out' has the value {str(out)!r}, which holds something else than a run.")


def _read_fingerprint(file):
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict):
        raise DataError(f"{str(file)!r} is damaged: delete the run directory {str(file.parent)!r}, and start again.")
    return found


def _different_keys(out, config):
    """Keys of a configuration that are not those of the run in a directory; none if it has no readable one."""
    try:
        there = what_counts(load_config(type(config), out / "config.yaml"))
    except ConfigError:
        return []
    return [key for key, value in what_counts(config).items() if there.get(key) != value]


def _resolved(out, kind):
    """Fingerprint of a run's configuration with the keys that have come since, at their defaults; None if it has none.

    So a run that an earlier version of gzmass has begun can be continued.
    """
    try:
        return fingerprint(what_counts(load_config(kind, out / "config.yaml")))
    except ConfigError:
        return None
