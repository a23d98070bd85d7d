"""Help, versions, and what is typed wrongly."""

import subprocess
import sys

import pytest
from typer.main import get_command

from gzmass.cli import app

COMMANDS = list(get_command(app).commands)


@pytest.mark.parametrize("arguments", [["--help"], []])
def test_help_names_every_command(gzmass, arguments):
    code, out, err = gzmass(*arguments)
    assert (code, err) == (0, "")
    for command in COMMANDS:
        assert f"\n  {command} " in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(gzmass, command):
    code, out, err = gzmass(command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: gzmass {command} ")


def test_version(gzmass):
    from gzmass import __version__

    assert gzmass("--version") == (0, f"gzmass {__version__}\n", "")


def test_help_loads_nothing_that_is_slow():
    code = (
        "import sys; from gzmass.cli import main; code = main(['--help'])\n"
        "slow = {'tensorflow', 'keras', 'jax', 'torch', 'pandas', 'numpy'}\n"
        "print(sorted(slow & set(sys.modules)), file=sys.stderr)\n"
        "sys.exit(code)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "finetune-ml" in result.stdout
    assert result.stderr == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["finetune"], "finetune"),
        (["predict", "run"], "RUN"),
        (["simulate", "out", "--n-galaxies", "many"], "--n-galaxies"),
        (["simulate", "out", "--fractions", "0.7", "0.3", "0.3"], "'train': 0.7, 'val': 0.3, 'test': 0.3"),
        (["evaluate", "run", "data", "--spilt", "test"], "--spilt"),
    ],
)
def test_what_was_typed_wrongly_is_named(gzmass, arguments, named):
    code, _, err = gzmass(*arguments)
    assert code == 2
    assert err.startswith("Error: ")
    assert named in err


def test_an_interruption_says_how_to_go_on(gzmass, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("gzmass.show.show", interrupted)
    code, _, err = gzmass("show", "tree")
    assert code == 130
    assert err.strip() == "Interrupted. Run the same command again to go on."
