"""`gzmass prepare`: images and catalogues become a dataset; what was done to them is on a page."""

from gzmass.preparation.config import PrepareConfig
from gzmass.preparation.prepare import prepare

__all__ = ["PrepareConfig", "prepare"]
