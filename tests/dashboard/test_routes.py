"""HTTP routes of the running server, and the verb that starts it."""

import socket
import sys

import httpx
import pytest
from listening_site import SECRETS, Path, Site, free_port, serving

from dashboard.settings import DATABASE, STUDY
from evalsuite.cli.serve import _link_host, serve
from evalsuite.errors import ConfigError, Unavailable, UsageError

LOOPBACK = "127.0.0.1"
PUBLIC = "https://listen.example.org"


@pytest.fixture
def client(site: Site):
    with httpx.Client(base_url=site.url, timeout=60) as opened:
        yield opened


@pytest.fixture
def tokens(site: Site) -> list[str]:
    """Audio tokens of one new listener."""
    with site.store() as store:
        seat = store.enter(1, None, attributes={})
        return [trial.tokens[0] for trial in store.next_trials(seat.seat_id, 3)]


def test_ready_and_robots(client: httpx.Client) -> None:
    assert client.get("/readyz").json() == {"ready": True}
    assert "Disallow: /" in client.get("/robots.txt").text


def test_every_answer_carries_the_security_headers(client: httpx.Client, tokens: list[str]) -> None:
    for address in ("/", "/readyz", "/level-check.wav", f"/audio/{tokens[0]}", "/audio/unknown"):
        headers = client.get(address).headers
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "noindex" in headers["x-robots-tag"]


def test_sample_is_whole_and_in_ranges(site: Site, client: httpx.Client, tokens: list[str]) -> None:
    address = f"/audio/{tokens[0]}"
    with site.store() as store:
        stored = store.audio_path(tokens[0]).read_bytes()
    whole = client.get(address)
    assert (whole.status_code, whole.content) == (200, stored)
    part = client.get(address, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, stored[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(stored)}"
    assert client.get(address, headers={"Range": "bytes=9999999-"}).status_code == 416


def test_headers_do_not_tell_samples_apart_or_alike(
    client: httpx.Client, tokens: list[str]
) -> None:
    for token in tokens:
        for extra in ({}, {"Range": "bytes=0-9"}):
            headers = client.get(f"/audio/{token}", headers=extra).headers
            assert not {"etag", "last-modified", "content-disposition"} & set(headers)
            assert headers["cache-control"].startswith("private")
            assert headers["content-type"] == "audio/wav"
            assert not [name for name in SECRETS if name in str(headers).lower()]


def test_unknown_tokens_are_not_found(client: httpx.Client, tokens: list[str]) -> None:
    changed = ("A" if tokens[0][0] != "A" else "B") + tokens[0][1:]
    for token in (changed, tokens[0][:-1], "x", "%00", "a" * 5000):
        assert client.get(f"/audio/{token}").status_code in (400, 404), token


def test_paths_do_not_escape(client: httpx.Client) -> None:
    for path in ("/audio/..%2f..%2fetc%2fpasswd", "/audio/%2e%2e/readyz", "/audio//etc/passwd"):
        answer = client.get(path)
        assert "root:" not in answer.text and answer.headers.get("content-type") != "audio/wav"


def handshake(site: Site, *, origin: str, host: str = "") -> int:
    """Status of opening a session as a page of `origin` does, by a server known as `host`."""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Origin": origin,
        "Host": host or site.url.removeprefix("http://"),
    }
    with httpx.stream("GET", f"{site.url}/_stcore/stream", headers=headers, timeout=60) as answer:
        return answer.status_code


def test_foreign_pages_cannot_open_the_websocket(site: Site) -> None:
    assert handshake(site, origin=site.url) == 101
    assert handshake(site, origin="https://elsewhere.example") == 403
    # Without a public address any name will do, so that every proxy works.
    assert handshake(site, origin="http://rebound.example", host="rebound.example") == 101


def test_a_public_address_lets_no_other_name_in(study_file: Path) -> None:
    with serving(study_file, "--public-url", PUBLIC) as site:
        assert handshake(site, origin=PUBLIC, host="listen.example.org") == 101
        assert handshake(site, origin=PUBLIC) == 101  # the proxy puts its own Host
        assert handshake(site, origin=site.url) == 101  # a look from this machine
        assert handshake(site, origin="http://rebound.example", host="rebound.example") == 403
        assert handshake(site, origin="https://elsewhere.example", host="listen.example.org") == 403


@pytest.mark.parametrize(
    "url",
    ["listen.example.org", "https://", "ftp://a.org", "https://a.org/study", "https://a.org:x", ""],
)
def test_a_public_address_has_scheme_and_host_and_no_path(study_file: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="public address"):
        serve(study_file, port=free_port(), public_url=url)


def test_the_public_address_is_the_printed_link(
    study_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (STUDY, DATABASE):
        monkeypatch.setenv(name, "set anew by serve, and taken back after the test")
    told: dict[str, object] = {}
    monkeypatch.setattr("dashboard.app.run", lambda **given: told.update(given))
    serve(study_file, port=(port := free_port()), public_url=PUBLIC)
    assert f"4 listeners rate 3 samples each: {PUBLIC}\n" in capsys.readouterr().out
    assert told == {"host": LOOPBACK, "port": port, "public_url": PUBLIC}


def test_port_in_use_is_a_clear_error(study_file: Path) -> None:
    with socket.socket() as occupant:
        occupant.bind((LOOPBACK, 0))
        occupant.listen()
        port = occupant.getsockname()[1]
        with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{port}"):
            serve(study_file, port=port)


def test_missing_streamlit_names_the_extra(
    study_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "streamlit", None)
    with pytest.raises(Unavailable, match=r"evalsuite\[app\]"):
        serve(study_file)


def test_missing_study_file_is_said_before_anything_listens(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml"):
        serve(tmp_path / "absent.yaml", port=0)


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "localhost"), ("0.0.0.0", "localhost"), ("192.0.2.7", "192.0.2.7")],
)
def test_link_opens_on_this_machine(host: str, shown: str) -> None:
    assert _link_host(host) == shown
