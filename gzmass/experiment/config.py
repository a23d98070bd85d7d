"""Configuration of an experiment: the axes, the rows, and what all of its trainings have in common."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from gzmass.config import StrictModel

__all__ = ["AFTER_AXES", "BEFORE_AXES", "METRICS", "ExperimentConfig", "RowConfig"]

#: What is measured on the test split of each run, with its name in the tables.
METRICS = {
    "rmse_linear": "RMSE",
    "r2_linear": "R2",
    "rmse_dex": "RMSE [dex]",
    "r2_dex": "R2 [dex]",
    "bias_dex": "bias [dex]",
    "coverage_68": "in 68 % [%]",
    "coverage_90": "in 90 % [%]",
    "coverage_95": "in 95 % [%]",
    "votes_rmse": "votes RMSE",
    "training_seconds": "time [s]",
}

#: Columns of the table; the axes stand between them, and ``published_<metric>`` before the last.
BEFORE_AXES = ("kind", "name", "dataset", "row")
AFTER_AXES = ("note", "seed", "run", "n_train", "n_test", *METRICS, "votes_rmse_mean", "failed")

# heads of the table for readers, which an axis can not be called like either
_HEADS = ("seeds", "published", *METRICS.values())


def _text(value):
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


# YAML reads the key 100 as a number
Name = Annotated[str, BeforeValidator(_text)]
Published = Literal["rmse_linear", "r2_linear", "rmse_dex", "r2_dex"]


class RowConfig(StrictModel):
    """One row of the table: a value of each axis, and what was published for it."""

    at: dict[Name, Name]
    published: dict[Published, float] = Field({})
    note: str = ""


class ExperimentConfig(StrictModel):
    """Configuration of `gzmass experiment`."""

    out: Path
    axes: dict[Name, dict[Name, dict[str, Any]]] = Field(min_length=1)
    rows: list[RowConfig] | None = Field(None, min_length=1)
    seeds: list[Annotated[int, Field(ge=0, lt=2**32)]] = Field([0, 1, 2], min_length=1)
    finetune: dict[str, Any] = Field({})
    pretrain: dict[Name, dict[str, Any]] = Field({})
    baselines: bool = True
    workers: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _names_are_clear(self):
        columns = {*BEFORE_AXES, *AFTER_AXES, *_HEADS}
        if taken := [name for name in self.axes if name in columns or name.startswith("published_")]:
            raise ValueError(f"axes has {taken[0]!r}, which is a column of the table; give the axis another name")
        if empty := [name for name, values in self.axes.items() if not values]:
            raise ValueError(f"the axis {empty[0]!r} has no values")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds has a seed twice: {self.seeds}")
        return self

    @model_validator(mode="after")
    def _rows_are_on_the_axes(self):
        for row in self.rows or ():
            if set(row.at) != set(self.axes):
                raise ValueError(f"a row needs a value of each axis ({', '.join(self.axes)}); received {row.at}")
            for axis, value in row.at.items():
                if value not in self.axes[axis]:
                    raise ValueError(
                        f"a row has {value!r} on the axis {axis!r}, whose values are {', '.join(self.axes[axis])}"
                    )
        return self
