"""One typed configuration: YAML files and key=value overrides, with errors that name the key."""

from gzmass.config.read import load_config, save_config, set_key
from gzmass.config.strict import StrictModel, make_config
from gzmass.config.training import (
    LABEL_COLUMNS,
    REVISIONS,
    AugmentationConfig,
    FinetuneConfig,
    ModelConfig,
    OptimizationConfig,
    PretrainConfig,
    StageConfig,
    revisions_of,
    what_counts,
)

__all__ = [
    "LABEL_COLUMNS",
    "REVISIONS",
    "AugmentationConfig",
    "FinetuneConfig",
    "ModelConfig",
    "OptimizationConfig",
    "PretrainConfig",
    "StageConfig",
    "StrictModel",
    "load_config",
    "make_config",
    "revisions_of",
    "save_config",
    "set_key",
    "what_counts",
]
