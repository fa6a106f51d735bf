"""What readers list and what loading returns."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evalsuite.audio import AUDIO_SUFFIXES, AudioFaultKind
from evalsuite.errors import CorpusError
from evalsuite.types import Utterance

__all__ = [
    "Corpus",
    "CorpusKind",
    "Entry",
    "Fault",
    "Listing",
    "Problem",
    "is_recording",
    "read_text",
    "safe_id",
]

CorpusKind = Literal["folder", "ljspeech", "vctk", "manifest"]

Fault = (
    AudioFaultKind
    | Literal["missing", "too_short", "silent", "duplicate_id", "duplicate_content", "bad_row"]
)


@dataclass(frozen=True)
class Problem:
    """One fault of one recording or metadata row.

    Parameters
    ----------
    path : the recording, or the metadata file of a bad row.
    fault : what kind.
    detail : what was found, in words.
    do : what to do about it.
    """

    path: Path
    fault: Fault
    detail: str
    do: str

    def __str__(self) -> str:
        return f"{self.path}: {self.detail} ({self.do})"


@dataclass(frozen=True)
class Corpus:
    """Recordings that can be used, and why others cannot.

    Parameters
    ----------
    utterances : sorted by id.
    problems : every recording or row left out of `utterances`, once.
    kind : how the path was read.
    """

    utterances: tuple[Utterance, ...]
    problems: tuple[Problem, ...]
    kind: CorpusKind


@dataclass(frozen=True)
class Entry:
    """A recording that a folder or its metadata names; nothing is known about the file yet."""

    id: str
    path: Path
    speaker: str = ""
    text: str = ""


@dataclass(frozen=True)
class Listing:
    """What a reader found without opening any recording."""

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...] = ()


def safe_id(text: str) -> str:
    """Make an identifier of letters, digits, ``_``, ``-`` and ``.``.

    Leading dots and dashes go: they would make hidden files, and options on a command line.

    >>> safe_id("../p225/mic 1/é.take")
    'p225-mic_1-_.take'
    """
    joined = text.replace("\\", "/").replace("/", "-").lstrip(".-")
    return re.sub(r"[^A-Za-z0-9_.-]", "_", joined) or "_"


def is_recording(path: Path) -> bool:
    """Tell audio files by suffix; hidden files (``._x.wav`` of some archives) are none."""
    return path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")


def read_text(path: Path) -> str:
    """Read UTF-8 text with or without a byte order mark.

    Raises
    ------
    CorpusError if the file is missing or of another encoding.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(
            f"{path} cannot be read as text ({error})",
            wanted="a UTF-8 text file",
            do="check the path, or save it as UTF-8",
        ) from error
