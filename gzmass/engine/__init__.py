"""How long work is cut up, written, interrupted and continued."""

from gzmass.engine.local import map_pieces
from gzmass.engine.work import fingerprint, write_atomically

__all__ = ["fingerprint", "map_pieces", "write_atomically"]
