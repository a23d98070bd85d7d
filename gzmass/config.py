"""One typed configuration: YAML files and key=value overrides, with errors that name the key."""

import difflib
from pathlib import Path
from types import NoneType
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gzmass.engine import UniqueKeyLoader, write_atomically
from gzmass.errors import ConfigError

__all__ = [
    "AugmentationConfig",
    "FinetuneConfig",
    "ModelConfig",
    "OptimizationConfig",
    "PretrainConfig",
    "StageConfig",
    "StrictModel",
    "load_config",
    "make_config",
    "save_config",
    "set_key",
    "what_counts",
]

Fraction = Annotated[float, Field(ge=0, lt=1)]

#: Each goes up by one when a trunk of that name becomes another network, or the default of a key of a training another
#: value, so that runs of before are not taken for those of now (tests/models/test_trunks.py notices).
REVISIONS = {"cnn4": 1, "cnn5": 1, "cnn5_wide": 1, "resnet34": 1, "defaults": 1}

# what tells not what is learnt: where things stand, whose content counts by its hash, and how the work is done
_PLACES = {"out", "dataset", "init_from", "tensorboard"}
_WAYS = {"devices", "steps_per_execution"}  # of `optimization`

# what pydantic says in words of Python
_ALLOWED = {
    "dict_type": "allowed is a section with keys of its own",
    "model_type": "allowed is a section with keys of its own",
    "list_type": "allowed is a list, such as [a, b]",
    "path_type": "allowed is a path, in quotes if it looks like a number or a date",
}
_LONGEST = 200  # characters of a value in an error
#: Beginnings of columns that hold the label, or what it was computed from: no input of a network or a baseline.
LABEL_COLUMNS = ("log_ml_g", "log_mstar", "sim_")


