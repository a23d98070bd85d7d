"""The survey that the tests of catalogues and of photometry prepare datasets from."""

import pytest
from survey import write_survey

from gzmass.preparation import PrepareConfig


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of the survey."""
    path = tmp_path_factory.mktemp("survey")
    write_survey(path)
    return path


@pytest.fixture
def config(folder, tmp_path, monkeypatch):
    """Configurations of the survey, in its folder."""
    monkeypatch.chdir(folder)

    def make(**changes):
        values = {
            "out": tmp_path / "ds",
            "images": {"folder": "fits", "pattern": "{id}-g.fits"},
            "galaxies": {
                "file": "galaxies.csv",
                "id": "objid",
                "columns": {"ra": "ra", "dec": "dec", "radius_arcsec": "r90"},
            },
            "npix": 16,
            "pixel_scale_arcsec": 0.4,
        }
        return PrepareConfig(**{**values, **changes})

    return make
