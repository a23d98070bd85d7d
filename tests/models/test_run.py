"""A run directory: predictions from arrays, and checks."""

import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from gzmass.calibration import apply_calibration, calibrate_intervals, coverage_in_thirds
from gzmass.config import FinetuneConfig
from gzmass.datasets import open_dataset
from gzmass.errors import DataError
from gzmass.models import load_run
from gzmass.models.domain import describe_domain, out_of_domain
from gzmass.models.forward import _moments, forward, with_label_error
from gzmass.models.run import read_card
from gzmass.models.validation import read_validation
from gzmass.training import finetune_ml

COLUMNS = ["distance_mpc", "luminosity_g"]


@pytest.fixture(scope="module")
def run(galaxies, tmp_path_factory):
    config = FinetuneConfig(
        dataset=galaxies,
        out=tmp_path_factory.mktemp("runs") / "run",
        metadata=COLUMNS,
        vote_loss_weight=0.1,
        model={"hidden": 16},
        stages=[{"name": "all", "epochs": 1}],
    )
    return finetune_ml(config)


def test_predictions_agree_with_each_other(run, galaxies):
    dataset = open_dataset(galaxies)
    table = dataset.table.iloc[dataset.rows("test")]
    predictions = run.predict(dataset.images("test"), table)
    np.testing.assert_allclose(
        predictions["log_mstar"], predictions["log_ml_g"] + np.log10(table["luminosity_g"].to_numpy()), atol=1e-5
    )
    assert (predictions["log_ml_g_p16"] < predictions["log_ml_g_p84"]).all()
    np.testing.assert_allclose(predictions.filter(like="t02_edgeon_a0").sum(axis=1), 1, rtol=1e-5)
    features = predictions["t01_smooth_or_features_a02_features_or_disk_fraction"]
    np.testing.assert_allclose(predictions["t02_edgeon_asked"], features, rtol=1e-6)
    assert (predictions["t01_smooth_or_features_asked"] == 1).all()


def test_predictions_do_not_depend_on_the_batch_or_the_orientation(run, galaxies):
    dataset = open_dataset(galaxies)
    images, metadata = dataset.images("test"), dataset.metadata(COLUMNS, "test")
    whole = run.predict(images, metadata)
    one = pd.concat([run.predict(images[i : i + 1], metadata[i : i + 1]) for i in range(3)], ignore_index=True)
    numbers = whole.select_dtypes("number").columns
    np.testing.assert_allclose(one[numbers], whole[numbers].iloc[:3], rtol=1e-4, atol=1e-5)
    # the light is measured about the brightest pixel, the first of several
    numbers = numbers.difference(["domain_score", "domain_noise", "domain_blur"])
    turned = run.predict(np.rot90(images, axes=(1, 2)).copy(), metadata)
    np.testing.assert_allclose(turned[numbers], whole[numbers], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n", [1, 4, 8])
def test_orientations_are_averaged(run, galaxies, n):
    dataset = open_dataset(galaxies)
    image, metadata = dataset.images("test")[:1], dataset.metadata(COLUMNS, "test")[:1]
    turned = [np.rot90(image, k, axes=(1, 2)) for k in range(4)]
    turned += [t[:, :, ::-1] for t in turned]
    single = [forward(run.model, np.ascontiguousarray(t), metadata) for t in turned[:n]]
    mean = np.array([s["log_ml"][0, 0] for s in single])
    variance = np.array([s["log_ml"][0, 1] ** 2 for s in single])
    together = forward(run.model, image, metadata, n)
    np.testing.assert_allclose(together["log_ml"][0], [mean.mean(), np.sqrt(variance.mean() + mean.var())], rtol=1e-4)
    np.testing.assert_allclose(together["votes"], np.mean([s["votes"] for s in single], axis=0), rtol=1e-4)


@pytest.mark.parametrize(
    ("images", "metadata", "message"),
    [
        (
            np.zeros((2, 30, 30, 1), np.uint8),
            np.ones((2, 2)),
            r"takes 8-bit images of 32 x 32 px. Received: uint8 of shape",
        ),
        (np.zeros((2, 32, 32, 1)), np.ones((2, 2)), "Received: float64"),
        (
            np.zeros((2, 32, 32), np.uint8),
            np.ones((3, 2)),
            r"takes the metadata \['distance_mpc', 'luminosity_g'\] of 2",
        ),
        (np.zeros((2, 32, 32), np.uint8), None, r"Received: shape \(2, 0\)"),
        (
            np.zeros((2, 32, 32), np.uint8),
            pd.DataFrame({"distance_mpc": [1, 2]}),
            "needs the metadata column 'luminosity_g'",
        ),
        (
            np.zeros((2, 32, 32), np.uint8),
            pd.DataFrame({"distance_mpc": [1, "far"], "luminosity_g": [1e9, 1e9]}),
            "takes numbers in the metadata column 'distance_mpc'. Received: 'far'",
        ),
    ],
)
def test_other_inputs_are_refused(run, images, metadata, message):
    with pytest.raises(DataError, match=message):
        run.predict(images, metadata)


def test_directories_that_hold_no_run(tmp_path, run):
    with pytest.raises(DataError, match="does not exist"):
        load_run(tmp_path / "no")
    with pytest.raises(DataError, match=r"holds no finished run: it has no card.yaml"):
        load_run(tmp_path)
    (tmp_path / "card.yaml").write_text((run.path / "card.yaml").read_text())
    (tmp_path / "model.keras").write_bytes((run.path / "model.keras").read_bytes()[:1000])
    with pytest.raises(DataError, match="can not be read"):
        load_run(tmp_path)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ("a: [1", r"can not be read: while parsing .*\.$"),
        ("", r"its card.yaml has no key 'kind'\.$"),
        ("{kind: finetune-ml, npix: 69, tree: null, metadata: []}", r"its card.yaml has no key 'weights_hash'\.$"),
    ],
)
def test_a_damaged_card(tmp_path, card, message):
    (tmp_path / "card.yaml").write_text(card)
    (tmp_path / "model.keras").touch()
    with pytest.raises(DataError, match=message):
        read_card(tmp_path)


