"""Cutouts of a list of galaxies: a folder that prepare takes, what failed listed, continued without asking twice."""

import io
import os
import signal
import socket
import threading
import time
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from PIL import Image
from web_server import hangs, send

from gzmass.download import Connection, download_cutouts, load_sources
from gzmass.engine import hold_directory
from gzmass.errors import ConfigError, DataError

FIRST = 1237648721789256091
N = 12


class Service:
    """Makes cutouts as it is asked to; what `trouble` says of a galaxy comes instead."""

    def __init__(self):
        self.trouble, self.asked, self.lock = {}, [], threading.Lock()

    def __call__(self, handler):
        query = {key: values[0] for key, values in parse_qs(urlsplit(handler.path).query).items()}
        galaxy = round(float(query["ra"]))
        with self.lock:
            self.asked.append((galaxy, query))
        if galaxy in self.trouble:
            return self.trouble[galaxy](handler)
        npix = int(query.get("size") or query["width"])
        pixels = np.random.default_rng(galaxy).normal(size=(npix, npix)).astype(np.float32)
        if "scale" in query:
            body = io.BytesIO()
            Image.fromarray((pixels[..., None] * np.ones(3) * 40 + 100).clip(0, 255).astype(np.uint8)).save(
                body, "JPEG"
            )
            return send(handler, 200, body.getvalue())
        return send(handler, 200, image(pixels))


def image(pixels):
    body = io.BytesIO()
    fits.PrimaryHDU(pixels).writeto(body)
    return body.getvalue()


@pytest.fixture
def service(web):
    made = Service()
    for path in ("/legacy", "/hips", "/jpeg"):
        web.serve(path, made)
    return made


@pytest.fixture
def catalog(tmp_path):
    table = pd.DataFrame({"objid": FIRST + np.arange(N), "ra": 100.0 + np.arange(N), "dec": 0.5, "r90": 5.0})
    table.to_csv(tmp_path / "galaxies.csv", index=False)
    return tmp_path / "galaxies.csv"


@pytest.fixture
def download(web, connection, catalog, tmp_path):
    sources = load_sources()
    for name, path in (("legacy_cutouts", "/legacy"), ("hips_cutouts", "/hips"), ("sdss_jpeg_cutouts", "/jpeg")):
        sources["cutouts"][name]["address"] = web.url(path)

    def run(name="legacy_cutouts", **options):
        options = {"id_column": "objid", "size_arcsec": 20.0, "npix": 40, "band": "r"} | options
        out, table = tmp_path / options.pop("out", "cutouts"), options.pop("catalog", catalog)
        options = {key: value for key, value in options.items() if value is not None}
        options = {"connection": connection} | options
        return download_cutouts(name, out, table, sources=sources, **options)

    return run


def failed(summary):
    table = pd.read_csv(summary.path / "failed.csv")
    return dict(zip(table["id"], table["reason"], strict=True))


def test_a_folder_of_cutouts(download, service, web):
    seen = []
    summary = download(progress=lambda *numbers: seen.append(numbers))
    assert (summary.there, summary.fetched, summary.failed) == (N, N, 0)
    assert seen[-1] == (N, N)
    names = {file.name for file in summary.path.iterdir()}
    images = {summary.pattern.replace("{id}", str(FIRST + k)) for k in range(N)}
    assert names == images | {"cutouts.parquet", "cutouts.yaml", "failed.csv"}
    with fits.open(summary.path / f"{FIRST + 3}.fits") as hdus:
        assert np.array_equal(hdus[0].data, np.random.default_rng(103).normal(size=(40, 40)).astype(np.float32))
    _, query = next(entry for entry in service.asked if entry[0] == 103)
    assert query == {
        "ra": "103.0000000", "dec": "0.5000000", "layer": "ls-dr10", "pixscale": "0.5", "bands": "r", "size": "40",
    }  # fmt: skip
    table = pd.read_parquet(summary.path / "cutouts.parquet").sort_values("id").reset_index(drop=True)
    assert table["id"].dtype == np.int64
    assert table["id"].tolist() == [FIRST + k for k in range(N)]
    assert (table["pixel_scale_arcsec"] == 0.5).all()
    assert table["request"].str.startswith(web.url("/legacy")).all()
    assert table["sha256"].str.fullmatch("[0-9a-f]{64}").all()
    assert failed(summary) == {}


def test_the_folder_is_one_that_images_are_read_from(download, service):  # noqa: ARG001
    from gzmass.images import read_image

    summary = download()
    assert read_image(summary.path / f"{FIRST}.fits").shape == (40, 40)


def test_what_is_there_is_not_asked_for_again(download, service):
    download()
    summary = download()
    assert (summary.there, summary.fetched) == (N, 0)
    assert len(service.asked) == N


