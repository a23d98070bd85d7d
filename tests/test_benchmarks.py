"""The benchmarks' own machinery: turns, tables, and collecting what the scripts print."""

import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
GOOD = (
    '"""What it measures.\n\nMore."""\nimport sys\n'
    'assert "--short" in sys.argv\nprint("| a | b |\\n|---|--:|\\n| 1 | 2 |")\n'
)
TEXT = '"""Only text."""\n# takes "--short"\nprint("seven images a second")\n'
BAD = '"""It fails."""\n# takes "--short"\nraise ValueError("no such thing")\n'
OTHER = '"""It has no short form."""\nraise SystemExit("must not run")\n'


@pytest.fixture
def run_all(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(FOLDER))
    import run_all

    folder = tmp_path / "benchmarks"
    folder.mkdir()
    for name, text in {"good": GOOD, "text": TEXT, "bad": BAD, "other": OTHER}.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.setattr(run_all, "FOLDER", folder)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["run_all.py", "--out", str(tmp_path / "results.md"), *arguments])
        return run_all.main(), (tmp_path / "results.md").read_text()

    return run


def test_what_scripts_print_is_collected_and_a_failure_is_told(run_all):
    code, text = run_all()
    assert code == 1
    assert "## good.py: What it measures\n\n`python benchmarks/good.py --short`" in text
    assert "\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n" in text
    assert "```\nseven images a second\n```" in text
    assert "Failed with exit code 1: `ValueError: no such thing`" in text
    assert "other.py" not in text


def test_with_names_the_sections_of_the_others_stay(run_all, tmp_path):
    run_all()
    file = tmp_path / "results.md"
    file.write_text(file.read_text().replace("| 1 | 2 |", "| 1 | 3 |").replace("seven", "five"))
    code, text = run_all("good")
    assert code == 0
    assert "| 1 | 2 |" in text
    assert "five images" in text
    assert "no such thing" in text


def test_functions_take_turns_and_the_spread_is_that_of_the_turns(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(FOLDER))
    from _tables import print_table, spread, take_turns

    called, now = [], iter(range(100))
    ways = {"a": lambda: called.append("a"), "b": lambda: called.append("b")}
    seconds = take_turns(ways, 3, clock=lambda: next(now))
    assert "".join(called) == "ab" + "ab" + "ba" + "ab"
    np.testing.assert_array_equal(seconds["a"], [1, 1, 1])
    assert spread([1, 2, 3, 4, 5], ".1f") == "3.0 (2.0-4.0)"
    print_table("Title", ["way", "ms"], [["quick", 1], ["slow one", 20]], "A note.")
    assert capsys.readouterr().out == (
        "\n### Title\n\n| way      |  ms |\n| -------- | --: |\n| quick    |   1 |\n| slow one |  20 |\n\nA note.\n\n"
    )
