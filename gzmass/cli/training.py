"""Commands that train."""

from typing import Annotated

import typer

from gzmass.cli.application import INCOMPLETE, app
from gzmass.cli.options import ConfigFile, Overrides

__all__ = ["experiment", "finetune", "pretrain"]


@app.command("pretrain-gz2")
def pretrain(config: ConfigFile, overrides: Overrides = None):
    """Train trunk and morphology head on votes. Makes a run directory."""
    from gzmass import console
    from gzmass.cli.reading import read_configuration
    from gzmass.config import PretrainConfig

    settings = read_configuration(PretrainConfig, config, overrides)
    console.say(f"Pretraining {settings.model.trunk} on the votes of {settings.dataset} in {settings.out}")
    console.load_keras()
    from gzmass.training import pretrain_gz2

    with console.finished_before(settings.out / "card.yaml"), console.training() as progress:
        run = pretrain_gz2(settings, progress=progress)
    console.run_summary(run.card)
    console.made(settings.out)


@app.command("finetune-ml")
def finetune(config: ConfigFile, overrides: Overrides = None):
    """Train on mass-to-light ratios. From a pretrained run or from scratch; makes a run directory."""
    from gzmass import console
    from gzmass.cli.reading import read_configuration
    from gzmass.config import FinetuneConfig

    settings = read_configuration(FinetuneConfig, config, overrides)
    start = f"the run {settings.init_from}" if settings.init_from else settings.model.weights or "random weights"
    console.say(f"Fine-tuning {settings.model.trunk} from {start} on the M/L of {settings.dataset} in {settings.out}")
    console.load_keras()
    from gzmass.training import finetune_ml

    with console.finished_before(settings.out / "card.yaml"), console.training() as progress:
        run = finetune_ml(settings, progress=progress)
    console.run_summary(run.card)
    console.made(settings.out)


@app.command()
def experiment(
    config: ConfigFile,
    overrides: Overrides = None,
    listing: Annotated[bool, typer.Option("--list", help="Show what would be run, and stop.")] = False,
    only_tables: Annotated[bool, typer.Option(help="Run nothing; make the tables of what is finished.")] = False,
):
    """Run many trainings and make one table of them. Exit code 3 if some could not be run."""
    from gzmass import console
    from gzmass.cli.reading import read_configuration
    from gzmass.experiment import ExperimentConfig, list_runs, run_experiment

    settings = read_configuration(ExperimentConfig, config, overrides)
    runs = list_runs(settings)
    missing = [run for run in runs if run["state"] != "finished"]
    if listing:
        console.experiment_runs(runs)
        return
    console.say(f"{len(runs)} trainings in {settings.out}, {len(runs) - len(missing)} of them finished")
    if missing and settings.workers == 1 and not only_tables:
        console.load_keras()
    with console.experiment() as progress:
        result = run_experiment(settings, progress=progress, only_tables=only_tables)
    for name, reason in result.failed:
        console.say(f"{name}: {reason}")
    console.made(settings.out / "results.md")
    if result.failed:
        raise typer.Exit(INCOMPLETE)
