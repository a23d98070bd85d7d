import os

import numpy as np

from gzmass.images.compiled import compiled


def total(values):
    result = 0.0
    for value in values:
        result += value
    return result


def test_what_can_not_be_kept_is_compiled_all_the_same(monkeypatch):
    values = np.array([1.0, 2.5])
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(os, "access", lambda *_: False)
    function = compiled(total)
    assert function(values) == 3.5
    assert not function.stats.cache_path


def test_machine_code_is_kept_where_it_can_be(monkeypatch, tmp_path):
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert compiled(total)(np.array([1.0, 2.5])) == 3.5
    assert list(tmp_path.rglob("*.nbc"))
    assert sum(compiled(total).stats.cache_hits.values()) == 0
