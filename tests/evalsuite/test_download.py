"""Downloads against a server on this machine: resumed, verified, whole or not at all."""

import fcntl
import gzip
import hashlib
import json
import random
import sys
import urllib.request
from collections import namedtuple
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from file_server import Behaviour, serve

from evalsuite import download, http_part
from evalsuite.download import Retries, download_file
from evalsuite.errors import DownloadError

CONTENT = random.Random(0).randbytes(700_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
AT_ONCE = Retries(count=2, wait_s=0.0)


@pytest.fixture
def server() -> Behaviour:
    return Behaviour(CONTENT)


@pytest.fixture
def url(server: Behaviour) -> Iterator[str]:
    with serve(server) as address:
        yield address


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "file.pt"


def fetch(url: str, path: Path, sha256: str | None = SHA256, size: int | None = None) -> str:
    return download_file(url, path, sha256=sha256, size_bytes=size, retries=AT_ONCE)


def here(path: Path) -> set[str]:
    return {file.name for file in path.parent.iterdir()}


def test_a_file_arrives_whole_and_alone(server: Behaviour, url: str, path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    digest = download_file(
        url, path, sha256=SHA256.upper(), progress=lambda *state: seen.append(state)
    )
    assert (digest, path.read_bytes()) == (SHA256, CONTENT)
    assert here(path) == {"file.pt"}
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)
    assert server.requests[0]["Accept-Encoding"] == "identity"


def test_what_is_here_is_verified_and_not_fetched_again(
    server: Behaviour, url: str, path: Path
) -> None:
    fetch(url, path)
    assert fetch(url, path, size=len(CONTENT)) == SHA256
    assert len(server.requests) == 1
    path.write_bytes(b"changed")
    with pytest.raises(DownloadError, match=r"here already, with SHA-256 .* and 7 bytes"):
        fetch(url, path)
    assert path.read_bytes() == b"changed"  # it may be somebody's own


# --- interruptions -----------------------------------------------------------------------------


def test_a_broken_connection_goes_on_where_it_stopped(
    server: Behaviour, url: str, path: Path
) -> None:
    server.cut_after = [300_000, 150_000]
    assert fetch(url, path) == SHA256
    assert path.read_bytes() == CONTENT
    ranges = [(r.get("Range"), r.get("If-Range")) for r in server.requests]
    assert ranges == [(None, None), ("bytes=300000-", '"v1"'), ("bytes=450000-", '"v1"')]
    assert server.n_sent == len(CONTENT)  # no byte twice


def test_every_new_byte_gives_new_patience(server: Behaviour, url: str, path: Path) -> None:
    server.cut_after = [100_000] * 6  # more often than AT_ONCE.count
    assert fetch(url, path) == SHA256


def test_bytes_that_came_before_give_no_new_patience(
    server: Behaviour, url: str, path: Path
) -> None:
    """A server without ranges begins anew each time, and may never get farther."""
    server.ranges, server.cut_after = False, [300_000, 100_000] * 50
    with pytest.raises(DownloadError, match="broke off 3 times"):
        fetch(url, path)
    assert len(server.requests) == AT_ONCE.count + 1


def test_a_server_that_always_sends_another_range_is_given_up(
    server: Behaviour, url: str, path: Path
) -> None:
    server.cut_after = [200_000] * 100
    server.headers = {"Content-Range": "bytes 5-699999/700000"}
    with pytest.raises(DownloadError, match="broke off 3 times"):
        fetch(url, path)
    assert len(server.requests) <= 2 * (AT_ONCE.count + 1)


def test_a_later_run_goes_on(server: Behaviour, url: str, path: Path) -> None:
    server.cut_after = [200_000, 0, 0, 0]
    with pytest.raises(DownloadError, match=r"broke off 3 times.*goes on where it stopped"):
        fetch(url, path)
    assert here(path) == {"file.pt.part", "file.pt.part.json"}
    server.cut_after, server.n_sent = [], 0
    assert fetch(url, path) == SHA256
    assert server.n_sent == len(CONTENT) - 200_000
    assert here(path) == {"file.pt"}


def test_a_file_that_changed_meanwhile_is_fetched_anew(
    server: Behaviour, url: str, path: Path
) -> None:
    server.content, server.etag = bytes(500_000), '"v0"'
    server.cut_after = [200_000, 0, 0, 0]
    with pytest.raises(DownloadError):
        fetch(url, path, sha256=None)
    server.content, server.etag, server.cut_after = CONTENT, '"v1"', []
    assert fetch(url, path, sha256=None) == SHA256  # and not zeros with an end of the new one
    assert server.requests[-1]["If-Range"] == '"v0"'


@pytest.mark.parametrize("etag", ["", 'W/"v1"'])
@pytest.mark.parametrize("last_modified", ["", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_halves_are_joined_only_if_something_vouches_for_them(
    server: Behaviour, url: str, path: Path, etag: str, last_modified: str
) -> None:
    """Without strong version and without hash, a part may be of another file."""
    server.etag, server.last_modified = etag, last_modified
    for sha256, resumes in ((SHA256, True), (None, bool(last_modified))):
        server.cut_after, server.requests = [200_000], []
        assert fetch(url, path, sha256=sha256) == SHA256
        second = server.requests[1]
        assert ("Range" in second) == resumes
        assert second.get("If-Range", "") == (last_modified if resumes else "")
        path.unlink()


def test_a_server_without_ranges_is_asked_for_all_of_it(
    server: Behaviour, url: str, path: Path
) -> None:
    server.ranges = False
    server.cut_after = [300_000]
    assert fetch(url, path) == SHA256
    assert server.n_sent == 300_000 + len(CONTENT)


def test_a_part_that_was_complete_is_only_verified(server: Behaviour, url: str, path: Path) -> None:
    path.parent.mkdir()
    path.with_name("file.pt.part").write_bytes(CONTENT)
    path.with_name("file.pt.part.json").write_text(json.dumps({"url": url, "validator": '"v1"'}))
    assert fetch(url, path) == SHA256
    assert server.n_sent == 0


@pytest.mark.parametrize("note", [None, "damaged", '{"url": "http://other/", "validator": "x"}'])
def test_a_part_of_unknown_origin_is_not_used(
    server: Behaviour, url: str, path: Path, note: str | None
) -> None:
    path.parent.mkdir()
    path.with_name("file.pt.part").write_bytes(bytes(1000))
    if note is not None:
        path.with_name("file.pt.part.json").write_text(note)
    assert fetch(url, path) == SHA256
    assert "Range" not in server.requests[0]


def test_a_part_that_is_too_long_is_thrown_away(server: Behaviour, url: str, path: Path) -> None:
    path.parent.mkdir()
    path.with_name("file.pt.part").write_bytes(CONTENT + b"more")
    path.with_name("file.pt.part.json").write_text(json.dumps({"url": url, "validator": '"v1"'}))
    assert fetch(url, path) == SHA256


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_faults_are_tried_again(
    server: Behaviour, url: str, path: Path, status: int
) -> None:
    server.status = [status, status]
    assert fetch(url, path) == SHA256
    server.status, server.requests = [status] * 9, []
    path.unlink()
    with pytest.raises(DownloadError, match=f"broke off 3 times: HTTP {status}"):
        fetch(url, path)
    assert len(server.requests) == 3


def test_the_wait_doubles_up_to_a_minute(
    server: Behaviour, url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(download.time, "sleep", waits.append)
    server.status = [503] * 9
    with pytest.raises(DownloadError):
        download_file(url, path, sha256=SHA256, retries=Retries(count=8))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_reset_connection_is_tried_again(
    server: Behaviour, url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, faults = http_part._OPENER.open, [ConnectionResetError("reset"), TimeoutError("slow")]

    def sometimes(*arguments: object, **named: object) -> object:
        if faults:
            raise faults.pop()
        return opened(*arguments, **named)

    monkeypatch.setattr(http_part._OPENER, "open", sometimes)
    assert fetch(url, path) == SHA256


def test_an_unreachable_server_is_tried_again(path: Path) -> None:
    with serve(Behaviour()) as address:
        pass  # nobody listens there any more
    with pytest.raises(DownloadError, match=r"broke off 3 times: .*refused"):
        fetch(address, path)


# --- wrong files -------------------------------------------------------------------------------


def test_a_wrong_hash_is_refused_and_nothing_kept(server: Behaviour, url: str, path: Path) -> None:
    server.content = CONTENT[:-1] + b"!"
    wrong = hashlib.sha256(server.content).hexdigest()
    with pytest.raises(DownloadError, match=f"came has SHA-256 {wrong}; nothing of it") as error:
        fetch(url, path)
    assert SHA256 in error.value.wanted
    assert here(path) == set()


def test_a_wrong_size_is_refused_before_it_comes(server: Behaviour, url: str, path: Path) -> None:
    with pytest.raises(DownloadError, match="the server's file has 700000 bytes") as error:
        fetch(url, path, size=700_001)
    assert "700001 bytes" in error.value.wanted
    assert here(path) == set()


def test_a_file_without_length_must_have_a_hash(server: Behaviour, url: str, path: Path) -> None:
    server.say_length = False
    with pytest.raises(DownloadError, match="neither its length nor its hash is known"):
        fetch(url, path, sha256=None)
    assert fetch(url, path) == SHA256


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_body_without_length_that_broke_off_goes_on(
    server: Behaviour, url: str, path: Path, size: int | None
) -> None:
    server.say_length, server.cut_after = False, [300_000, 100_000]
    assert fetch(url, path, size=size) == SHA256
    assert [r.get("Range") for r in server.requests] == [None, "bytes=300000-", "bytes=400000-"]
    assert server.n_sent == len(CONTENT)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_wrong_body_without_length_is_never_taken(
    server: Behaviour, url: str, path: Path, ranges: bool
) -> None:
    server.content, server.say_length, server.ranges = bytes(len(CONTENT)), False, ranges
    fault = r"what came has SHA-256" if ranges else r"broke off 3 times: .*not the whole file"
    with pytest.raises(DownloadError, match=fault):
        fetch(url, path)
    assert not path.exists()


@pytest.mark.parametrize("size", [500_000, None])
def test_more_than_the_file_has_is_not_written(
    server: Behaviour, url: str, path: Path, size: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunked answer has no end that is known before."""
    monkeypatch.setattr(http_part, "_LARGEST_UNSAID_BYTES", 500_000)
    server.chunked = True
    done: list[int] = []
    with pytest.raises(DownloadError, match="more than 500000 bytes came; nothing of it was kept"):
        download_file(
            url, path, sha256=SHA256, size_bytes=size, progress=lambda n, _: done.append(n)
        )
    assert 0 < max(done) <= 500_000
    assert here(path) == set()


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_chunked_file_arrives(server: Behaviour, url: str, path: Path, size: int | None) -> None:
    server.chunked = True
    assert fetch(url, path, size=size) == SHA256


def test_an_empty_file_is_trusted_by_nobody(server: Behaviour, url: str, path: Path) -> None:
    server.content = b""
    with pytest.raises(DownloadError, match="an empty file came; nothing of it was kept"):
        fetch(url, path, sha256=None)
    assert here(path) == set()
    path.touch()
    with pytest.raises(DownloadError, match=r"here already, with .* and 0 bytes"):
        fetch(url, path, sha256=None)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_missing_file_is_said_at_once(
    server: Behaviour, url: str, path: Path, status: int
) -> None:
    server.status = [status]
    with pytest.raises(DownloadError, match=f"answers HTTP {status}"):
        fetch(url, path)
    assert len(server.requests) == 1
    assert here(path) == set()


def test_a_web_page_is_not_taken_for_the_file(server: Behaviour, url: str, path: Path) -> None:
    server.headers = {"Content-Type": "text/html; charset=utf-8"}
    with pytest.raises(DownloadError, match="a web page came instead"):
        fetch(url, path, sha256=None)
    assert here(path) == set()


def test_a_compressed_answer_is_not_taken_for_the_file(
    server: Behaviour, url: str, path: Path
) -> None:
    server.content, server.headers = gzip.compress(CONTENT), {"Content-Encoding": "gzip"}
    with pytest.raises(DownloadError, match="came compressed"):
        fetch(url, path, sha256=None)


# --- ways not taken ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["http://example.org/a.pt", "ftp://example.org/a.pt", "file:///etc/hostname"]
)
def test_addresses_that_vouch_for_nothing_are_refused(path: Path, url: str) -> None:
    with pytest.raises(DownloadError, match="anyone on the way could replace it"):
        download_file(url, path, sha256=None)
    assert not path.parent.exists()


def test_redirects_are_followed_but_never_out_of_https(
    server: Behaviour, url: str, path: Path
) -> None:
    with serve(Behaviour(headers={"Location": url}, status=[302])) as first:
        assert fetch(first, path) == SHA256
    request = urllib.request.Request("https://example.org/a.pt")
    with pytest.raises(DownloadError, match="leads to http://example"):
        http_part._NoDowngrade().redirect_request(
            request, None, 302, "Found", Message(), "http://example.org/a.pt"
        )


def test_two_processes_do_not_write_one_part(url: str, path: Path) -> None:
    path.parent.mkdir()
    with path.with_name("file.pt.part.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match="another process is fetching"):
            fetch(url, path)
    assert fetch(url, path) == SHA256


# --- full disks --------------------------------------------------------------------------------


def test_too_little_space_is_said_before_it_comes(
    server: Behaviour, url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(http_part.shutil, "disk_usage", lambda _: usage(10, 10, 200_000))
    with pytest.raises(DownloadError, match="needs 1 MB more, 0 MB are free"):
        fetch(url, path)
    assert not path.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_disk_that_fills_up_meanwhile_is_said(url: str, path: Path) -> None:
    path.parent.mkdir()
    path.with_name("file.pt.part").symlink_to("/dev/full")
    path.with_name("file.pt.part.json").write_text(json.dumps({"url": url, "validator": '"v1"'}))
    with pytest.raises(DownloadError, match=r"No space left on device.*free disk space"):
        fetch(url, path)
    assert not path.exists()
