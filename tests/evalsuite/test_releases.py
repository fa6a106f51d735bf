"""The table of releases: complete, honest about hashes, and its files fetched into place."""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from file_server import Behaviour, serve

from evalsuite.download import Retries
from evalsuite.errors import DownloadError, UnknownName, UsageError
from evalsuite.fetch_release import Fetched, download_folder, fetch_release, trusted_hashes
from evalsuite.registry import BUILT_IN
from evalsuite.releases import RELEASES, Release, ReleaseFile, find_release, releases_of

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


# --- the table ---------------------------------------------------------------------------------


@pytest.mark.parametrize("release", RELEASES.values(), ids=lambda release: release.name)
def test_each_release_says_where_what_and_under_which_licence(release: Release) -> None:
    assert release.files[0].role == "checkpoint"
    assert len({file.role for file in release.files}) == len(release.files)
    assert release.licence
    assert release.source
    for file in release.files:
        assert urlsplit(file.url).scheme == "https"
        assert Path(file.name).name == file.name
        # A hash comes with the public code it was read in, and never without.
        assert (file.sha256 is None) == (not file.sha256_source)
        assert file.sha256 is None or set(file.sha256) <= set("0123456789abcdef")
        assert file.sha256 is None or len(file.sha256) == 64
        assert ("drive.google.com" in file.url) == bool(release.by_hand)


def test_no_hash_stands_twice() -> None:
    hashes = [file.sha256 for release in RELEASES.values() for file in release.files]
    known = [digest for digest in hashes if digest is not None]
    assert len(set(known)) == len(known) > 0


def test_the_papers_systems_have_a_release() -> None:
    needing = {name for name, entry in BUILT_IN.items() if entry.needs_weights}
    for name in needing & {"melgan", "waveglow", "wavenet"}:
        assert releases_of(name), name


def test_an_unknown_name_shows_the_nearest() -> None:
    assert find_release("melgan-lj").vocoder == "melgan"
    with pytest.raises(UnknownName, match="write 'waveglow-lj'"):
        find_release("waveglow-l")


# --- fetching ----------------------------------------------------------------------------------


@pytest.fixture
def server() -> Behaviour:
    return Behaviour(CONTENT)


@pytest.fixture
def url(server: Behaviour) -> Iterator[str]:
    with serve(server) as address:
        yield address


def release_at(url: str, sha256: str | None = None, *, by_hand: str = "") -> Release:
    source = "github.com/somebody/something" if sha256 else ""
    file = ReleaseFile("checkpoint", "g.pt", url, sha256, source)
    return Release("some-lj", "melgan", "a test", (file,), "MIT", "nobody/nothing", by_hand)


def fetch(release: Release, root: Path, *, trust: bool = False, **hashes: str) -> Fetched:
    given = {name.replace("_", "."): digest for name, digest in hashes.items()}
    return fetch_release(
        release, root=root, sha256=given, trust_on_first_use=trust, retries=Retries(0)
    )


def test_a_known_hash_is_enough(url: str, tmp_path: Path) -> None:
    fetched = fetch(release_at(url, SHA256), tmp_path)
    assert fetched.paths == {"checkpoint": tmp_path / "downloads" / "some-lj" / "g.pt"}
    assert fetched.paths["checkpoint"].read_bytes() == CONTENT
    assert fetched.newly_trusted == {}
    assert trusted_hashes(tmp_path) == {}


def test_an_unknown_hash_must_be_given_or_trusted(
    server: Behaviour, url: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"nobody vouches for g\.pt") as error:
        fetch(release_at(url), tmp_path)
    assert "--sha256 g.pt=HASH" in error.value.do
    assert "--trust-on-first-use" in error.value.do
    assert server.requests == []
    assert fetch(release_at(url), tmp_path, g_pt=SHA256).newly_trusted == {}


def test_trust_is_remembered_and_held_to(server: Behaviour, url: str, tmp_path: Path) -> None:
    fetched = fetch(release_at(url), tmp_path, trust=True)
    assert fetched.newly_trusted == {"g.pt": SHA256}
    record = json.loads((tmp_path / "trusted.json").read_text())["some-lj/g.pt"]
    assert (record["sha256"], record["url"]) == (SHA256, url)
    assert record["size_bytes"] == str(len(CONTENT))
    fetched.paths["checkpoint"].unlink()
    # From now on no leave is needed, and none is a way round what was trusted.
    assert fetch(release_at(url), tmp_path).newly_trusted == {}
    fetched.paths["checkpoint"].unlink()
    server.content = b"replaced"
    for trust in (False, True):
        with pytest.raises(DownloadError, match="what came has SHA-256"):
            fetch(release_at(url), tmp_path, trust=trust)
    assert not fetched.paths["checkpoint"].exists()


def test_the_users_hash_goes_before_the_tables(url: str, tmp_path: Path) -> None:
    wrong = "0" * 64
    with pytest.raises(DownloadError, match="what came has SHA-256") as error:
        fetch(release_at(url, wrong), tmp_path)
    assert "read in github.com/somebody/something, not given by the author" in error.value.wanted
    assert fetch(release_at(url, wrong), tmp_path, g_pt=SHA256).paths["checkpoint"].exists()


@pytest.mark.parametrize(
    ("hashes", "match"),
    [({"other": SHA256}, "has no file 'other'"), ({"g_pt": "abc"}, "'abc' is no SHA-256")],
)
def test_hashes_that_cannot_be_are_refused(
    tmp_path: Path, hashes: dict[str, str], match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        fetch(release_at("https://example.org/"), tmp_path, **hashes)


def test_a_damaged_record_of_trust_is_not_passed_over(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"some-lj/g.pt": {}}'):
        (tmp_path / "trusted.json").write_text(text)
        with pytest.raises(UsageError, match="remove it to trust anew"):
            fetch(release_at("https://example.org/"), tmp_path, trust=True)


def test_files_fetched_by_hand_are_verified(server: Behaviour, url: str, tmp_path: Path) -> None:
    release = release_at(url, SHA256, by_hand="open it in a browser")
    folder = download_folder(release, tmp_path)
    with pytest.raises(DownloadError, match="no program may fetch it") as error:
        fetch(release, tmp_path)
    assert str(folder) in error.value.wanted
    assert error.value.do.startswith("open it in a browser")
    folder.mkdir(parents=True)
    (folder / "g.pt").write_bytes(b"<html>")
    with pytest.raises(DownloadError, match="here already, with SHA-256"):
        fetch(release, tmp_path)
    (folder / "g.pt").write_bytes(CONTENT)
    assert fetch(release, tmp_path).paths["checkpoint"] == folder / "g.pt"
    assert server.requests == []
