"""Public catalogues and images from where they are kept: asked for politely, continued after a break, verified."""

from gzmass.download.catalogues import download_file
from gzmass.download.connection import Connection, FetchError
from gzmass.download.cutouts import CutoutSummary, download_cutouts
from gzmass.download.fetch import Fetched, fetch_file
from gzmass.download.positions import Target, read_targets
from gzmass.download.sources import find_source, list_sources, load_sources

__all__ = [
    "Connection",
    "CutoutSummary",
    "FetchError",
    "Fetched",
    "Target",
    "download_cutouts",
    "download_file",
    "fetch_file",
    "find_source",
    "list_sources",
    "load_sources",
    "read_targets",
]
