"""One process works in a directory at a time; what a dead one left is taken over."""

import multiprocessing
import os
import socket

import pytest

from gzmass.engine import claim_directory
from gzmass.engine.lock import LOCK, hold_directory
from gzmass.errors import ConfigError


def claimed(out):
    return claim_directory(out, {"model": "a"}, "predictions")


def test_a_second_call_is_refused_and_destroys_nothing(tmp_path):
    with claimed(tmp_path / "out"):
        (tmp_path / "out" / ".partial-a").touch()
        holder = f"process {os.getpid()} on '{socket.gethostname()}'"
        with (
            pytest.raises(ConfigError, match=rf"out' is being worked in by {holder}; wait .* remove '.*{LOCK}'"),
            claimed(tmp_path / "out"),
        ):
            pass
        assert (tmp_path / "out" / LOCK).is_file()
        assert (tmp_path / "out" / ".partial-a").is_file()
    assert not (tmp_path / "out" / LOCK).exists()
    with claimed(tmp_path / "out"):
        pass


def die_holding(out):
    with hold_directory(out):
        os._exit(0)


def test_a_dead_process_of_this_host_holds_nothing(tmp_path):
    process = multiprocessing.get_context("fork").Process(target=die_holding, args=(tmp_path,))
    process.start()
    process.join()
    assert (tmp_path / LOCK).read_text().split() == [socket.gethostname(), str(process.pid)]
    with hold_directory(tmp_path) as file:
        assert file.read_text().split()[1] == str(os.getpid())
    # an earlier process that had our number, as in a container
    (tmp_path / LOCK).write_text(f"{socket.gethostname()} {os.getpid()}")
    with hold_directory(tmp_path):
        pass


@pytest.mark.parametrize(("text", "who"), [("elsewhere 1", "process 1 on 'elsewhere'"), ("", "another process")])
def test_of_another_host_nothing_is_known(tmp_path, text, who):
    (tmp_path / LOCK).write_text(text)
    with pytest.raises(ConfigError, match=rf"by {who}; .* remove '{tmp_path / LOCK}'"), hold_directory(tmp_path):
        pass
    assert (tmp_path / LOCK).read_text() == text
