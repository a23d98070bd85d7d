"""What dataset.yaml says of a dataset that `prepare` makes."""

from dataclasses import asdict, replace

from gzmass.images.stretch import SKY_GREY
from gzmass.preparation.columns import plain_columns

__all__ = ["describe"]


def describe(config, catalogs, convention):
    """Describe images, labels and columns for dataset.yaml.

    Parameters
    ----------
    config : PrepareConfig
        The configuration.
    catalogs : gzmass.preparation.tables.Catalogs
        What the catalogues gave.
    convention : gzmass.catalogs.conventions.Convention
        What masses, luminosities and ratios assume.

    Returns
    -------
    dict
        Plain data, without counts, tree and content hash.
    """
    first = config.mass_to_light[0] if config.mass_to_light else None
    info = {
        "npix": config.npix,
        "band": config.band,
        "stretch": {**config.stretch.model_dump(exclude_none=True), "sky_grey": SKY_GREY},
        "cutout": config.cutout.model_dump(exclude_none=True),
        "image_pixel_scale_arcsec": config.pixel_scale_arcsec,
        "label_kind": None if first is None else first.kind,
        "label_source": convention.source,
        "imf": convention.imf,
        "solar_magnitude": convention.solar_magnitude,
        "cosmology": catalogs.cosmology,
        "convention": asdict(replace(convention, source=None)) if config.mass_to_light or config.photometry else None,
        "matches": catalogs.matches,
        "split": config.split.model_dump(mode="json"),
        "columns": {},
    }
    for part in (config.galaxies, *config.metadata, *config.mass_to_light, config.photometry):
        for ours, theirs in {} if part is None else plain_columns(part.columns).items():
            column = {"column": theirs} if isinstance(theirs, str) else theirs
            files = part.file if isinstance(part.file, list) else [part.file]
            info["columns"][ours] = {"file": ", ".join(map(str, files)), **column}
    if config.votes is not None:
        votes = config.votes.model_dump(mode="json")
        keys = {
            "kaggle": ("n_votes", "q6_sums_to_one"),
            "galaxy_zoo_2": ("statistic",),
            "columns": ("columns",),
        }[config.votes.format]
        info["columns"]["<stem>_votes"] = {key: votes[key] for key in ("file", "format", *keys)}
    return info
