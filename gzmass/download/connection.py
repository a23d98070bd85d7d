"""Talking to servers politely: under a name, not too often, and waiting when they ask for it."""

import random
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial as bind
from urllib.parse import urlsplit
from weakref import WeakSet

from gzmass._version import __version__
from gzmass.download.extra import load_extra
from gzmass.errors import DataError

__all__ = ["Connection", "FetchError"]

_FIRST_WAIT = 1.0  # seconds before the second attempt; doubled for each further one
_LONGEST_WAIT = 60.0
_LONGEST_ASKED = 600.0  # a server that asks for a longer pause is left alone
_TEMPORARY = {408, 425, 429, 500, 502, 503, 504}


class FetchError(DataError):
    """A file could not be had from a server.

    Parameters
    ----------
    message : str
        One sentence.
    temporary : bool, default True
        Whether trying again can help.
    wait : float, optional
        Seconds that the server asks to wait.
    """

    def __init__(self, message, temporary=True, wait=None):
        super().__init__(message)
        self.temporary = temporary
        self.wait = wait


@dataclass
class Connection:
    """How servers are asked, and what is remembered of them: one for all the threads of a download.

    Parameters
    ----------
    seconds_between_requests : dict of str to float
        The least time between two requests to a server, by its name; ``default`` is for all others.
    attempts : int
        How often in a row a file may fail without anything new of it having come.
    timeout : tuple of float
        Seconds to wait for a connection, and for the next bytes.
    seed : int
        Of the jitter on the waiting times.
    sleep, clock : callable
        Time, replaced in tests; the default sleep ends when the connection is closed.
    """

    seconds_between_requests: dict = field(default_factory=lambda: {"default": 0.5})
    attempts: int = 5
    timeout: tuple = (10.0, 60.0)
    seed: int = 0
    sleep: callable = None
    clock: callable = time.monotonic

    def __post_init__(self):
        self._lock = threading.Lock()
        self._next = {}
        self._jitter = random.Random(self.seed)  # noqa: S311  spreads waiting times, guards nothing
        self._closed = threading.Event()
        self._sockets = WeakSet()
        self.sleep = self.sleep or self._closed.wait

    def close(self):
        """End all waiting, for servers too: every request fails, those under way and those from now on."""
        self._closed.set()
        with self._lock:
            sockets = list(self._sockets)
        for each in sockets:
            with suppress(OSError):  # it is closed already
                each.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads, which closing it would not

    @property
    def closed(self):
        """Whether the connection was closed.

        Returns
        -------
        bool
            Every request fails if it was.
        """
        return self._closed.is_set()

    def back_off(self, failures):
        """Time to wait after failures in a row.

        Parameters
        ----------
        failures : int
            How many, at least 1.

        Returns
        -------
        float
            Seconds: doubling with each failure up to a minute, times a random factor of 0.5 to 1.
        """
        with self._lock:
            factor = self._jitter.uniform(0.5, 1.0)
        return factor * min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** (failures - 1))

    def pause(self, url, seconds):
        """Leave a server alone for a while, in all threads.

        Parameters
        ----------
        url : str
            An address on the server.
        seconds : float
            How long.
        """
        host = urlsplit(url).hostname
        with self._lock:
            self._next[host] = max(self._next.get(host, 0.0), self.clock() + seconds)

    def _wait_for_turn(self, url):
        host = urlsplit(url).hostname
        spacing = self.seconds_between_requests
        with self._lock:
            now = self.clock()
            turn = max(now, self._next.get(host, 0.0))
            self._next[host] = turn + spacing.get(host, spacing["default"])
        if turn > now:
            self.sleep(turn - now)
        self._refuse_if_closed()

    def _refuse_if_closed(self):
        if self.closed:
            raise FetchError("the download was interrupted", temporary=False)

    def _note(self, sock):
        with self._lock:
            self._sockets.add(sock)
        self._refuse_if_closed()  # while this socket was opened

    @contextmanager
    def open(self, url, headers=None):
        """Ask for an address when it is the server's turn.

        Parameters
        ----------
        url : str
            The address.
        headers : dict of str to str, optional
            Headers of the request.

        Yields
        ------
        requests.Response
            Its body unread; the status is 200, 206 or 416.

        Raises
        ------
        FetchError
            The server can not be reached, breaks off, or refuses.
        """
        requests, urllib3 = load_extra("requests"), load_extra("urllib3")
        self._wait_for_turn(url)
        headers = {"User-Agent": f"gzmass/{__version__} (python-requests)", "Accept-Encoding": "identity"} | (
            headers or {}
        )
        try:
            with requests.Session() as session:
                for scheme in ("http://", "https://"):
                    session.mount(scheme, _noting_adapter(self._note))
                with session.get(url, headers=headers, stream=True, timeout=self.timeout) as response:
                    _refuse_bad_status(response)
                    yield response
        except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema):
            raise FetchError(f"{url!r} is not an address", temporary=False) from None
        except requests.exceptions.TooManyRedirects:
            raise FetchError("the server redirects without end", temporary=False) from None
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
            raise FetchError("the server did not answer in time") from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise FetchError(f"the connection failed ({type(error).__name__})") from None


def _noting_adapter(note):
    """How requests talks to servers, with every socket told to `note`: requests itself gives no hold of them."""

    class Adapter(load_extra("requests").adapters.HTTPAdapter):
        def get_connection_with_tls_context(self, *args, **options):
            pool = super().get_connection_with_tls_context(*args, **options)
            pool.ConnectionCls = bind(_noting, type(pool).ConnectionCls, note)
            return pool

    return Adapter()


def _noting(kind, note, **options):
    made = kind(**options)
    connect = made.connect

    def connect_and_note():
        connect()
        note(made.sock)

    made.connect = connect_and_note
    return made


def _refuse_bad_status(response):
    status = response.status_code
    if status in {200, 206, 416}:
        return
    reason = f"the server answered {status} {response.reason or ''}".rstrip()
    if status not in _TEMPORARY:
        raise FetchError(reason, temporary=False)
    wait = _retry_after(response.headers.get("Retry-After"))
    if wait is not None and wait > _LONGEST_ASKED:
        raise FetchError(f"{reason} and asks to come back in {wait:.0f} seconds", temporary=False)
    raise FetchError(reason, wait=wait)


def _retry_after(value):
    """Seconds of a Retry-After header: a number, or a date."""
    if not value:
        return None
    if value.strip().isdecimal():  # not ², which is a digit, but no number
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
