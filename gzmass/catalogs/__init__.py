"""Catalogues of galaxies: votes and mass-to-light ratios, read by the meaning of their columns (no Keras)."""

from gzmass.catalogs.conventions import LOG_ML_G, Convention, convert, refuse_different
from gzmass.catalogs.crossmatch import Match, match_ids, match_sky, match_through
from gzmass.catalogs.distances import distance_modulus, luminosity_distance
from gzmass.catalogs.galaxy_zoo import read_kaggle, read_votes
from gzmass.catalogs.galaxy_zoo_2 import read_galaxy_zoo_2
from gzmass.catalogs.ids import clean_ids
from gzmass.catalogs.joins import MatchSummary, outer_join
from gzmass.catalogs.k_corrections import k_correction, k_correction_from_templates, why_no_k_correction
from gzmass.catalogs.mass_to_light import read_mass_to_light
from gzmass.catalogs.photometry import (
    absolute_magnitude,
    colour_mass_to_light,
    deredden,
    log_luminosity,
    log_mass,
    log_mass_to_light,
    magnitude,
    solar_magnitude,
)
from gzmass.catalogs.pieces import iterate_table
from gzmass.catalogs.rest_frame import RestFrame, rest_frame
from gzmass.catalogs.stellar_mass import read_stellar_mass
from gzmass.catalogs.tables import UNITS, named_columns, read_table

__all__ = [
    "LOG_ML_G",
    "UNITS",
    "Convention",
    "Match",
    "MatchSummary",
    "RestFrame",
    "absolute_magnitude",
    "clean_ids",
    "colour_mass_to_light",
    "convert",
    "deredden",
    "distance_modulus",
    "iterate_table",
    "k_correction",
    "k_correction_from_templates",
    "log_luminosity",
    "log_mass",
    "log_mass_to_light",
    "luminosity_distance",
    "magnitude",
    "match_ids",
    "match_sky",
    "match_through",
    "named_columns",
    "outer_join",
    "read_galaxy_zoo_2",
    "read_kaggle",
    "read_mass_to_light",
    "read_stellar_mass",
    "read_table",
    "read_votes",
    "refuse_different",
    "rest_frame",
    "solar_magnitude",
    "why_no_k_correction",
]
