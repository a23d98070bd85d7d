"""Fixtures of this folder."""

import pytest
from small_training import pretrain_config

from gzmass.training import pretrain_gz2


@pytest.fixture(scope="module")
def pretrained(galaxies, tmp_path_factory):
    return pretrain_gz2(pretrain_config(galaxies, tmp_path_factory.mktemp("runs") / "pretrained"))
