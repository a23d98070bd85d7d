"""Commands that measure runs, and what a run must beat."""

from pathlib import Path
from typing import Annotated

import typer

from gzmass.cli.application import app
from gzmass.cli.options import DatasetFolder, Runs, Split
from gzmass.errors import ConfigError

__all__ = ["baselines", "evaluate", "features"]

Trunk = Annotated[str, typer.Argument(metavar="RUN", help="A run directory, or resnet34:WEIGHTS.")]


@app.command()
def evaluate(
    runs: Runs,
    dataset: DatasetFolder,
    split: Split = "test",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the report; default RUN/evaluation-SPLIT, for another dataset than that of the training "
            "RUN/evaluation-SPLIT-DATASET-HASH; needed for an ensemble."
        ),
    ] = None,
    compare: Annotated[list[Path] | None, typer.Option(help="Another run to stand beside it; may be repeated.")] = None,
    baselines: Annotated[bool, typer.Option(help="Train the baselines: constant, metadata, image statistics.")] = True,
):
    """Measure a run, or the mean of several, on held-out galaxies. Makes numbers, plots and report.html.

    Beside the mean of several stands each of them.
    """
    from gzmass import console
    from gzmass.evaluation import evaluate as evaluate_predictions
    from gzmass.evaluation import refuse_other_folder

    chosen, name = console.split(split), ", ".join(map(str, runs))
    if out is None and len(runs) > 1:
        raise ConfigError(f"The report of an ensemble needs a folder, --out. Received: {len(runs)} runs.")
    console.say(f"Evaluating {name} on the split {split} of {dataset}")
    console.load_keras()
    from gzmass.datasets import open_dataset
    from gzmass.inference import load_ensemble, predict_with_members
    from gzmass.inference import predict as predict_dataset
    from gzmass.models import load_run
    from gzmass.training import count_seen, refuse_overlap, training_rows

    data, loaded = open_dataset(dataset), [load_run(path) for path in runs]
    if out is None:
        own, content = loaded[0].card["dataset"]["content_hash"], data.info["content_hash"]
        # folders of datasets are often called the same: 69px/ of one survey and of another
        other = "" if own == content else f"-{data.path.resolve().name}-{content[:8]}"
        out = runs[0] / f"evaluation-{split}{other}"
    refuse_other_folder(out)  # before the work
    members = {path.resolve() for path in runs} if len(runs) > 1 else set()  # they stand beside their mean anyway
    others = [load_run(path) for path in compare or [] if path.resolve() not in members]
    for one in [*loaded, *others] if split == "test" else []:
        refuse_overlap(one, data)
    predictor = load_ensemble(loaded) if len(loaded) > 1 else loaded[0]
    beside = [predict_dataset(one, data, chosen) for one in others]
    with console.bar("predict", "galaxies") as progress:
        if len(loaded) > 1:
            predictions, members = predict_with_members(predictor, data, chosen, progress)
            others, beside = [*loaded, *others], [*members, *beside]
        else:
            predictions = predict_dataset(predictor, data, chosen, progress=progress)
    seen = [0 if split == "test" else count_seen([one], data, chosen)[0] for one in others]  # or it was refused
    names = [
        f"{one.path} (has seen {n} of these galaxies)" if n else str(one.path)
        for one, n in zip(others, seen, strict=True)
    ]
    console.left_out(predictions)
    numbers = evaluate_predictions(
        predictions,
        data,
        chosen,
        out,
        card=predictor.card,
        baselines=baselines,
        compare=list(zip(names, beside, strict=True)),
        train_rows=training_rows(loaded, data),
        n_seen=0 if split == "test" else count_seen(loaded, data, chosen)[0],  # or it was refused
        name=name if len(runs) == 1 else f"{len(runs)} runs together",
    )
    console.evaluation(numbers)
    console.made(out / "report.html")


@app.command()
def features(
    run: Trunk,
    dataset: DatasetFolder,
    out: Annotated[Path, typer.Option(help="The table: .parquet, .fits or .csv.")],
    split: Split = "all",
    keep_constant: Annotated[bool, typer.Option(help="Keep neurons that say nothing about this dataset too.")] = False,
):
    """Compute what the trunk of a run sees in images. Makes a table, for a regression of your own."""
    from gzmass import console

    chosen = console.split(split)
    console.say(f"Computing the features of the split {split} of {dataset} with {run}")
    console.load_keras()
    from gzmass.datasets import open_dataset
    from gzmass.inference import write_features

    with console.bar("features", "galaxies") as progress:
        record = write_features(run, open_dataset(dataset), out, chosen, keep_constant, progress=progress)
    n_dropped = len(record["dropped"])
    if n_dropped:
        console.say(f"{n_dropped} neurons have one value for all of {record['n_judged']} galaxies and are left out")
    console.say(f"{record['n_galaxies']} galaxies, {record['n_neurons'] - n_dropped} features")
    console.made(out)


@app.command()
def baselines(
    dataset: DatasetFolder,
    features: Annotated[
        list[str] | None, typer.Option(metavar="RUN", help="Boost features of this too; may be repeated.")
    ] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Metadata; may be repeated. Default: all that vary.")
    ] = None,
    n_labels: Annotated[int | None, typer.Option(min=1, help="Learn from so many labels, as finetune-ml does.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of their choice and of the boosting.")] = 0,
    out: Annotated[Path | None, typer.Option(help="The table: .md with .csv beside it, or the other way.")] = None,
):
    """Measure what a network must beat. How far luminosity, colour, metadata and simple image statistics go."""
    from gzmass import console
    from gzmass.datasets import open_dataset
    from gzmass.evaluation import (
        baseline_files,
        baseline_legend,
        baseline_markdown,
        baseline_table,
        sample_rows,
        write_baselines,
    )

    data, arrays = open_dataset(dataset), {}
    metadata = list(dict.fromkeys(metadata or ())) or None
    data.metadata(metadata or (), [])  # what was typed wrongly is told of before the work
    baseline_files(out or "baselines.md")
    train, test = data.require_rows("train", "log_ml"), sample_rows(data.require_rows("test", "log_ml"))
    console.say(f"Training baselines on the split train of {dataset}, scoring them on the split test")
    if features or n_labels:
        console.load_keras()
        from gzmass.inference import features as features_of
        from gzmass.models import load_run
        from gzmass.training import refuse_overlap
        from gzmass.training.labels import labelled_rows

        train = labelled_rows(data, "log_ml", n_labels, seed)
    train = sample_rows(train)
    for name in features or []:
        source = name
        if Path(name).is_dir():  # not weights that have seen no galaxies
            source = load_run(name)
            refuse_overlap(source, data)
        with console.bar(name, "galaxies") as progress:
            found = features_of(source, data, [*train, *test], progress=progress)
        arrays[name] = found.drop(columns="id").to_numpy()
    table = baseline_table(data, train, test, arrays, metadata, seed)
    for line in [*baseline_markdown(table), *baseline_legend(table)]:
        console.say(line)
    for path in write_baselines(table, out) if out else ():
        console.made(path)
