"""The command line: reads what was typed, calls the library, and says what came of it."""

import os
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from gzmass._version import __version__
from gzmass.errors import ConfigError, GzmassError

__all__ = ["app", "main"]

app = typer.Typer(
    name="gzmass",
    help="Stellar mass-to-light ratios of galaxies from an image in one band, learnt from morphology first.",
    epilog="The main job: prepare (or simulate), pretrain-gz2, finetune-ml, evaluate, predict. Try: gzmass demo",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_INCOMPLETE = 3  # exit code when some units of a long list failed and are listed
_BEGUN = re.compile(r"\.partial-.+?-\d+-[0-9a-f]{8}-")  # what gzmass.engine.write_atomically puts before a name
_INTERRUPTED = 130  # exit code of a process that was interrupted, by convention of the shell

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="A YAML file; configs/ has examples.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Override keys of the file: out=elsewhere")
]
Trunk = Annotated[str, typer.Argument(metavar="RUN", help="A run directory, or resnet34:WEIGHTS.")]
Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="A run directory, or several: an ensemble.")]
DatasetFolder = Annotated[Path, typer.Argument(metavar="DATASET", help="A dataset directory.")]
Split = Annotated[str, typer.Option(help="train, val, test or all.")]
Engine = Annotated[str, typer.Option(help="Where it is computed: local (processes of this machine) or dask.")]
Scheduler = Annotated[str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler that runs: tcp://host:8786.")]
Slurm = Annotated[Path | None, typer.Option(metavar="CONFIG", help="Slurm jobs as Dask workers: configs/slurm.yaml.")]


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


@app.command()
def prepare(
    config: ConfigFile,
    overrides: Overrides = None,
    engine: Engine = "local",
    scheduler: Scheduler = None,
    slurm: Slurm = None,
):
    """Turn images and catalogues into a dataset directory."""
    from gzmass import console
    from gzmass.config import load_config
    from gzmass.engine import open_engine
    from gzmass.preparation import PrepareConfig
    from gzmass.preparation import prepare as prepare_dataset

    settings = load_config(PrepareConfig, config, overrides or ())
    console.say(f"Preparing {settings.npix}-px images in {settings.out}")
    with (
        open_engine(engine, settings.workers, scheduler, slurm, console.say) as opened,
        console.bar("prepare", "galaxies") as progress,
    ):
        summary = prepare_dataset(settings, progress=progress, engine=opened)
    console.summary(summary.counts)
    for match in summary.matches:
        apart = match["median_separation_arcsec"]
        found = f"{match['table']}: {match['n_matched']} of {match['n_left']} galaxies found"
        console.say(found if apart is None else f"{found}, {apart:.2f} arcsec away in the median")
    if summary.set_aside:
        console.summary({"set aside": summary.set_aside})
        console.say(f"which and why: {settings.out / 'quarantine.csv'}")
    for note in summary.notes:
        console.say(note)
    console.say(f"before and after, labels, matches: {settings.out / 'preparation.html'}")
    console.made(settings.out)


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The dataset directory to make.")],
    n_galaxies: Annotated[int, typer.Option(help="How many galaxies.")] = 3000,
    npix: Annotated[int, typer.Option(help="Side of the images [px].")] = 69,
    seed: Annotated[int, typer.Option(help="Another seed gives other galaxies.")] = 0,
    unlabelled_votes: Annotated[float, typer.Option(help="Fraction of the galaxies without votes.")] = 0.3,
    unlabelled_ml: Annotated[float, typer.Option(help="Fraction of the galaxies without M/L.")] = 0.0,
    fractions: Annotated[
        tuple[float, float, float] | None,
        typer.Option(metavar="TRAIN VAL TEST", help="Fractions of the splits; default 0.7 0.1 0.2."),
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes that render.")] = 1,
    storage: Annotated[str, typer.Option(help="How the images are stored: files, a PNG each, or shards.")] = "files",
):
    """Make a dataset of simulated galaxies. They have votes, M/L and metadata."""
    from gzmass import console
    from gzmass.datasets.split import SPLITS
    from gzmass.simulate import simulate as simulate_dataset

    console.say(f"Simulating {n_galaxies} galaxies of {npix} px in {out}")
    with console.bar("simulate", "galaxies") as progress:
        summary = simulate_dataset(
            out,
            n_galaxies,
            npix=npix,
            seed=seed,
            unlabelled_votes=unlabelled_votes,
            unlabelled_ml=unlabelled_ml,
            fractions=fractions and dict(zip(SPLITS, fractions, strict=True)),
            workers=workers,
            progress=progress,
            storage=storage,
        )
    console.summary(summary)
    console.made(out)


@app.command()
def download(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="What to download; --list shows the names.")
    ] = None,
    out: Annotated[Path | None, typer.Argument(metavar="OUT", help="Folder for it.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="Show names, sizes and licences, and stop.")] = False,
    catalog: Annotated[Path | None, typer.Option(help="Cutouts: table of the galaxies.")] = None,
    id_column: Annotated[str, typer.Option("--id", help="Its column of ids.")] = "id",
    ra_column: Annotated[str, typer.Option("--ra", help="Its column of right ascensions [deg].")] = "ra",
    dec_column: Annotated[str, typer.Option("--dec", help="Its column of declinations [deg].")] = "dec",
    size_arcsec: Annotated[float | None, typer.Option(help="Side of every cutout [arcsec].")] = None,
    radius_column: Annotated[str | None, typer.Option(help="Or a column of radii [arcsec].")] = None,
    radii: Annotated[float | None, typer.Option(help="Side of a cutout in these radii; by default 4.")] = None,
    npix: Annotated[int | None, typer.Option(help="Pixels along a side.")] = None,
    pixel_scale: Annotated[float | None, typer.Option(help="Or the size of a pixel [arcsec].")] = None,
    band: Annotated[str | None, typer.Option(help="Band of sdss_cutouts and legacy_cutouts.")] = None,
    survey: Annotated[str | None, typer.Option(help="Layer of legacy_cutouts, HiPS of hips_cutouts.")] = None,
    workers: Annotated[int, typer.Option(help="Cutouts under way at the same time.")] = 4,
):
    """Download public catalogues, images and cutouts. Exit code 3 if some cutouts could not be had."""
    from gzmass import console
    from gzmass.download import download_cutouts, download_file, list_sources

    if listing:
        for source in list_sources():
            console.say("{name}: {what}\n    {size}; {licence}".format(**source))
        return
    if name is None or out is None:
        raise ConfigError("gzmass download needs a NAME and a folder OUT; gzmass download --list shows the names.")
    if catalog is None:
        _refuse_without_catalog(context)
    console.say(f"Downloading {name} to {out}")
    if catalog is None:
        with console.bar("download", "MB") as progress:
            megabytes = lambda done, total: progress(done // 10**6, total and total // 10**6)  # noqa: E731
            made = download_file(name, out, progress=megabytes)
        console.made(made)
        return
    with console.bar("download", "cutouts") as progress:
        summary = download_cutouts(
            name, out, catalog, band=band, survey=survey, workers=workers, progress=progress,
            id_column=id_column, ra_column=ra_column, dec_column=dec_column, size_arcsec=size_arcsec,
            radius_column=radius_column, radii=radii, npix=npix, pixel_scale=pixel_scale,
        )  # fmt: skip
    console.summary({"cutouts": summary.there, "fetched now": summary.fetched, "failed": summary.failed})
    if summary.failed:
        console.say(f"which and why: {out / 'failed.csv'}; the same command tries them again")
    console.made(out)
    if summary.failed:
        raise typer.Exit(_INCOMPLETE)


def _refuse_without_catalog(context):
    """Refuse options of cutouts, which would do nothing."""
    for option in context.command.params:
        given = context.get_parameter_source(option.name).name == "COMMANDLINE"
        if given and option.name not in {"name", "out"}:
            raise ConfigError(f"{option.opts[0]} is for cutouts of the galaxies of a table, which --catalog names.")


@app.command("pretrain-gz2")
def pretrain(config: ConfigFile, overrides: Overrides = None):
    """Train trunk and morphology head on votes. Makes a run directory."""
    from gzmass import console
    from gzmass.config import PretrainConfig, load_config

    settings = load_config(PretrainConfig, config, overrides or ())
    console.say(f"Pretraining {settings.model.trunk} on the votes of {settings.dataset} in {settings.out}")
    console.load_keras()
    from gzmass.training import pretrain_gz2

    with console.training() as progress:
        run = pretrain_gz2(settings, progress=progress)
    console.run_summary(run.card)
    console.made(settings.out)


@app.command("finetune-ml")
def finetune(config: ConfigFile, overrides: Overrides = None):
    """Train on mass-to-light ratios. From a pretrained run or from scratch; makes a run directory."""
    from gzmass import console
    from gzmass.config import FinetuneConfig, load_config

    settings = load_config(FinetuneConfig, config, overrides or ())
    start = f"the run {settings.init_from}" if settings.init_from else settings.model.weights or "random weights"
    console.say(f"Fine-tuning {settings.model.trunk} from {start} on the M/L of {settings.dataset} in {settings.out}")
    console.load_keras()
    from gzmass.training import finetune_ml

    with console.training() as progress:
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
    from gzmass.config import load_config
    from gzmass.experiment import ExperimentConfig, list_runs, run_experiment

    settings = load_config(ExperimentConfig, config, overrides or ())
    runs = list_runs(settings)
    missing = [run for run in runs if run["state"] != "finished"]
    if listing:
        for run in runs:
            took = "" if run["seconds"] is None else f", {run['seconds'] / 60:.1f} min"
            console.say(f"{run['name']}: {run['state']}{took}")
        console.say(f"{len(missing)} of {len(runs)} to be run; the minutes are estimates from another seed")
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
        raise typer.Exit(_INCOMPLETE)


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
    others = [load_run(path) for path in compare or []]
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
            raise typer.Exit(_INCOMPLETE)
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
        raise typer.Exit(_INCOMPLETE)


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
        from gzmass.training.common import labelled_rows

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
