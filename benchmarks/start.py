"""Starting gzmass: `gzmass --help` and importing its parts, against Python alone and importing TensorFlow.

    python benchmarks/start.py [--short]

Each is a process of its own. Wanted: `gzmass --help` in less than half a second.
"""

import subprocess
import sys

from _tables import missing, parser, print_table, spread, take_turns

PYTHON = "python alone"
HELP = "gzmass --help"


def process(*arguments):
    """Make a function that runs Python with arguments and waits for it."""
    return lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True)  # noqa: S603


def main():
    """Print the table."""
    own = parser(__doc__)
    own.add_argument("--turns", type=int, default=15)
    arguments = own.parse_args()
    command = "from gzmass.cli import app; app()"
    ways = {
        PYTHON: process("-c", "pass"),
        "import numpy, pandas": process("-c", "import numpy, pandas"),
        "import typer, rich": process("-c", "import typer, rich.console"),
        HELP: process("-c", command, "--help"),
        "gzmass predict --help": process("-c", command, "predict", "--help"),
        "import gzmass": process("-c", "import gzmass"),
        "import gzmass.datasets": process("-c", "import gzmass.datasets"),
        "import gzmass.evaluation": process("-c", "import gzmass.evaluation"),
    }
    if not arguments.short:
        ways["import keras"] = process("-c", "import keras")
        ways["import gzmass.models"] = process("-c", "import gzmass.models")
    if not missing("tensorflow"):
        ways["import tensorflow"] = process("-c", "import tensorflow")
    seconds = take_turns(ways, 3 if arguments.short else arguments.turns)
    print_table(
        "From the command to the first line",
        ["process", "s", "of `gzmass --help`"],
        [[name, spread(times), spread(times / seconds[HELP])] for name, times in seconds.items()],
        f"Wanted: {HELP} in less than 0.5 s on a free machine.",
    )


if __name__ == "__main__":
    main()
