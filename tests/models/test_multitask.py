"""The graph: its sizes, its parts, what is trained and what is transferred."""

import keras
import numpy as np
import pytest

from gzmass.errors import ConfigError
from gzmass.models import build_model, initialise_mass_to_light, train_only, transfer_weights
from gzmass.models.trunks import block_of

TRUNKS = ["cnn4", "cnn5", "cnn5_wide"]  # what is of resnet34 alone, and slow, stands in test_resnet.py

PUBLISHED = {
    "trunk": "cnn4",
    "heads": ("log_ml",),
    "hidden": 512,
    "dropout": 0.0,
    "target": "linear",
    "uncertainty": False,
    "metadata_mask": False,
}


def inputs(n, npix, k=0, seed=0):
    rng = np.random.default_rng(seed)
    values = {"image": rng.integers(0, 256, (n, npix, npix, 1), dtype=np.uint8)}
    if k:
        values["metadata"] = (10 ** rng.uniform(1, 3, (n, k))).astype("float32")
    return values


def n_trainable(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


def test_the_published_network_has_its_parameters():
    assert build_model(69, **PUBLISHED).count_params() == 321_665
    # the statistics of the two columns are weights too, but nobody trains them
    assert n_trainable(build_model(69, metadata=("distance_mpc", "luminosity_g"), **PUBLISHED)) == 322_689


def test_the_default_trunk_has_five_convolutions_and_two_dense_layers():
    model = build_model(69, heads=("log_ml",))
    layers = [*model.get_layer("trunk").layers, *model.get_layer("mass_to_light").layers]
    assert sum(isinstance(layer, keras.layers.Conv2D) for layer in layers) == 5
    assert sum(isinstance(layer, keras.layers.Dense) for layer in layers) == 2


@pytest.mark.parametrize("trunk", TRUNKS)
@pytest.mark.parametrize("n", [1, 3])
def test_outputs(trunk, n):
    model = build_model(69, trunk=trunk, metadata=("a", "b"))
    outputs = model.predict(inputs(n, 69, 2), verbose=0)
    assert outputs["votes"].shape == (n, 37)
    assert outputs["log_ml"].shape == (n, 2)
    np.testing.assert_allclose(np.exp(outputs["votes"][:, :3]).sum(axis=1), 1, rtol=1e-5)


def test_missing_metadata_do_not_spoil_the_outputs():
    model = build_model(32, metadata=("a", "b"))
    values = inputs(4, 32, 2)
    values["metadata"][1:] = np.nan
    assert all(np.isfinite(output).all() for output in model.predict(values, verbose=0).values())


def test_a_flag_that_is_never_up_in_training_shifts_nothing():
    model = build_model(32, metadata=("distance_mpc", "luminosity_g"), heads=("log_ml",))
    metadata = np.random.default_rng(0).lognormal(5, 1, (50, 2))
    metadata[::5, 1] = np.nan
    initialise_mass_to_light(model, np.zeros(50), metadata)
    standardize = model.get_layer("mass_to_light").get_layer("metadata_standardize")
    mean = 10 ** np.asarray(standardize.mean)
    given = inputs(3, 32)["image"][[0, 0, 0]]
    known = np.array([mean, [np.nan, mean[1]], [mean[0], np.nan]], dtype="float32")
    at_mean, no_distance, no_luminosity = model.predict({"image": given, "metadata": known}, verbose=0)["log_ml"]
    np.testing.assert_allclose(no_distance, at_mean, atol=1e-5)  # all training galaxies have a distance
    assert not np.allclose(no_luminosity, at_mean, atol=1e-3)  # what that means is learnt


def test_metadata_statistics_are_per_column():
    model = build_model(32, metadata=("distance_mpc", "luminosity_g"), heads=("log_ml",))
    rng = np.random.default_rng(0)
    metadata = np.stack([10 ** rng.normal(2.5, 0.2, 500), 10 ** rng.normal(10, 0.5, 500)], axis=1)
    initialise_mass_to_light(model, rng.normal(size=500), metadata)
    layer = model.get_layer("mass_to_light").get_layer("metadata_standardize")
    standardized = np.asarray(layer(metadata.astype("float32")))
    # shared statistics would leave the distance a constant: mean -1 and spread 0.05
    np.testing.assert_allclose(standardized[:, :2].mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(standardized[:, :2].std(axis=0), 1, atol=1e-3)


@pytest.mark.parametrize("trunk", TRUNKS)
def test_weights_of_69_px_load_at_128_px_bit_for_bit(tmp_path, trunk):
    small = build_model(69, trunk=trunk, metadata=("a",))
    large = build_model(128, trunk=trunk, metadata=("a",))
    small.save_weights(tmp_path / "small.weights.h5")
    large.load_weights(tmp_path / "small.weights.h5")
    for ours, theirs in zip(small.get_weights(), large.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert large.predict(inputs(1, 128, 1), verbose=0)["log_ml"].shape == (1, 2)


def test_transfer_copies_what_fits_and_says_so():
    source = build_model(32, heads=("votes",))
    target = build_model(48, metadata=("a",))
    head = target.get_layer("mass_to_light").get_weights()
    copied, not_copied = transfer_weights(source, target)
    assert copied == ["trunk", "morphology"]
    assert not_copied == {"mass_to_light": "the earlier run has none"}
    for part in ("trunk", "morphology"):
        for ours, theirs in zip(
            source.get_layer(part).get_weights(), target.get_layer(part).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
    for before, after in zip(head, target.get_layer("mass_to_light").get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    # a head of another shape stays as it is, a trunk of another kind is an error
    assert transfer_weights(source, build_model(48, heads=("votes",), hidden=8)) == (
        ["trunk"],
        {"morphology": "its layers have other shapes"},
    )
    assert transfer_weights(source, build_model(48, heads=("log_ml",)))[1] == {
        "morphology": "this run has none",
        "mass_to_light": "the earlier run has none",
    }
    with pytest.raises(ConfigError, match="different kinds"):
        transfer_weights(source, build_model(69, trunk="cnn4"))


def test_the_linear_head_starts_at_the_mean_and_gives_a_logarithm():
    model = build_model(69, **PUBLISHED)
    initialise_mass_to_light(model, np.log10([1.0, 3.0, np.nan]), target="linear")
    head = model.get_layer("mass_to_light")
    features = np.zeros((1, head.input_shape[-1]), dtype="float32")
    np.testing.assert_allclose(head.predict(features, verbose=0), np.log10(2.0), atol=1e-6)


def test_the_log_head_starts_at_the_mean_and_the_spread():
    model = build_model(32, heads=("log_ml",))
    initialise_mass_to_light(model, [0.1, 0.5, np.nan])
    head = model.get_layer("mass_to_light")
    mean, log_sigma = head.predict(np.zeros((1, head.input_shape[-1]), dtype="float32"), verbose=0)[0]
    np.testing.assert_allclose([mean, np.exp(log_sigma)], [0.3, 0.2], rtol=1e-5)


@pytest.mark.parametrize(
    ("part", "blocks"), [("all", {1, 2, 3, 4, 5}), ("heads", set()), (2, {4, 5}), (5, {1, 2, 3, 4, 5})]
)
def test_what_is_trained(part, blocks):
    model = build_model(32)
    train_only(model, part)
    trunk = model.get_layer("trunk")
    assert {block_of(layer) for layer in trunk.layers if layer.trainable_weights} == blocks
    assert model.get_layer("morphology").trainable_weights
    train_only(model, "all")
    assert len(trunk.trainable_weights) == 10


@pytest.mark.parametrize("part", [6, -1, "trunk", True])
def test_what_can_not_be_trained(part):
    with pytest.raises(ConfigError, match="'all', 'heads' or a number of blocks to 5"):
        train_only(build_model(32), part)


def test_batch_normalisation_that_is_not_there_can_not_be_frozen():
    with pytest.raises(ConfigError, match="with a trunk that has batch normalisation"):
        train_only(build_model(32), "all", "frozen")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"trunk": "vgg"}, "no trunk 'vgg'; allowed are 'cnn4', 'cnn5', 'cnn5_wide', 'resnet34'"),
        ({"npix": 31}, "'cnn5' takes images of at least 32 px. Received: npix=31"),
        ({"trunk": "resnet34", "npix": 31}, "'resnet34' takes images of at least 32 px. Received: npix=31"),
        ({"weights": "hf://a/b"}, "Only the trunk 'resnet34' takes weights. Received: trunk='cnn5'"),
        ({"npix": 69.5}, "npix must be a whole number of at least 1. Received: 69.5"),
        ({"npix": None}, "npix must be a whole number"),
        ({"hidden": 0}, "hidden must be a whole number of at least 1. Received: 0"),
        ({"dropout": 1.0}, "dropout must be from 0 to less than 1. Received: 1.0"),
        ({"metadata": "redshift"}, "metadata must be a list of names, each once. Received: 'redshift'"),
        ({"metadata": ("a", "a")}, "metadata must be a list of names, each once"),
        ({"heads": "votes"}, "heads must be a list of one or both .* Received: 'votes'"),
        ({"heads": ("mass",)}, "heads must be a list of one or both"),
        ({"heads": ()}, "heads must be a list of one or both"),
        ({"target": "linear"}, "without uncertainty"),
        ({"target": "ln"}, "target must be 'log'"),
        ({"metadata": ("a",), "linear_metadata": ("b",)}, "linear_metadata has 'b'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ConfigError, match=message):
        build_model(**{"npix": 32, **arguments})
