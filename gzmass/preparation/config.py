"""The configuration of `prepare`: where images and catalogues are, and what becomes of them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt, field_validator, model_validator

from gzmass.catalogs.conventions import band_name
from gzmass.catalogs.k_corrections import TEMPLATE_BANDS
from gzmass.catalogs.surveys import describe
from gzmass.config import StrictModel
from gzmass.preparation.columns import Column, ColumnOrName
from gzmass.preparation.match import MatchSettings

__all__ = ["BRIGHTNESSES", "PrepareConfig"]

_TEMPLATE_FLUXES = tuple(f"template_{name}_{band}" for name in ("flux", "flux_err") for band in TEMPLATE_BANDS)
_TEMPLATE_EXTINCTIONS = tuple(f"template_extinction_{band}" for band in TEMPLATE_BANDS)
#: Columns of the section photometry.
BRIGHTNESSES = (
    *(
        f"{prefix}{name}"
        for prefix in ("", "colour_")
        for name in ("flux", "flux_err", "magnitude", "magnitude_err", "extinction")
    ),
    *_TEMPLATE_FLUXES,
    *_TEMPLATE_EXTINCTIONS,
)
_SIDES = ("radii", "arcsec", "pixels", "fraction")
_Hubble = Annotated[float, Field(ge=20, le=200)]


class _Images(StrictModel):
    """Where the images are: one of a folder, a list, a table with a column of files, and survey frames."""

    folder: Path | None = None
    files: list[Path] | None = None
    pattern: str = "{id}.fits"
    table: Path | None = None
    id: str = "id"
    file: str = "file"
    frames: str | None = None
    channel: Literal["red", "green", "blue", 0, 1, 2] | None = None
    hdu: int | str | None = None
    plane: int | str | None = None
    mask: int | str | None = None

    @model_validator(mode="after")
    def _one_source(self):
        given = [name for name in ("folder", "files", "table", "frames") if getattr(self, name) is not None]
        if len(given) != 1:
            received = f"; received {' and '.join(given)}" if given else ""
            raise ValueError(f"give one of folder, files, table, frames{received}")
        if self.table is None and (idle := self.changed("id", "file")):
            raise ValueError(f"{idle[0]} belongs to images.table, and names one of its columns")
        if self.folder is None and self.files is None and self.changed("pattern"):
            raise ValueError("pattern belongs to images.folder and images.files")
        if self.pattern.count("{id}") != 1:
            raise ValueError(f"the pattern must hold {{id}} once; received {self.pattern!r}")
        return self


class _Cutout(StrictModel):
    """The square around the galaxy that is used, and what happens to what else is in it."""

    radii: PositiveFloat | None = None
    arcsec: PositiveFloat | None = None
    pixels: PositiveInt | None = None
    fraction: float | None = Field(None, gt=0, le=1)
    centre: Literal["correct", "flag", "keep"] = "correct"
    neighbours: Literal["symmetric", "sky", "none"] = "symmetric"

    @model_validator(mode="after")
    def _one_side(self):
        given = [name for name in _SIDES if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of {', '.join(_SIDES)}; received {' and '.join(given)}")
        return self


class _Stretch(StrictModel):
    """The stretch to 8 bits."""

    kind: Literal["log", "asinh"] = "log"
    scale: Literal["auto"] | PositiveFloat = "auto"
    peak: PositiveFloat | None = None


class _Galaxies(StrictModel):
    """The list of galaxies that the dataset is to hold."""

    file: Path
    id: str = "id"
    columns: dict[str, ColumnOrName] = Field(default_factory=lambda: {"ra": "ra", "dec": "dec"})


_OF_FORMAT = {"columns": "columns", "statistic": "galaxy_zoo_2", "n_votes": "kaggle", "q6_sums_to_one": "kaggle"}


class _Votes(StrictModel):
    """A table of votes."""

    file: Path
    format: Literal["columns", "kaggle", "galaxy_zoo_2"] = "columns"
    id: str | None = None
    tree: str = "gz2"
    columns: str | dict[str, str] = "{stem}_votes"
    statistic: Literal["count", "weight", "fraction", "weighted_fraction", "debiased"] = "weight"
    n_votes: PositiveFloat = 44.0
    q6_sums_to_one: bool = True
    match: MatchSettings = Field(default_factory=MatchSettings)

    @model_validator(mode="after")
    def _keys_belong_to_their_format(self):
        for name, layout in _OF_FORMAT.items():
            if self.format != layout and self.changed(name):
                raise ValueError(f"{name} belongs to the format {layout!r}, not to {self.format!r}")
        if self.format == "galaxy_zoo_2":
            self.match.refuse_positions(self.format)
        return self


class _Metadata(StrictModel):
    """A table of other columns."""

    file: Path
    id: str = "id"
    columns: dict[str, ColumnOrName]
    match: MatchSettings = Field(default_factory=MatchSettings)


class _MassToLight(StrictModel):
    """A table of masses or mass-to-light ratios, and what they mean."""

    file: Path | list[Path]
    format: str = "columns"
    id: str | None = None
    columns: dict[str, ColumnOrName] = Field(default_factory=dict)
    where: str | dict[str, list[float]] | None = None
    kind: Literal["measured", "proxy", "simulated"] = "measured"
    imf: str | None = None
    hubble: _Hubble | None = None
    omega_m: float | None = Field(None, ge=0, le=1)
    h_scaling: Literal[-2, 0] | None = None
    solar_magnitude: float | None = None
    cosmology: str | None = None
    source: str | None = None
    match: MatchSettings = Field(default_factory=MatchSettings)

    @field_validator("format")
    @classmethod
    def _format_is_known(cls, value):
        if value not in (allowed := ["columns", *describe("stellar_mass")]):
            raise ValueError(f"allowed are {', '.join(allowed)}")
        return value

    @model_validator(mode="after")
    def _columns_belong_to_their_format(self):
        if self.format == "columns" and not self.columns:
            raise ValueError("columns are missing: the format 'columns' needs them")
        if self.format == "columns" and isinstance(self.file, list):
            raise ValueError("file is one file for the format 'columns'")
        if self.format != "columns" and self.columns:
            raise ValueError(f"columns belong to the format 'columns', not to {self.format!r}")
        if self.where is not None and isinstance(self.where, dict) == (self.format == "columns"):
            raise ValueError(
                "where is a column of true and false for the format 'columns', and for other formats a mapping of one "
                "of our columns to the values that are used, such as {flag_sed: [0]}"
            )
        if self.format != "columns":
            self.match.refuse_positions(self.format)
        if self.cosmology is not None and (self.hubble is not None or self.omega_m is not None):
            raise ValueError("give cosmology, which is words, or hubble and omega_m, which are numbers")
        return self


class _Photometry(StrictModel):
    """Brightnesses, of a table or measured in the images, from which luminosities and ratios are computed."""

    band: str = "g"
    colour_band: str | None = None
    file: Path | None = None
    id: str = "id"
    columns: dict[Literal[BRIGHTNESSES], ColumnOrName] = Field(default_factory=dict)
    match: MatchSettings = Field(default_factory=MatchSettings)
    colour_pattern: str | None = None
    zero_point: float | None = None
    k_correction: Literal["chilingarian", "kcorrect", "none"] = "chilingarian"
    hubble: _Hubble = 70.0
    omega_m: float = Field(0.3, ge=0, le=1)

    @model_validator(mode="after")
    def _consistent(self):
        if (self.file is None) != (not self.columns):
            raise ValueError("file and columns go together: the columns are those of the file")
        if self.colour_pattern is not None and self.colour_pattern.count("{id}") != 1:
            raise ValueError(f"colour_pattern must hold {{id}} once; received {self.colour_pattern!r}")
        in_images, in_table = (
            self.colour_pattern is not None,
            bool({"colour_flux", "colour_magnitude"} & set(self.columns)),
        )
        if (self.colour_band is not None) != (in_images or in_table) or (in_images and in_table):
            raise ValueError("colour_band goes with either colour_pattern or a column colour_flux or colour_magnitude")
        if in_images and not self.measures_images:
            raise ValueError("colour_pattern goes with fluxes of the images, not with a column flux or magnitude")
        if self.k_correction == "chilingarian" and self.colour_band is None:
            raise ValueError(
                "k_correction 'chilingarian' needs a colour: give colour_band, or another k_correction (kcorrect, none)"
            )
        self._check_templates()
        return self

    @model_validator(mode="after")
    def _every_column_is_used(self):
        for prefix in ("", "colour_"):
            if {f"{prefix}flux", f"{prefix}magnitude"} <= set(self.columns):
                raise ValueError(f"columns gives {prefix}flux and {prefix}magnitude; give one of them")
            for kind in ("flux", "magnitude"):
                if f"{prefix}{kind}_err" in self.columns and f"{prefix}{kind}" not in self.columns:
                    raise ValueError(f"the column {prefix}{kind}_err is the error of {prefix}{kind}, which is missing")
        of_colour = sorted(name for name in self.columns if name.startswith("colour_"))
        if of_colour and self.colour_band is None:
            raise ValueError(f"the column {of_colour[0]} needs colour_band, which says of which band it is")
        if self.zero_point is not None and self.columns and not self._reads_fluxes:
            raise ValueError("zero_point is that of fluxes, and columns gives magnitudes")
        both = [f"{prefix}extinction" in self.columns for prefix in ("", "colour_")]
        if self.k_correction == "chilingarian" and both[0] != both[1]:
            raise ValueError("the columns extinction and colour_extinction go together: a colour needs both")
        units = [name for name, column in self.columns.items() if isinstance(column, Column) and column.unit]
        if self.zero_point is not None and units:
            raise ValueError(f"zero_point and the unit of {units[0]} both say what the fluxes are; give one of them")
        return self

    def _check_templates(self):
        given = set(self.columns)
        if self.k_correction != "kcorrect":
            if idle := sorted(given & {*_TEMPLATE_FLUXES, *_TEMPLATE_EXTINCTIONS}):
                raise ValueError(f"the column {idle[0]} is for k_correction kcorrect")
            return
        if self.colour_band is not None:
            raise ValueError("k_correction kcorrect takes five bands, and no colour_band")
        if missing := [name for name in _TEMPLATE_FLUXES if name not in given]:
            raise ValueError(
                f"k_correction kcorrect needs the columns {', '.join(_TEMPLATE_FLUXES)}; {missing[0]} is missing"
            )
        without = [name for name in _TEMPLATE_EXTINCTIONS if name not in given]
        if without and len(without) < len(_TEMPLATE_EXTINCTIONS):
            raise ValueError(f"the columns {', '.join(_TEMPLATE_EXTINCTIONS)} go together; {without[0]} is missing")
        if band_name(self.band) not in TEMPLATE_BANDS:
            raise ValueError(f"k_correction kcorrect is for the bands u, g, r, i and z of SDSS, not for {self.band!r}")

    @property
    def _reads_fluxes(self):
        return self.measures_images or {"flux", "colour_flux"} & set(self.columns)

    @property
    def measures_images(self):
        """Whether the flux is that of the images themselves."""
        return not {"flux", "magnitude"} & set(self.columns)


class _Split(StrictModel):
    """How galaxies are split: by a hash of the id, or as a table says."""

    fractions: dict[Literal["train", "val", "test"], float] = Field(
        default_factory=lambda: {"train": 0.7, "val": 0.1, "test": 0.2}
    )
    salt: str = "gzmass"
    file: Path | None = None
    id: str = "id"
    column: str = "split"

    @model_validator(mode="after")
    def _one_way(self):
        if self.file is None and (idle := self.changed("id", "column")):
            raise ValueError(f"{idle[0]} belongs to a split by a table: add file")
        if self.file is not None and (idle := self.changed("fractions", "salt")):
            raise ValueError(f"{idle[0]} belongs to a split by a hash of the ids, not to one by a table")
        return self


def _as_list(value):
    return [value] if isinstance(value, dict | StrictModel) else [] if value is None else value


class PrepareConfig(StrictModel):
    """What `prepare` makes a dataset of; every key of its YAML file (docs/configuration.md explains each).

    Parameters
    ----------
    out : pathlib.Path
        The dataset directory to make.
    images : dict
        One of ``folder``, ``files``, ``table``, ``frames``; how they are named and which part of a file is read.
    galaxies : dict, optional
        The list of galaxies, with positions and radii; by default every image is a galaxy.
    npix : int
        Side of the images of the dataset, in pixels.
    cutout : dict
        Side of the square that is used (``radii``, ``arcsec``, ``pixels`` or ``fraction``), ``centre``, ``neighbours``.
    stretch : dict
        ``kind`` ("log" or "asinh"), ``scale`` ("auto" or a number in the unit of the images) and a fixed ``peak``.
    band : str
        Name of the band.
    pixel_scale_arcsec : float, optional
        Size of a pixel of the image files in arcsec, where it is the same for all and they do not say.
    votes : dict, optional
        The table of votes.
    mass_to_light : list of dict or dict, optional
        Tables of masses or mass-to-light ratios; where several know a galaxy, the first of them counts.
    photometry : dict, optional
        Fluxes, from a table or from the images, for luminosities and for ratios out of masses.
    metadata : list of dict or dict, optional
        Tables of other columns.
    split : dict
        ``fractions`` and ``salt``; or ``file``, ``id`` and ``column`` of a split that is given.
    limit : int, optional
        Only this many galaxies, the first ones in the order of their ids.
    storage : {"files", "shards"}
        How the images are stored.
    workers : int
        Processes; the result does not depend on it.
    """

    out: Path
    images: _Images
    galaxies: _Galaxies | None = None
    npix: int = Field(69, ge=8, le=4096)
    cutout: _Cutout = Field(default_factory=_Cutout)
    stretch: _Stretch = Field(default_factory=_Stretch)
    band: str = "g"
    pixel_scale_arcsec: PositiveFloat | None = None
    votes: _Votes | None = None
    mass_to_light: Annotated[list[_MassToLight], BeforeValidator(_as_list)] = Field(default_factory=list)
    photometry: _Photometry | None = None
    metadata: Annotated[list[_Metadata], BeforeValidator(_as_list)] = Field(default_factory=list)
    split: _Split = Field(default_factory=_Split)
    limit: PositiveInt | None = None
    storage: Literal["files", "shards"] = "files"
    workers: PositiveInt = 1

    @model_validator(mode="after")
    def _consistent(self):
        if self.images.frames is not None:
            if self.galaxies is None:
                raise ValueError("images.frames needs galaxies, which says where they are")
            if missing := {"ra", "dec"} - set(self.galaxies.columns):
                raise ValueError(f"images.frames needs galaxies.columns with ra and dec; {min(missing)} is missing")
            if self.cutout.radii is None and self.cutout.arcsec is None:
                raise ValueError("images.frames needs cutout.radii or cutout.arcsec, which says how much is cut out")
        by_sky = [match for match in self._matches() if match.by == "sky"]
        if by_sky and self.galaxies is None:
            raise ValueError("a match by sky needs galaxies, which says where they are")
        if self.photometry is not None and band_name(self.photometry.band) != band_name(self.band):
            raise ValueError(
                f"photometry.band is {self.photometry.band!r} and band {self.band!r}; luminosity and M/L are those of "
                "the band of the images"
            )
        if self.photometry is not None and self.photometry.colour_pattern is not None and self.images.folder is None:
            raise ValueError("photometry.colour_pattern needs images.folder, where both bands stand")
        return self

    def _matches(self):
        tables = [*self.mass_to_light, *self.metadata, self.votes, self.photometry]
        return [table.match for table in tables if table is not None]
