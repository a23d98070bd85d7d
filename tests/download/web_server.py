"""A web server on this machine that does what it is told, good or bad, and time that passes when it is slept."""

import email.utils
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Web:
    """Answers by path: each request takes the next answer of its path, the last one stays."""

    def __init__(self):
        self.answers, self.requests, self.lock = {}, [], threading.Lock()
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = self.path.partition("?")[0]
                with web.lock:
                    web.requests.append((self.path, dict(self.headers)))
                    left = web.answers.get(path)
                    answer = missing if left is None else left.pop(0) if len(left) > 1 else left[0]
                answer(self)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                if not isinstance(sys.exception(), ConnectionError):  # a client that was interrupted hangs up
                    super().handle_error(request, client_address)

        self.server = Server(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def serve(self, path, *answers):
        self.answers[path] = list(answers)
        return self.url(path)

    def asked(self, path):
        """Headers of the requests for a path."""
        return [headers for where, headers in self.requests if where.partition("?")[0] == path]

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Time:
    """A clock that goes on when someone sleeps."""

    def __init__(self):
        self.now, self.slept = 0.0, []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def clock(self):
        return self.now


# ---- answers ---------------------------------------------------------------------------------------------------------


def send(handler, status, body=b"", length=None, close=False, **headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)
    handler.close_connection = close


def missing(handler):
    send(handler, 404, b"no such file")


def status(code, **headers):
    return lambda handler: send(handler, code, b"no", **headers)


def whole(body, etag='"1"', **headers):
    """An honest server: parts, and If-Range."""

    def answer(handler):
        part, condition = handler.headers.get("Range"), handler.headers.get("If-Range")
        known = {"ETag": etag} if etag else {}
        if not part or (condition is not None and condition != etag):
            return send(handler, 200, body, **known, **headers)
        first = int(part.removeprefix("bytes=").rstrip("-"))
        if first >= len(body):
            return send(handler, 416, Content_Range=f"bytes */{len(body)}")
        stated = f"bytes {first}-{len(body) - 1}/{len(body)}"
        return send(handler, 206, body[first:], Content_Range=stated, **known, **headers)

    return answer


def without_ranges(body, etag='"1"'):
    return lambda handler: send(handler, 200, body, ETag=etag)


def breaks_off(body, after, etag='"1"', ranges=True):
    """Says how long the file is, sends that many bytes of it and hangs up; with a part it is the same."""

    def answer(handler):
        part = handler.headers.get("Range") if ranges else None
        first = int(part.removeprefix("bytes=").rstrip("-")) if part else 0
        stated = {"Content_Range": f"bytes {first}-{len(body) - 1}/{len(body)}"} if part else {}
        left = body[first:]
        known = {"ETag": etag} if etag else {}
        send(handler, 206 if part else 200, left[:after], length=len(left), close=True, **known, **stated)

    return answer


def of_unknown_length(body):
    """Sends what it has and hangs up, without a word about the length."""

    def answer(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    return answer


def in_chunks(body):
    """Does not say how long the file is, but where it ends."""

    def answer(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    return answer


def hangs(until):
    def answer(handler):
        until.wait(5)
        handler.close_connection = True

    return answer


def http_date(seconds):
    return email.utils.formatdate(seconds, usegmt=True)
