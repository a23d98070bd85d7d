"""Augmentation: what each part does to an image, alone."""

import keras
import numpy as np
import pytest

from gzmass.errors import ConfigError
from gzmass.layers import RandomAffine
from gzmass.layers.augment import affine_transforms, nearest_reflected

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 15, 15, 1)).astype("uint8")
STILL = {"rotation": 0.0, "flip": False, "zoom": (1.0, 1.0), "shift": 0.0}


def augment(images, **arguments):
    layer = RandomAffine(**{**STILL, "seed": 0, **arguments})
    return keras.ops.convert_to_numpy(layer(images, training=True))


def resample(images, **terms):
    default = {"angle": 0.0, "mirror": 1.0, "zoom": 1.0, "shift_x": 0.0, "shift_y": 0.0}
    tensors = {key: keras.ops.full((len(images),), value, dtype="float32") for key, value in (default | terms).items()}
    height, width = images.shape[1:3]
    transforms = affine_transforms(**tensors, height=height, width=width)
    x = keras.ops.convert_to_tensor(images.astype("float32"))
    got = keras.ops.image.affine_transform(x, transforms, fill_mode="reflect", data_format="channels_last")
    return keras.ops.convert_to_numpy(got)


def test_identity_outside_training_and_when_nothing_is_asked():
    got = keras.ops.convert_to_numpy(RandomAffine(seed=0)(IMAGES))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, IMAGES)
    np.testing.assert_allclose(augment(IMAGES), IMAGES, atol=1e-3)


@pytest.mark.parametrize("quarter", [1, 2, 3])
def test_quarter_turns_and_mirroring_are_exact(quarter):
    turned = resample(IMAGES, angle=quarter * np.pi / 2)
    np.testing.assert_allclose(turned, np.rot90(IMAGES, -quarter, axes=(1, 2)), atol=0.1)
    np.testing.assert_allclose(resample(IMAGES, mirror=-1.0), IMAGES[:, :, ::-1], atol=0.1)


def test_right_angles_only_change_the_place_of_pixels():
    images = np.repeat(IMAGES[:1], 400, axis=0)
    got = augment(images, rotation=1.0, angles="right")
    turns = np.stack([np.rot90(IMAGES[0], k) for k in range(4)])
    equal = (got[:, None] == turns[None]).all(axis=(2, 3, 4))
    assert (equal.sum(axis=1) == 1).all()
    assert (np.abs(equal.mean(axis=0) - 0.25) < 0.1).all()
    # with a shift, too: whole rows and columns move, and what lies outside is the mirrored image
    moved = augment(images, rotation=1.0, angles="right", shift=0.2)
    assert set(np.unique(moved)) <= set(np.unique(IMAGES[0]))


def test_zoom_and_shift_move_pixels_as_told():
    image = np.zeros((1, 15, 15, 1))
    image[0, 7, 9] = 1
    assert np.argmax(resample(image, shift_x=2.0, shift_y=-3.0)) == 4 * 15 + 11
    assert np.argmax(resample(image, zoom=2.0)) == 7 * 15 + 11
    assert resample(image, zoom=2.0).sum() == pytest.approx(4.0)


def test_zoom_comes_before_the_shift_and_the_turn_keeps_the_centre():
    image = np.zeros((1, 16, 20, 1))
    image[0, 7:9, 9:11] = 1
    for angle in (0.3, 2.0):
        got = resample(image, angle=angle)[0, ..., 0]
        y, x = np.mgrid[:16, :20]
        assert (got * x).sum() / got.sum() == pytest.approx(9.5, abs=0.05)
        assert (got * y).sum() / got.sum() == pytest.approx(7.5, abs=0.05)


def test_nearest_keeps_the_noise_and_bilinear_lowers_it():
    noise = np.random.default_rng(1).normal(40, 5, (60, 33, 33, 1)).round().astype("uint8")
    turned = {kind: augment(noise, rotation=1.0, shift=0.05, interpolation=kind) for kind in ("nearest", "bilinear")}
    assert turned["nearest"].std() == pytest.approx(noise.std(), rel=0.02)
    assert turned["bilinear"].std() < 0.9 * noise.std()
    np.testing.assert_array_equal(turned["nearest"], turned["nearest"].round())


def test_picked_pixels_are_those_of_keras_wherever_the_image_is_moved():
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (40, 13, 17, 2)).astype("float32")
    ranges = {"angle": (-4, 4), "mirror": (-1, 1), "zoom": (0.3, 2), "shift_x": (-40, 40), "shift_y": (-40, 40)}
    drawn = {name: rng.uniform(*ends, 40).astype("float32") for name, ends in ranges.items()}
    drawn["mirror"] = np.sign(drawn["mirror"])
    drawn = {name: keras.ops.convert_to_tensor(values) for name, values in drawn.items()}
    transforms = keras.ops.convert_to_numpy(affine_transforms(**drawn, height=13, width=17))
    options = {"interpolation": "nearest", "fill_mode": "reflect", "data_format": "channels_last"}
    # each has its own copy: on PyTorch Keras changes the one that it is given
    expected = keras.ops.image.affine_transform(images, keras.ops.convert_to_tensor(transforms.copy()), **options)
    got = nearest_reflected(keras.ops.convert_to_tensor(images), keras.ops.convert_to_tensor(transforms))
    different = keras.ops.convert_to_numpy(got) != keras.ops.convert_to_numpy(expected)
    assert different.mean() < 1e-3


def test_half_of_the_images_are_mirrored():
    images = np.repeat(IMAGES[:1], 200, axis=0)
    got = augment(images, flip=True)
    mirrored = np.isclose(got, images[:, :, ::-1], atol=0.5).all(axis=(1, 2, 3))
    same = np.isclose(got, images, atol=0.5).all(axis=(1, 2, 3))
    assert (mirrored ^ same).all()
    assert 70 < mirrored.sum() < 130


def test_every_image_gets_another_transformation_within_the_grey_scale():
    got = augment(np.repeat(IMAGES[:1], 8, axis=0), rotation=1.0, zoom=(0.9, 1.1), shift=0.05)
    assert len(np.unique(got.sum(axis=(1, 2, 3)))) == 8
    assert got.min() >= 0
    assert got.max() <= 255


def test_same_seed_gives_the_same_sequence():
    def sequence(seed):
        layer = RandomAffine(seed=seed)
        return [keras.ops.convert_to_numpy(layer(IMAGES, training=True)) for _ in range(2)]

    first, again, other = sequence(1), sequence(1), sequence(2)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first[0] - first[1]).max() > 1
    assert np.abs(first[0] - other[0]).max() > 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rotation": 1.5}, "rotation must be from 0 to 1.*1.5"),
        ({"angles": "left"}, "angles must be one of.*'left'"),
        ({"zoom": (1.2, 0.9)}, "zoom must be two magnifications"),
        ({"shift": 1.0}, "shift must be from 0"),
        ({"interpolation": "cubic"}, "interpolation must be one of.*'cubic'"),
        ({"fill_mode": "mirror"}, "fill_mode must be one of.*'mirror'"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        RandomAffine(**arguments)


def test_xla_is_not_asked_to_compile_what_it_has_no_kernel_for():
    # Keras compiles with XLA wherever there is a GPU, unless a layer says that it can not be
    assert RandomAffine().supports_jit is (keras.backend.backend() != "tensorflow")


def test_it_works_where_keras_computes_in_float64():
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        assert augment(IMAGES, flip=True, rotation=1.0).dtype == np.float32
    finally:
        keras.config.set_floatx(before)
