"""What is in a tree, a configuration, a dataset or a run, in words."""

from pathlib import Path

import yaml

from gzmass.config import FinetuneConfig, PretrainConfig, load_config
from gzmass.datasets import open_dataset
from gzmass.engine import RECIPE, read_yaml
from gzmass.errors import GzmassError, TreeError
from gzmass.preparation import PrepareConfig
from gzmass.tree import load_tree

__all__ = ["command_of", "show"]


def show(what):
    """Describe something by its name or path.

    Parameters
    ----------
    what : str
        ``tree`` or the name of a built-in tree, the YAML file of a tree or of a configuration, a dataset directory or a
        run directory.

    Returns
    -------
    list of str
        The lines of the description.

    Raises
    ------
    GzmassError
        It is none of these, or can not be read.
    """
    path = Path(what)
    if what == "tree":
        return _tree(load_tree("gz2"))
    if (path / "card.yaml").is_file():
        return _run(path)
    if (path / "dataset.yaml").is_file():
        return _dataset(path)
    if path.suffix in {".yaml", ".yml"} and path.is_file():
        return _tree(load_tree(path)) if "questions" in _yaml(path) else _config(path)
    if (path / "fingerprint.yaml").is_file() and (path / "config.yaml").is_file():
        raise GzmassError(f"The run {what!r} is not finished: start the command that makes it again.")
    # predictions of many galaxies have such a file too, but no size of images in it
    if (path / RECIPE).is_file() and "npix" in (_yaml(path / RECIPE).get("recipe") or ()):
        raise GzmassError(f"The dataset {what!r} is not finished: start the command that makes it again.")
    if not path.exists() and path.name != what:
        raise GzmassError(f"{what!r} does not exist.")
    if path.exists():
        raise GzmassError(
            f"{what!r} is neither a tree, a configuration, a dataset nor a finished run: it has no card.yaml, no "
            "dataset.yaml, and does not end with .yaml."
        )
    try:
        return _tree(load_tree(what))
    except TreeError as error:
        raise GzmassError(f"{what!r} is neither a file or directory that exists nor a tree: {error}") from None


def _yaml(path):
    data = read_yaml(path, str(path), GzmassError)
    if not isinstance(data, dict):
        raise GzmassError(f"{path} must be a YAML mapping of keys to values. Received: {str(data)[:100]!r}.")
    return data


def _tree(tree):
    lines = [f"Decision tree {tree.name}: {tree.n_questions} questions, {tree.n_answers} answers (hash {tree.hash})"]
    leads_to = {stem: [] for stem in tree.stems}
    for index, question in enumerate(tree.questions):
        for k in tree.parents[index].nonzero()[0]:
            leads_to[tree.stems[k]].append(question.name)
    for question in tree.questions:
        after = ", after " + ", ".join(question.parents) if question.parents else ", asked of everyone"
        lines.append(f"{question.name}: {question.text}{after}")
        for answer in question.answers:
            to = ", ".join(leads_to[answer.stem]) or "end"
            lines.append(f"    {answer.stem}: {answer.text} -> {to}")
    return lines


def command_of(path):
    """Tell for which command a configuration was written.

    Parameters
    ----------
    path : pathlib.Path
        Its YAML file.

    Returns
    -------
    kind : type
        The class of the configuration whose keys fit best.
    command : str
        Name of the command.

    Raises
    ------
    GzmassError
        The file can not be read, is no mapping, or has no key of any command.
    """
    from gzmass.experiment import ExperimentConfig  # noqa: PLC0415 -- brings the evaluation along, seconds

    keys = set(_yaml(path))
    commands = {
        PrepareConfig: "prepare",
        PretrainConfig: "pretrain-gz2",
        FinetuneConfig: "finetune-ml",
        ExperimentConfig: "experiment",
    }
    # the class whose keys fit best is the one that was meant, so that a misspelt key is told of in its words
    kind = max(commands, key=lambda c: (len(keys & set(c.model_fields)), -len(c.model_fields)))
    if not keys & set(kind.model_fields):
        if {"jobs", "cores", "memory"} <= keys:
            raise GzmassError(f"{path} describes Slurm jobs: --slurm of gzmass predict and gzmass prepare reads it.")
        raise GzmassError(f"{path} is no tree, and none of its keys is one of gzmass {', '.join(commands.values())}.")
    return kind, commands[kind]


def _config(path):
    kind, command = command_of(path)
    keys, config = set(_yaml(path)), load_config(kind, path)
    lines = [f"Configuration of gzmass {command}; a key that {path} does not set has its default"]
    values = config.model_dump(mode="json")
    return lines + [f"{key}: {_flow(value)}{'' if key in keys else '  (default)'}" for key, value in values.items()]


def _dataset(path):
    dataset = open_dataset(path)
    info = dataset.info
    lines = [f"Dataset {path}: {len(dataset)} galaxies, images of {dataset.npix} px"]
    for split, counts in info["counts"].items():
        lines.append(f"{split}: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    for key, value in info.items():
        if key not in {"counts", "tree", "npix"}:
            lines.append(f"{key}: {_flow(value)}")
    if dataset.tree is not None:
        lines.append(f"tree: {dataset.tree.name} ({dataset.tree.n_answers} answers)")
    votes = {f"{stem}_votes" for stem in dataset.tree.stems} if dataset.tree is not None else set()
    lines.append("columns: (known values of each)")
    known = dataset.table.notna().sum()
    lines += [f"    {name}: {count}" for name, count in known.items() if name not in votes]
    lines.append(f"    <stem>_votes: {sum(known.get(name, 0) > 0 for name in votes)} of {len(votes)} answers")
    return lines


def _run(path):
    try:
        return _card(path, _yaml(path / "card.yaml"))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise GzmassError(f"The run {str(path)!r} can not be read: its card.yaml is damaged ({reason}).") from None


def _card(path, card):
    lines = [f"Run {path}: {card['kind']}, {card['npix']} px, trunk {card['config']['model']['trunk']}"]
    lines.append(f"trained on {card['n_train']} galaxies of {card['dataset']['path']}, {card['epochs']} epochs")
    lines.append(f"held out for validation: {card['n_validation']} galaxies")
    if card["tree"]:
        lines.append(f"tree: {card['tree']['name']} ({card['tree_hash']})")
    lines.append(f"metadata: {', '.join(card['metadata']) or 'none'}")
    if card.get("init_from"):
        lines.append(f"started from: {card['init_from']['path']}, copied {', '.join(card['init_from']['copied'])}")
    for key, value in card["validation"].items():
        if isinstance(value, int | float) and not key.endswith("_error"):
            error = card["validation"].get(f"{key}_error")
            lines.append(f"validation {key}: {value:.4g}" + (f" +- {error:.2g}" if error is not None else ""))
    joint = card["validation"].get("joint") or card.get("validation_votes", {}).get("joint")
    if joint:
        lines.append(f"validation votes RMSE: {joint['rmse']:.4f} over {joint['n_answers']} answers")
    if "calibration" in card:
        lines.append(f"intervals calibrated on {card['calibration']['n']} galaxies")
    lines.append("versions: " + ", ".join(f"{name} {value}" for name, value in card["versions"].items()))
    return lines


def _flow(value):
    if isinstance(value, dict | list):
        return yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).strip()
    if value is None or isinstance(value, bool):
        return yaml.safe_dump(value).split()[0]
    return str(value)
