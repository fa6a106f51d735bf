"""One HTTP request for what is still missing of a file; `evalsuite.download` asks again.

*Writes* ``PATH.part`` and ``PATH.part.json``: which version of the file the part is of.
"""

import http.client
import json
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from evalsuite import __version__
from evalsuite.errors import DownloadError
from evalsuite.files import sha256_file, write_json

__all__ = ["Progress", "TryAgain", "WantedFile", "gone_wrong", "request_rest"]

#: Called with the bytes that are here and the bytes there will be, None while unknown.
Progress = Callable[[int, int | None], None]

_BLOCK_BYTES = 1 << 18
_TIMEOUT_S = 30.0
# Of a file whose size nobody says, neither the table nor the server: no published checkpoint is
# near it, and a disk is not filled by an answer without end.
_LARGEST_UNSAID_BYTES = 4_000_000_000
# What a later try may cure: overload, maintenance, a proxy's hiccup.
_PASSING = {408, 425, 429, 500, 502, 503, 504}


class TryAgain(Exception):
    """A fault that may pass."""


@dataclass(frozen=True)
class WantedFile:
    """What is to be fetched, and what it must be.

    Parameters
    ----------
    path : it gets when it is whole and verified.
    sha256, size_bytes : it must have; None = unknown.
    """

    url: str
    path: Path
    sha256: str | None
    size_bytes: int | None

    @property
    def part(self) -> Path:
        """Where it grows."""
        return self.path.with_name(self.path.name + ".part")

    @property
    def note(self) -> Path:
        """Which address and version the part is of."""
        return self.path.with_name(self.path.name + ".part.json")

    @property
    def n_here(self) -> int:
        """Bytes of the part."""
        return self.part.stat().st_size if self.part.exists() else 0

    @property
    def description(self) -> str:
        """What it must be, in words."""
        parts = [f"SHA-256 {self.sha256}"] if self.sha256 else []
        parts += [f"{self.size_bytes} bytes"] if self.size_bytes is not None else []
        return " and ".join(parts) or "the published file"


