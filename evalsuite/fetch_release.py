"""Fetch the files of a release into the weights folder, each with a hash that somebody vouches for.

A hash is vouched for by the table (`evalsuite.releases`), by whoever runs the command
(``--sha256``), or by an earlier download that was trusted on first use and is remembered.

*Writes* ``ROOT/downloads/<release>/<file>`` and ``ROOT/trusted.json``: release and file -> hash,
size, address and day of the first download.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from evalsuite.download import Progress, Retries, download_file
from evalsuite.errors import DownloadError, UsageError
from evalsuite.files import write_json
from evalsuite.releases import Release, ReleaseFile, Role
from evalsuite.weights import weights_root

__all__ = ["Fetched", "download_folder", "fetch_release", "trusted_hashes"]

TRUST_NAME = "trusted.json"
#: Makes the progress of one file, by its name.
ShowFile = Callable[[str], Progress]


@dataclass(frozen=True)
class Fetched:
    """The files of a release, here and verified.

    Parameters
    ----------
    paths : what the import needs each for -> file.
    newly_trusted : name -> SHA-256 of files whose hash nobody had vouched for before.
    """

    paths: Mapping[Role, Path]
    newly_trusted: Mapping[str, str]


def download_folder(release: Release, root: Path | None = None) -> Path:
    """Folder of a release's files, where files fetched by hand belong too."""
    return (root or weights_root()) / "downloads" / release.name


def fetch_release(
    release: Release,
    *,
    root: Path | None = None,
    sha256: Mapping[str, str] | None = None,
    trust_on_first_use: bool = False,
    show: ShowFile | None = None,
    retries: Retries | None = None,
) -> Fetched:
    """Fetch what is not here yet and verify all of it.

    Parameters
    ----------
    root : weights folder; default `evalsuite.weights.weights_root`.
    sha256 : file name -> digest; goes before what is known.
    trust_on_first_use : take files of unknown hash as they come, and remember their hashes.
    show : called with a file's name before it is fetched.

    Raises
    ------
    UsageError before anything is fetched if a hash is unknown and there is no leave to trust;
    DownloadError if a file must be fetched by hand, cannot be fetched, or is wrong.
    """
    root = root or weights_root()
    given = dict(sha256 or {})
    _require_known_files(release, given)
    hashes = {file.name: _vouched_for(root, release, file, given) for file in release.files}
    unknown = [name for name, digest in hashes.items() if digest is None]
    folder = download_folder(release, root)
    _require_fetched_by_hand(release, folder)
    if unknown and not trust_on_first_use:
        raise _unverified(release, unknown)
    paths: dict[Role, Path] = {}
    trusted: dict[str, str] = {}
    for file in release.files:
        path = folder / file.name
        progress = show(file.name) if show else None
        found = _fetch_file(file, path, hashes[file.name], progress, retries)
        if hashes[file.name] is None:
            _remember(root, release, file, found, path.stat().st_size)
            trusted[file.name] = found
        paths[file.role] = path
    return Fetched(paths, trusted)


def _fetch_file(
    file: ReleaseFile,
    path: Path,
    sha256: str | None,
    progress: Progress | None,
    retries: Retries | None,
) -> str:
    try:
        return download_file(
            file.url,
            path,
            sha256=sha256,
            size_bytes=file.size_bytes,
            progress=progress,
            retries=retries,
        )
    except DownloadError as error:
        if sha256 is None or sha256 != file.sha256 or sha256 not in error.wanted:
            raise
        # The reader must know whose word stands against the server's.
        read_in = f"{error.wanted} (read in {file.sha256_source}, not given by the author)"
        raise DownloadError(error.got, wanted=read_in, do=error.do) from error


def trusted_hashes(root: Path | None = None) -> dict[str, str]:
    """Hashes that earlier downloads were trusted with: ``release/file`` -> SHA-256.

    Raises
    ------
    UsageError if the record is damaged: without it nobody can tell whether a file was replaced.
    """
    return {key: entry["sha256"] for key, entry in _read_record(root or weights_root()).items()}


def _vouched_for(
    root: Path, release: Release, file: ReleaseFile, given: Mapping[str, str]
) -> str | None:
    remembered = trusted_hashes(root).get(f"{release.name}/{file.name}")
    return given.get(file.name) or file.sha256 or remembered


def _require_known_files(release: Release, given: Mapping[str, str]) -> None:
    names = [file.name for file in release.files]
    for name, digest in given.items():
        if name not in names:
            raise UsageError(
                f"release {release.name!r} has no file {name!r}",
                wanted=f"one of {', '.join(names)}",
                do="write --sha256 FILE=HASH with one of them",
            )
        if len(digest) != 64 or not set(digest.lower()) <= set("0123456789abcdef"):
            raise UsageError(
                f"{digest!r} is no SHA-256", wanted="64 hexadecimal digits", do="copy it whole"
            )


def _require_fetched_by_hand(release: Release, folder: Path) -> None:
    missing = [file for file in release.files if not (folder / file.name).exists()]
    if not release.by_hand or not missing:
        return
    addresses = dict.fromkeys(file.url for file in missing)
    raise DownloadError(
        f"release {release.name!r} lies where no program may fetch it: {', '.join(addresses)}",
        wanted=f"its files {', '.join(file.name for file in missing)} in {folder}",
        do=f"{release.by_hand}, put them there, then run this again",
    )


def _unverified(release: Release, names: list[str]) -> UsageError:
    return UsageError(
        f"nobody vouches for {', '.join(names)} of {release.name!r}: its author gives no SHA-256",
        wanted="a hash from somebody you trust, or leave to trust what comes",
        do=f"add --sha256 {names[0]}=HASH; or --trust-on-first-use, which takes the file as it "
        "comes and holds all later downloads to it",
    )


def _remember(root: Path, release: Release, file: ReleaseFile, digest: str, n_bytes: int) -> None:
    record = _read_record(root)
    record[f"{release.name}/{file.name}"] = {
        "sha256": digest,
        "size_bytes": str(n_bytes),
        "url": file.url,
        "first_seen": datetime.now(UTC).date().isoformat(),
    }
    write_json(root / TRUST_NAME, record)


def _read_record(root: Path) -> dict[str, dict[str, str]]:
    path = root / TRUST_NAME
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if all(isinstance(entry["sha256"], str) for entry in record.values()):
            return dict(record)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise UsageError(
        f"{path} cannot be read",
        wanted="the hashes that earlier downloads were trusted with",
        do="restore it, or remove it to trust anew",
    )
