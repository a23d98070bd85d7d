"""Commands for a first look: what is in a thing, and all of it on simulated galaxies."""

from pathlib import Path
from typing import Annotated

import typer

from gzmass.cli.application import app

__all__ = ["demo", "show"]


@app.command()
def show(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="tree, a tree's YAML, CONFIG, DATASET or RUN.")],
):
    """Say what is in a tree, a configuration, a dataset or a run."""
    from gzmass.show import show as describe

    for line in describe(what):
        typer.echo(line)


@app.command()
def demo(out: Annotated[Path, typer.Option(help="Folder for everything it makes.")] = Path("demo")):
    """Do all of it on simulated galaxies, in minutes. Ends with a report."""
    from gzmass import console
    from gzmass.demo import run_demo

    report = run_demo(out, console)
    console.made(report)
