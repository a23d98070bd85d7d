"""The command line: reads what was typed, calls the library, and says what came of it.

Imports of the library stand inside the commands, so that ``--help`` waits for nothing.
"""

from gzmass.cli.application import app, main

# each file registers its commands, in the order of the help
from gzmass.cli import datasets, training, evaluating, predicting, first_steps  # isort: skip

__all__ = ["app", "datasets", "evaluating", "first_steps", "main", "predicting", "training"]
