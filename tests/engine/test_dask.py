"""The Dask engine: order, errors, a scheduler that goes away, Slurm jobs; and what is refused at the start."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import unit_pieces

from gzmass.engine import LocalEngine, Unit, choose, map_pieces, open_engine, run_units
from gzmass.errors import ConfigError, GzmassError

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def engine():
    with open_engine("dask", workers=2) as opened:
        yield opened


def test_map_gives_results_in_order_and_works_where_the_command_was_given(engine, tmp_path, monkeypatch):
    assert list(map_pieces(unit_pieces.double, range(30), engine=engine)) == [2 * k for k in range(30)]
    monkeypatch.chdir(tmp_path)
    assert list(engine.map(unit_pieces.here, [1])) == [str(tmp_path)]
    results = engine.map(unit_pieces.fail, range(9))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="piece two"):
        next(results)


def test_map_takes_pieces_as_they_are_needed(engine):
    taken = []
    results = engine.map(unit_pieces.double, (taken.append(k) or k for k in range(100)))
    next(results)
    assert len(taken) <= 4
    results.close()


def test_a_worker_that_does_not_see_the_folder(engine, tmp_path, monkeypatch):
    from gzmass.engine import dask

    monkeypatch.setattr(dask.Path, "cwd", lambda: tmp_path / "elsewhere")
    with pytest.raises(GzmassError, match=r"can not use the folder .*elsewhere.*must see the same files"):
        list(engine.map(unit_pieces.double, [1]))


def test_a_worker_with_another_version(engine, monkeypatch):
    from gzmass.engine import dask

    monkeypatch.setattr(dask, "__version__", "0.0.0")
    with pytest.raises(GzmassError, match=r"has gzmass .* the machine on which the command is given 0\.0\.0"):
        list(engine.map(unit_pieces.double, [1]))


def test_threads_of_a_worker_share_a_folder_or_wait(tmp_path, monkeypatch):
    from gzmass.engine import dask

    monkeypatch.chdir(tmp_path)
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    met = threading.Barrier(2, timeout=30)  # both threads of a folder work in it at a time

    def relative(_item):
        met.wait()
        time.sleep(0.05)
        return Path.cwd()

    monkeypatch.setattr(dask, "_opened", lambda work: work)

    with ThreadPoolExecutor(4) as pool:
        works = [
            (folder, pool.submit(dask._as_here, dask.__version__, str(folder), (relative, None)))
            for folder in 2 * folders
        ]
        assert all(work.result() == folder for folder, work in works)


def test_futures_are_released(engine, tmp_path):
    units = [Unit(str(k), tmp_path / f"{k}.txt", 1, ("ok", tmp_path)) for k in range(20)]
    run_units(engine, unit_pieces.write, units, tmp_path)
    assert not engine.client.futures


def with_this_folder():
    """Where Python looks for modules, so that workers of another command line find `unit_pieces`."""
    return os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.fixture
def start():
    """Start a program of distributed, and kill it at the end."""
    programs = []
    environment = {**os.environ, "PYTHONPATH": with_this_folder()}

    def run(what, *arguments):
        command = [sys.executable, "-m", f"distributed.cli.{what}", *arguments, "--no-dashboard"]
        programs.append(
            subprocess.Popen(
                command,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
                stdout=subprocess.DEVNULL,
            )
        )
        return programs[-1]

    yield run
    for program in programs:
        program.kill()
        program.communicate()


def test_a_scheduler_that_goes_away(start, tmp_path):
    import dask

    scheduler = start("dask_scheduler", "--port", "0", "--host", "127.0.0.1")
    address = next(found[1] for line in scheduler.stderr if (found := re.search(r"Scheduler at:\s+(tcp://\S+)", line)))
    start("dask_worker", address, "--nthreads", "1", "--no-nanny", "--death-timeout", "3")
    units = [Unit(str(k), tmp_path / f"{k}.txt", 1, ("slow", tmp_path)) for k in range(100)]

    def progress(done, _):
        if done == 3:
            scheduler.kill()

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "2s"}),
        pytest.raises(GzmassError, match=rf"{address}' went away; what is finished is kept, run the same command"),
        open_engine("dask", scheduler=address) as opened,
    ):
        run_units(opened, unit_pieces.write, units, tmp_path, progress)
    n_made = len(list(tmp_path.glob("*.txt")))
    again = run_units(LocalEngine(2), unit_pieces.write, [unit for unit in units if int(unit.name) < 8], tmp_path)
    assert 3 <= n_made < 8
    assert again.found + again.made == 8


def test_workers_that_do_not_come_are_named_and_ctrl_c_ends_it(start, tmp_path):
    scheduler = start("dask_scheduler", "--port", "0", "--host", "127.0.0.1")
    address = next(found[1] for line in scheduler.stderr if (found := re.search(r"Scheduler at:\s+(tcp://\S+)", line)))
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, gzmass.cli, gzmass.engine\n"
        "from functools import partial\n"
        "@gzmass.cli.app.command()\n"
        "def wait():\n"
        f"    say = partial(print, flush=True)\n"
        f"    with gzmass.engine.open_engine('dask', scheduler='{address}', say=say) as engine:\n"
        "        list(engine.run(abs, [1]))\n"
        "sys.exit(gzmass.cli.main(['wait']))\n"
    )
    waiting = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert waiting.stdout.readline() == f"waiting for workers of {address}\n"
    time.sleep(1.5)
    waiting.send_signal(signal.SIGINT)
    more, error = waiting.communicate(timeout=20)
    assert (more, error, waiting.returncode) == ("", "Interrupted. Run the same command again to go on.\n", 130)


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Commands that stand in for Slurm's: a job is a process of this machine, and its script is copied at once."""
    for name, text in {
        "sbatch": 'cp "$1" $0.$$.sh; bash $0.$$.sh > $0.$$.log 2>&1 & echo "Submitted batch job $!"',
        "scancel": "kill $1",
    }.items():
        (tmp_path / "bin").mkdir(exist_ok=True)
        file = tmp_path / "bin" / name
        file.write_text(f"#!/bin/bash\n{text}\n")
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", with_this_folder())

    def config(text):
        file = tmp_path / "slurm.yaml"
        file.write_text(text, encoding="utf-8", errors="surrogateescape")
        return file

    return config


