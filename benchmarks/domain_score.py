"""What a run's domain score finds: false alarms on the test split, and artefacts made from it, as a table in Markdown.

python benchmarks/domain_score.py RUN DATASET [OTHER_DATASET]
"""

import sys

import numpy as np
from scipy.ndimage import gaussian_filter

from gzmass.datasets import open_dataset
from gzmass.images import log_stretch
from gzmass.models import load_run

N = 300


def artefacts(run, dataset, other=None):
    """Images and metadata that the run was not trained on, by name."""
    rng = np.random.default_rng(0)
    rows = dataset.rows("test")[:N]
    images, metadata = dataset.images(rows), dataset.metadata(run.metadata, rows)
    grey, n, npix = images.astype(float), len(images), dataset.npix
    y, x = np.mgrid[:npix, :npix] - (npix - 1) / 2
    width, peak = rng.uniform(1, 2, n), 10 ** rng.uniform(1, 4, n)
    star = [
        p * np.exp(-(x**2 + y**2) / (2 * w**2)) + rng.normal(size=(npix, npix))
        for p, w in zip(peak, width, strict=True)
    ]
    made = {
        "blank sky": np.stack([log_stretch(rng.normal(size=(npix, npix)))[0] for _ in range(n)])[..., None],
        "single stars": np.stack([log_stretch(image)[0] for image in star])[..., None],
        "another stretch: grey levels squared": 255 * (grey / 255) ** 2,
        "another stretch: their root": 255 * (grey / 255) ** 0.5,
        "noise of 20 grey levels added": grey + rng.normal(0, 20, grey.shape),
        "smoothed with a Gaussian of 1 px": gaussian_filter(grey, (0, 1, 1, 0)),
    }
    if other is not None:
        made["galaxies of the other dataset"] = other.images(other.rows("test")[:n])
    median = np.nanmedian(dataset.metadata(run.metadata, "train"), axis=0)
    strangers = ("blank sky", "single stars", "galaxies of the other dataset")  # whose metadata are not known
    found = {
        name: (np.clip(pixels, 0, 255).astype(np.uint8), np.tile(median, (n, 1)) if name in strangers else metadata)
        for name, pixels in made.items()
    }
    for k, column in enumerate(run.metadata):
        sigma = np.nanstd(np.log10(dataset.metadata([column], "train")))
        shifted = metadata.copy()
        shifted[:, k] *= 10 ** (3 * sigma * rng.choice([-1, 1], n))
        found[f"{column} shifted by 3 sigma"] = images, shifted
    return found


def main():
    """Print the table."""
    run, dataset = load_run(sys.argv[1]), open_dataset(sys.argv[2])
    other = open_dataset(sys.argv[3]) if len(sys.argv) > 3 else None
    samples = {"test split": (dataset.images("test"), dataset.metadata(run.metadata, "test"))}
    print("| galaxies | score above 1 [%] | outside for any reason [%] |\n|---|--:|--:|")
    for name, (images, metadata) in {**samples, **artefacts(run, dataset, other)}.items():
        predictions = run.predict(images, metadata)
        unusual, outside = (predictions["domain_score"] > 1).mean(), (~predictions["in_domain"]).mean()
        print(f"| {name} | {100 * unusual:.1f} | {100 * outside:.1f} |", flush=True)


if __name__ == "__main__":
    main()
