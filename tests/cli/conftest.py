import pytest

from gzmass.cli import main


@pytest.fixture
def gzmass(capsys):
    """Run a command; exit code, standard output, standard error."""

    def run(*arguments):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def refused(gzmass):
    """Run a command that must be refused; its one sentence."""

    def run(*arguments):
        code, _, err = gzmass(*arguments)
        assert code == 2
        assert err.startswith("Error: ")
        assert err.endswith(".\n")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        return err

    return run