def test_slurm_jobs_are_workers(slurm):
    file = slurm("jobs: 2\ncores: 1\nmemory: 1GB\ninterface: lo\n")
    before = signal.getsignal(signal.SIGINT)
    with open_engine("dask", slurm=file) as engine:
        assert signal.getsignal(signal.SIGINT) is before  # of which dask-jobqueue makes an exit with success
        assert list(engine.map(unit_pieces.double, range(5))) == [0, 2, 4, 6, 8]
        deadline = time.monotonic() + 30
        while len(engine.client.nthreads()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)


SLURM = "cores: 1\nmemory: 1GB\ninterface: lo\n"


@pytest.fixture
def quick(monkeypatch):
    """Slurm is asked and looked at without pauses."""
    from gzmass.engine import slurm as module

    for name, seconds in {"_PAUSE": 0.01, "_LONGEST_PAUSE": 0.5, "_LOOK": 1.0, "_GONE": 1.0}.items():
        monkeypatch.setattr(module, name, seconds)


def begins(folder, text):
    """Let the command that stands in for sbatch begin with something else."""
    sbatch = folder / "bin" / "sbatch"
    sbatch.write_text(sbatch.read_text().replace("#!/bin/bash\n", f"#!/bin/bash\n{text}\n"))


def wait_for_workers(engine, n):
    deadline = time.monotonic() + 60
    while len(engine.client.nthreads()) != n:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.usefixtures("quick")
def test_a_job_that_slurm_refuses_once_is_asked_for_again(slurm, tmp_path):
    file = slurm(f"jobs: 2\n{SLURM}")
    begins(tmp_path, 'if mkdir $0.asked 2>/dev/null; then echo "Socket timed out" >&2; exit 1; fi')
    with open_engine("dask", slurm=file) as engine:  # and it can be closed
        assert list(engine.map(unit_pieces.double, range(5))) == [0, 2, 4, 6, 8]
        wait_for_workers(engine, 2)
    assert (tmp_path / "bin" / "sbatch.asked").exists()


