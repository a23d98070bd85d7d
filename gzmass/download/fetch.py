"""One file from a server: continued after a break, verified, and under its name only when it is whole."""

import base64
import hashlib
import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from gzmass.download.connection import Connection, FetchError
from gzmass.download.extra import load_extra
from gzmass.download.verify import check_file
from gzmass.engine import require_space
from gzmass.errors import ConfigError, DataError

__all__ = ["Fetched", "fetch_file"]

_CHUNK = 1 << 18
_ENCODINGS = {"gzip", "x-gzip", "deflate"}  # what urllib3 unpacks without further packages


@dataclass(frozen=True)
class Fetched:
    """A file that was fetched.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    url : str
        Where it came from, after redirects.
    size : int
        Its bytes.
    sha256 : str
        Its checksum.
    last_modified : str or None
        What the server says of its age.
    verified : tuple of str
        How it was verified.
    """

    path: Path
    url: str
    size: int
    sha256: str
    last_modified: str | None
    verified: tuple


@dataclass(frozen=True)
class _Remote:
    """What a server said of a file; written beside the part that is there, so that a later run knows what it is of."""

    asked: str
    url: str
    size: int | None
    validator: str | None  # a strong ETag or a date, which a server compares before it continues
    last_modified: str | None
    md5: str | None
    framed: bool  # whether HTTP itself tells where the body ends: by a length, or in chunks


def fetch_file(url, path, checksum=None, check=None, connection=None, progress=None, accept=None):
    """Fetch a file; interrupted and called again, it goes on with the bytes that are missing.

    Until it is whole and verified the file is called ``<name>.part``. A part is continued (HTTP Range and If-Range)
    only if the server can tell that the file is still the same one; else it starts anew.

    Parameters
    ----------
    url : str
        Its address.
    path : str or pathlib.Path
        What it is to be called; its folder is made if it is missing.
    checksum : str, optional
        ``"md5:..."``, ``"sha256:..."`` or any other of hashlib's algorithms, with hexadecimal digits.
    check : callable, optional
        Called as ``check(part, name)`` on the finished part: raises DataError if it is not what it should be, and
        returns how it was verified, None if nothing tells. By default `gzmass.download.verify.check_file`.
    connection : Connection, optional
        How servers are asked.
    progress : callable, optional
        Called as ``progress(done, total)`` with bytes; the total is None if the server does not tell.
    accept : callable, optional
        Called with the `Fetched` before the file gets its name; if it raises DataError, the part is thrown away.

    Returns
    -------
    Fetched
        The file, with its checksum.

    Raises
    ------
    FetchError
        It can not be had, after as many attempts as `connection` allows. Only what can pass is tried again: not what
        is damaged although its length or checksum is right.
    DataError
        It can not be written.
    ConfigError
        The extra ``download`` is not installed, or `checksum` is none.
    """
    path, connection = Path(path), connection or Connection()
    part = path.with_name(f"{path.name}.part")
    if checksum is not None:
        _split(checksum)
    most, failures = 0, 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                remote = _receive(url, part, connection, progress)
                verified = _verify(part, path.name, remote, checksum, check or check_file)
                break
            except FetchError as error:
                have = part.stat().st_size if part.is_file() else 0
                failures = 1 if have > most else failures + 1
                most = max(most, have)
                if not error.temporary or failures >= connection.attempts:
                    raise FetchError(f"{path.name!r} can not be had from {url}: {error}.", error.temporary) from None
                connection.pause(url, connection.back_off(failures) if error.wait is None else error.wait)
        sha256 = load_extra("pooch").file_hash(str(part), alg="sha256")
        fetched = Fetched(path, remote.url, part.stat().st_size, sha256, remote.last_modified, verified)
        if accept is not None:
            _ask(accept, fetched, part)
        part.replace(path)
        _notes(part).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{str(path)!r} can not be written: {error.strerror or error}.") from None
    return fetched


def _split(checksum):
    """Algorithm and digits of a checksum."""
    algorithm, _, digits = checksum.partition(":")
    length = 2 * hashlib.new(algorithm).digest_size if algorithm in hashlib.algorithms_guaranteed else 0
    if not length or not re.fullmatch(rf"[0-9a-fA-F]{{{length}}}", digits):
        raise ConfigError(
            "A checksum names an algorithm of hashlib and all its hexadecimal digits, such as 'md5:...'. "
            f"Received: {checksum!r}."
        )
    return algorithm, digits.lower()


def _ask(accept, fetched, part):
    try:
        accept(fetched)
    except DataError:
        _discard(part)
        raise


def _notes(part):
    return part.with_name(f"{part.name}.json")


def _discard(part):
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)


