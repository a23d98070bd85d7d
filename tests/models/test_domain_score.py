"""The score of unusual galaxies: its false alarms, what it finds, and what stands in a run directory."""

import numpy as np
import pytest

from gzmass.models import build_model
from gzmass.models.domain_score import (
    FALSE_ALARM_RATE,
    domain_score,
    fit_domain_score,
    load_domain_score,
    save_domain_score,
)
from gzmass.models.forward import forward, with_features

LOG = [True, True, False]


def galaxies(n, seed, npix=20):
    """Features of rank five, blobs on noise, and metadata of which the first two belong together."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, 5))
    features = np.maximum(hidden @ np.random.default_rng(99).normal(size=(5, 30)) + rng.normal(0, 0.1, (n, 30)), 0)
    features[:, 7] = 0.0  # a neuron that never fires
    y, x = np.mgrid[:npix, :npix] - (npix - 1) / 2
    size = rng.uniform(1.5, 4, (n, 1, 1))
    images = 40 + 200 * np.exp(-(x**2 + y**2) / (2 * size**2)) + rng.normal(0, 6, (n, npix, npix))
    distance = rng.normal(2, 0.3, n)
    metadata = np.stack([10**distance, 10 ** (2 * distance + rng.normal(6, 0.1, n)), rng.normal(0, 1, n)], axis=1)
    metadata[::10, 2] = np.nan
    return features, np.clip(images, 0, 255).astype(np.uint8)[..., None], metadata


@pytest.fixture(scope="module")
def arrays():
    return fit_domain_score(galaxies(1500, 0), galaxies(1000, 1), LOG)


def test_false_alarms_are_as_stated(arrays):
    validation = domain_score(arrays, *galaxies(1000, 1)) > 1
    assert validation.mean() == pytest.approx(FALSE_ALARM_RATE, abs=0.002)
    error = np.sqrt(FALSE_ALARM_RATE / 1000 + FALSE_ALARM_RATE / 4000)
    assert np.mean(domain_score(arrays, *galaxies(4000, 2)) > 1) == pytest.approx(FALSE_ALARM_RATE, abs=3.5 * error)


def test_unusual_galaxies_are_found(arrays):
    features, images, metadata = galaxies(200, 3)

    def found(features=features, images=images, metadata=metadata):
        return np.mean(domain_score(arrays, features, images, metadata) > 1)

    rng = np.random.default_rng(4)
    noise = np.clip(40 + rng.normal(0, 6, images.shape), 0, 255).astype(np.uint8)
    noisier = np.clip(images + rng.normal(0, 12, images.shape), 0, 255).astype(np.uint8)
    smoothed = images[:, 1:, 1:] // 4 + images[:, :-1, 1:] // 4 + images[:, 1:, :-1] // 4 + images[:, :-1, :-1] // 4
    squared = (255 * (images / 255.0) ** 2).astype(np.uint8)
    for artefact in (noise, noisier, np.pad(smoothed, ((0, 0), (0, 1), (0, 1), (0, 0)), mode="edge"), squared):
        assert found(images=artefact) > 0.95
    assert found(features=10 * features) > 0.95
    for column in range(2):  # each value alone is not rare, with the other it is
        shifted = metadata.copy()
        shifted[:, column] *= 10 ** (2 * np.log10(metadata[:, column]).std())
        assert found(metadata=shifted) > 0.95


def test_missing_metadata_are_no_alarm(arrays):
    features, images, metadata = galaxies(300, 5)
    metadata[:] = np.nan
    assert np.mean(domain_score(arrays, features, images, metadata) > 1) < 3 * FALSE_ALARM_RATE
    metadata[:, 0] = -1.0  # no logarithm
    assert np.isfinite(domain_score(arrays, features, images, metadata)).all()


def test_orientation_does_not_matter(arrays):
    features, images, metadata = galaxies(5, 6, npix=21)
    upright = domain_score(arrays, features, images, metadata)
    for turned in (np.rot90(images, axes=(1, 2)), images[:, :, ::-1]):
        np.testing.assert_allclose(domain_score(arrays, features, turned, metadata), upright, rtol=1e-5)


def test_the_arrays_survive_the_run_directory_and_are_small(arrays, tmp_path):
    assert load_domain_score(tmp_path) is None
    wide = fit_domain_score(
        (np.random.default_rng(0).normal(size=(300, 1024)), *galaxies(300, 0)[1:]),
        (np.random.default_rng(1).normal(size=(100, 1024)), *galaxies(100, 1)[1:]),
        LOG,
    )
    save_domain_score(tmp_path, wide)
    assert (tmp_path / "domain_score.npz").stat().st_size < 2e5
    save_domain_score(tmp_path, arrays)
    again = load_domain_score(tmp_path)
    sample = galaxies(20, 7)
    assert domain_score(again, *sample).tolist() == domain_score(arrays, *sample).tolist()


def test_very_few_galaxies_can_be_described():
    few = fit_domain_score(galaxies(4, 0), galaxies(3, 1), LOG)
    assert np.isfinite(domain_score(few, *galaxies(10, 2))).all()


def test_the_graph_with_features_predicts_the_same():
    model = build_model(npix=20, metadata=["distance_mpc"], hidden=8)
    images = galaxies(3, 0)[1]
    metadata = np.array([[10.0], [20.0], [np.nan]], dtype="float32")
    plain, more = forward(model, images, metadata, 4), forward(with_features(model), images, metadata, 4)
    for name in ("votes", "log_ml"):
        np.testing.assert_allclose(more[name], plain[name], rtol=1e-5)
    turned = [model.get_layer("trunk").predict(np.rot90(images, k, axes=(1, 2)).copy(), verbose=0) for k in range(4)]
    np.testing.assert_allclose(more["features"], np.mean(turned, axis=0), rtol=1e-4, atol=1e-6)