@pytest.mark.usefixtures("quick")
def test_a_job_whose_number_can_not_be_read_is_not_asked_for_twice(slurm, tmp_path):
    file = slurm(f"jobs: 1\n{SLURM}")
    sbatch = tmp_path / "bin" / "sbatch"
    sbatch.write_text(sbatch.read_text().replace("Submitted batch job $!", "queued"))
    begins(tmp_path, "echo asked >> $0.log")
    with open_engine("dask", slurm=file) as engine:
        assert list(engine.map(unit_pieces.double, range(5))) == [0, 2, 4, 6, 8]
    assert (tmp_path / "bin" / "sbatch.log").read_text() == "asked\n"


@pytest.mark.usefixtures("quick")
def test_jobs_beyond_a_limit_do_not_end_those_that_wait(slurm, tmp_path):
    file, said = slurm(f"jobs: 3\n{SLURM}"), []
    begins(tmp_path, 'mkdir $0.asked 2>/dev/null || { echo "sbatch: error: QOSMaxSubmitJob" >&2; exit 1; }')
    sbatch = tmp_path / "bin" / "sbatch"
    sbatch.write_text(sbatch.read_text().replace("bash $0.$$.sh", "(sleep 6; exec bash $0.$$.sh)"))  # as in a queue
    with open_engine("dask", slurm=file, say=said.append) as engine:
        assert list(engine.map(unit_pieces.double, range(5))) == [0, 2, 4, 6, 8]
    assert any("waiting for workers of" in line and line.endswith("; sbatch: error: QOSMaxSubmitJob") for line in said)


@pytest.mark.usefixtures("quick")
def test_jobs_that_slurm_always_refuses_end_the_work_with_its_words(slurm, tmp_path):
    file, said = slurm(f"jobs: 2\n{SLURM}"), []
    begins(tmp_path, 'echo "sbatch: error: invalid partition specified: nope" >&2; exit 1')
    with (
        pytest.raises(GzmassError, match=r"no job brought a worker; sbatch: error: invalid .*: nope\.$"),
        open_engine("dask", slurm=file, say=said.append) as engine,
    ):
        list(engine.map(unit_pieces.double, range(5)))
    assert any("waiting for workers of" in line and "invalid partition" in line for line in said)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("unknown", ['echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1', "exit 0"])
