"""One process works in a directory at a time; what a dead one left is taken over."""

import errno
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


def test_a_job_of_slurm_takes_over_what_it_left_on_another_node_before_it_was_requeued(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    for text, refused in (("node1 1 17 0", False), ("node1 1 17 1", True), ("node1 1 16 0", True), ("node1 1", True)):
        (tmp_path / LOCK).write_text(text)
        if refused:
            with pytest.raises(ConfigError, match="by process 1 on 'node1'"), hold_directory(tmp_path):
                pass
            continue
        with hold_directory(tmp_path) as file:
            assert file.read_text().split() == [socket.gethostname(), str(os.getpid()), "17", "1"]
    monkeypatch.delenv("SLURM_JOB_ID")
    (tmp_path / LOCK).write_text("node1 1 17 0")
    with pytest.raises(ConfigError, match="by process 1 on 'node1'"), hold_directory(tmp_path):
        pass


@pytest.mark.parametrize(("text", "who"), [("elsewhere 1", "process 1 on 'elsewhere'"), ("", "another process")])
def test_of_another_host_nothing_is_known(tmp_path, text, who):
    (tmp_path / LOCK).write_text(text)
    with pytest.raises(ConfigError, match=rf"by {who}; .* remove '{tmp_path / LOCK}'"), hold_directory(tmp_path):
        pass
    assert (tmp_path / LOCK).read_text() == text


def test_a_full_disk_leaves_no_lock(tmp_path, monkeypatch):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    def opened(file, *_, **__):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL))
        return Full()

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.open", opened)
        with pytest.raises(OSError, match="No space left") as raised, hold_directory(tmp_path):
            pass
    assert raised.value.filename == str(tmp_path)
    with hold_directory(tmp_path):
        pass


def test_a_lock_that_another_process_took_over_in_between_is_put_back(tmp_path, monkeypatch):
    file = tmp_path / LOCK
    file.write_text(f"{socket.gethostname()} {2**22 + 1}")  # nobody

    def judged(_):
        file.write_text("elsewhere 1")  # another was faster
        return True

    monkeypatch.setattr("gzmass.engine.lock._left_behind", judged)
    with pytest.raises(ConfigError, match="process 1 on 'elsewhere'"), hold_directory(tmp_path):
        pass
    assert file.read_text() == "elsewhere 1"
