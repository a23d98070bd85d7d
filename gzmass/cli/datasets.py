"""Commands that make datasets, and fetch what they are made of."""

from pathlib import Path
from typing import Annotated

import typer

from gzmass.cli.application import INCOMPLETE, app
from gzmass.cli.options import ConfigFile, Engine, Overrides, Scheduler, Slurm
from gzmass.errors import ConfigError

__all__ = ["download", "prepare", "simulate"]


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
    from gzmass.cli.reading import read_configuration
    from gzmass.engine import open_engine
    from gzmass.preparation import PrepareConfig
    from gzmass.preparation import prepare as prepare_dataset

    settings = read_configuration(PrepareConfig, config, overrides)
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
    with console.finished_before(out / "dataset.yaml"), console.bar("simulate", "galaxies") as progress:
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
        raise typer.Exit(INCOMPLETE)


def _refuse_without_catalog(context):
    """Refuse options of cutouts, which would do nothing."""
    for option in context.command.params:
        given = context.get_parameter_source(option.name).name == "COMMANDLINE"
        if given and option.name not in {"name", "out"}:
            raise ConfigError(f"{option.opts[0]} is for cutouts of the galaxies of a table, which --catalog names.")
