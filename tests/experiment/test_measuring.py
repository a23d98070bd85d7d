"""What is measured of one training: all galaxies of the test split or nothing, and by this version of gzmass."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from small_experiment import experiment

import gzmass.inference
import gzmass.training
from gzmass._version import __version__
from gzmass.datasets import open_dataset
from gzmass.experiment.measuring import measured, run_job
from gzmass.experiment.plan import make_plan


def one_job(galaxies, out):
    job = make_plan(experiment(galaxies, out)).jobs[0]
    job.config.out.mkdir(parents=True)
    return job


def test_galaxies_that_can_not_be_predicted_are_not_left_out(galaxies, tmp_path, monkeypatch):
    run = SimpleNamespace(card={"n_train": 3}, tree=None)
    predictions = pd.DataFrame({"status": ["ok", "failed"], "status_reason": ["", "its image is black"]})
    monkeypatch.setattr(gzmass.training, "finetune_ml", lambda *_, **__: run)
    monkeypatch.setattr(gzmass.inference, "predict", lambda *_: predictions)
    job = one_job(galaxies, tmp_path)
    assert run_job(job) == {"failed": "1 galaxies can not be predicted, the first since its image is black."}
    assert measured(job) is None


def test_coverage_is_that_of_the_intervals_of_each_level(galaxies, tmp_path, monkeypatch):
    true = open_dataset(galaxies).log_ml("test")[:, 0]
    known = np.isfinite(true)
    predictions = pd.DataFrame({"status": "ok", "status_reason": "", "log_ml_g": true + 0.1})
    for level, outside in ((68, 5), (90, 3), (95, 1)):  # of which the first few lie outside
        predictions[f"log_ml_g_lower_{level}"] = true + np.where(np.cumsum(known) <= outside, 0.01, -0.01)
        predictions[f"log_ml_g_upper_{level}"] = true + 0.2
    run = SimpleNamespace(card={"n_train": 3}, tree=None)
    monkeypatch.setattr(gzmass.training, "finetune_ml", lambda *_, **__: run)
    monkeypatch.setattr(gzmass.inference, "predict", lambda *_: predictions)
    found = run_job(one_job(galaxies, tmp_path))
    assert found["rmse_dex"] == pytest.approx(0.1)
    expected = [1 - outside / known.sum() for outside in (5, 3, 1)]
    assert [found[f"coverage_{level}"] for level in (68, 90, 95)] == pytest.approx(expected)


def test_what_another_version_has_measured_is_measured_anew(galaxies, tmp_path):
    job = one_job(galaxies, tmp_path)
    for version, found in (("0.0.0", None), (__version__, {"rmse_dex": 0.1})):
        text = yaml.safe_dump({"gzmass": version, "measured": {"rmse_dex": 0.1}})
        (job.config.out / "test.yaml").write_text(text)
        assert measured(job) == found
        assert measured(job, any_version=True) == {"rmse_dex": 0.1}  # for tables of what is there


@pytest.mark.parametrize("content", [b"", b"measured: [", b"\xff", b"gzmass: 1\n", b"- 3\n"])
def test_damaged_numbers_count_as_none(galaxies, tmp_path, content):
    job = one_job(galaxies, tmp_path)
    (job.config.out / "test.yaml").write_bytes(content)
    assert measured(job) is measured(job, any_version=True) is None
