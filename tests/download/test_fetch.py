"""One file from a server that breaks off, times out, lies, sends something else, or asks for patience."""

import errno
import gzip
import hashlib
import json
import shutil
import threading
import time
from base64 import b64encode
from pathlib import Path

import pytest
from web_server import (
    breaks_off,
    hangs,
    http_date,
    in_chunks,
    of_unknown_length,
    send,
    status,
    whole,
    without_ranges,
)

from gzmass.download import Connection, FetchError, fetch_file
from gzmass.errors import ConfigError, DataError

BODY = b"".join(b"%07d\n" % k for k in range(5000))
OTHER = BODY.replace(b"0", b"9")
MD5 = f"md5:{hashlib.md5(BODY).hexdigest()}"  # noqa: S324


@pytest.fixture
def fetch(web, connection, tmp_path):
    """Fetch /table.txt, served with the answers; the result, after checks that hold for every success."""

    def run(*answers, **options):
        url = web.serve("/table.txt", *answers)
        path = tmp_path / "table.txt"
        result = fetch_file(url, path, connection=options.pop("connection", connection), **options)
        assert [file.name for file in tmp_path.iterdir()] == ["table.txt"]
        assert result.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert result.size == path.stat().st_size
        return result

    return run


def ranges(web):
    return [headers.get("Range") for headers in web.asked("/table.txt")]


def test_a_whole_file(fetch, web, timer, tmp_path):
    seen = []
    result = fetch(whole(BODY, Last_Modified=http_date(0)), progress=lambda *numbers: seen.append(numbers))
    assert (tmp_path / "table.txt").read_bytes() == BODY
    assert seen[-1] == (len(BODY), len(BODY))
    assert result.verified == ("length", "plain text")
    assert result.last_modified == "Thu, 01 Jan 1970 00:00:00 GMT"
    (headers,) = web.asked("/table.txt")
    assert headers["User-Agent"].startswith("gzmass/")
    assert headers["Accept-Encoding"] == "identity"
    assert timer.slept == []


def test_a_break_is_continued_where_it_was(fetch, web, timer, tmp_path):
    fetch(breaks_off(BODY, 10_000), breaks_off(BODY, 20_000), whole(BODY))
    assert (tmp_path / "table.txt").read_bytes() == BODY
    assert ranges(web) == [None, "bytes=10000-", "bytes=30000-"]
    assert [headers.get("If-Range") for headers in web.asked("/table.txt")] == [None, '"1"', '"1"']
    assert len(timer.slept) == 2


def test_text_of_unknown_length_must_end_with_a_line(fetch, web, tmp_path):
    result = fetch(of_unknown_length(BODY[:-1]), of_unknown_length(BODY))
    assert (tmp_path / "table.txt").read_bytes() == BODY
    assert ranges(web) == [None, None]
    assert result.verified == ("plain text",)


def test_text_whose_length_is_known_may_end_without_a_line(fetch, web, tmp_path):
    for answer in (whole(BODY[:-1]), in_chunks(BODY[:-1])):
        fetch(answer)
        assert (tmp_path / "table.txt").read_bytes() == BODY[:-1]
        (tmp_path / "table.txt").unlink()
    assert ranges(web) == [None, None]


def test_of_an_unknown_format_the_length_is_enough(web, connection, tmp_path):
    for ending in ("parquet", "tar", "xz", "png", "npy"):
        url = web.serve(f"/x.{ending}", whole(bytes(range(256))))
        assert fetch_file(url, tmp_path / f"x.{ending}", connection=connection).verified == ("length",)
    url = web.serve("/y.tar", of_unknown_length(bytes(100)))
    with pytest.raises(FetchError, match="nothing tells whether it is whole, and the server did not say how long"):
        fetch_file(url, tmp_path / "y.tar", connection=connection)
    assert len(web.asked("/y.tar")) == 1
    assert not list(tmp_path.glob("y*"))


def test_many_breaks_are_no_failure_as_long_as_something_new_comes(fetch, web):
    fetch(breaks_off(BODY, 4000))
    assert len(ranges(web)) == 10


