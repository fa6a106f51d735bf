"""Plain folders: audio files, possibly in one folder per speaker (LibriTTS, demo pages)."""

from pathlib import Path

from evalsuite.corpus.model import Entry, Listing, is_recording, read_text, safe_id

__all__ = ["read_folder"]

# Beside LJ001.wav: LJ001.txt, or LibriTTS's LJ001.normalized.txt.
_TEXT_SUFFIXES = (".normalized.txt", ".txt")


def read_folder(folder: Path) -> Listing:
    """List every recording below a folder.

    The first folder level names the speaker; the id is the path below the folder, without
    suffix. A text file of the same name beside a recording holds its text.
    """
    paths = sorted(path for path in folder.rglob("*") if is_recording(path) and path.is_file())
    return Listing(tuple(_entry(path, folder) for path in paths))


def _entry(path: Path, folder: Path) -> Entry:
    below = path.relative_to(folder)
    speaker = below.parts[0] if len(below.parts) > 1 else ""
    return Entry(safe_id(below.with_suffix("").as_posix()), path, speaker, _text_beside(path))


def _text_beside(path: Path) -> str:
    for suffix in _TEXT_SUFFIXES:
        beside = path.with_suffix(suffix)
        if beside.is_file():
            return read_text(beside).strip()
    return ""