def test_a_file_that_is_gone_or_of_another_length_is_fetched_again(download, service):
    folder = download().path
    (folder / f"{FIRST}.fits").unlink()
    (folder / f"{FIRST + 1}.fits").write_bytes(b"SIMPLE")
    summary = download()
    assert (summary.there, summary.fetched) == (N, 2)
    assert sorted(galaxy for galaxy, _ in service.asked[N:]) == [100, 101]


def test_a_galaxy_that_moved_is_fetched_again(download, service, catalog):
    download()
    table = pd.read_csv(catalog)
    table.loc[4, "ra"] += 50
    table.to_csv(catalog, index=False)
    assert download().fetched == 1
    assert service.asked[-1][0] == 154


@pytest.mark.parametrize("moved", [[4], range(N)])
def test_a_galaxy_that_moved_and_can_not_be_had_keeps_nothing(download, service, catalog, moved):
    folder = download().path
    table = pd.read_csv(catalog)
    table.loc[list(moved), "ra"] += 50
    table.to_csv(catalog, index=False)
    service.trouble = {150 + k: lambda handler: send(handler, 404) for k in moved}
    summary = download()
    assert (summary.there, summary.failed) == (N - len(moved), len(moved))
    assert set(failed(summary)) == {FIRST + k for k in moved}
    assert {file.name for file in folder.glob("*.fits")} == {f"{FIRST + k}.fits" for k in range(N) if k not in moved}
    if len(moved) == N:
        assert not (folder / "cutouts.parquet").exists()
    else:
        assert set(pd.read_parquet(folder / "cutouts.parquet")["id"]) == {FIRST + k for k in range(N) if k not in moved}


def test_a_galaxy_that_lost_its_position_keeps_nothing(download, service, catalog):  # noqa: ARG001
    folder = download().path
    table = pd.read_csv(catalog)
    table.loc[4, "dec"] = np.nan
    table.to_csv(catalog, index=False)
    assert download().failed == 1
    assert not (folder / f"{FIRST + 4}.fits").exists()
    assert FIRST + 4 not in set(pd.read_parquet(folder / "cutouts.parquet")["id"])


@pytest.mark.usefixtures("service")
def test_each_row_without_an_id_is_listed(download, catalog):
    with catalog.open("a") as file:
        file.write(",1.0,1.0,5.0\n,2.0,2.0,5.0\n")
    summary = download()
    assert (summary.there, summary.failed) == (N, 2)
    assert pd.read_csv(summary.path / "failed.csv")["id"].isna().tolist() == [True, True]


def test_what_fails_is_listed_and_tried_again(download, service):
    service.trouble = {
        101: lambda handler: send(handler, 404),
        102: lambda handler: send(handler, 200, b"<html><title>Sorry</title>"),
        103: lambda handler: send(handler, 200, image(np.zeros((40, 40)))),
        104: lambda handler: send(handler, 200, image(np.ones((512, 512)))),
        105: lambda handler: send(handler, 500),
    }
    summary = download()
    assert (summary.there, summary.fetched, summary.failed) == (N - 5, N - 5, 5)
    reasons = failed(summary)
    assert set(reasons) == {FIRST + k for k in range(1, 6)}
    for k, words in enumerate(["404", "web page ('Sorry')", "nothing there", "512 x 512 pixels", "500"], 1):
        assert words in reasons[FIRST + k]
        assert reasons[FIRST + k].startswith(f"'{FIRST + k}.fits' can not be had from http")
    assert not list(summary.path.glob("*.part*"))
    service.trouble = {103: service.trouble[103]}
    summary = download()
    assert (summary.there, summary.fetched, summary.failed) == (N - 1, 4, 1)
    assert set(failed(summary)) == {FIRST + 3}


def test_rows_without_a_position_are_listed(download, service, catalog):  # noqa: ARG001
    table = pd.read_csv(catalog)
    table.loc[4, "dec"] = np.nan
    table.to_csv(catalog, index=False)
    summary = download()
    assert (summary.there, summary.failed) == (N - 1, 1)
    assert "position is missing" in failed(summary)[FIRST + 4]


def test_squares_larger_than_the_service_makes_them_are_not_asked_for(download, service):
    summary = download(npix=513)
    assert (summary.there, summary.failed) == (0, N)
    assert failed(summary)[FIRST] == "513 pixels along a side; the service makes 512 at most"
    assert service.asked == []


def test_an_interruption_keeps_what_came(download, service, connection):
    def interrupt(done, _):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(progress=interrupt, workers=1)
    assert connection.closed
    connection._closed.clear()
    asked = len(service.asked)
    summary = download()
    assert summary.there == N
    assert summary.fetched == N - 5
    assert len(service.asked) <= asked + N - 5