def test_a_server_that_sends_parts_of_its_own_size(fetch, web, tmp_path):
    def piecewise(handler):
        first = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-"))
        piece = BODY[first : first + 9000]
        stated = f"bytes {first}-{first + len(piece) - 1}/{len(BODY)}"
        send(handler, 206, piece, Content_Range=stated, ETag='"1"')

    fetch(breaks_off(BODY, 10_000), piecewise)
    assert (tmp_path / "table.txt").read_bytes() == BODY
    assert ranges(web)[1:] == [f"bytes={first}-" for first in (10_000, 19_000, 28_000, 37_000)]


def test_a_later_run_continues(web, connection, tmp_path):
    url, path = web.serve("/table.txt", breaks_off(BODY, 15_000), status(403)), tmp_path / "table.txt"
    with pytest.raises(
        FetchError, match=r"'table.txt' can not be had from http.*: the server answered 403 Forbidden\."
    ):
        fetch_file(url, path, connection=connection)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["table.txt.part", "table.txt.part.json"]
    web.serve("/table.txt", whole(BODY))
    fetch_file(url, path, connection=connection)
    assert path.read_bytes() == BODY
    assert ranges(web)[-1] == "bytes=15000-"


def test_an_interruption_leaves_a_part_that_is_continued(web, connection, tmp_path):
    url, path = web.serve("/table.txt", whole(BODY)), tmp_path / "table.txt"

    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_file(url, path, connection=connection, progress=interrupt)
    assert not path.exists()
    have = (tmp_path / "table.txt.part").stat().st_size
    assert have
    assert fetch_file(url, path, connection=connection).size == len(BODY)
    assert ranges(web)[-1] == f"bytes={have}-"
    assert path.read_bytes() == BODY


def test_a_file_that_changed_between_attempts_starts_anew(fetch, web, tmp_path):
    fetch(breaks_off(BODY, 10_000), whole(OTHER, etag='"2"'))
    assert (tmp_path / "table.txt").read_bytes() == OTHER
    assert ranges(web) == [None, "bytes=10000-"]  # If-Range did not hold: the whole file came at once


def test_a_server_that_continues_another_file_is_not_believed(fetch, web, tmp_path):
    changed = breaks_off(OTHER, len(OTHER), etag='"2"')  # takes no notice of If-Range
    fetch(breaks_off(BODY, 10_000), changed)
    assert (tmp_path / "table.txt").read_bytes() == OTHER
    assert ranges(web) == [None, "bytes=10000-", None]


def test_a_server_without_ranges(fetch, tmp_path):
    fetch(breaks_off(BODY, 10_000), without_ranges(BODY))
    assert (tmp_path / "table.txt").read_bytes() == BODY


def test_a_part_of_which_nothing_tells_whether_it_is_still_right_is_not_continued(fetch, web, tmp_path):
    fetch(breaks_off(BODY, 10_000, etag=None), whole(BODY))
    assert (tmp_path / "table.txt").read_bytes() == BODY
    assert ranges(web) == [None, None]


def test_a_part_of_another_address_is_not_continued(web, connection, tmp_path):
    url, path = web.serve("/other.txt", breaks_off(OTHER, 10_000), status(404)), tmp_path / "table.txt"
    with pytest.raises(FetchError):
        fetch_file(url, path, connection=connection)
    fetch_file(web.serve("/table.txt", whole(BODY)), path, connection=connection)
    assert path.read_bytes() == BODY


def test_a_server_that_always_breaks_off_at_the_same_place_is_given_up(web, connection, tmp_path):
    url = web.serve("/table.txt", breaks_off(BODY, 10_000, ranges=False))
    with pytest.raises(FetchError, match="the connection failed"):
        fetch_file(url, tmp_path / "table.txt", connection=connection)
    assert 5 <= len(ranges(web)) <= 6
    assert not (tmp_path / "table.txt").exists()


def test_a_length_that_is_too_long(web, connection, tmp_path):
    """Announced are 50,000 bytes of which 40,000 exist: what came is whole only if the server says so."""
    lie = breaks_off(BODY + bytes(10_000), len(BODY), ranges=False)
    url = web.serve("/table.txt", lie, whole(BODY))
    assert fetch_file(url, tmp_path / "table.txt", connection=connection).size == len(BODY)
    assert ranges(web) == [None, f"bytes={len(BODY)}-"]  # answered 416: there is no more
    url = web.serve("/always.txt", lie)
    with pytest.raises(FetchError, match="can not be had"):
        fetch_file(url, tmp_path / "always.txt", connection=connection)
    assert not (tmp_path / "always.txt").exists()