class StrictModel(BaseModel):
    """A configuration in which a key that does not exist is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)

    def changed(self, *names):
        """Find keys whose value is not the default one, where they have no meaning.

        Parameters
        ----------
        *names : str
            The keys to look at.

        Returns
        -------
        list of str
            Those with another value.
        """
        fields = type(self).model_fields
        return [name for name in names if getattr(self, name) != fields[name].get_default(call_default_factory=True)]


class AugmentationConfig(StrictModel):
    """Arguments of `gzmass.layers.RandomAffine`."""

    rotation: float = Field(1.0, ge=0, le=1)
    angles: Literal["any", "right"] = "any"
    flip: bool = True
    zoom: tuple[float, float] = (0.9, 1.1)
    shift: Fraction = 0.05
    interpolation: Literal["nearest", "bilinear"] = "nearest"

    @model_validator(mode="after")
    def _zoom_is_a_range(self):
        if not 0 < self.zoom[0] <= self.zoom[1]:
            raise ValueError(f"zoom must be two magnifications, 0 < smallest <= largest; received {list(self.zoom)}")
        return self


class ModelConfig(StrictModel):
    """The graph: arguments of `gzmass.models.build_model` that do not follow from the dataset."""

    trunk: Literal["cnn5", "cnn5_wide", "cnn4", "resnet34"] = "cnn5"
    weights: str | None = None
    hidden: int = Field(256, ge=1)
    dropout: Fraction = 0.3

    @model_validator(mode="after")
    def _weights_of_the_trunk(self):
        if self.weights is not None and self.trunk != "resnet34":
            raise ValueError(f"weights {self.weights!r} go with the trunk 'resnet34'; received trunk {self.trunk!r}")
        return self


class StageConfig(StrictModel):
    """One stage of training: what is trained, for how long, how fast."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    train: Literal["all", "heads"] | Annotated[int, Field(ge=0, strict=True)] = "all"
    epochs: int | None = Field(None, ge=1)
    steps: int | None = Field(None, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    rate_decay: float = Field(1.0, gt=0, le=1)
    batch_norm: Literal["train", "frozen"] = "train"
    schedule: Literal["cosine", "constant", "plateau"] = "cosine"
    warmup: Fraction = 0.05
    early_stopping: int | None = Field(None, ge=1)
    keep: Literal["best", "last"] = "best"

    @model_validator(mode="after")
    def _one_length(self):
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("a stage has either epochs or steps; set the other to null")
        return self

    @model_validator(mode="after")
    def _trunk_is_trained(self):
        if self.train in ("heads", 0) and (self.rate_decay < 1 or self.batch_norm == "frozen"):
            raise ValueError("rate_decay and batch_norm are for stages that train blocks of the trunk")
        return self


class OptimizationConfig(StrictModel):
    """The optimizer and the batches, the same in all stages."""

    optimizer: Literal["adamw", "adam", "muon", "nadam"] = "adamw"
    weight_decay: float = Field(1e-4, ge=0)
    clip_norm: float | None = Field(1.0, gt=0)
    batch_size: int = Field(64, ge=1)
    steps_per_execution: int = Field(1, ge=1)
    devices: Literal["all"] | Annotated[int, Field(ge=1, strict=True)] = 1
    precision: Literal["float32", "bfloat16"] = "float32"


class _RunConfig(StrictModel):
    """What pretraining and fine-tuning have in common."""

    dataset: Path
    out: Path
    init_from: Path | None = None
    seed: int = Field(0, ge=0, lt=2**32)
    model: ModelConfig = ModelConfig()
    augmentation: AugmentationConfig | None = AugmentationConfig()
    optimization: OptimizationConfig = OptimizationConfig()
    n_labels: int | None = Field(None, ge=1)
    test_time_augmentation: Literal[1, 4, 8] = 4
    tensorboard: bool = False

    @model_validator(mode="after")
    def _stages_have_names_of_their_own(self):
        names = [stage.name for stage in self.stages]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two stages have the name {min(twice)!r}; each needs its own")
        return self

    @model_validator(mode="after")
    def _one_start(self):
        if self.init_from is not None and self.model.weights is not None:
            raise ValueError("init_from and model.weights both say where the trunk's weights come from; give one")
        return self


class PretrainConfig(_RunConfig):
    """Configuration of `gzmass pretrain-gz2`."""

    vote_loss: Literal["multinomial", "dirichlet_multinomial", "squared_error"] = "multinomial"
    stages: list[StageConfig] = Field([StageConfig(name="pretrain", epochs=30)], min_length=1)


class FinetuneConfig(_RunConfig):
    """Configuration of `gzmass finetune-ml`."""

    metadata: list[str] = []
    linear_metadata: list[str] = []
    metadata_mask: bool = True
    loss: Literal["gaussian", "huber", "squared_error"] = "gaussian"
    target: Literal["log", "linear"] = "log"
    vote_loss: Literal["multinomial", "dirichlet_multinomial", "squared_error"] = "multinomial"
    vote_loss_weight: float = Field(0.0, ge=0)
    stages: list[StageConfig] = Field(
        [
            StageConfig(name="head", train="heads", epochs=5),
            StageConfig(name="all", train="all", epochs=30, learning_rate=3e-4),
        ],
        min_length=1,
    )

    @model_validator(mode="after")
    def _consistent(self):
        if self.target == "linear" and self.loss == "gaussian":
            raise ValueError("target 'linear' goes with the loss 'huber' or 'squared_error' (sigma is that of log M/L)")
        if len(set(self.metadata)) < len(self.metadata):
            raise ValueError(f"metadata names a column twice: {self.metadata}")
        if labels := [name for name in self.metadata if name.startswith(LABEL_COLUMNS)]:
            raise ValueError(f"metadata has {labels[0]!r}, which the label could be read from")
        if unknown := set(self.linear_metadata) - set(self.metadata):
            raise ValueError(f"linear_metadata has {min(unknown)!r}, which is not among metadata {self.metadata}")
        return self


def load_config(kind, path=None, overrides=()):
    """Read a configuration from a YAML file, with overrides.

    Parameters
    ----------
    kind : type
        The configuration class, such as `FinetuneConfig`.
    path : str or pathlib.Path, optional
        The YAML file; without one the overrides are all there is.
    overrides : sequence of str, default ()
        ``key=value``, with keys as in `set_key`; the value is read as YAML, or as text if it is none. They win over
        the file.

    Returns
    -------
    StrictModel
        The configuration, of the class `kind`.

    Raises
    ------
    ConfigError
        The file is missing or no YAML mapping, an override is not ``key=value``, a key does not exist, or a value is
        not allowed; the message names the key, the value and what is allowed.
    """
    data, source = {}, "the command line"
    if path is not None:
        path, source = Path(path), str(path)
        if not path.is_file():
            what = "is a directory" if path.is_dir() else "does not exist"
            raise ConfigError(f"The configuration file {source!r} {what}.")
        try:
            data = yaml.load(path.read_text(encoding="utf-8"), UniqueKeyLoader) or {}  # noqa: S506 -- a SafeLoader
        except yaml.constructor.ConstructorError as error:
            raise ConfigError(f"{source}: {error.problem}.") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(f"{source} is not a YAML file: {' '.join(str(error).split())}.") from None
        if not isinstance(data, dict):
            raise ConfigError(f"{source} must be a YAML mapping of keys to values. Received: {_cut(data)}.")
    for override in overrides:
        _override(data, override, kind)
    return make_config(kind, data, source)


def make_config(kind, data, source):
    """Make a configuration out of plain data.

    Parameters
    ----------
    kind : type
        The configuration class, such as `FinetuneConfig`.
    data : dict
        Keys and values.
    source : str
        Where they come from, for errors.

    Returns
    -------
    StrictModel
        The configuration, of the class `kind`.

    Raises
    ------
    ConfigError
        A key does not exist, or a value is not allowed; the message names the key, the value and what is allowed.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{source}: {_first_error(error, kind)}") from None


def set_key(data, key, value):
    """Set a value in plain data.

    Parameters
    ----------
    data : dict
        Keys and values; changed.
    key : str
        The key; a dot goes into a section, a number or the name of an item into a list (``stages.0.epochs``,
        ``stages.head.epochs``).
    value : object
        The value.

    Raises
    ------
    ConfigError
        The key goes into something that is no section, or a list has no such item.
    """
    *sections, last = key.split(".")
    here = data
    for section in sections:
        here = _enter(here, section, key)
    here[_place(here, last, key)] = value


def save_config(config, path):
    """Write the resolved configuration, every key with its value, so that it can be read again.

    Parameters
    ----------
    config : StrictModel
        The configuration.
    path : str or pathlib.Path
        The YAML file to make.
    """
    with write_atomically(path) as temporary:
        temporary.write_text(
            yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True), encoding="utf-8"
        )


def _override(data, override, kind):
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"An override is written key=value. Received: {override!r}.")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text  # such as the pattern {id}.fits
    if _takes_path(kind, key) and not isinstance(value, dict | list | NoneType):
        value = text  # a folder may be called 2024 or 2024-06-01
    elif isinstance(value, str):
        value = _number(value)
    set_key(data, key, value)


def _takes_path(kind, key):
    """Tell whether a key of a configuration holds the path of a file or folder."""
    *sections, last = key.split(".")
    for section in sections:
        nested = list(_classes_in(getattr(kind.model_fields.get(section), "annotation", None)))
        if not nested:
            return False
        kind = nested[0]
    annotation = getattr(kind.model_fields.get(last), "annotation", None)
    return Path in (annotation, *getattr(annotation, "__args__", ()))


def _number(text):
    # YAML 1.1 reads 1e-3 as a string: it wants 1.0e-3
    try:
        return float(text)
    except ValueError:
        return text


def _enter(here, section, key):
    place = _place(here, section, key)
    inner = here[place] if isinstance(here, list) else here.get(place)
    if inner is None:
        inner = here[place] = {}
    if not isinstance(inner, dict | list):
        raise ConfigError(f"The key {key!r} can not be set: {section!r} is {inner!r}, not a section.")
    return inner


def _place(here, text, key):
    if isinstance(here, dict):
        return next((there for there in here if str(there) == text), text)  # YAML reads the key 100 as a number
    if text.isdigit() and int(text) < len(here):
        return int(text)
    names = [item.get("name") if isinstance(item, dict) else None for item in here]
    if text in names:
        return names.index(text)
    named = f" or {', '.join(map(str, names))}" if any(names) else ""
    raise ConfigError(f"The key {key!r} can not be set: {text!r} is not one of 0 to {len(here) - 1}{named}.")


def _first_error(error, kind):
    first = error.errors(include_url=False)[0]
    key = _key(first)
    if first["type"] == "extra_forbidden":
        allowed = _keys_beside(kind, first["loc"])
        close = difflib.get_close_matches(str(first["loc"][-1]), allowed, n=1)
        hint = f"did you mean {close[0]!r}? Allowed are" if close else "allowed are"
        return f"there is no key {key!r} (its value is {_cut(first['input'])}); {hint} {', '.join(allowed)}."
    if first["type"] == "missing":
        return f"the key {key!r} is missing."
    # a value that may be of several kinds has one error for each of them
    same = [_message(one) for one in error.errors(include_url=False) if _key(one) == key]
    message = ", or ".join(same)
    where = f"the key {key!r} has the value {_cut(first['input'])}: " if key else ""
    return f"{where}{message}."


def _cut(value):
    """Show a value that was received; of a long one the beginning."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _message(error):
    text = _ALLOWED.get(error["type"]) or error["msg"].removeprefix("Value error, ")
    return text[0].lower() + text[1:]


def _key(error):
    # pydantic puts the kind of a value that may be of several behind its key: "literal['all','heads']", "str"
    first, *others = error["loc"] or [""]
    kinds = {"int", "str", "float", "constrained-int"}
    return ".".join(str(part) for part in [first, *others] if part is first or not ("[" in str(part) or part in kinds))


def _keys_beside(kind, location):
    """Keys that are allowed where a wrong one stands: follow the location through the nested classes."""
    here = kind
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        field = here.model_fields.get(part)
        if field is None:  # the key of a mapping with names of the user's own
            continue
        nested = list(_classes_in(field.annotation))
        if not nested:
            return []
        here = nested[0]
    return list(here.model_fields)


def _classes_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _classes_in(inner)


def revisions_of(config):
    """Tell which revisions a training depends on, as part of its fingerprint.

    Parameters
    ----------
    config : PretrainConfig or FinetuneConfig
        The configuration.

    Returns
    -------
    dict or None
        Those of `REVISIONS` that are not the first one, by name; None if there is none.
    """
    found = {name: REVISIONS[name] for name in (config.model.trunk, "defaults") if REVISIONS[name] > 1}
    return found or None


def what_counts(config, defaults=True):
    """Tell what of the configuration of a training decides what is learnt, as part of its fingerprint.

    Parameters
    ----------
    config : PretrainConfig or FinetuneConfig
        The configuration.
    defaults : bool, default True
        Whether keys at their defaults are told too.

    Returns
    -------
    dict
        Plain data, without the paths, and with the default of each key that only says how the work is done.
    """
    as_ever = {name: OptimizationConfig.model_fields[name].default for name in _WAYS}
    config = config.model_copy(update={"optimization": config.optimization.model_copy(update=as_ever)})
    return config.model_dump(mode="json", exclude=_PLACES, exclude_defaults=not defaults)
