"""A server on 127.0.0.1 for one file, that fails on command."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Behaviour:
    """What the server does; a test changes it between requests.

    Parameters
    ----------
    content : of the file.
    etag, last_modified : its version; empty = not said.
    ranges : whether parts can be asked for.
    cut_after : the connection breaks after so many bytes of each of the next answers.
    status : of the next answers, instead of the file.
    headers : further ones, put over the usual.
    say_length : False sends no Content-Length.
    chunked : sends the body in chunks, which say its length only at the end.
    requests : headers of each request, as they came.
    """

    content: bytes = b""
    etag: str = '"v1"'
    last_modified: str = ""
    ranges: bool = True
    cut_after: list[int] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    say_length: bool = True
    chunked: bool = False
    requests: list[dict[str, str]] = field(default_factory=list)
    n_sent: int = 0


def _handler(behaviour: Behaviour) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            b = behaviour
            b.requests.append(dict(self.headers))
            if b.status:
                self._answer(b.status.pop(0), b"", {})
                return
            start = self._start()
            if start is not None and start >= len(b.content):
                self._answer(416, b"", {"Content-Range": f"bytes */{len(b.content)}"})
                return
            version = {"ETag": b.etag, "Last-Modified": b.last_modified}
            headers = {name: value for name, value in version.items() if value}
            if start is None:
                self._answer(200, b.content, headers)
                return
            last = len(b.content) - 1
            headers["Content-Range"] = f"bytes {start}-{last}/{len(b.content)}"
            self._answer(206, b.content[start:], headers)

        def _start(self) -> int | None:
            wanted = self.headers.get("Range")
            same = self.headers.get("If-Range") in (
                None,
                behaviour.etag,
                behaviour.last_modified or "-",
            )
            if wanted is None or not behaviour.ranges or not same:
                return None
            return int(wanted.removeprefix("bytes=").removesuffix("-"))

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            usual = {"Content-Type": "application/octet-stream"} | _framing(behaviour, body)
            self.send_response(status)
            for name, value in (usual | headers | behaviour.headers).items():
                self.send_header(name, value)
            self.end_headers()
            cut = behaviour.cut_after.pop(0) if behaviour.cut_after and body else len(body)
            behaviour.n_sent += len(body[:cut])
            self.wfile.write(_framed(behaviour, body[:cut]))
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


def _framing(behaviour: Behaviour, body: bytes) -> dict[str, str]:
    if behaviour.chunked:
        return {"Transfer-Encoding": "chunked"}
    return {"Content-Length": str(len(body))} if behaviour.say_length else {}


def _framed(behaviour: Behaviour, body: bytes, size: int = 100_000) -> bytes:
    if not behaviour.chunked:
        return body
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Say nothing when a client hangs up early, as it may."""


@contextmanager
def serve(behaviour: Behaviour) -> Iterator[str]:
    """Serve at the address it gives."""
    server = _QuietServer(("127.0.0.1", 0), _handler(behaviour))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/file.pt"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