def test_a_length_that_is_too_short(web, connection, tmp_path):
    packed = gzip.compress(BODY)
    short = lambda handler: send(handler, 200, packed, length=len(packed) // 2, close=True, ETag='"1"')  # noqa: E731
    url = web.serve("/table.csv.gz", short)
    with pytest.raises(FetchError, match=r"no whole .gz file"):
        fetch_file(url, tmp_path / "table.csv.gz", connection=connection)
    assert not list(tmp_path.glob("table*"))
    assert len(web.asked("/table.csv.gz")) == 1  # it came as it was sent, and would come so again


def test_damage_of_which_the_length_says_nothing_is_tried_again(web, connection, tmp_path):
    packed = gzip.compress(BODY)
    url = web.serve("/table.csv.gz", of_unknown_length(packed[:-9]), of_unknown_length(packed))
    fetch_file(url, tmp_path / "table.csv.gz", connection=connection)
    assert (tmp_path / "table.csv.gz").read_bytes() == packed


def with_part(stated, body, **headers):
    return lambda handler: send(handler, 206, body, Content_Range=stated, ETag='"1"', **headers)


def test_the_length_of_the_whole_file_is_not_forgotten(fetch, web, tmp_path):
    fetch(breaks_off(BODY, 10_000), with_part("bytes 10000-10049/*", BODY[10_000:10_050]), whole(BODY))
    assert (tmp_path / "table.txt").read_bytes() == BODY
    assert ranges(web) == [None, "bytes=10000-", "bytes=10050-"]


def test_a_part_of_a_file_of_another_length_is_not_believed(fetch, web, tmp_path):
    last = len(BODY) - 2
    fetch(breaks_off(BODY, 10_000), with_part(f"bytes 10000-{last}/{last + 1}", BODY[10_000:-1]), whole(BODY))
    assert (tmp_path / "table.txt").read_bytes() == BODY
    assert ranges(web) == [None, "bytes=10000-", None]


def test_the_checksum_of_a_part_is_not_that_of_the_file(fetch, web):
    rest = BODY[10_000:]
    md5 = b64encode(hashlib.md5(rest).digest()).decode()  # noqa: S324
    stated = f"bytes 10000-{len(BODY) - 1}/{len(BODY)}"
    result = fetch(breaks_off(BODY, 10_000), with_part(stated, rest, Content_MD5=md5))
    assert result.verified == ("length", "plain text")
    assert ranges(web) == [None, "bytes=10000-"]


def test_a_part_that_was_not_asked_for(fetch, web, tmp_path):
    fetch(with_part(f"bytes 0-99/{len(BODY)}", BODY[:100]), whole(BODY))
    assert (tmp_path / "table.txt").read_bytes() == BODY
    assert ranges(web) == [None, None]


def test_a_packing_that_can_not_be_undone_is_refused(fetch, web, connection, tmp_path):
    url = web.serve("/packed.txt", whole(BODY, Content_Encoding="br"))
    with pytest.raises(FetchError, match="the server packs it as 'br'"):
        fetch_file(url, tmp_path / "packed.txt", connection=connection)
    assert len(web.asked("/packed.txt")) == 1
    assert not list(tmp_path.iterdir())
    assert fetch(whole(BODY, Content_Encoding="identity")).verified == ("length", "plain text")


def test_wrong_bytes_are_fetched_again_and_never_kept(fetch, web, connection, tmp_path):
    result = fetch(whole(OTHER), whole(BODY), checksum=MD5)
    assert result.verified == ("length", "md5 known beforehand", "plain text")
    (tmp_path / "table.txt").unlink()
    url = web.serve("/table.txt", whole(OTHER))
    with pytest.raises(FetchError, match=f"its md5 is [0-9a-f]{{32}}, not {MD5[4:]} as known beforehand"):
        fetch_file(url, tmp_path / "table.txt", checksum=MD5, connection=connection)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_MD5": b64encode(hashlib.md5(BODY).digest()).decode()},  # noqa: S324
        {"etag": f'"{MD5}"'},
        {"etag": f'"{MD5[4:]}"', "Server": "AmazonS3"},
    ],
    ids=["Content-MD5", "Zenodo", "S3"],
)
def test_a_checksum_that_the_server_states_is_compared(web, connection, tmp_path, headers):
    def answer(body):
        def plain(handler):
            handler.version_string = lambda: headers.get("Server", "test")
            stated = {("ETag" if k == "etag" else k): v for k, v in headers.items() if k != "Server"}
            send(handler, 200, body, **stated)

        return plain

    url = web.serve("/table.txt", answer(BODY[:-1] + b"x"), answer(BODY))
    result = fetch_file(url, tmp_path / "table.txt", connection=connection)
    assert (tmp_path / "table.txt").read_bytes() == BODY
    assert "md5 stated by the server" in result.verified
    assert len(ranges(web)) == 2


