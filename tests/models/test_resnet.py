"""ResNet34: its blocks, its response to grey images, its batch normalisation, and weights that can not be had."""

import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from gzmass.errors import ConfigError
from gzmass.models import build_model, train_only, transfer_weights
from gzmass.models.resnet import ARCHITECTURE, IMAGENET_MEAN, IMAGENET_STD, load_imagenet
from gzmass.models.trunks import block_of

keras_hub = pytest.importorskip("keras_hub", reason="keras-hub is not installed")

NPIX = 37
OTHER_MEAN, OTHER_STD = (0.5, 0.4, 0.3), (0.1, 0.2, 0.4)


@pytest.fixture(scope="module")
def colour():
    """A ResNet34 of keras-hub's whose batch normalisation is not the identity."""
    backbone = keras_hub.models.ResNetBackbone(**ARCHITECTURE)
    rng = np.random.default_rng(0)
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            n = layer.gamma.shape[0]
            scale, variance = rng.uniform(0.5, 1.5, (2, n))
            layer.set_weights([scale, *rng.normal(0, 0.3, (2, n)), variance])
    return backbone


@pytest.fixture(scope="module")
def saved(colour, tmp_path_factory):
    """Its weights as a file, and as a folder that states a normalisation of its own."""
    folder = tmp_path_factory.mktemp("weights")
    colour.save_weights(folder / "colour.weights.h5")
    colour.save_to_preset(str(folder / "preset"))
    scale, offset = 1 / (255 * np.array(OTHER_STD)), -np.array(OTHER_MEAN) / OTHER_STD
    keras_hub.layers.ResNetImageConverter(scale=scale.tolist(), offset=offset.tolist()).save_to_preset(
        str(folder / "preset")
    )
    return folder


@pytest.fixture(scope="module")
def model():
    return build_model(NPIX, trunk="resnet34", heads=("log_ml",), hidden=8)


def test_the_network_is_resnet34(model):
    trunk = model.get_layer("trunk")
    # that of three channels has 21,301,696, and 7 * 7 * 64 more for its third channel
    assert trunk.count_params() == 21_301_696 - 7 * 7 * 64
    convolutions = [layer for layer in trunk.layers if isinstance(layer, keras.layers.Conv2D)]
    blocks = [block_of(layer) for layer in convolutions]
    # two in each of 3, 4, 6 and 3 units; the first units of the last three stages have a third on their shortcut
    assert [blocks.count(block) for block in range(1, 6)] == [1, 6, 9, 13, 7]
    assert not any("keras_hub" in type(layer).__module__ for layer in trunk.layers)
    assert trunk.output_shape == (None, 1024)


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [("colour.weights.h5", IMAGENET_MEAN, IMAGENET_STD), ("preset", OTHER_MEAN, OTHER_STD)],
)
def test_the_response_to_a_grey_image_is_that_of_the_colour_network(model, colour, saved, name, mean, std):
    trunk = model.get_layer("trunk")
    load_imagenet(trunk, saved / name)
    image = np.random.default_rng(1).integers(0, 256, (2, NPIX, NPIX, 1), dtype=np.uint8)
    normalised = ((np.repeat(image, 3, axis=-1) / 255 - mean) / std).astype("float32")
    for ours, theirs in [("block1_conv1_conv", "conv1_conv"), ("block5_unit3_out", "stack3_block2_out")]:
        one = keras.Model(trunk.input, trunk.get_layer(ours).output)(image)
        other = keras.Model(colour.input, colour.get_layer(theirs).output)(normalised)
        # the whole map, so where the kernel reaches beyond the image too
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max(), err_msg=ours)


def test_batch_normalisation_learns_only_where_it_is_told_to(model):
    trunk = model.get_layer("trunk")
    image = np.random.default_rng(2).integers(0, 256, (2, NPIX, NPIX, 1), dtype=np.uint8)
    before = trunk.get_weights()

    def moved(part, batch_norm):
        trunk.set_weights(before)
        train_only(model, part, batch_norm)
        trunk(image, training=True)
        variables = zip(trunk.weights, before, strict=True)
        paths = {variable.path for variable, old in variables if not np.array_equal(variable, old)}
        return {block_of(layer) for layer in trunk.layers for v in layer.weights if v.path in paths}, paths

    assert moved("heads", "train") == (set(), set())
    blocks, paths = moved(2, "train")
    assert blocks == {4, 5}
    assert {path.rpartition("/")[2] for path in paths} == {"moving_mean", "moving_variance"}
    assert moved(2, "frozen") == (set(), set())
    trained = [v.path for v in trunk.trainable_variables]
    assert len(trained) == 13 + 7
    assert all("conv/kernel" in path for path in trained)
    train_only(model, "all")
    trunk.set_weights(before)


def test_the_weights_go_to_another_image_size(model):
    larger = build_model(NPIX + 16, trunk="resnet34", heads=("log_ml",), hidden=8)
    assert transfer_weights(model, larger) == (["trunk", "mass_to_light"], {})
    for one, other in zip(model.get_weights(), larger.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_that_can_not_be_had(model, tmp_path, monkeypatch):
    trunk = model.get_layer("trunk")
    (tmp_path / "text.weights.h5").write_text("no weights")
    for wrong in (tmp_path / "text.weights.h5", tmp_path, "no_such_preset"):
        with pytest.raises(ConfigError, match=r"'model.weights' has the value .*, from which no weights could be load"):
            load_imagenet(trunk, wrong)

    for absent in (tmp_path / "no_such_folder", "no_such.weights.h5", "weights/resnet34"):
        with pytest.raises(ConfigError, match=r"the value .*, a file or folder that does not exist"):
            load_imagenet(trunk, absent)

    def offline(*_):
        message = "Max retries exceeded\nand a long story"
        raise ConnectionError(message)

    with monkeypatch.context() as patch:
        patch.setattr(keras_hub.models.Backbone, "from_preset", offline)
        with pytest.raises(ConfigError, match=r"\(ConnectionError: Max retries exceeded\); allowed are"):
            load_imagenet(trunk, "resnet_18_imagenet")


def test_weights_of_another_network(model, tmp_path, monkeypatch):
    trunk = model.get_layer("trunk")
    shallow = {**ARCHITECTURE, "stackwise_num_blocks": [1, 1, 1, 1]}
    keras_hub.models.ResNetBackbone(**shallow).save_to_preset(str(tmp_path / "shallow"))
    with pytest.raises(ConfigError, match=r"another network than ResNet34: its stackwise_num_blocks is \[1, 1, 1, 1\]"):
        load_imagenet(trunk, tmp_path / "shallow")
    keras_hub.models.ResNetBackbone(**shallow).save_weights(tmp_path / "shallow.weights.h5")
    with pytest.raises(ConfigError, match="from which no weights could be loaded"):  # and no warning for each layer
        load_imagenet(trunk, tmp_path / "shallow.weights.h5")
    grey = SimpleNamespace(**ARCHITECTURE, image_shape=(None, None, 1))
    monkeypatch.setattr(keras_hub.models.Backbone, "from_preset", lambda _: grey)
    monkeypatch.setattr(keras_hub.layers.ImageConverter, "from_preset", lambda _: None)
    with pytest.raises(ConfigError, match="a ResNet34 for 1 channels; allowed are weights for colour images"):
        load_imagenet(trunk, "grey")


def test_without_keras_hub(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(ConfigError, match=r"built with the package keras-hub, .*: install gzmass\[resnet\]"):
        build_model(NPIX, trunk="resnet34")
