"""The application that the commands belong to, and what every command ends with."""

import os
import re
import sys
from typing import Annotated

import typer

from gzmass._version import __version__
from gzmass.errors import GzmassError

__all__ = ["INCOMPLETE", "app", "main"]

app = typer.Typer(
    name="gzmass",
    help="Stellar mass-to-light ratios of galaxies from an image in one band, learnt from morphology first.",
    epilog="The main job: prepare (or simulate), pretrain-gz2, finetune-ml, evaluate, predict. Try: gzmass demo",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

#: Exit code when some units of a long list failed and are listed.
INCOMPLETE = 3
_BEGUN = re.compile(r"\.partial-.+?-\d+-[0-9a-f]{8}-")  # what gzmass.engine.write_atomically puts before a name
_INTERRUPTED = 130  # exit code of a process that was interrupted, by convention of the shell


def _print_version(wanted):
    if wanted:
        typer.echo(f"gzmass {__version__}")
        raise typer.Exit


@app.callback()
def _start(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
):
    pass


def main(arguments=None):
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, optional
        What was typed after ``gzmass``; by default that of this process.

    Returns
    -------
    int
        0; 2 for a mistake of the user's, which is said in one sentence; 3 if some items of a long list (units of work,
        files, trainings) failed and are listed, or all galaxies of a prediction; 130 after an interruption.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow tells of its build at every start
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        result = app(args=arguments or ["--help"], prog_name="gzmass", standalone_mode=False)
    except GzmassError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 2
    except OSError as error:
        # of a file that was being written the user knows the name that it was to have
        named = _BEGUN.sub("", str(error.filename)) if error.filename else ""
        where = f"{named}: " if named else ""
        sys.stderr.write(f"Error: {where}{error.strerror or error}.\n")
        return 2
    except MemoryError as error:
        sys.stderr.write(f"Error: the memory does not suffice: {str(error).rstrip('.') or 'it is full'}.\n")
        return 2
    except (KeyboardInterrupt, typer.Abort):
        result = _INTERRUPTED
    except Exception as error:
        # typer's own errors of usage come as click exceptions, whose module differs between versions
        if hasattr(error, "exit_code") and hasattr(error, "format_message"):
            sys.stderr.write(f"Error: {error.format_message()}\n")
            return 2
        raise
    if result == _INTERRUPTED:  # newer versions of typer do not raise, but return it
        sys.stderr.write("Interrupted. Run the same command again to go on.\n")
    return result if isinstance(result, int) else 0