def test_an_etag_of_an_encrypted_file_is_no_checksum(fetch):
    def answer(handler):
        handler.version_string = lambda: "AmazonS3"
        key = {"x_amz_server_side_encryption_aws_kms_key_id": "arn"}
        send(handler, 200, BODY, ETag=f'"{"0" * 32}"', **key)

    assert fetch(answer).verified == ("length", "plain text")


@pytest.mark.parametrize("checksum", [MD5[4:], "md5:", MD5[:-1], "md5:" + "g" * 32, "crc32:00000000", "shake_128:00"])
def test_a_checksum_that_is_none_is_refused_before_anything_is_asked(web, connection, tmp_path, checksum):
    url = web.serve("/table.txt", whole(BODY))
    with pytest.raises(ConfigError, match=f"names an algorithm of hashlib .* Received: '{checksum}'"):
        fetch_file(url, tmp_path / "table.txt", checksum=checksum, connection=connection)
    assert not web.requests


def test_a_file_that_is_not_accepted_gets_no_name(web, connection, tmp_path):
    def refuse(fetched):
        assert not fetched.path.exists()
        raise DataError("not that one")

    url = web.serve("/table.txt", whole(BODY))
    with pytest.raises(DataError, match="not that one"):
        fetch_file(url, tmp_path / "table.txt", connection=connection, accept=refuse)
    assert not list(tmp_path.iterdir())


def test_a_web_page_may_pass(fetch, web):
    fetch(whole(b"<html>Down"), whole(b""), whole(BODY))
    assert len(ranges(web)) == 3


def test_a_web_page_in_the_place_of_a_file(web, connection, tmp_path):
    page = b"<!DOCTYPE html><html><head><title>Down for\n maintenance</title></head></html>"
    url = web.serve("/image.fits", whole(page))
    with pytest.raises(FetchError, match=r"the server sent a web page \('Down for maintenance'\) in its place"):
        fetch_file(url, tmp_path / "image.fits", connection=connection)
    assert not list(tmp_path.iterdir())


def test_errors_that_pass_are_waited_for_twice_as_long_each_time(fetch, timer):
    fetch(status(500), status(503), whole(BODY))
    first, second = timer.slept
    assert 0.5 <= first <= 1
    assert 1 <= second <= 2


def test_waiting_times_are_drawn_from_the_seed():
    def waits(seed):
        connection = Connection(seed=seed)
        return [connection.back_off(k) for k in (1, 2, 3, 20)]

    assert waits(1) == waits(1) != waits(2)
    assert 30 <= waits(1)[3] <= 60


def test_retry_after_is_obeyed(fetch, timer):
    fetch(status(429, Retry_After="37"), status(503, Retry_After=http_date(time.time() + 50)), whole(BODY))
    assert timer.slept[0] == pytest.approx(37)
    assert timer.slept[1] == pytest.approx(50, abs=2)


def test_a_retry_after_that_is_no_number(fetch, timer):
    fetch(status(503, Retry_After="²"), whole(BODY))
    assert 0.5 <= timer.slept[0] <= 1


def test_a_pause_is_not_made_shorter(fetch, web, connection, timer):
    connection.pause(web.url("/"), 60)
    connection.pause(web.url("/"), 5)
    fetch(whole(BODY))
    assert timer.slept == [60]


