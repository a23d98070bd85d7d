"""A dataset directory of simulated galaxies: rendered in units of work that an interruption can not spoil."""

from functools import partial as bind

import numpy as np
import pandas as pd

from gzmass.catalogs.distances import HUBBLE, OMEGA_M, cosmology_in_words
from gzmass.catalogs.photometry import solar_magnitude
from gzmass.datasets import change_storage, hold_dataset, split_by_id, write_dataset
from gzmass.datasets.layout import read_info
from gzmass.datasets.parcels import Scattered, write_parcel
from gzmass.datasets.split import FRACTIONS
from gzmass.datasets.storage import check_storage, write_png
from gzmass.datasets.write import encode_png
from gzmass.engine import map_pieces, write_atomically
from gzmass.errors import ConfigError
from gzmass.images import SKY_GREY, log_stretch
from gzmass.simulate.population import draw_population, explainable_r2, galaxy_rng, measured
from gzmass.simulate.rendering import NATIVE_PIXEL_ARCSEC, check_npix, pixel_scale, render
from gzmass.simulate.votes import cast_votes
from gzmass.tree import load_tree

__all__ = ["simulate"]

VERSION = 1  # of the simulated galaxies: with another one the same seed gives other galaxies
GALAXIES_PER_UNIT = 250


def simulate(
    out,
    n_galaxies,
    npix=69,
    seed=0,
    unlabelled_votes=0.3,
    unlabelled_ml=0.0,
    fractions=None,
    workers=1,
    progress=None,
    storage="files",
):
    """Write a dataset of simulated galaxies; interrupted and called again, it goes on where it was.

    Parameters
    ----------
    out : str or pathlib.Path
        The dataset directory: new, empty, or begun by a call with the same arguments.
    n_galaxies : int
        How many, >= 1. The first galaxies of a larger dataset are those of a smaller one.
    npix : int, default 69
        Pixels along a side, >= 16. The galaxies are the same for every size, but for which clumps of a disc shine.
    seed : int, default 0
        Another seed gives other galaxies.
    unlabelled_votes, unlabelled_ml : float, default 0.3 and 0.0
        Fractions of the galaxies, 0 to 1, without votes and without M/L.
    fractions : dict of str to float, optional
        Fractions of the splits, as `gzmass.datasets.split_by_id` takes them.
    workers : int, default 1
        Processes that render; the result does not depend on it.
    progress : callable, optional
        Called as ``progress(done, total)`` with numbers of galaxies.
    storage : {"files", "shards"}, default "files"
        How the images are stored: a PNG file each, or shards. A finished dataset is changed to it in place.

    Returns
    -------
    dict
        ``path``; ``n_galaxies``, ``with_votes``, ``with_log_ml``; ``explainable_r2`` of ``dataset.yaml``: the R2 of
        log M/L that is to be had from ``image`` and from ``image_and_luminosity`` (`explainable_r2`).

    Raises
    ------
    ConfigError
        An argument is out of its range, or the directory holds something else.
    """
    check_npix(npix)
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ConfigError(f"workers must be a whole number of at least 1. Received: workers={workers!r}.")
    check_storage(storage)
    for name, value in (("unlabelled_votes", unlabelled_votes), ("unlabelled_ml", unlabelled_ml)):
        if not 0 <= value <= 1:
            raise ConfigError(f"{name} must be a fraction between 0 and 1. Received: {name}={value!r}.")
    fractions = None if fractions == FRACTIONS else fractions
    tree = load_tree("gz2")
    table = _table(n_galaxies, npix, seed, unlabelled_votes, unlabelled_ml, fractions, tree)
    recipe = {
        "simulation": VERSION, "n_galaxies": int(n_galaxies), "npix": int(npix), "seed": int(seed),
        "unlabelled_votes": float(unlabelled_votes), "unlabelled_ml": float(unlabelled_ml), "fractions": fractions,
    }  # fmt: skip
    with hold_dataset(out, recipe, tree) as path:
        if (path / "dataset.yaml").is_file():
            change_storage(path, storage)
        else:
            _render_units(path, table["id"], npix, seed, workers, progress, storage)
            scales = sorted((path / "units").glob("[0-9]*.npy"))
            table["stretch_scale"] = np.concatenate([np.load(file) for file in scales])
            write_dataset(path, table, (), _info(table, recipe), tree=tree, recipe=recipe, storage=storage)
        units = path / "units"
        for file in units.glob("*"):
            file.unlink()
        if units.is_dir():
            units.rmdir()
    return {
        "path": path,
        "n_galaxies": len(table),
        "with_votes": int(table[f"{tree.stems[0]}_votes"].notna().sum()),
        "with_log_ml": int(table["log_ml_g"].notna().sum()),
        "explainable_r2": read_info(path)["explainable_r2"],
    }


