"""Catalogues of galaxies: votes and mass-to-light ratios, read by the meaning of their columns (no Keras)."""

from gzmass.catalogs.galaxy_zoo import read_kaggle, read_votes
from gzmass.catalogs.stellar_mass import read_mass_to_light
from gzmass.catalogs.tables import UNITS, clean_ids, named_columns, read_table

__all__ = ["UNITS", "clean_ids", "named_columns", "read_kaggle", "read_mass_to_light", "read_table", "read_votes"]
