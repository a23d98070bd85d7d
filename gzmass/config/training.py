"""What decides a training: the network, the augmentation, the optimizer, the stages; and what of it counts."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from gzmass.config.strict import StrictModel

__all__ = [
    "LABEL_COLUMNS",
    "REVISIONS",
    "AugmentationConfig",
    "FinetuneConfig",
    "ModelConfig",
    "OptimizationConfig",
    "PretrainConfig",
    "StageConfig",
    "revisions_of",
    "what_counts",
]

Fraction = Annotated[float, Field(ge=0, lt=1)]

#: Each goes up by one when a trunk of that name becomes another network, or the default of a key of a training another
#: value, so that runs of before are not taken for those of now (tests/models/test_trunks.py notices).
REVISIONS = {"cnn4": 1, "cnn5": 1, "cnn5_wide": 1, "resnet34": 1, "defaults": 2}

# what tells not what is learnt: where things stand, whose content counts by its hash, and how the work is done
_PLACES = {"out", "dataset", "init_from", "tensorboard"}
_WAYS = {"devices", "steps_per_execution"}  # of `optimization`

#: Beginnings of columns that hold the label, or what it was computed from: no input of a network or a baseline.
LABEL_COLUMNS = ("log_ml_g", "log_mstar", "sim_")


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
    def _warmup_of_a_cosine(self):
        if self.schedule != "cosine" and self.changed("warmup"):
            raise ValueError(f"warmup belongs to the schedule 'cosine'; received schedule {self.schedule!r}")
        return self

    @model_validator(mode="after")
    def _trunk_is_trained(self):
        if self.train in ("heads", 0) and (self.rate_decay < 1 or self.batch_norm == "frozen"):
            raise ValueError("rate_decay and batch_norm are for stages that train blocks of the trunk")
        return self


class OptimizationConfig(StrictModel):
    """The optimizer and the batches, the same in all stages."""

    optimizer: Literal["muon", "adamw", "adam", "nadam"] = "muon"
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

    metadata: list[str] = Field([])
    linear_metadata: list[str] = Field([])
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


def revisions_of(config, defaults=True):
    """Tell which revisions a training depends on, as part of its fingerprint.

    Parameters
    ----------
    config : PretrainConfig or FinetuneConfig
        The configuration.
    defaults : bool, default True
        Whether that of the defaults counts, which it does where keys at their defaults are not told (`what_counts`).

    Returns
    -------
    dict or None
        Those of `REVISIONS` that are not the first one, by name; None if there is none.
    """
    names = (config.model.trunk, "defaults") if defaults else (config.model.trunk,)
    found = {name: REVISIONS[name] for name in names if REVISIONS[name] > 1}
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
