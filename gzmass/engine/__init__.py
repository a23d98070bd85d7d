"""How long work is cut up, run on one machine or many, written, interrupted and continued."""

from gzmass.engine.choose import open_engine
from gzmass.engine.local import LocalEngine, map_pieces
from gzmass.engine.units import Unit, claim_directory, run_units
from gzmass.engine.work import fingerprint, write_atomically

__all__ = [
    "LocalEngine",
    "Unit",
    "claim_directory",
    "fingerprint",
    "map_pieces",
    "open_engine",
    "run_units",
    "write_atomically",
]
