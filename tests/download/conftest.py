"""Fixtures of the downloads: a web server on this machine, and a connection whose time passes when it is slept."""

import pytest
from web_server import Time, Web

from gzmass.download import Connection


@pytest.fixture
def web():
    server = Web()
    yield server
    server.stop()


@pytest.fixture
def timer():
    return Time()


@pytest.fixture
def connection(timer):
    return Connection({"default": 0.0}, timeout=(2.0, 2.0), sleep=timer.sleep, clock=timer.clock)