def test_jobs_that_end_before_or_after_their_worker_begins_are_asked_for_again(slurm, tmp_path, unknown):
    file, said = slurm(f"jobs: 1\n{SLURM}"), []
    begins(tmp_path, "if rm -r $0.dies 2>/dev/null; then echo 'Submitted batch job 999999999'; exit 0; fi")
    begins(tmp_path, "echo 'Welcome to the Stampede3 Supercomputer'")
    squeue = tmp_path / "bin" / "squeue"
    squeue.write_text(
        '#!/bin/bash\nnumbers=$(for a in "$@"; do case $a in --jobs=*) echo ${a#--jobs=} | tr , " ";; esac; done)\n'
        f"for id in $numbers; do kill -0 $id 2>/dev/null && echo $id && known=1; done\n[ $known ] || {{ {unknown}; }}\n"
    )
    squeue.chmod(0o755)
    dies = tmp_path / "bin" / "sbatch.dies"
    dies.mkdir()
    with open_engine("dask", slurm=file, say=said.append) as engine:
        assert list(engine.map(unit_pieces.double, range(5))) == [0, 2, 4, 6, 8]
        assert any("the job 999999999 ended before its worker began" in line for line in said)
        dies.mkdir()
        said.clear()
        (nanny,), (worker,) = (engine.client.run(number).values() for number in (os.getppid, os.getpid))
        for process in (nanny, worker):  # the first would start another
            os.kill(process, signal.SIGKILL)
        wait_for_workers(engine, 0)
        assert list(engine.map(unit_pieces.double, range(5))) == [0, 2, 4, 6, 8]
        assert any("the job 999999999 ended before its worker began" in line for line in said)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cores: 1\nmemory: 1GB\n", "lacks the key 'jobs'"),
        ("jobs: 0\ncores: 1\nmemory: 1GB\n", "'jobs' of .* from 1 on. Received: 0"),
        ("jobs: 1\ncores: 1\nmemory: 1GB\nwall_time: 1\n", "unknown key 'wall_time'; did you mean 'walltime'"),
        (
            "jobs: 1\ncores: 1\nmemory: 1GB\nwalltime: 12:00:00\n",
            "'walltime' of .* must be in quotes, as '12:00:00'. Received: 43200",
        ),
        ("jobs: 1\ncores: 0\nmemory: 1GB\n", "'cores' of .* from 1 on. Received: 0"),
        ("jobs: 1\ncores: 1\nmemory: 8\n", "'memory' of .* must be text such as '8GB'. Received: 8"),
        ("jobs: 1\ncores: 1\nmemory: lots\n", "'memory' of .* must be text such as '8GB'. Received: 'lots'"),
        ("jobs: 1\ncores: 1\nmemory: 1GB\njob_cpu: four\n", "'job_cpu' of .* from 1 on. Received: 'four'"),
        ("jobs: 1\ncores: 1\nmemory: 1GB\nwalltime: soon\n", "'walltime' of .* Received: 'soon'"),
        ("jobs: 1\ncores: 1\nmemory: 1GB\nqueue: [a]\n", r"'queue' of .* must be text. Received: \['a'\]"),
        ("jobs: 1\ncores: 1\nmemory: 1GB\njob_script_prologue: source x\n", "must be a list of lines, .* 'source x'"),
        ("jobs: 1\ncores: 1\nmemory: 1GB\ninterface: ib7\n", "can not be used: .*'ib7' is not a valid network"),
        ("- jobs\n", "must be a mapping of keys"),
        ("", "must be a mapping of keys. Received: nothing"),
        ("jobs: [\n", "is not a YAML file"),
        ("# \udce9\njobs: 1\n", "is not a YAML file: 'utf-8' codec"),
        ("jobs: 1\ncores: 1\nmemory: 1GB\njobs: 300\n", "the key 'jobs' stands twice"),
    ],
)
def test_bad_slurm_configurations(slurm, text, message):
    with pytest.raises(ConfigError, match=message), open_engine("dask", slurm=slurm(text)):
        pass


def test_slurm_where_there_is_none(tmp_path):
    with pytest.raises(ConfigError, match=r"absent.yaml' can not be read"):
        open_engine("dask", slurm=tmp_path / "absent.yaml").__enter__()
    (tmp_path / "slurm.yaml").write_text("jobs: 1\ncores: 1\nmemory: 1GB\n")
    with pytest.raises(ConfigError, match="no command 'sbatch' on this machine"):
        open_engine("dask", slurm=tmp_path / "slurm.yaml").__enter__()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "spark"}, "--engine must be one of local, dask. Received: 'spark'"),
        ({"scheduler": "tcp://a:1"}, "--scheduler needs --engine dask"),
        ({"slurm": "slurm.yaml"}, "--slurm needs --engine dask"),
        ({"name": "dask", "scheduler": "tcp://a:1", "slurm": "s"}, "not both"),
        ({"name": "dask", "scheduler": "tcp://a:1", "workers": 2}, "have workers of their own. Received: --workers 2"),
        ({"name": "dask", "workers": 0}, "'workers' must be at least 1"),
        ({"workers": 0}, "'workers' must be at least 1"),
        ({"name": "dask", "scheduler": "tcp://127.0.0.1:9"}, "scheduler 'tcp://127.0.0.1:9' can not be reached"),
        ({"name": "dask", "scheduler": "nonsense://x"}, "scheduler 'nonsense://x' can not be reached"),
    ],
)
def test_what_is_refused(arguments, message, monkeypatch):
    monkeypatch.setattr("gzmass.engine.dask._REACHED_WITHIN", 0.5)
    with pytest.raises(ConfigError, match=message), open_engine(**arguments):
        pass


def test_without_the_extra(monkeypatch):
    monkeypatch.setattr(choose, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"--engine dask needs .*pip install 'gzmass\[scale\]'"):
        open_engine("dask").__enter__()
