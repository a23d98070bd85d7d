"""Pieces come back in order and in bounded number, and no process outlives the work."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from itertools import count, islice
from pathlib import Path

import local_pieces
import pytest

from gzmass.engine import map_pieces
from gzmass.errors import ConfigError, GzmassError


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def is_running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def pids(folder):
    return [int(text) for file in folder.glob("*.pid") if (text := file.read_text())]


@pytest.fixture(autouse=True)
def _nothing_is_left():
    threads = threading.active_count()
    yield
    assert not multiprocessing.active_children()
    assert threading.active_count() <= threads  # those of earlier tests may end meanwhile


@pytest.mark.parametrize("workers", [1, 2])
def test_results_stand_in_the_order_of_the_pieces(workers):
    assert list(map_pieces(local_pieces.sleep_first, range(6), workers)) == list(range(6))
    assert list(map_pieces(local_pieces.square, [], workers)) == []


def test_one_worker_is_this_process_and_waits_to_be_asked():
    calls = []
    results = map_pieces(calls.append, count())
    assert calls == []
    next(results)
    assert calls == [0]


@pytest.mark.parametrize("ahead", [1, 3])
def test_only_so_many_pieces_are_taken(ahead):
    taken = []

    def pieces():
        for piece in count():
            taken.append(piece)
            yield piece

    results = map_pieces(local_pieces.square, pieces(), workers=2, ahead=ahead)
    for asked, result in enumerate(islice(results, 8)):
        assert result == asked**2
        assert len(taken) == 2 * ahead + asked
    results.close()


def test_pieces_and_results_may_be_larger_than_what_a_pipe_holds():
    pieces = [bytes([k]) * 3_000_000 for k in range(6)]
    assert list(map_pieces(local_pieces.large, iter(pieces), workers=2, ahead=3)) == pieces


def test_processes_have_one_thread_and_do_not_hear_ctrl_c_and_this_one_is_as_it_was(monkeypatch):
    monkeypatch.setenv(local_pieces.THREADS, "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = dict(os.environ), signal.pthread_sigmask(signal.SIG_BLOCK, [])
    results = list(map_pieces(local_pieces.environment, range(8), workers=2))
    assert [piece for piece, _, _ in results] == list(range(8))
    assert {state for _, _, state in results} == {("1", True)}
    assert os.getpid() not in {pid for _, pid, _ in results}
    assert (dict(os.environ), signal.pthread_sigmask(signal.SIG_BLOCK, [])) == before


@pytest.mark.parametrize("workers", [1, 2])
def test_an_exception_comes_after_the_results_before_it(workers):
    results = map_pieces(local_pieces.fail_at_three, range(9), workers)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="piece three") as raised:
        next(results)
    if workers == 2:
        assert "in fail_at_three" in raised.value.__notes__[0]


def test_what_pickle_refuses_is_an_exception():
    with pytest.raises(RuntimeError, match="StubbornError: 1 stubborn"):
        list(map_pieces(local_pieces.fail_stubbornly, [1], workers=2))
    with pytest.raises((AttributeError, TypeError, OSError, ValueError), match=r"(?i)pickle|local object"):
        list(map_pieces(local_pieces.unpicklable, [1], workers=2))
    with pytest.raises((AttributeError, TypeError, ValueError), match=r"(?i)pickle|local object"):
        list(map_pieces(local_pieces.square, [lambda: 1], workers=2))


def test_pieces_that_raise_end_the_work():
    def pieces():
        yield 1
        raise ValueError("no more pieces")

    with pytest.raises(ValueError, match="no more pieces"):
        list(map_pieces(local_pieces.square, pieces(), workers=2))


@pytest.mark.parametrize("workers", [2, 3])
def test_a_killed_worker_is_replaced(tmp_path, workers):
    pieces = range(9)
    assert list(map_pieces(partial(local_pieces.die_once, tmp_path), pieces, workers)) == list(pieces)
    assert len(list(tmp_path.iterdir())) == 4


def test_a_piece_that_kills_every_worker_is_one_sentence():
    results = map_pieces(local_pieces.die, range(9), workers=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(GzmassError, match=r"was killed by SIGKILL at its work, at each of 3 .* run the same again"):
        next(results)


def test_an_iterator_that_is_closed_ends_its_processes_and_leaves_no_half_file(tmp_path):
    results = map_pieces(partial(local_pieces.touch_and_wait, tmp_path), range(9), workers=2)
    assert next(results) == 0
    wait_until(lambda: len(pids(tmp_path)) >= 3)
    results.close()
    assert not any(is_running(pid) for pid in pids(tmp_path))
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ".pid"] == ["0.txt"]
    assert not list(tmp_path.glob(".partial*"))


def script(folder, what):
    command = [sys.executable, local_pieces.__file__, str(folder), what]
    # a group of its own, so that a signal to the group is what a terminal's Ctrl-C is
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def test_ctrl_c_ends_all_processes_and_only_the_first_one_complains(tmp_path):
    with script(tmp_path, "wait") as process:
        wait_until(lambda: len(pids(tmp_path)) == 2)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode != 0
    assert errors.count("Traceback") == errors.count("KeyboardInterrupt") == 1
    assert not any(is_running(pid) for pid in pids(tmp_path))
    assert not [file for file in tmp_path.iterdir() if file.suffix != ".pid"]


def test_processes_do_not_outlive_a_parent_that_is_killed(tmp_path):
    with script(tmp_path, "nap") as process:
        wait_until(lambda: len(set(pids(tmp_path))) == 2)
        process.kill()
    wait_until(lambda: not any(is_running(pid) for pid in pids(tmp_path)))


def test_a_script_without_a_guard_is_told_of_it(tmp_path):
    file = tmp_path / "unguarded.py"
    file.write_text("from gzmass.engine import map_pieces\nprint(list(map_pieces(abs, range(9), workers=2)))\n")
    result = subprocess.run([sys.executable, file], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert (
        "could not start (exit code 1); a script that uses several workers must do its work under `if __name__ =="
        in (result.stderr)
    )


@pytest.mark.parametrize(("last", "fails"), [("", False), ("os.getpid() == parent or 1 / 0", True)])
def test_what_a_module_writes_while_a_process_loads_it_is_shown_only_if_that_fails(tmp_path, last, fails):
    (tmp_path / "noisy.py").write_text(
        "import os\n"
        "parent = int(os.environ.setdefault('NOISY_PARENT', str(os.getpid())))\n"
        "os.write(2, b'built with care\\n')\n"
        f"{last}\n"
        "def square(piece):\n"
        "    return piece * piece\n"
    )
    file = tmp_path / "script.py"
    file.write_text(
        "from gzmass.engine import map_pieces\n"
        "if __name__ == '__main__':\n"
        "    import noisy\n"
        "    print(list(map_pieces(noisy.square, range(3), workers=2)))\n"
    )
    result = subprocess.run([sys.executable, file], capture_output=True, text=True, check=False)
    # once by this process, and then by one worker or both: the second may be ended before it comes to it
    assert (result.stderr.count("built with care") > 1) is fails
    assert (result.stdout == "[0, 1, 4]\n") is not fails


@pytest.mark.parametrize("key", ["workers", "ahead"])
def test_bad_numbers(key):
    with pytest.raises(ConfigError, match=f"'{key}' must be at least 1. Received: 0."):
        map_pieces(abs, [1], **{key: 0})
