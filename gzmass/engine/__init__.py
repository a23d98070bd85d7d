"""How long work is cut up, written, interrupted and continued."""

from gzmass.engine.work import fingerprint, write_atomically

__all__ = ["fingerprint", "write_atomically"]
