"""Whole files by name: recorded with origin and checksum, and held to that record."""

import gzip
import hashlib
import json
from pathlib import Path

import pytest
import yaml
from web_server import breaks_off, whole

from gzmass.download import download_file, find_source, list_sources, load_sources
from gzmass.engine import hold_directory
from gzmass.errors import ConfigError, DataError

CSV = b"objid,sample,asset_id\n" + b"".join(b"%d,original,%d\n" % (587722981736579107 + k, k) for k in range(2000))
TABLE = gzip.compress(CSV)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def sources(web):
    entry = {"what": "w", "size": "1 MB", "checksum": None, "licence": "free", "cite": "A"}
    return {
        "seconds_between_requests": {"default": 0},
        "files": {
            "plain": {**entry, "address": web.url("/t.csv.gz")},
            "unpacked": {**entry, "address": web.url("/u.dat.gz"), "unpacked_by_server": True},
            "archived": {**entry, "zenodo": 17, "file": "map.csv", "api": web.url("/api")},
        },
        "cutouts": {"some_cutouts": {}},
    }


@pytest.fixture
def download(sources, connection, tmp_path):
    return lambda name: download_file(name, tmp_path / "data", connection, sources=sources)


def manifest(tmp_path):
    return yaml.safe_load((tmp_path / "data" / "downloads.yaml").read_text())


