"""Real SDSS galaxies: masses and fluxes become ratios that follow the colour, and every file a PNG or a reason."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from gzmass.config import load_config
from gzmass.datasets import open_dataset
from gzmass.images import aperture_flux, fill_neighbours, read_image
from gzmass.preparation import PrepareConfig, prepare

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"


def needed(folder):
    return pytest.mark.skipif(not (DATA / folder).is_dir(), reason=f"{folder} is not beside the checkout")


@needed("sdss_g_mass")
def test_ratios_of_twenty_galaxies_follow_their_colour(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    file = ROOT / "configs" / "prepare_sdss_g_mass.yaml"
    summary = prepare(load_config(PrepareConfig, file, [f"out={tmp_path / 'ds'}", "npix=32"]))
    table = open_dataset(summary.path).table
    assert summary.counts["all"]["log_ml"] == len(table) == 20
    assert table["log_ml_g"].between(-0.3, 1.0).all()
    colours = []
    for galaxy in table["id"]:
        images = (read_image(DATA / "sdss_g_mass" / f"{galaxy}-{band}.fits") for band in "gi")
        g, i = (fill_neighbours(image)[0] for image in images)
        flux = aperture_flux(g)
        colours.append(2.5 * np.log10(aperture_flux(i, radius=flux.radius).value / flux.value))
    assert spearmanr(table["log_ml_g"], colours).statistic >= 0.75


@needed("sdss_fits")
def test_every_file_becomes_an_image_or_a_reason(tmp_path):
    config = PrepareConfig(out=tmp_path / "ds", images={"folder": DATA / "sdss_fits"}, npix=69)
    summary = prepare(config)
    ids = open_dataset(summary.path).table["id"].tolist()
    listed = pd.read_csv(summary.path / "quarantine.csv")
    assert len(ids) + len(listed) == 35
    assert not set(ids) & set(listed["id"])
    assert listed["reason"].notna().all()
    assert len(ids) >= 30