def _read_notes(part, url):
    """Read what the part is of; None if there is none that can be continued."""
    try:
        remote = _Remote(**json.loads(_notes(part).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return remote if remote.asked == url and remote.validator and part.is_file() else None


def _receive(url, part, connection, progress):
    """Bring a part to its full length, as far as the server tells what that is."""
    known = _read_notes(part, url)
    have = part.stat().st_size if known else 0
    headers = {"Range": f"bytes={have}-", "If-Range": known.validator} if have else {}
    with connection.open(url, headers) as response:
        unpack = _packed(response) and not part.name.endswith(".gz.part")  # a .gz is wanted as it is
        first, size = _extent(response, unpack)
        remote = _describe(url, response, size, unpack)
        if response.status_code == 416 and have and size == have:
            return replace(known, size=size)  # nothing is missing
        if response.status_code == 200:
            have = 0
        else:
            remote = _continue(part, have, known, first, remote)
            size = remote.size
        if size is not None:
            require_space(part.with_suffix(""), size - have)
        _notes(part).write_text(json.dumps(vars(remote)), encoding="utf-8")
        with part.open("ab" if have else "wb") as file:
            for chunk in response.raw.stream(_CHUNK, decode_content=unpack):
                file.write(chunk)
                have += len(chunk)
                if progress is not None:
                    progress(have, size)
                if connection.closed:
                    raise FetchError("the download was interrupted", temporary=False)
    if size is not None and have != size:
        if have > size:
            _discard(part)
        raise FetchError(f"the connection ended after {have} of {size} bytes")
    return remote


def _continue(part, have, known, first, remote):
    """Refuse what does not continue the part that is there; what was said of the whole file still holds."""
    if not have:
        raise FetchError("the server sent a part of the file, which was not asked for")
    size = known.size if remote.size is None else remote.size
    # a server need not repeat what it was asked to go by (RFC 9110, 15.3.7)
    changed = remote.validator not in {None, known.validator}
    if first != have or changed or known.size not in {None, size}:
        _discard(part)
        raise FetchError("the file on the server has changed")
    return replace(
        remote,
        size=size,
        md5=known.md5,
        validator=known.validator,
        last_modified=remote.last_modified or known.last_modified,
    )


def _packed(response):
    """Whether the body was compressed for the way alone."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {*_ENCODINGS, "identity", ""}:
        raise FetchError(f"the server packs it as {encoding!r}, of which nothing was said", temporary=False)
    return encoding in _ENCODINGS


def _extent(response, unpack):
    """First byte of what comes, and length of the whole file where the server tells."""
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() and not unpack else None
    stated = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    if stated is None:
        return None, None
    return int(stated[1]) if stated[1] else None, int(stated[2]) if stated[2].isdigit() else None


def _describe(url, response, size, unpack):
    headers = response.headers
    etag, modified = headers.get("ETag", ""), headers.get("Last-Modified")
    validator = None if unpack else etag if etag.startswith('"') else modified
    md5 = None if unpack else _stated_md5(headers, etag)
    framed = "Content-Length" in headers or headers.get("Transfer-Encoding", "").lower() == "chunked"
    return _Remote(url, response.url, size, validator, modified, md5, framed)


def _stated_md5(headers, etag):
    """MD5 that the server states: Content-MD5, or an ETag that is one (Zenodo's, and S3's of files without parts)."""
    if "Content-MD5" in headers:
        try:
            return base64.b64decode(headers["Content-MD5"], validate=True).hex()
        except ValueError:
            return None
    of_s3 = headers.get("Server") == "AmazonS3" and "x-amz-server-side-encryption-aws-kms-key-id" not in headers
    stated = re.fullmatch(r'"(md5:)?([0-9a-f]{32})"', etag)
    return stated[2] if stated and (stated[1] or of_s3) else None


def _verify(part, name, remote, checksum, check):
    """Refuse and discard a part that is not what it should be; how it was verified."""
    file_hash = load_extra("pooch").file_hash
    done = [] if remote.size is None else ["length"]
    stated = f"md5:{remote.md5}" if remote.md5 else None
    for wanted, source in ((checksum, "known beforehand"), (stated, "stated by the server")):
        if wanted is None:
            continue
        algorithm, digits = _split(wanted)
        received = file_hash(str(part), alg=algorithm)
        if received != digits:
            _discard(part)
            raise FetchError(f"its {algorithm} is {received}, not {digits} as {source}")
        done.append(f"{algorithm} {source}")
    try:
        how = check(part, name)
    except DataError as error:
        _discard(part)
        # what came as it was sent would come so again, unless the check says otherwise
        raise FetchError(str(error), getattr(error, "temporary", not done)) from None
    # any other format tells where it ends
    if not done and not remote.framed and how in {None, "plain text"} and not (how and _ends_with_a_line(part)):
        _discard(part)
        within = "the connection ended within a line" if how else "nothing tells whether it is whole"
        raise FetchError(f"{within}, and the server did not say how long the file is", temporary=how is not None)
    return (*done, how) if how else tuple(done)


def _ends_with_a_line(path):
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"
