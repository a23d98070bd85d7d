"""The configuration of `prepare`: where images and catalogues are, and what becomes of them."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

__all__ = ["PrepareConfig"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Column(_Strict):
    """A column of a table whose unit or scale is not that of the dataset."""

    column: str
    unit: str | None = None
    scale: float | None = None

    @model_validator(mode="after")
    def _one_of_both(self):
        if self.unit is not None and self.scale is not None:
            raise ValueError("give a unit or a scale, not both")
        return self


class _Images(_Strict):
    """Image files: a folder, or a list of files."""

    folder: Path | None = None
    files: list[Path] | None = None
    pattern: str = Field(default="{id}.fits", description="file name, {id} standing for the id")
    channel: Literal["red", "green", "blue", 0, 1, 2] | None = None
    hdu: int | str | None = None

    @model_validator(mode="after")
    def _one_source(self):
        if (self.folder is None) == (self.files is None):
            raise ValueError("give either a folder or a list of files")
        if self.pattern.count("{id}") != 1:
            raise ValueError(f"the pattern must hold {{id}} once; received {self.pattern!r}")
        return self


class _Stretch(_Strict):
    """The stretch to 8 bits."""

    kind: Literal["log"] = "log"
    scale: Literal["auto"] | PositiveFloat = "auto"


class _Votes(_Strict):
    """A table of votes."""

    file: Path
    format: Literal["kaggle", "columns"] = "columns"
    id: str = "id"
    tree: str = "gz2"
    n_votes: PositiveFloat = 44.0
    q6_sums_to_one: bool = True
    columns: str | dict[str, str] = "{stem}_votes"


class _MassToLight(_Strict):
    """A table of mass-to-light ratios, and what they mean."""

    file: Path
    id: str = "id"
    columns: dict[str, str | _Column]
    where: str | None = None
    kind: Literal["measured", "proxy", "simulated"] = "measured"
    imf: str | None = None
    solar_magnitude: float | None = None
    cosmology: str | None = None
    source: str | None = None


class _Metadata(_Strict):
    """A table of other columns."""

    file: Path
    id: str = "id"
    columns: dict[str, str | _Column]


class _Split(_Strict):
    """How galaxies are split: by a hash of the id, or as a table says."""

    fractions: dict[Literal["train", "val", "test"], float] = {"train": 0.7, "val": 0.1, "test": 0.2}
    salt: str = "gzmass"
    file: Path | None = None
    id: str = "id"
    column: str = "split"


class PrepareConfig(_Strict):
    """What `prepare` makes a dataset of; every key of its YAML file.

    Parameters
    ----------
    out : pathlib.Path
        The dataset directory to make.
    images : dict
        ``folder`` or ``files``; ``pattern`` of the file names with ``{id}``; ``channel`` of colour images; ``hdu``.
    npix : int
        Side of the images of the dataset, in pixels.
    crop : int or float, optional
        Side of the central square that is used: an int in pixels, a float as a fraction of the shorter side.
    stretch : dict
        ``kind`` ("log") and ``scale`` ("auto" or a number in the unit of the images).
    band : str
        Name of the band.
    pixel_scale_arcsec : float, optional
        Size of a pixel of the image files, where it is the same for all; in arcsec.
    votes : dict, optional
        ``file``, ``format`` ("kaggle" or "columns"), ``id``, ``tree``, ``n_votes``, ``q6_sums_to_one``, ``columns``.
    mass_to_light : dict, optional
        ``file``, ``id``, ``columns``, ``where``, ``kind`` ("measured", "proxy" or "simulated"), ``imf``,
        ``solar_magnitude``, ``cosmology``, ``source``.
    metadata : dict, optional
        ``file``, ``id``, ``columns``.
    split : dict
        ``fractions`` and ``salt``; or ``file``, ``id`` and ``column`` of a split that is given.
    limit : int, optional
        Only this many galaxies, the first ones in the order of their ids.
    workers : int
        Processes; the result does not depend on it.
    """

    out: Path
    images: _Images
    npix: int = Field(default=69, ge=8, le=4096)
    crop: PositiveInt | PositiveFloat | None = None
    stretch: _Stretch = _Stretch()
    band: str = "g"
    pixel_scale_arcsec: PositiveFloat | None = None
    votes: _Votes | None = None
    mass_to_light: _MassToLight | None = None
    metadata: _Metadata | None = None
    split: _Split = _Split()
    limit: PositiveInt | None = None
    workers: PositiveInt = 1

    @model_validator(mode="after")
    def _crop_is_a_part(self):
        if isinstance(self.crop, float) and self.crop > 1:
            raise ValueError(f"crop is an int in pixels or a fraction up to 1.0; received {self.crop!r}")
        return self
