"""How a configuration names the columns of a user's table: by a name, or with a unit, a scale, missing values."""

from typing import Annotated

from pydantic import BeforeValidator, Discriminator, Tag, model_validator

from gzmass.config import StrictModel

__all__ = ["Column", "ColumnOrName", "plain_columns"]


class Column(StrictModel):
    """A column of a table whose unit or scale is not that of the dataset, or with numbers for a missing value.

    Parameters
    ----------
    column : str
        Its name.
    unit : str, optional
        Its unit, as astropy writes it.
    scale : float, optional
        A factor to our unit, instead.
    missing : float or list of float, optional
        Numbers that stand for a missing value.
    """

    column: str
    unit: str | None = None
    scale: float | None = None
    missing: Annotated[
        list[float] | None, BeforeValidator(lambda value: [value] if isinstance(value, int | float) else value)
    ] = None

    @model_validator(mode="after")
    def _one_of_both(self):
        if self.unit is not None and self.scale is not None:
            raise ValueError("give a unit or a scale, not both")
        return self


#: Told apart by what is given, so that a mistake within a mapping is told of in the words of the mapping.
ColumnOrName = Annotated[
    Annotated[str, Tag("str")] | Annotated[Column, Tag("[column]")],
    Discriminator(lambda value: "[column]" if isinstance(value, dict | Column) else "str"),
]


def plain_columns(columns):
    """Make columns plain data.

    Parameters
    ----------
    columns : dict
        Our column to theirs, as configured.

    Returns
    -------
    dict
        Our column to a name or a dict, as `gzmass.catalogs.named_columns` takes it.
    """
    return {k: v if isinstance(v, str) else v.model_dump(exclude_none=True) for k, v in columns.items()}
