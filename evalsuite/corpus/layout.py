"""Which kind of corpus a path holds, and the reader for each kind."""

from difflib import get_close_matches
from pathlib import Path
from typing import get_args

from evalsuite.corpus.folder import read_folder
from evalsuite.corpus.ljspeech import read_ljspeech
from evalsuite.corpus.model import CorpusKind, Listing
from evalsuite.corpus.table import PATH_COLUMNS, TABLE_SUFFIXES, read_table
from evalsuite.corpus.vctk import VCTK_AUDIO_FOLDERS, read_vctk
from evalsuite.errors import CorpusError, UnknownName

__all__ = ["choose_kind", "detect_kind", "list_recordings"]

_TABLES_IN_FOLDERS = ("metadata.csv", "metadata.jsonl", "manifest.csv", "manifest.jsonl")


def detect_kind(path: Path) -> CorpusKind:
    """Tell what a path holds.

    Raises
    ------
    CorpusError if it does not exist or is a file of another type.
    """
    if path.is_file() and path.suffix.lower() in TABLE_SUFFIXES:
        return "manifest"
    if not path.is_dir():
        raise CorpusError(
            f"{path} is not a corpus" if path.exists() else f"{path} does not exist",
            wanted=f"a folder of recordings, or a table ({', '.join(TABLE_SUFFIXES)})",
            do="check the path",
        )
    if any((path / name).is_dir() for name in VCTK_AUDIO_FOLDERS):
        return "vctk"
    if (path / "wavs").is_dir() and (path / "metadata.csv").is_file():
        return "ljspeech"
    return "manifest" if _table_in(path) else "folder"


def choose_kind(path: Path, kind: str) -> CorpusKind:
    """Detect the kind if it is ``auto``; else check the name, and that the path is of that kind.

    Raises
    ------
    UnknownName if there is no such kind.
    CorpusError if the path is not of that kind.
    """
    if kind == "auto":
        return detect_kind(path)
    known: tuple[CorpusKind, ...] = get_args(CorpusKind)
    for name in known:
        if name == kind:
            _refuse_other_layout(path, name)
            return name
    near = get_close_matches(kind, known, n=1)
    raise UnknownName(
        f"unknown kind of corpus {kind!r}",
        wanted=f"auto, {', '.join(known)}",
        do=f"write {near[0]!r}" if near else "choose one of them",
    )


def _refuse_other_layout(path: Path, kind: CorpusKind) -> None:
    layouts = {
        "folder": (path.is_dir(), "a folder"),
        "ljspeech": ((path / "metadata.csv").is_file(), "a folder with metadata.csv and wavs/"),
        "vctk": (
            any((path / name).is_dir() for name in VCTK_AUDIO_FOLDERS),
            f"a folder with {' or '.join(VCTK_AUDIO_FOLDERS)}",
        ),
        "manifest": (
            path.is_file() or _table_in(path) is not None,
            f"a table of recordings with a column {' or '.join(PATH_COLUMNS)}",
        ),
    }
    fits, wanted = layouts[kind]
    if not fits:
        raise CorpusError(
            f"{path} is not a corpus of kind {kind}", wanted=wanted, do="check the path and kind"
        )


def list_recordings(path: Path, kind: CorpusKind) -> Listing:
    """List what a path of this kind names, without opening any recording."""
    if kind == "ljspeech":
        return read_ljspeech(path)
    if kind == "vctk":
        return read_vctk(path)
    if kind == "manifest":
        return read_table(_table_in(path) or path)
    return read_folder(path)


def _table_in(folder: Path) -> Path | None:
    candidates = (folder / name for name in _TABLES_IN_FOLDERS)
    return next((path for path in candidates if path.is_file()), None)
