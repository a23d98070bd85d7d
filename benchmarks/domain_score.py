"""What a run's domain score finds among the test galaxies and what is made of them, as a table in Markdown.

python benchmarks/domain_score.py RUN DATASET [OTHER_DATASET]

False alarms; another point-spread function and another depth, made from the linear images: those of simulated galaxies
are rendered again, those of Galaxy Zoo 2 are changed (`_telescopes.py`); artefacts; metadata shifted by 3 sigma. For a
run that was made before there was such a score, it is made first, from the training galaxies.
"""

import sys
import time

import numpy as np
import pandas as pd
from _telescopes import JPEGS, real_images, simulated_images
from scipy.ndimage import gaussian_filter

from gzmass.datasets import open_dataset
from gzmass.evaluation.sample_domain import compare_samples
from gzmass.images import log_stretch
from gzmass.models import load_run
from gzmass.models.columns import assemble
from gzmass.models.domain_score import domain_parts, load_domain_score
from gzmass.models.forward import forward, with_features
from gzmass.training.domain import domain_arrays

N = 300
SAMPLE = 100
DEPTHS = (-2, -1, -0.5, 0.5, 1, 2)  # mag, of a galaxy with the same signal to noise
SEEINGS = (0.5, 0.67, 0.8, 1.25, 1.5, 2, 3)


def other_telescopes(dataset, rows):
    """Images and stretch scales of another seeing and another depth, by name."""
    if "simulation" in dataset.info:
        make, seeings = simulated_images, SEEINGS
    elif JPEGS.is_dir() and (JPEGS / f"{dataset.table['id'].to_numpy()[rows[0]]}.jpg").is_file():
        make, seeings = real_images, [seeing for seeing in SEEINGS if seeing > 1]
    else:
        return
    for seeing in seeings:
        yield f"point-spread function x {seeing:g}", *make(dataset, rows, seeing=seeing)
    if make is real_images:
        for seeing in (1.25, 1.5, 2):
            yield (
                f"the same x {seeing:g}, its noise smoothed too",
                *make(dataset, rows, seeing=seeing, same_noise=False),
            )
    for depth in DEPTHS:
        yield f"depth {depth:+g} mag", *make(dataset, rows, noise=10 ** (-0.4 * depth))


def artefacts(images, other):
    """Images that were not made as those of the dataset, by name."""
    rng = np.random.default_rng(0)
    grey, (n, npix) = images.astype(float), images.shape[:2]
    y, x = np.mgrid[:npix, :npix] - (npix - 1) / 2
    width, peak = rng.uniform(1, 2, n), 10 ** rng.uniform(1, 4, n)
    star = [
        p * np.exp(-(x**2 + y**2) / (2 * w**2)) + rng.normal(size=(npix, npix))
        for p, w in zip(peak, width, strict=True)
    ]
    yield "blank sky", np.stack([log_stretch(rng.normal(size=(npix, npix)))[0] for _ in range(n)])[..., None]
    yield "single stars", np.stack([log_stretch(image)[0] for image in star])[..., None]
    yield "another stretch: grey levels squared", 255 * (grey / 255) ** 2
    yield "another stretch: their root", 255 * (grey / 255) ** 0.5
    yield "noise of 20 grey levels added", grey + rng.normal(0, 20, grey.shape)
    yield "smoothed with a Gaussian of 1 px", gaussian_filter(grey, (0, 1, 1, 0))
    if other is not None:
        yield "galaxies of the other dataset", other.images(other.rows("test")[:n])


def main():
    """Print the table."""
    run, dataset = load_run(sys.argv[1]), open_dataset(sys.argv[2])
    other = open_dataset(sys.argv[3]) if len(sys.argv) > 3 else None
    arrays = load_domain_score(run.path)
    if arrays is None:
        config = type("Config", (), {"test_time_augmentation": run.card["test_time_augmentation"]})
        labelled = dataset.rows("train", "log_ml" if "log_ml" in run.model.output else None)
        arrays, _ = domain_arrays(run.model, config, dataset, labelled, run.metadata)
    graph, columns = with_features(run.model), arrays["columns"].tolist()
    rows = dataset.rows("test")[:N]
    known, rng = dataset.metadata(columns, rows).astype(float), np.random.default_rng(1)

    def parts(images, values):
        metadata = values[:, : len(run.metadata)].astype("float32")
        features = forward(graph, images, metadata, run.card["test_time_augmentation"])["features"]
        return domain_parts(arrays, features, images, values)

    def line(name, found, sample=True):
        found = found.copy()
        outside = np.abs(found) > 1
        table = assemble(None, None, None, {"domain_parts": found, "reasons": np.full(found.shape[1], "", object)})
        caught = 0
        if sample:
            draws = [table.sample(min(SAMPLE, len(table)), random_state=k) for k in range(100)]
            caught = np.mean([compare_samples(draw, arrays)["differs"].any() for draw in draws])
        shares = " | ".join(f"{100 * share:.1f}" for share in (outside.any(axis=0).mean(), *outside.mean(axis=1)))
        middle = " | ".join(f"{value:+.2f}" for value in np.median(found[2:], axis=1))
        print(f"| {name} | {shares} | {middle} | {100 * caught:.0f} |", flush=True)

    print(f"Beside the image the score looks at: {', '.join(columns) or 'nothing'}.\n")
    print("| galaxies | score above 1 [%] | features | inputs | noise | blur | median noise | median blur "
          f"| samples of {SAMPLE} [%] |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|")  # fmt: skip
    every = dataset.rows("test")
    line("test split", parts(dataset.images(every), dataset.metadata(columns, every).astype(float)))
    for name, images, scale in other_telescopes(dataset, rows):
        values = known.copy()
        if "stretch_scale" in columns:
            values[:, columns.index("stretch_scale")] = scale
        line(name, parts(images, values))
    images = dataset.images(rows)
    for name, made in artefacts(images, other):
        values = known if "stretch" in name or "added" in name or "smoothed" in name else np.full_like(known, np.nan)
        values = values[: len(made)]
        line(name, parts(np.clip(made, 0, 255).astype(np.uint8), values))
    line("columns unknown", parts(images, np.full_like(known, np.nan)))
    for k, column in enumerate(columns):
        sigma = np.nanstd(np.log10(dataset.metadata([column], "train")))
        shifted = known.copy()
        shifted[:, k] *= 10 ** (3 * sigma * rng.choice([-1, 1], len(rows)))
        line(f"{column} shifted by 3 sigma", parts(images, shifted))
    seconds = []
    for _ in range(3):
        start = time.process_time()
        features = forward(
            graph, images, known[:, : len(run.metadata)].astype("float32"), run.card["test_time_augmentation"]
        )
        middle = time.process_time()
        domain_parts(arrays, features["features"], images, known)
        seconds.append((middle - start, time.process_time() - middle))
    network, score = np.median(pd.DataFrame(seconds), axis=0) / len(rows) * 1e3
    print(f"\nProcessor time a galaxy: network {network:.2f} ms, score {score:.2f} ms ({100 * score / network:.1f} %).")


if __name__ == "__main__":
    main()