def test_a_killed_process_leaves_a_journal_that_counts(download, service, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("gzmass.download.record.CutoutRecord.write", lambda _: None)  # as if killed before the end
        folder = download().path
    journal = folder / "cutouts.jsonl"
    assert not (folder / "cutouts.parquet").exists()
    journal.write_text(journal.read_text()[:-20])  # the last line was being written
    summary = download()
    assert (summary.there, summary.fetched) == (N, 1)
    assert len(service.asked) == N + 1
    assert not journal.exists()
    assert len(pd.read_parquet(folder / "cutouts.parquet")) == N


def test_a_journal_that_was_cut_twice(download, service, monkeypatch):  # noqa: ARG001
    with monkeypatch.context() as patch:
        patch.setattr("gzmass.download.record.CutoutRecord.write", lambda _: None)
        journal = download().path / "cutouts.jsonl"
        for _ in range(2):
            journal.write_text(journal.read_text()[:-20])
            assert download().fetched == 1  # what came after the first cut is not joined to it
    journal.write_text(journal.read_text() + "[1]\nnull\n")
    assert download().fetched == 0


def test_a_damaged_record_is_named(download, service):  # noqa: ARG001
    table = download().path / "cutouts.parquet"
    table.write_bytes(table.read_bytes()[:100])
    with pytest.raises(ConfigError, match=r"cutouts.parquet', which says .* is damaged: delete it"):
        download()
    table.unlink()
    assert download().fetched == N


def test_a_server_that_is_away_ends_the_run(download, service, catalog, connection):
    many = pd.DataFrame({"objid": FIRST + np.arange(100), "ra": 100.0 + np.arange(100), "dec": 0.5})
    many.to_csv(catalog, index=False)
    service.trouble = {galaxy: lambda handler: send(handler, 503) for galaxy in range(110, 200)}
    with pytest.raises(DataError, match=r"20 cutouts in a row could not be had, the last one: .* 503 "):
        download(workers=2)
    assert len({galaxy for galaxy, _ in service.asked}) < 40
    service.trouble = {}
    connection._closed.clear()
    assert download().there == 100


def many(catalog, n):
    pd.DataFrame({"objid": FIRST + np.arange(n), "ra": 100.0 + np.arange(n), "dec": 0.5}).to_csv(catalog, index=False)


@pytest.mark.parametrize(
    "trouble", [np.zeros((40, 40)), np.full((40, 40), np.nan), np.arange(100.0).reshape(10, 10)], ids=["0", "NaN", "10"]
)
def test_galaxies_outside_of_the_survey_end_nothing(download, service, catalog, timer, trouble):
    many(catalog, 60)
    service.trouble = dict.fromkeys(range(110, 150), lambda handler: send(handler, 200, image(trouble)))
    summary = download()
    assert (summary.there, summary.failed) == (20, 40)
    assert len(service.asked) == 60  # none was asked for twice
    assert timer.slept == []


def test_twenty_failures_in_a_row_end_the_run(download, service, catalog, connection, tmp_path):
    connection.attempts = 1
    many(catalog, 60)
    service.trouble = {galaxy: lambda handler: send(handler, 503) for galaxy in range(110, 160)}
    with pytest.raises(DataError, match="20 cutouts in a row could not be had"):
        download(workers=1)
    assert len(pd.read_csv(tmp_path / "cutouts" / "failed.csv")) == 20


def test_failures_are_in_a_row_only_if_nothing_comes_between(download, service, catalog, connection):
    connection.attempts = 1
    many(catalog, 60)
    service.trouble = {galaxy: lambda handler: send(handler, 503) for galaxy in range(100, 160) if galaxy % 15}
    summary = download(workers=1)
    assert (summary.there, summary.failed) == (4, 56)


def test_a_header_that_makes_no_sense_ends_nothing(download, service):
    pixels = np.arange(1600, dtype=np.int16).reshape(40, 40)
    broken = image(pixels).replace(b"EXTEND  =                    T", b"BZERO   = 'abc               '")
    service.trouble = {101: lambda handler: send(handler, 200, broken)}
    summary = download()
    assert (summary.there, summary.failed) == (N - 1, 1)
    assert "it is no whole .fits file" in failed(summary)[FIRST + 1]


def test_an_interruption_does_not_wait_for_a_server_that_hangs(download, service):
    over, asked = threading.Event(), threading.Event()

    def hang(handler):
        asked.set()
        hangs(over)(handler)

    service.trouble = dict.fromkeys(range(100, 100 + N), hang)
    times = []

    def interrupt():
        asked.wait(5)
        time.sleep(0.2)
        times.append(time.monotonic())
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        download(connection=Connection({"default": 0.0}))
    assert time.monotonic() - times[0] < 2
    over.set()
    interrupter.join()


def test_one_process_at_a_time_in_a_folder(download, service, tmp_path):
    who = f"process {os.getpid()} on '{socket.gethostname()}'"
    with (
        hold_directory(tmp_path / "cutouts"),
        pytest.raises(ConfigError, match=f"cutouts' is being worked in by {who}; wait for its end"),
    ):
        download()
    assert service.asked == []
    assert download().there == N


def test_integers_and_text_as_ids_are_not_mixed(download, service, catalog):
    download()
    table = pd.read_csv(catalog)
    table["objid"] = [f"NGC {k}" for k in range(N)]
    table.to_csv(catalog, index=False)
    with pytest.raises(
        ConfigError, match=rf"with integers and with text as ids, {FIRST + N - 1} and 'NGC {N - 1}': choose another"
    ):
        download()
    assert len(service.asked) == N


@pytest.mark.parametrize("text", ["", "a list", "a: [", "\0"])
def test_settings_that_can_not_be_read(download, service, tmp_path, text):
    (tmp_path / "cutouts").mkdir()
    (tmp_path / "cutouts" / "cutouts.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"cutouts.yaml', which says what cutouts the folder holds, is damaged"):
        download()
    assert service.asked == []


def test_numbers_of_numpy(download, service):
    download(size_arcsec=np.float64(20), npix=np.int64(40))
    assert download(size_arcsec=20.0, npix=40).fetched == 0
    assert len(service.asked) == N


def test_jpegs_of_skyserver(download, service):
    summary = download("sdss_jpeg_cutouts", band=None, npix=None, pixel_scale=0.5)
    assert summary.pattern == "{id}.jpg"
    assert summary.there == N
    with Image.open(summary.path / f"{FIRST}.jpg") as picture:
        assert picture.size == (40, 40)
    assert service.asked[0][1]["scale"] == "0.5"


def test_hips_cutouts_are_asked_for_as_astroquery_writes_it(download, service):
    pytest.importorskip("astroquery")
    summary = download("hips_cutouts", band=None, survey="CDS/P/SDSS9/g")
    assert summary.there == N
    _, query = service.asked[0]
    assert {key: query[key] for key in ("hips", "width", "height", "projection", "format", "coordsys")} == {
        "hips": "CDS/P/SDSS9/g", "width": "40", "height": "40", "projection": "TAN", "format": "fits",
        "coordsys": "icrs",
    }  # fmt: skip
    assert float(query["fov"]) == pytest.approx(20 / 3600)
    assert float(query["dec"]) == pytest.approx(0.5)


def test_a_radius_for_each_galaxy(download, service):
    assert download(size_arcsec=None, radius_column="r90", radii=3.0, npix=None).there == N
    assert service.asked[0][1]["size"] == "58"  # 15 arcsec in pixels of 0.262


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("legacy_cutouts", {"band": "u"}, "needs a band, one of g, r, i, z. Received: 'u'"),
        ("legacy_cutouts", {"band": None}, "needs a band"),
        ("hips_cutouts", {"survey": "CDS/P/SDSS9/g"}, "hips_cutouts takes no band"),
        ("hips_cutouts", {"band": None}, "hips_cutouts needs a survey, such as CDS/P/SDSS9/g"),
        ("hips_cutouts", {"band": None, "survey": "s", "npix": None}, "need the pixels along a side"),
        ("sdss_cutouts", {"survey": "dr17", "npix": None}, "sdss_cutouts takes no survey"),
        ("sdss_cutouts", {}, "keeps the pixels of the frames"),
        ("nsa", {}, "'nsa' is a file, which takes no catalogue"),
        ("legacy_cutouts", {"workers": 0}, "workers must be a whole number of at least 1. Received: 0"),
    ],
)
def test_what_a_service_does_not_do(download, service, tmp_path, name, options, message):
    with pytest.raises(ConfigError, match=message):
        download(name, **options)
    assert not (tmp_path / "cutouts").exists()
    assert service.asked == []


def test_cutouts_of_two_kinds_are_not_mixed(download, service, tmp_path):
    download()
    asked = len(service.asked)
    with pytest.raises(ConfigError, match="holds cutouts with band='r', not 'g': choose another folder"):
        download(band="g")
    with pytest.raises(ConfigError, match=r"size_arcsec=20.0, not 30.0"):
        download(size_arcsec=30.0)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(ConfigError, match="holds something else"):
        download(out="mine")
    assert len(service.asked) == asked


def test_a_missing_extra_is_told_before_anything_is_made(download, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pooch", None)
    with pytest.raises(ConfigError, match=r"'pooch' is not installed: pip install 'gzmass\[download\]'\."):
        download()
    assert not (tmp_path / "cutouts").exists()
