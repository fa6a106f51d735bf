"""Fetch one published file: resumed where it broke off, verified before it gets its name.

*Writes* ``PATH.part`` and ``PATH.part.json`` (which version of the file the part is of) while it
runs, then ``PATH``. An interrupted download keeps the part and goes on from there next time, if the
server still has the same version; a file of the wrong hash or size is removed.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from evalsuite.errors import DownloadError
from evalsuite.files import sha256_file
from evalsuite.http_part import Progress, TryAgain, WantedFile, gone_wrong, request_rest

__all__ = ["Progress", "Retries", "download_file"]

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True)
class Retries:
    """How often to try again without having received anything new, and how long to wait.

    Parameters
    ----------
    count : tries after the first; a byte that never came before starts the count again.
    wait_s : before the first of them; doubled each time, a minute at most.
    """

    count: int = 4
    wait_s: float = 1.0

    def wait_before(self, attempt: int) -> float:
        """Seconds to wait before the `attempt`-th try, counted from 1."""
        return min(self.wait_s * 2.0 ** (attempt - 1), 60.0)


def download_file(
    url: str,
    path: Path,
    *,
    sha256: str | None,
    size_bytes: int | None = None,
    progress: Progress | None = None,
    retries: Retries | None = None,
) -> str:
    """Fetch a file, or find it already here.

    Parameters
    ----------
    url : https, or http if the hash is known or the server is this machine.
    sha256 : hex digest it must have; None takes what comes, which the caller must then remember.
    size_bytes : it must have; None = unknown.

    Returns
    -------
    Its SHA-256.

    Raises
    ------
    DownloadError if it is not what it should be, when nothing of it is kept, or cannot be fetched
    now, when the part that came is kept for the next run.
    """
    wanted = WantedFile(url, path, sha256.lower() if sha256 else None, size_bytes)
    if path.exists():
        return _verified_here(wanted)
    _require_safe(wanted)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(wanted):
        if path.exists():  # another process has just finished it
            return _verified_here(wanted)
        _fetch(wanted, progress or (lambda done, total: None), retries or Retries())
        digest = _verified_part(wanted)
        os.replace(wanted.part, path)
        wanted.note.unlink(missing_ok=True)
    return digest


@contextmanager
def _alone(wanted: WantedFile) -> Iterator[None]:
    """Hold the part while the body runs; the lock is the kernel's and ends with the process."""
    lock = wanted.path.with_name(wanted.path.name + ".part.lock")
    with lock.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DownloadError(
                f"another process is fetching {wanted.path}",
                wanted="one at a time",
                do="wait until it has finished",
            ) from error
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _verified_here(wanted: WantedFile) -> str:
    digest, size = sha256_file(wanted.path), wanted.path.stat().st_size
    fits = wanted.sha256 in (None, digest) and wanted.size_bytes in (None, size)
    if fits and size:
        return digest
    raise DownloadError(
        f"{wanted.path} is here already, with SHA-256 {digest} and {size} bytes",
        wanted=wanted.description,
        do="remove it and run again, or give its hash with --sha256 if you know that it is right",
    )


def _require_safe(wanted: WantedFile) -> None:
    parts = urlsplit(wanted.url)
    verified = wanted.sha256 is not None or parts.hostname in _LOOPBACK
    if parts.scheme == "https" or (parts.scheme == "http" and verified):
        return
    raise DownloadError(
        f"{wanted.url} is not fetched: anyone on the way could replace it",
        wanted="https, or http with a known SHA-256",
        do="give the hash with --sha256",
    )


def _fetch(wanted: WantedFile, progress: Progress, retries: Retries) -> None:
    failures, farthest = 0, 0
    while True:
        try:
            request_rest(wanted, progress)
            return
        except TryAgain as fault:
            # Bytes that were here before are nothing new: servers that begin anew, or whose answers
            # do not fit the part, would be asked for ever.
            failures = 1 if wanted.n_here > farthest else failures + 1
            farthest = max(farthest, wanted.n_here)
            if failures > retries.count:
                raise DownloadError(
                    f"{wanted.url} broke off {failures} times: {fault}",
                    wanted="a connection that holds",
                    do="run it again: it goes on where it stopped",
                ) from fault
            time.sleep(retries.wait_before(failures))
        except OSError as error:
            raise _not_written(wanted, error) from error


def _verified_part(wanted: WantedFile) -> str:
    size = wanted.n_here
    if not size:
        # Its hash would be trusted, and every later download held to it.
        raise gone_wrong(wanted, "an empty file came")
    if wanted.size_bytes not in (None, size):
        raise gone_wrong(wanted, f"{size} bytes came")
    digest = sha256_file(wanted.part)
    if wanted.sha256 not in (None, digest):
        raise gone_wrong(wanted, f"what came has SHA-256 {digest}")
    return digest


def _not_written(wanted: WantedFile, error: OSError) -> DownloadError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return DownloadError(
        f"{wanted.part} cannot be written: {error.strerror or error}",
        wanted="free disk space" if full else f"a writable folder {wanted.path.parent}",
        do="make room and run it again: it goes on where it stopped"
        if full
        else "choose another folder with EVALSUITE_WEIGHTS",
    )