def test_a_server_that_asks_for_hours_is_left_alone(web, connection, timer, tmp_path):
    url = web.serve("/table.txt", status(429, Retry_After="7200"))
    with pytest.raises(FetchError, match="429 Too Many Requests and asks to come back in 7200 seconds"):
        fetch_file(url, tmp_path / "table.txt", connection=connection)
    assert timer.slept == []


def test_what_is_not_there_is_asked_for_once(web, connection, tmp_path):
    with pytest.raises(FetchError, match="404 Not Found") as caught:
        fetch_file(web.url("/absent.txt"), tmp_path / "absent.txt", connection=connection)
    assert not caught.value.temporary
    assert len(web.requests) == 1


def test_redirects_are_followed_and_recorded(fetch, web, connection, tmp_path):
    web.serve("/elsewhere.txt", whole(BODY))
    result = fetch(status(302, Location=web.url("/elsewhere.txt")))
    assert result.url == web.url("/elsewhere.txt")
    url = web.serve("/round.txt", status(302, Location=web.url("/round.txt")))
    with pytest.raises(FetchError, match="redirects without end"):
        fetch_file(url, tmp_path / "round.txt", connection=connection)


def test_a_server_that_hangs(web, timer, tmp_path):
    over = threading.Event()
    url = web.serve("/table.txt", hangs(over), whole(BODY))
    connection = Connection({"default": 0}, timeout=(1, 0.1), sleep=timer.sleep, clock=timer.clock)
    fetch_file(url, tmp_path / "table.txt", connection=connection)
    web.serve("/table.txt", hangs(over))
    with pytest.raises(FetchError, match="did not answer in time"):
        fetch_file(url, tmp_path / "table.txt", connection=connection)
    over.set()


def test_a_server_that_is_not_there(web, connection, tmp_path):
    url = web.url("/table.txt").replace(str(web.server.server_port), "1")
    with pytest.raises(FetchError, match="the connection failed") as caught:
        fetch_file(url, tmp_path / "table.txt", connection=connection)
    assert caught.value.temporary


def test_a_part_that_is_longer_than_the_file_is_thrown_away(web, connection, tmp_path):
    url, path = web.serve("/table.txt", whole(BODY)), tmp_path / "table.txt"
    (tmp_path / "table.txt.part").write_bytes(bytes(len(BODY) + 10))
    notes = {
        "asked": url,
        "url": url,
        "size": None,
        "validator": '"1"',
        "last_modified": None,
        "md5": None,
        "framed": True,
    }
    (tmp_path / "table.txt.part.json").write_text(json.dumps(notes))
    fetch_file(url, path, connection=connection)
    assert path.read_bytes() == BODY


def test_a_finished_part_needs_no_more_bytes(web, connection, tmp_path):
    url, path = web.serve("/table.txt", whole(BODY)), tmp_path / "table.txt"
    (tmp_path / "table.txt.part").write_bytes(BODY)
    notes = {"asked": url, "url": url, "size": len(BODY), "validator": '"1"', "last_modified": None, "md5": None}
    notes["framed"] = True
    (tmp_path / "table.txt.part.json").write_text(json.dumps(notes))
    fetch_file(url, path, connection=connection)
    assert path.read_bytes() == BODY
    assert len(web.requests) == 1


def test_a_file_packed_for_the_way_is_unpacked_unless_it_is_a_gz(web, connection, tmp_path):
    packed = gzip.compress(BODY)
    fetch_file(web.serve("/t.txt", whole(packed, Content_Encoding="gzip")), tmp_path / "t.txt", connection=connection)
    assert (tmp_path / "t.txt").read_bytes() == BODY
    url = web.serve("/t.txt.gz", whole(packed, Content_Encoding="gzip"))
    fetch_file(url, tmp_path / "t.txt.gz", connection=connection)
    assert (tmp_path / "t.txt.gz").read_bytes() == packed


