"""The score of unusual galaxies: its false alarms, what it finds, and what stands in a run directory."""

import sys

import numpy as np
import pandas as pd
import pytest

from gzmass.evaluation.sample_domain import compare_samples, sample_in_words
from gzmass.images import log_stretch
from gzmass.models import build_model
from gzmass.models.columns import assemble
from gzmass.models.domain_changes import changed
from gzmass.models.domain_score import (
    FALSE_ALARM_RATE,
    PARTS,
    domain_parts,
    domain_score,
    fit_domain_score,
    load_domain_score,
    save_domain_score,
)
from gzmass.models.domain_statistics import domain_statistics, sky_of, to_sigma
from gzmass.models.forward import forward, with_features

COLUMNS, LOG = ["distance_mpc", "luminosity_g", "colour", "stretch_scale"], [True, True, False, True]
NPIX = 25


def galaxies(n, seed, npix=NPIX, seeing=1.2, noise=1.0):
    """Features of rank five, blobs seen through an atmosphere, and metadata of which the first two belong together."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, 5))
    features = np.maximum(hidden @ np.random.default_rng(99).normal(size=(5, 30)) + rng.normal(0, 0.1, (n, 30)), 0)
    features[:, 7] = 0.0  # a neuron that never fires
    y, x = np.mgrid[:npix, :npix] - (npix - 1) / 2
    images, scales = np.empty((n, npix, npix, 1), dtype=np.uint8), np.empty(n)
    for i in range(n):
        light = 0
        for size, peak in ((rng.uniform(2, 4), rng.uniform(10, 20)), (rng.uniform(0.1, 0.3), rng.uniform(100, 300))):
            width = np.hypot(size, seeing)
            light = light + peak * (size**2 + 1) / width**2 * np.exp(-(x**2 + y**2) / (2 * width**2))
        images[i, ..., 0], scales[i] = log_stretch(light + noise * rng.normal(size=(npix, npix)))
    distance = rng.normal(2, 0.3, n)
    luminosity = 10 ** (2 * distance + rng.normal(6, 0.1, n))
    metadata = np.stack([10**distance, luminosity, rng.normal(0, 1, n), scales], axis=1)
    metadata[::10, 2] = np.nan
    return features, images, metadata


def score(arrays, features, images, values):
    return domain_score(domain_parts(arrays, features, images, values))


@pytest.fixture(scope="module")
def arrays():
    return fit_domain_score(galaxies(1000, 0), galaxies(800, 1), COLUMNS, LOG)


def test_false_alarms_are_as_stated(arrays):
    validation = score(arrays, *galaxies(800, 1)) > 1
    assert 0.6 * FALSE_ALARM_RATE < validation.mean() <= FALSE_ALARM_RATE  # fewer where limits of two parts meet
    error = np.sqrt(FALSE_ALARM_RATE / 800 + FALSE_ALARM_RATE / 1500)
    assert np.mean(score(arrays, *galaxies(1500, 2)) > 1) == pytest.approx(FALSE_ALARM_RATE, abs=3.5 * error)


@pytest.mark.parametrize(
    ("change", "part", "sign"),
    [
        ({"seeing": 2.4}, "blur", 1),
        ({"seeing": 0.6}, "blur", -1),
        ({"noise": 2}, "noise", 1),
        ({"noise": 0.5}, "noise", -1),
    ],
)
def test_another_telescope_is_found_and_named(arrays, change, part, sign):
    found = domain_parts(arrays, *galaxies(100, 3, **change))
    assert np.mean(domain_score(found) > 1) > 0.9
    assert np.mean(sign * found[PARTS.index(part)] > 1) > 0.8


def test_unusual_galaxies_are_found(arrays):
    features, images, metadata = galaxies(200, 3)

    def found(features=features, images=images, metadata=metadata):
        return np.mean(score(arrays, features, images, metadata) > 1)

    rng = np.random.default_rng(4)
    noise = np.clip(40 + rng.normal(0, 6, images.shape), 0, 255).astype(np.uint8)
    noisier = np.clip(images + rng.normal(0, 12, images.shape), 0, 255).astype(np.uint8)
    squared = (255 * (images / 255.0) ** 2).astype(np.uint8)
    for artefact in (noise, noisier, squared):
        assert found(images=artefact) > 0.95
    assert found(features=10 * features) > 0.95
    for column in (0, 1, 3):
        shifted = metadata.copy()
        shifted[:, column] *= 10 ** (3 * np.log10(metadata[:, column]).std())
        # the scale of the stretch goes with the image less closely, and the filter of noise alone tells of it
        assert found(metadata=shifted) > (0.9 if column == 3 else 0.95)


def test_missing_metadata_are_no_alarm(arrays):
    features, images, metadata = galaxies(300, 5)
    for missing in ([3], [0, 2], [0, 1, 2, 3]):
        partly = metadata.copy()
        partly[:, missing] = np.nan
        assert np.mean(score(arrays, features, images, partly) > 1) < 3 * FALSE_ALARM_RATE
    metadata[:, 0] = -1.0  # no logarithm
    assert np.isfinite(score(arrays, features, images, metadata)).all()


def test_orientation_does_not_matter_much(arrays):
    features, images, metadata = galaxies(5, 6)
    upright = domain_parts(arrays, features, images, metadata)
    for turned in (np.rot90(images, axes=(1, 2)), images[:, :, ::-1]):
        np.testing.assert_allclose(domain_parts(arrays, features, turned, metadata), upright, rtol=1e-4, atol=1e-5)


def test_the_stretch_can_be_undone():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:69, :69] - 34
    linear = 80 * np.exp(-np.hypot(x, y) / 6) + rng.normal(size=(69, 69))
    pixels = log_stretch(linear)[0][None]
    _, level, noise = sky_of(pixels)
    assert level[0] == pytest.approx(40, abs=1)
    flux = to_sigma(pixels, level, noise)[0]
    bright = linear > 5
    assert np.median(flux[bright] / linear[bright]) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("npix", [24, 25])
def test_statistics_are_those_of_whole_images(npix):
    images = galaxies(6, 3, npix=npix)[1]
    images[0] = np.random.default_rng(0).integers(0, 256, images[0].shape)  # without any symmetry
    found = domain_statistics(images)
    pixels = images[..., 0].astype(float)
    strips, level, noise = sky_of(images[..., 0])
    border = [pixels[:, :2], pixels[:, -2:], pixels[:, :, :2].swapaxes(1, 2), pixels[:, :, -2:].swapaxes(1, 2)]
    np.testing.assert_array_equal(level, np.median(np.concatenate(border, axis=1), axis=(1, 2)))
    np.testing.assert_allclose(found[:, :2], np.stack([np.log(noise), level], axis=1), rtol=1e-5)
    steps = [np.log(np.mean((strips[..., lag:] - strips[..., :-lag]) ** 2, axis=(1, 2)) + 0.05) for lag in (1, 2, 4)]
    texture = np.stack([steps[0] - steps[2], steps[1] - steps[2], steps[2] - 2 * np.log(noise)], axis=1)
    np.testing.assert_allclose(found[:, 2:5], texture, atol=1e-4)

    flux, y = to_sigma(images[..., 0], level, noise), np.arange(npix) - (npix - 1) / 2
    radius = np.hypot(y[:, None], y)
    light = [np.arcsinh(flux[:, radius <= share * npix].mean(axis=1) / 0.1) for share in (0.1, 0.2, 0.35, 0.5)]
    np.testing.assert_allclose(found[:, 5:9], np.stack(light, axis=1), rtol=1e-4)

    window = np.hanning(npix)[:, None] * np.hanning(npix)
    spectrum = np.fft.fft2((pixels - level[:, None, None]) / noise[:, None, None] * window)
    power = np.abs(spectrum) ** 2 / np.sum(window**2)
    k = np.hypot(np.fft.fftfreq(npix)[:, None], np.fft.fftfreq(npix))
    for column, (low, high) in {17: (0.06, 0.1), 20: (0.18, 0.23), 24: (0.42, 0.5), 25: (0.5, 0.72)}.items():
        expected = np.log(power[:, (k >= low) & (k < high)].mean(axis=1) + 0.01)
        np.testing.assert_allclose(found[:, column], expected, atol=1e-4)


def test_changes_change_what_they_say():
    _, images, _ = galaxies(40, 8)
    before = domain_statistics(images)
    noisier, ratio = changed(images, "noise")
    assert np.median(ratio) == pytest.approx(2, rel=0.1)
    assert np.median(domain_statistics(noisier)[:, 0] - before[:, 0]) > 0.1  # the sky takes more of the grey levels
    blurred, ratio = changed(images, "blur", 0.5)
    assert (ratio == 1).all()
    peak = np.median(domain_statistics(blurred)[:, 9] - before[:, 9])
    assert peak < -0.3
    blank = np.full((2, NPIX, NPIX, 1), 40, dtype=np.uint8)
    assert (changed(blank, "noise")[0] == blank).all()


def test_the_arrays_survive_the_run_directory_and_are_small(arrays, tmp_path):
    assert load_domain_score(tmp_path) is None
    np.savez(tmp_path / "domain_score.npz", unit=np.ones(2))  # as it was before it had parts
    assert load_domain_score(tmp_path) is None
    wide = fit_domain_score(
        (np.random.default_rng(0).normal(size=(2000, 1024)), *galaxies(2000, 0, npix=12)[1:]),
        (np.random.default_rng(1).normal(size=(100, 1024)), *galaxies(100, 1, npix=12)[1:]),
        COLUMNS,
        LOG,
    )
    save_domain_score(tmp_path, wide)
    assert (tmp_path / "domain_score.npz").stat().st_size < 3e5
    save_domain_score(tmp_path, arrays)
    again = load_domain_score(tmp_path)
    sample = galaxies(20, 7)
    assert score(again, *sample).tolist() == score(arrays, *sample).tolist()


def test_a_run_with_one_filter_of_blur_is_still_understood(arrays):
    sample = galaxies(50, 7)
    n_hidden = arrays["hidden_biases"].size
    earlier = {key: value for key, value in arrays.items() if not key.startswith("hidden")}
    earlier |= {"filters": arrays["filters"][:-n_hidden, [0, 2]], "filter_centres": arrays["filter_centres"][[0, 2]]}
    earlier["unit"] = arrays["unit"][[0, 1, 2, 4]]
    then, now = domain_parts(earlier, *sample), domain_parts(arrays, *sample)
    np.testing.assert_allclose(then[:3], now[:3])
    assert 0.1 < np.isclose(then[3], now[3]).mean() < 0.9  # those to which the other filter has nothing more to say


@pytest.mark.parametrize(
    ("wider", "narrower", "counts"), [(2, 1, 2), (-1, -3, -3), (2, -3, -3), (3, -2, 3), (-2, 5, -2), (-5, 2, 2)]
)
def test_the_filter_that_is_further_on_its_own_side_counts(wider, narrower, counts):
    parts = np.array([[0.0], [0.0], [0.0], [wider], [narrower]])
    assert sys.modules[fit_domain_score.__module__]._joined(parts)[3] == counts


def test_very_few_galaxies_of_few_pixels_can_be_described():
    few = fit_domain_score(galaxies(4, 0, npix=10), galaxies(3, 1, npix=10), COLUMNS, LOG)
    assert np.isfinite(score(few, *galaxies(10, 2, npix=10))).all()
    for seed in range(5):
        few = fit_domain_score(galaxies(12, seed), galaxies(4, 100 + seed), COLUMNS, LOG)
        assert (few["unit"] > 0).all()
    features, images, metadata = galaxies(20, 0)
    bare = fit_domain_score((features, images, metadata[:, :0]), (features, images, metadata[:, :0]))
    assert np.isfinite(score(bare, features, images, metadata[:, :0])).all()


def test_a_trunk_that_sees_nothing_leaves_the_other_parts_to_judge():
    def blind(n, seed, **changes):
        features, *others = galaxies(n, seed, **changes)
        return np.zeros_like(features), *others

    arrays = fit_domain_score(blind(300, 0), blind(200, 1), COLUMNS, LOG)
    found = score(arrays, *blind(200, 2))
    assert np.isfinite(found).all()
    assert np.mean(found > 1) < 0.1
    assert np.mean(score(arrays, *blind(200, 3, noise=3.0)) > 1) > 0.9


def table(parts):
    return assemble(None, None, None, {"domain_parts": parts, "reasons": np.full(parts.shape[1], "", dtype=object)})


def test_the_table_names_what_is_unusual():
    found = table(np.array([[0.5, 0.2, 1.5], [0.1, 0.3, 0.2], [0.4, -2.0, 0.1], [0.2, 0.1, 3.25]]))
    assert found["out_of_domain_reason"].tolist() == [
        "", "domain_noise -2 below -1", "domain_features 1.5 above 1; domain_blur 3.25 above 1",
    ]  # fmt: skip
    assert found["in_domain"].tolist() == [True, False, False]
    assert found["domain_score"].tolist() == [0.5, 2.0, 3.25]


def test_a_sample_shows_what_no_single_galaxy_does(arrays):
    same = compare_samples(table(domain_parts(arrays, *galaxies(200, 10))), arrays)
    assert not same["differs"].any()
    assert same.loc["domain_blur", "n"] == 200
    parts = domain_parts(arrays, *galaxies(200, 11, seeing=1.27))
    assert np.mean(domain_score(parts) > 1) < 0.5
    other = compare_samples(table(parts), arrays)
    assert other.loc["domain_blur", "differs"]
    assert other.loc["domain_blur", "median"] > other.loc["domain_blur", "reference_median"] + 0.1
    assert sample_in_words(table(parts), arrays)[-1].startswith(
        "as a sample these galaxies are more blurred than those"
    )
    assert sample_in_words(pd.DataFrame(), arrays) == sample_in_words(table(parts), None) == []
    empty = compare_samples(pd.DataFrame(columns=["domain_score", "domain_noise", "domain_blur"]), arrays)
    assert not empty["differs"].any()


def test_the_graph_with_features_predicts_the_same():
    model = build_model(npix=32, metadata=["distance_mpc"], hidden=8)
    images = galaxies(3, 0, npix=32)[1]
    metadata = np.array([[10.0], [20.0], [np.nan]], dtype="float32")
    plain, more = forward(model, images, metadata, 4), forward(with_features(model), images, metadata, 4)
    for name in ("votes", "log_ml"):
        np.testing.assert_allclose(more[name], plain[name], rtol=1e-5)
    turned = [model.get_layer("trunk").predict(np.rot90(images, k, axes=(1, 2)).copy(), verbose=0) for k in range(4)]
    np.testing.assert_allclose(more["features"], np.mean(turned, axis=0), rtol=1e-4, atol=1e-6)
