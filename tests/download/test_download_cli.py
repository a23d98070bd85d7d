"""`gzmass download`: what it prints, and its exit codes."""

import gzip
import io
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from web_server import send, status, whole

from gzmass.cli import main
from gzmass.download import load_sources

TABLE = gzip.compress(b"objid\n1\n")
FIRST = 1237648721789256091


@pytest.fixture
def gzmass(capsys):
    def run(*arguments):
        capsys.readouterr()
        code = main(["download", *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def local(web, monkeypatch):
    sources = load_sources()
    sources["seconds_between_requests"] = {"default": 0}
    sources["files"]["gz2_hart16"]["address"] = web.url("/hart.csv.gz")
    sources["cutouts"]["legacy_cutouts"]["address"] = web.url("/legacy")
    for module in ("catalogues", "cutouts"):
        monkeypatch.setattr(f"gzmass.download.{module}.load_sources", lambda: sources)


@pytest.fixture
def galaxies(tmp_path):
    path = tmp_path / "galaxies.csv"
    pd.DataFrame({"id": [FIRST, FIRST + 1], "ra": [100.0, 101.0], "dec": [1.0, 2.0]}).to_csv(path, index=False)
    return path


def test_the_list(gzmass):
    code, out, err = gzmass("--list")
    assert (code, err) == (0, "")
    assert "gz2_images: images of Galaxy Zoo 2" in out
    assert "\n    2.5 GB; public domain" in out


def test_a_file(gzmass, local, web, tmp_path):  # noqa: ARG001
    web.serve("/hart.csv.gz", whole(TABLE))
    code, out, err = gzmass("gz2_hart16", tmp_path / "data")
    path = tmp_path / "data" / "hart.csv.gz"
    assert (code, err) == (0, "")
    assert out == f"Downloading gz2_hart16 to {tmp_path / 'data'}\n-> {path}\n"
    assert path.read_bytes() == TABLE


def test_cutouts_of_which_some_fail_end_with_code_3(gzmass, local, web, galaxies, tmp_path):  # noqa: ARG001
    good = io.BytesIO()
    fits.PrimaryHDU(np.arange(1600.0).reshape(40, 40)).writeto(good)

    def answer(handler):
        return status(404)(handler) if "ra=101" in handler.path else send(handler, 200, good.getvalue())

    web.serve("/legacy", answer)
    out = tmp_path / "cutouts"
    command = ["legacy_cutouts", out, "--catalog", galaxies, "--band", "g", "--size-arcsec", 20, "--npix", 40]
    code, shown, err = gzmass(*command)
    assert (code, err) == (3, "")
    assert "cutouts: 1\nfetched now: 1\nfailed: 1\n" in shown
    assert f"which and why: {out / 'failed.csv'}; the same command tries them again" in shown
    assert shown.endswith(f"-> {out}\n")
    web.serve("/legacy", whole(good.getvalue()))
    code, shown, _ = gzmass(*command)
    assert code == 0
    assert "cutouts: 2\nfetched now: 1\nfailed: 0\n" in shown


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "needs a NAME and a folder OUT"),
        (["nsa"], "needs a NAME and a folder OUT"),
        (["gz2_hart61", "out"], "did you mean 'gz2_hart16'?"),
        (["legacy_cutouts", "out"], "needs a catalogue of galaxies"),
        (["gz2_hart16", "out", "--band", "g"], "--band is for cutouts"),
        (["gz2_hart16", "out", "--size-arcsec", "9"], "--size-arcsec is for cutouts"),
        (["gz2_hart16", "out", "--radii", "4"], "--radii is for cutouts of the galaxies of a table, which --catalog"),
        (["gz2_hart16", "out", "--workers", "4"], "--workers is for cutouts"),
        (["legacy_cutouts", "out", "--id", "objid"], "--id is for cutouts of the galaxies of a table, which --catalog"),
        (
            ["legacy_cutouts", "out", "--catalog", "absent.csv", "--band", "g", "--size-arcsec", "9", "--radii", "4"],
            "radii do nothing beside a size",
        ),
        (["legacy_cutouts", "out", "--catalog", "absent.csv", "--band", "g", "--size-arcsec", "9"], "absent.csv"),
    ],
)
def test_mistakes_are_told_in_one_sentence(gzmass, local, tmp_path, monkeypatch, arguments, named):  # noqa: ARG001
    monkeypatch.chdir(tmp_path)
    code, _, err = gzmass(*arguments)
    assert code == 2
    assert err.startswith("Error: ")
    assert err.endswith(".\n")
    assert err.count("\n") == 1
    assert named in err
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_not_there_is_told_in_one_sentence(gzmass, local, web, tmp_path):  # noqa: ARG001
    web.serve("/hart.csv.gz", status(404))
    code, _, err = gzmass("gz2_hart16", tmp_path)
    assert code == 2
    assert err.startswith("Error: 'hart.csv.gz' can not be had from http://127.0.0.1")
    assert err.endswith(": the server answered 404 Not Found.\n")


def test_importing_it_loads_nothing_of_the_extra():
    code = "import sys, gzmass.download; print(sorted({'pooch', 'astroquery', 'requests', 'keras'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_what_is_missing_of_the_extra_is_named(gzmass, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pooch", None)
    code, _, err = gzmass("nsa", tmp_path / "data")
    assert code == 2
    assert "'pooch' is not installed: pip install 'gzmass[download]'." in err
    assert not (tmp_path / "data").exists()
