"""Files are whole or absent; fingerprints tell values apart."""

import datetime as dt
import errno
import os
import socket
import subprocess
import sys

import pytest

from gzmass.engine import fingerprint, remove_left_behind, write_atomically


def test_a_file_appears_whole(tmp_path):
    with write_atomically(tmp_path / "new" / "a.weights.h5") as temporary:
        temporary.write_text("whole")
        assert temporary.name.endswith(".weights.h5")
        assert not (tmp_path / "new" / "a.weights.h5").exists()
    assert (tmp_path / "new" / "a.weights.h5").read_text() == "whole"
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("old")

    def break_off():
        with write_atomically(file) as temporary:
            temporary.write_text("half")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        break_off()
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert file.read_text() == "old"


def test_two_writers_with_one_process_number_do_not_meet(tmp_path):
    file = tmp_path / "a.txt"
    with write_atomically(file) as one, write_atomically(file) as other:
        one.write_text("one")
        other.write_text("other")
        assert one.name.startswith(".partial-")  # which cleaning up knows
    assert file.read_text() == "one"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_has_a_name(tmp_path):
    def write(number, name=None):
        with write_atomically(tmp_path / "a.txt"):
            raise OSError(number, "reason", name)

    with pytest.raises(OSError, match="reason") as raised:
        write(errno.ENOSPC)
    assert raised.value.filename == str(tmp_path / "a.txt")
    for number, name in ((errno.ENOSPC, "b.txt"), (errno.EIO, None)):
        with pytest.raises(OSError, match="reason") as raised:
            write(number, name)
        assert raised.value.filename == name


def test_fingerprints():
    assert fingerprint({"a": 1, "b": [2.5, None]}) == fingerprint({"b": [2.5, None], "a": 1})
    assert fingerprint([1, 2]) != fingerprint([2, 1])
    assert fingerprint(1) != fingerprint("1")
    # YAML reads a date as one
    assert fingerprint({"observed": dt.date(2024, 6, 1)}) != fingerprint({"observed": dt.date(2024, 6, 2)})


def test_what_a_dead_process_of_this_host_has_begun_is_removed(tmp_path):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    host = socket.gethostname().split(".")[0]
    names = {
        f".partial-{host}-{int(dead.stdout)}-0123abcd-pixels.npy": False,
        f".partial-{host}-{os.getpid()}-0123abcd-pixels.npy": True,
        f".partial-another-{int(dead.stdout)}-0123abcd-pixels.npy": True,
        ".partial-of-somebody": True,
    }
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / f".partial-{host}-{int(dead.stdout)}-0123abcd-features-x").mkdir()
    remove_left_behind(tmp_path)
    remove_left_behind(tmp_path / "nothing")
    assert {file.name for file in tmp_path.iterdir()} == {name for name, stays in names.items() if stays}
