"""The command that predicts, from a dataset or from shards and catalogues of any size."""

from pathlib import Path
from typing import Annotated

import typer

from gzmass.cli.application import INCOMPLETE, app
from gzmass.cli.options import Engine, Runs, Scheduler, Slurm, Split
from gzmass.errors import ConfigError

__all__ = ["predict"]


@app.command()
def predict(
    runs: Runs,
    dataset: Annotated[
        Path, typer.Argument(metavar="INPUT", help="A dataset directory, a HATS catalogue, or a folder of shards.")
    ],
    out: Annotated[str, typer.Option(help="The table: .parquet, .csv, .ecsv, .fits or .vot; or a directory of parts.")],
    split: Split = "all",
    engine: Engine = "local",
    workers: Annotated[int, typer.Option(min=1, help="Processes that predict; they need a directory.")] = 1,
    scheduler: Scheduler = None,
    slurm: Slurm = None,
    id_column: Annotated[str, typer.Option("--id", help="Column of ids, of shards and HATS.")] = "id",
    image_column: Annotated[str, typer.Option("--images", help="Column of images or their paths there.")] = "image",
):
    """Predict M/L, stellar mass and vote fractions. With one run or the mean of several.

    Exit code 3 if units of work, or all galaxies, failed.

    Shards may also be named one by one: gzmass predict RUN part-*.parquet --out DIRECTORY
    """
    from gzmass import console

    chosen = console.split(split)
    runs, shards = _runs_and_shards(runs, dataset)
    source = [*shards, dataset] if shards else dataset
    _refuse_columns(dataset, ("--id", id_column, "id"), ("--images", image_column, "image"))
    if Path(out).suffix in ("", ".") or out.endswith("/"):
        console.say(f"Predicting the split {split} of {dataset} with {', '.join(map(str, runs))}")
        from gzmass.engine import open_engine

        with open_engine(engine, workers, scheduler, slurm, console.say) as opened:
            console.load_keras()
            from gzmass.inference import find_galaxies, predict_parts

            galaxies = find_galaxies(source, id_column, image_column)
            with console.bar("predict", "galaxies") as progress:
                made = predict_parts(runs, galaxies, out, opened, chosen, progress, console.say)
        console.parts_summary(made)
        if made.failed_units or made.n_failed == made.n_rows:
            raise typer.Exit(INCOMPLETE)
        return
    several = workers > 1 or engine != "local" or scheduler or slurm
    if shards or several or _is_bare(dataset):
        raise ConfigError(
            f"Shards, HATS catalogues and several workers need a directory for the parts of the table, "
            f"'--out {Path(out).with_suffix('')}/'. Received: --out {out!r}."
        )
    console.say(f"Predicting the split {split} of {dataset} with {', '.join(map(str, runs))}")
    console.load_keras()
    from gzmass.evaluation.sample_domain import sample_in_words
    from gzmass.inference import load_ensemble
    from gzmass.inference import predict as predict_dataset

    predictor = runs[0]
    if len(runs) > 1:
        predictor = load_ensemble(runs)
        if predictor.n_common:
            console.say(f"intervals calibrated on {predictor.n_common} galaxies that all runs held out")
        elif predictor.calibration:
            console.say("the runs held out too few galaxies in common: the intervals of the mixture are not calibrated")
    opened = _open_to_predict(dataset)
    with console.bar("predict", "galaxies") as progress:
        predictions = predict_dataset(predictor, opened, chosen, out, progress=progress)
    failed = predictions["status"] == "failed"
    outside = int((~predictions["in_domain"] & ~failed).sum())
    console.say(f"{len(predictions)} galaxies, {outside} of them outside what the run was trained on")
    console.failed_galaxies(failed.sum())
    if len(runs) == 1:
        from gzmass.models.domain_score import load_domain_score

        for sentence in sample_in_words(predictions, load_domain_score(runs[0])):
            console.say(sentence)
    console.made(out)
    if failed.all():
        raise typer.Exit(INCOMPLETE)


def _open_to_predict(dataset):
    """Open a dataset, and say it where nobody knows how its images were stretched."""
    from gzmass.console import say
    from gzmass.datasets import open_dataset
    from gzmass.inference.rows import STRETCH_UNKNOWN

    opened = open_dataset(dataset)
    if opened.info.get("stretch") is None:
        say(STRETCH_UNKNOWN)
    return opened


def _runs_and_shards(paths, dataset):
    shards = [path for path in paths if path.suffix == ".parquet"]
    if len(shards) == len(paths):
        raise ConfigError(
            f"gzmass predict needs a RUN before the galaxies. Received: shards alone, to {str(dataset)!r}."
        )
    return [path for path in paths if path not in shards], shards


def _is_bare(dataset):
    """Tell whether an input is shards or a HATS catalogue; a folder of something else is refused."""
    if dataset.is_dir() and not list(dataset.glob("*.yaml")):
        if not any(dataset.rglob("*.parquet")):
            raise ConfigError(
                f"{str(dataset)!r} is neither a dataset directory nor a HATS catalogue nor a folder of shards; of "
                "images `gzmass prepare` makes a dataset."
            )
        return True
    return dataset.suffix == ".parquet"


def _refuse_columns(dataset, *options):
    """Refuse columns named for a dataset directory, whose columns have names of their own."""
    for option, column, default in options:
        if column != default and (dataset / "dataset.yaml").is_file():
            raise ConfigError(
                f"The option {option} is for shards and HATS catalogues, and {str(dataset)!r} is a dataset directory, "
                f"whose columns have names of their own. Received: {option} {column!r}."
            )