def test_a_full_disk_is_foreseen(web, connection, tmp_path, monkeypatch):
    free = shutil.disk_usage(tmp_path)._replace(free=30_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    url = web.serve("/table.txt", whole(BODY))
    with pytest.raises(DataError, match=r"'table.txt' needs 0 MB more in '.*', where 0 MB are free\."):
        fetch_file(url, tmp_path / "table.txt", connection=connection)


def test_what_is_there_needs_no_space(web, connection, tmp_path, monkeypatch):
    url, path = web.serve("/table.txt", breaks_off(BODY, 15_000), status(403)), tmp_path / "table.txt"
    with pytest.raises(FetchError):
        fetch_file(url, path, connection=connection)
    free = shutil.disk_usage(tmp_path)._replace(free=len(BODY) - 15_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    web.serve("/table.txt", whole(BODY))
    assert fetch_file(url, path, connection=connection).size == len(BODY)
    assert ranges(web)[-1] == "bytes=15000-"


def test_a_disk_that_fills_up_is_told_in_one_sentence(web, connection, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    url = web.serve("/table.txt", whole(BODY))
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(DataError, match=r"table.txt' can not be written: No space left on device\.$"):
        fetch_file(url, tmp_path / "table.txt", connection=connection)


def test_a_folder_that_can_not_be_made(web, connection, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DataError, match="can not be written"):
        fetch_file(web.serve("/table.txt", whole(BODY)), tmp_path / "file" / "table.txt", connection=connection)


def test_requests_to_one_server_keep_their_distance(web, timer, tmp_path):
    connection = Connection({"default": 3.0, "localhost": 7.0}, sleep=timer.sleep, clock=timer.clock)
    urls = [web.serve(f"/{k}.txt", whole(BODY)) for k in range(3)]
    for k, url in enumerate([*urls, urls[0].replace("127.0.0.1", "localhost")]):
        fetch_file(url, tmp_path / f"{k}.txt", connection=connection)
    assert timer.slept == [3.0, 3.0]  # another server has a turn of its own


def test_a_closed_connection_ends_at_once(web, connection, tmp_path):
    connection.close()
    with pytest.raises(FetchError, match="the download was interrupted"):
        fetch_file(web.serve("/table.txt", whole(BODY)), tmp_path / "table.txt", connection=connection)
    assert not web.requests


def test_closing_wakes_who_waits(tmp_path):
    connection = Connection({"default": 0})
    connection.pause("http://127.0.0.1:1/", 60)
    threading.Timer(0.05, connection.close).start()
    start = time.monotonic()
    with pytest.raises(FetchError, match="interrupted"):
        fetch_file("http://127.0.0.1:1/", tmp_path / "table.txt", connection=connection)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("begun", [False, True], ids=["before the answer", "within the file"])
def test_closing_ends_a_request_to_a_server_that_hangs(web, tmp_path, begun):
    over, asked = threading.Event(), threading.Event()

    def answer(handler):
        if begun:
            send(handler, 200, BODY[:10_000], length=len(BODY))
        asked.set()
        hangs(over)(handler)

    connection, took = Connection({"default": 0}), []

    def close():
        asked.wait(5)
        time.sleep(0.2)
        took.append(time.monotonic())
        connection.close()

    url = web.serve("/table.txt", answer)
    closer = threading.Thread(target=close)
    closer.start()
    with pytest.raises(FetchError, match="interrupted"):
        fetch_file(url, tmp_path / "table.txt", connection=connection)
    assert time.monotonic() - took[0] < 2
    over.set()
    closer.join()
    assert len(web.requests) == 1


def test_closing_while_a_server_is_being_connected_to(web, tmp_path, monkeypatch):
    over = threading.Event()
    connection = Connection({"default": 0})
    monkeypatch.setattr(connection, "_wait_for_turn", lambda _: connection.close())
    start = time.monotonic()
    with pytest.raises(FetchError, match="interrupted"):
        fetch_file(web.serve("/table.txt", hangs(over)), tmp_path / "table.txt", connection=connection)
    assert time.monotonic() - start < 2
    over.set()


def test_no_address(connection, tmp_path):
    with pytest.raises(FetchError, match="'no address' is not an address"):
        fetch_file("no address", tmp_path / "table.txt", connection=connection)


def test_a_server_need_not_repeat_by_what_it_goes_on(fetch, web):
    half = len(BODY) // 2

    def rest(handler):
        send(handler, 206, BODY[half:], Content_Range=f"bytes {half}-{len(BODY) - 1}/{len(BODY)}")

    result = fetch(breaks_off(BODY, half), rest)
    assert ranges(web) == [None, f"bytes={half}-"]
    assert result.size == len(BODY)