def _table(n_galaxies, npix, seed, unlabelled_votes, unlabelled_ml, fractions, tree):
    population = draw_population(n_galaxies, seed)
    votes = cast_votes(population, seed)
    votes[population.pop("sim_vote_label_draw") < unlabelled_votes] = np.nan
    no_ml = population.pop("sim_ml_label_draw") < unlabelled_ml
    population.loc[no_ml, ["log_ml_g", "log_ml_g_err", "log_mstar"]] = np.nan
    population.insert(1, "split", split_by_id(population["id"], fractions))
    population["pixel_scale_arcsec"] = pixel_scale(population["sim_r90_arcsec"], npix)
    return pd.concat([population, pd.DataFrame(votes, columns=[f"{stem}_votes" for stem in tree.stems])], axis=1)


def _render_units(path, ids, npix, seed, workers, progress, storage):
    """Render what is not there yet; a unit is finished when its file of stretch scales and all its images are there."""
    units, n_galaxies = path / "units", len(ids)
    units.mkdir(exist_ok=True)
    starts = range(0, n_galaxies, GALAXIES_PER_UNIT)
    sizes = {start: min(GALAXIES_PER_UNIT, n_galaxies - start) for start in starts}
    there = Scattered(path).has(ids)
    todo = [
        start
        for start in starts
        if not (_unit_file(units, start).is_file() and there[start : start + sizes[start]].all())
    ]
    done = n_galaxies - sum(sizes[start] for start in todo)

    render_unit = bind(_render_unit, path, npix, seed, storage)
    pieces = ((start, sizes[start]) for start in todo)
    for size in map_pieces(render_unit, pieces, min(workers, max(len(todo), 1))):
        done += size
        if progress is not None:
            progress(done, n_galaxies)


def _render_unit(path, npix, seed, storage, piece):
    start, size = piece
    scales, pngs = np.empty(size), []
    galaxies = draw_population(size, seed, start)
    for row, galaxy in enumerate(galaxies.to_dict("records")):
        pixels, scales[row] = log_stretch(render(galaxy, npix, galaxy_rng(seed, galaxy["id"], "image")))
        pngs.append(encode_png(pixels))
    if storage == "shards":
        write_parcel(path, f"{start:09d}", galaxies["id"], pngs)
    else:
        for galaxy_id, png in zip(galaxies["id"].tolist(), pngs, strict=True):
            write_png(path, galaxy_id, png)
    with write_atomically(_unit_file(path / "units", start)) as partial:
        np.save(partial, scales)
    return size


def _unit_file(units, start):
    return units / f"{start:09d}.npy"


def _info(table, recipe):
    return {
        "npix": recipe["npix"],
        "band": "SDSS g (simulated)",
        "label_kind": "simulated",
        "stretch": {"kind": "log", "scale": "auto", "sky_grey": SKY_GREY},  # as `gzmass prepare` describes its own
        "image_unit": "nanomaggy",
        "sky_sigma_nanomaggy": measured()["sky"]["sigma_nanomaggy"],
        "sky_sigma_pixel_arcsec": NATIVE_PIXEL_ARCSEC,
        "imf": "Chabrier",
        "solar_magnitude": solar_magnitude("g"),
        "cosmology": cosmology_in_words(HUBBLE, OMEGA_M),
        "columns": {"all": "gzmass simulate"},
        "simulation": recipe,
        "explainable_r2": explainable_r2(table),
    }
