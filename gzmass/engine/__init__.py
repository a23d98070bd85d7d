"""How long work is cut up, run on one machine or many, written, interrupted and continued."""

from gzmass.engine.choose import open_engine
from gzmass.engine.local import LocalEngine, map_pieces
from gzmass.engine.lock import hold_directory, refuse_held
from gzmass.engine.streams import held_back_errors
from gzmass.engine.units import RECIPE, Unit, claim_directory, refuse_another, run_units
from gzmass.engine.work import fingerprint, partial_name, remove_left_behind, require_space, write_atomically
from gzmass.engine.yaml_files import read_yaml, write_yaml

__all__ = [
    "RECIPE",
    "LocalEngine",
    "Unit",
    "claim_directory",
    "fingerprint",
    "held_back_errors",
    "hold_directory",
    "map_pieces",
    "open_engine",
    "partial_name",
    "read_yaml",
    "refuse_another",
    "refuse_held",
    "remove_left_behind",
    "require_space",
    "run_units",
    "write_atomically",
    "write_yaml",
]
