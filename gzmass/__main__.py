"""The command line as ``python -m gzmass``."""

import sys

from gzmass.cli import main

if __name__ == "__main__":
    sys.exit(main())