def test_a_file_comes_with_a_record_of_its_origin(download, web, tmp_path):
    url = web.serve("/t.csv.gz", breaks_off(TABLE, len(TABLE) // 2), whole(TABLE, Last_Modified="then"))
    path = download("plain")
    assert path == tmp_path / "data" / "t.csv.gz"
    assert path.read_bytes() == TABLE
    assert sorted(p.name for p in path.parent.iterdir()) == ["downloads.yaml", "t.csv.gz"]
    recorded = manifest(tmp_path)["t.csv.gz"]
    assert recorded.pop("downloaded").endswith("+00:00")
    assert recorded == {
        "name": "plain",
        "url": url,
        "size": len(TABLE),
        "sha256": sha256(TABLE),
        "verified_by": ["length", "gzip checksum"],
        "last_modified": "then",
        "licence": "free",
        "cite": "A",
    }


def test_a_file_that_is_there_is_not_asked_for_again(download, web):
    web.serve("/t.csv.gz", whole(TABLE))
    first = download("plain")
    assert download("plain") == first
    assert len(web.requests) == 1


@pytest.mark.parametrize("last", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("kill_at", [1, 2])
def test_a_kill_while_files_get_their_names_is_no_harm(download, web, tmp_path, monkeypatch, kill_at, last):
    web.serve("/t.csv.gz", whole(TABLE))
    replace, calls = Path.replace, []

    def killed(self, target):
        calls.append(target.name)
        if len(calls) < kill_at or last:
            replace(self, target)
        if len(calls) == kill_at:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            download("plain")
    assert calls == ["downloads.yaml", "t.csv.gz"][:kill_at]
    assert download("plain").read_bytes() == TABLE
    assert manifest(tmp_path)["t.csv.gz"]["sha256"] == sha256(TABLE)
    assert sum(headers.get("Range") is None for headers in web.asked("/t.csv.gz")) == 1  # it came once


def test_one_process_at_a_time_in_a_folder(download, web, tmp_path):
    web.serve("/t.csv.gz", whole(TABLE))
    with hold_directory(tmp_path / "data"), pytest.raises(ConfigError, match="data' is being worked in by process"):
        download("plain")
    assert not web.requests
    download("plain")


def test_a_file_that_was_damaged_is_fetched_again(download, web):
    web.serve("/t.csv.gz", whole(TABLE))
    path = download("plain")
    path.write_bytes(TABLE[:-1] + b"x")
    assert download("plain").read_bytes() == TABLE
    assert len(web.requests) == 2


def test_a_file_that_is_no_longer_the_recorded_one_is_refused(download, web, tmp_path):
    web.serve("/t.csv.gz", whole(TABLE))
    path = download("plain")
    path.unlink()
    web.serve("/t.csv.gz", whole(gzip.compress(b"other")))
    with pytest.raises(DataError, match=rf"is no longer the one that is recorded in .*instead of {sha256(TABLE)}\)"):
        download("plain")
    assert [p.name for p in path.parent.iterdir()] == ["downloads.yaml"]
    assert manifest(tmp_path)["t.csv.gz"]["sha256"] == sha256(TABLE)


def test_a_file_of_unknown_origin_is_left_alone(download, web, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "t.csv.gz").write_text("mine")
    with pytest.raises(DataError, match="does not say where it came from: move it away"):
        download("plain")
    assert (tmp_path / "data" / "t.csv.gz").read_text() == "mine"
    assert not web.requests


def test_a_record_that_is_none_is_refused(download, tmp_path):
    (tmp_path / "data").mkdir()
    for text in ("- a list", "a: {b: 1}", "a: [", "a: 1"):
        (tmp_path / "data" / "downloads.yaml").write_text(text)
        with pytest.raises(DataError, match="is not a record of downloads"):
            download("plain")


def test_a_gz_that_the_server_unpacked(download, web):
    web.serve("/u.dat.gz", whole(CSV))
    assert download("unpacked").read_bytes() == CSV


def zenodo(md5, url):
    files = [{"key": "other.csv", "checksum": "md5:0"}, {"key": "map.csv", "checksum": md5, "links": {"self": url}}]
    return json.dumps({"id": 17, "metadata": {"license": {"id": "cc-by-4.0"}}, "files": files}).encode()


def test_zenodo_is_asked_for_the_checksum_and_the_licence(download, web, tmp_path):
    url = web.serve("/content", whole(CSV))
    md5 = f"md5:{hashlib.md5(CSV).hexdigest()}"  # noqa: S324
    web.serve("/api/17", whole(zenodo(md5, url)))
    assert download("archived").read_bytes() == CSV
    recorded = manifest(tmp_path)["map.csv"]
    assert recorded["verified_by"] == ["length", "md5 known beforehand", "plain text"]
    assert (recorded["licence"], recorded["url"]) == ("cc-by-4.0", url)


def test_a_file_that_is_not_as_zenodo_says_is_refused(download, web, tmp_path):
    url = web.serve("/content", whole(CSV))
    web.serve("/api/17", whole(zenodo("md5:" + "0" * 32, url)))
    with pytest.raises(DataError, match=r"'map.csv' can not be had from .*: its md5 is"):
        download("archived")
    assert not (tmp_path / "data" / "map.csv").exists()


@pytest.mark.parametrize("answer", [b"[]", b"{}", b"no json", b'{"files": [{"key": "other"}]}'])
def test_an_answer_of_zenodo_that_does_not_help(download, web, answer):
    web.serve("/api/17", whole(answer))
    with pytest.raises(DataError, match=r"/api/17 does not describe the file 'map.csv'\."):
        download("archived")


def test_names_that_do_not_exist(download):
    with pytest.raises(ConfigError, match=r"of the name 'plainn'; did you mean 'plain'\? All names: plain, unpacked"):
        download("plainn")
    with pytest.raises(ConfigError, match="'some_cutouts' is no file but a service of cutouts"):
        download("some_cutouts")


def test_the_sources_are_complete():
    sources = load_sources()
    names = [row["name"] for row in list_sources()]
    assert {"gz2_hart16", "gz2_images", "gz2_filename_mapping", "gz2_willett", "gswlc_x2", "nsa"} <= set(names)
    assert {"gswlc_a2", "gswlc_m2", "gswlc_d2", "sdss_cutouts", "legacy_cutouts", "hips_cutouts"} <= set(names)
    assert len(names) == len(set(names))
    for name in names:
        kind, entry = find_source(name, sources)
        assert {"what", "size", "licence", "cite"} <= set(entry), name
        if kind == "files":
            assert ("address" in entry) != ("zenodo" in entry), name
            assert "checksum" in entry, name
        for key in ("address", "frames", "search"):
            assert entry.get(key, "https://").startswith("https://"), name