def test_the_card_is_plain_yaml(run):
    card = yaml.safe_load((run.path / "card.yaml").read_text())
    assert card == load_run(run.path).card
    assert card["calibration"]["n"] == card["n_validation"] == card["validation"]["n"]
    assert {"seed", "versions", "config", "tree_hash", "dataset", "domain"} <= set(card)


def test_domain_names_what_lies_outside():
    rng = np.random.default_rng(0)
    images = rng.normal(60, 10, (400, 16, 16, 1)).clip(0, 255).astype(np.uint8)
    metadata = np.stack([10 ** rng.normal(2, 0.1, 400), rng.normal(0, 1, 400)], axis=1)
    columns = ["distance_mpc", "colour"]
    domain = describe_domain(images, metadata, columns, linear=["colour"])
    inside = out_of_domain(domain, images, metadata, columns) == ""
    assert inside.mean() > 0.98
    far = metadata[:3].copy()
    far[0, 0], far[1, 1], far[2, 0] = 1e6, -40, np.nan
    reasons = out_of_domain(domain, images[:3], far, columns)
    assert reasons[0].startswith("distance_mpc 1e+06 above")
    assert reasons[1].startswith("colour -40 below")
    assert reasons[2] == "distance_mpc missing"
    assert all("image_mean" in r for r in out_of_domain(domain, images[:3] + 60, metadata[:3], columns))


@pytest.mark.parametrize("value", [0.2, 200.0, 3.7, 0.262, 1e10])
@pytest.mark.parametrize("linear", [(), ("pixel_scale_arcsec",)])
def test_a_column_that_is_the_same_for_all_is_no_reason(value, linear):
    images = np.random.default_rng(0).normal(60, 10, (50, 16, 16, 1)).clip(0, 255).astype(np.uint8)
    metadata = np.full((50, 1), value, dtype=np.float32)
    domain = describe_domain(images, metadata, ["pixel_scale_arcsec"], linear=linear)
    assert not any("pixel" in why for why in out_of_domain(domain, images, metadata, ["pixel_scale_arcsec"]))
    other = out_of_domain(domain, images, 1.01 * metadata, ["pixel_scale_arcsec"])
    assert all("pixel_scale_arcsec" in why for why in other)


def test_the_error_of_the_labels_is_in_what_is_calibrated(run, galaxies):
    dataset = open_dataset(galaxies)
    assert run.card["label_error_dex"] == pytest.approx(0.05)
    images, metadata = dataset.images("val"), dataset.metadata(COLUMNS, "val")
    scatter = forward(run.model, images, metadata, run.card["test_time_augmentation"])["log_ml"][:, 1]
    np.testing.assert_allclose(run.outputs(images, metadata)["log_ml"][:, 1], np.hypot(scatter, 0.05), rtol=1e-5)
    held_out = read_validation(run.path)
    assert (held_out["sigma"] > 0.05).all()


def test_intervals_hold_whatever_sigma_is_where_labels_have_errors():
    """A perfect predictor: the scatter that it predicts, and beside it errors of the labels of the same size."""
    rng = np.random.default_rng(1)
    scatter, error, n = rng.uniform(0.01, 0.16, 20_000), 0.1, 20_000
    true = np.hypot(scatter, error) * rng.normal(size=n)
    with_error = with_label_error(np.stack([np.zeros(n), scatter], axis=1), error)[:, 1]
    for sigma, expected in ((with_error, [0.68] * 3), (scatter, [0.44, 0.76, 0.85])):
        table = apply_calibration(np.zeros(n), sigma, calibrate_intervals(true, np.zeros(n), sigma))
        bounds = table[["log_ml_g_lower_68", "log_ml_g_upper_68"]].to_numpy().T
        thirds = [third["coverage"] for third in coverage_in_thirds(scatter, true, *bounds)]
        assert thirds == pytest.approx(expected, abs=0.02)


def test_a_sigma_beyond_what_the_loss_looks_at_is_its_limit():
    moments = _moments("log_ml", np.array([[0.0, -50.0], [0.0, 500.0]]))
    np.testing.assert_allclose(moments["square"], np.exp([-20.0, 20.0]))


def test_numbers_in_a_column_of_objects_are_numbers(run, galaxies):
    dataset = open_dataset(galaxies)
    table = dataset.table.iloc[dataset.rows("test")]
    images = dataset.images("test")
    expected = run.predict(images, table)
    objects = run.predict(images, table.astype(dict.fromkeys(COLUMNS, object)))
    pd.testing.assert_frame_equal(objects, expected)
    assert objects["log_mstar"].notna().all()


def test_damaged_files_of_a_run_are_named(run, galaxies, tmp_path):
    images = open_dataset(galaxies).images("test")
    table = open_dataset(galaxies).table.iloc[open_dataset(galaxies).rows("test")]
    for name in ("model.keras", "domain_score.npz"):
        damaged = shutil.copytree(run.path, tmp_path / name)
        content = bytearray((damaged / name).read_bytes())
        content[len(content) // 2] ^= 255
        (damaged / name).write_bytes(content[: len(content) if name == "model.keras" else len(content) // 2])
        with pytest.raises(DataError, match="can not be read"):
            load_run(damaged).predict(images, table)