def request_rest(wanted: WantedFile, progress: Progress) -> None:
    """Ask for what is missing and append it to the part.

    Raises
    ------
    TryAgain if a later try may get on; DownloadError if none will; OSError if it cannot be written.
    """
    start, validator = _resumable(wanted)
    headers = {"User-Agent": f"evalsuite/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = validator
    request = urllib.request.Request(wanted.url, headers=headers)
    try:
        response = _OPENER.open(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:
            _require_complete(wanted, error)
        return
    except (OSError, http.client.HTTPException) as error:
        raise TryAgain(str(getattr(error, "reason", error))) from error
    with response:
        _receive(wanted, response, start, progress)


def _resumable(wanted: WantedFile) -> tuple[int, str]:
    """How much is here, and what names its version; 0 if it cannot be told to be the same file."""
    try:
        note = json.loads(wanted.note.read_text(encoding="utf-8"))
        validator = str(note["validator"]) if note["url"] == wanted.url else None
    except (OSError, ValueError, KeyError, TypeError):
        validator = None
    # Without a validator only the hash can tell whether two halves belong together.
    if validator is None or not (validator or wanted.sha256):
        wanted.part.unlink(missing_ok=True)
        return 0, ""
    return wanted.n_here, validator


def _require_complete(wanted: WantedFile, error: urllib.error.HTTPError) -> None:
    """Accept an HTTP error that says there is nothing more to fetch; raise ours for others."""
    if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and wanted.n_here:
        total = (error.headers.get("Content-Range") or "").rpartition("/")[2]
        if total == str(wanted.n_here):
            return  # it was complete; only its verification is missing
        wanted.part.unlink(missing_ok=True)
        raise TryAgain("the part did not fit the file")
    if error.code in _PASSING:
        raise TryAgain(f"HTTP {error.code} {error.reason}")
    raise DownloadError(
        f"{wanted.url} answers HTTP {error.code} {error.reason}",
        wanted="the published file",
        do="see whether its author has moved it, fetch it by hand, then: evalsuite weights import",
    )


def _receive(
    wanted: WantedFile, response: http.client.HTTPResponse, start: int, progress: Progress
) -> None:
    if response.status == HTTPStatus.PARTIAL_CONTENT:
        total = _total_of_range(wanted, response.headers, start)
    else:
        start, total = 0, _length(response.headers)
    _require_expected(wanted, response, total)
    _require_space(wanted, (total or 0) - start)
    validator = _validator(response.headers)
    write_json(wanted.note, {"url": wanted.url, "validator": validator})
    with wanted.part.open("ab" if start else "wb") as stream:
        done = _copy(wanted, response, stream, start, total, progress)
        stream.flush()
        os.fsync(stream.fileno())
    # A chunked body says itself where it ends, and http.client notices if it does not.
    if total is not None or not response.chunked:
        _require_whole(wanted, done, wanted.size_bytes if total is None else total)


def _require_whole(wanted: WantedFile, done: int, total: int | None) -> None:
    """Tell a connection that broke off from one that ended, by the size or else by the hash."""
    if total is not None and done < total:
        raise TryAgain(f"{done} of {total} bytes came")
    if total is None and sha256_file(wanted.part) != wanted.sha256:
        raise TryAgain(f"the {done} bytes that came, without a length, are not the whole file")


def _copy(
    wanted: WantedFile,
    response: http.client.HTTPResponse,
    stream: IO[bytes],
    done: int,
    total: int | None,
    progress: Progress,
) -> int:
    known = (n for n in (total, wanted.size_bytes) if n is not None)
    most = next(known, _LARGEST_UNSAID_BYTES)
    progress(done, total)
    while True:
        try:
            block = response.read(_BLOCK_BYTES)
        except (http.client.HTTPException, OSError) as error:
            raise TryAgain(str(error) or type(error).__name__) from error
        if not block:
            return done
        if done + len(block) > most:
            raise gone_wrong(wanted, f"more than {most} bytes came")
        stream.write(block)
        done += len(block)
        progress(done, total)


def _total_of_range(wanted: WantedFile, headers: Message, start: int) -> int | None:
    """Read ``Content-Range: bytes START-END/TOTAL``."""
    given, _, total = (headers.get("Content-Range") or "").removeprefix("bytes ").partition("/")
    if given.partition("-")[0] != str(start):
        wanted.part.unlink(missing_ok=True)
        raise TryAgain(f"the server sent the range {given!r} instead of one from {start}")
    return int(total) if total.isdecimal() else None


def _length(headers: Message) -> int | None:
    length = headers.get("Content-Length") or ""
    return int(length) if length.isdecimal() else None


def _validator(headers: Message) -> str:
    """What names this version of the file: a strong ETag, else the date of its last change."""
    etag = headers.get("ETag") or ""
    return etag if etag.startswith('"') else headers.get("Last-Modified") or ""


def _require_expected(
    wanted: WantedFile, response: http.client.HTTPResponse, total: int | None
) -> None:
    """Refuse a wrong file before its body comes: a warning page, another size."""
    if response.headers.get_content_type() == "text/html":
        raise gone_wrong(wanted, "a web page came instead of the file")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise gone_wrong(wanted, "it came compressed, although that was not asked for")
    if total is None and wanted.sha256 is None and not response.chunked:
        raise gone_wrong(wanted, "neither its length nor its hash is known")
    if None not in (total, wanted.size_bytes) and total != wanted.size_bytes:
        raise gone_wrong(wanted, f"the server's file has {total} bytes")


def _require_space(wanted: WantedFile, n_bytes: int) -> None:
    free = shutil.disk_usage(wanted.path.parent).free
    if n_bytes > free:
        raise DownloadError(
            f"{wanted.path.name} needs {n_bytes / 1e6:.0f} MB more, {free / 1e6:.0f} MB are free",
            wanted=f"space in {wanted.path.parent}",
            do="free some, or choose another disk with EVALSUITE_WEIGHTS",
        )


def gone_wrong(wanted: WantedFile, what: str) -> DownloadError:
    """Remove what came, and make the error."""
    wanted.part.unlink(missing_ok=True)
    wanted.note.unlink(missing_ok=True)
    return DownloadError(
        f"{wanted.url}: {what}; nothing of it was kept",
        wanted=wanted.description,
        do="do not use such a file before its author confirms it; a hash you trust more goes in "
        "with --sha256",
    )


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to anything else."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Refuse a redirect that leaves https."""
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise DownloadError(
                f"{req.full_url} leads to {newurl}",
                wanted="a redirect that stays on https",
                do="fetch the file by hand, then: evalsuite weights import",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_NoDowngrade)
