"""Arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["ConfigFile", "DatasetFolder", "Engine", "Overrides", "Runs", "Scheduler", "Slurm", "Split"]

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file; configs/ has examples.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Override keys of the file: out=elsewhere")
]
Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="A run directory, or several: an ensemble.")]
DatasetFolder = Annotated[Path, typer.Argument(metavar="DATASET", help="A dataset directory.")]
Split = Annotated[str, typer.Option(help="train, val, test or all.")]
Engine = Annotated[str, typer.Option(help="Where it is computed: local (processes of this machine) or dask.")]
Scheduler = Annotated[str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler that runs: tcp://host:8786.")]
Slurm = Annotated[Path | None, typer.Option(metavar="CONFIG", help="Slurm jobs as Dask workers: configs/slurm.yaml.")]
