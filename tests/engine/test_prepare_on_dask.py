"""Preparing on Dask gives the dataset that one process gives, through the command line."""

import numpy as np
import pytest
import yaml
from astropy.io import fits

from gzmass.cli import main
from gzmass.datasets import open_dataset

pytest.importorskip("distributed")


def test_the_same_dataset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # paths of the configuration are relative to it, on the workers too
    (tmp_path / "fits").mkdir()
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:40, :40] - 19.5
    for k in range(6):
        flux = 50 * np.exp(-(x**2 + y**2) / (8 + 4 * k)) + rng.normal(size=(40, 40))
        fits.writeto(tmp_path / "fits" / f"{k}.fits", flux.astype("float32"))
    (tmp_path / "fits" / "6.fits").write_bytes(b"no image")
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"images": {"folder": "fits"}, "npix": 32, "band": "g"}))
    for out, options in {"one": [], "two": ["--engine", "dask"]}.items():
        assert main(["prepare", "c.yaml", f"out={out}", *options]) == 0
    one, two = open_dataset("one"), open_dataset("two")
    assert len(two) == 6
    assert one.info["content_hash"] == two.info["content_hash"]
    assert (tmp_path / "one" / "quarantine.csv").read_bytes() == (tmp_path / "two" / "quarantine.csv").read_bytes()
