"""The LJ Speech layout: metadata.csv beside wavs/."""

from pathlib import Path

from evalsuite.audio import AUDIO_SUFFIXES
from evalsuite.corpus.model import Entry, Listing, Problem, read_text, safe_id
from evalsuite.corpus.table import read_table

__all__ = ["read_ljspeech"]


def read_ljspeech(folder: Path) -> Listing:
    """List an LJ Speech folder.

    metadata.csv is the corpus's own ``id|text|normalised text`` without a header (the
    normalised text is taken), or comma-separated with a header that names the files.
    """
    metadata = folder / "metadata.csv"
    lines = read_text(metadata).split("\n")
    if "|" not in lines[0]:
        return read_table(metadata)
    entries: list[Entry] = []
    problems: list[Problem] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        fields = [field.strip() for field in line.split("|")]
        if len(fields) < 2 or not fields[0]:
            problems.append(
                Problem(
                    metadata,
                    "bad_row",
                    f"line {number} is {line[:60]!r}, not id|text|normalised text",
                    "correct or delete the line",
                )
            )
            continue
        # Two-column copies of the corpus have no normalised text.
        text = fields[2] if len(fields) > 2 and fields[2] else fields[1]
        entries.append(Entry(safe_id(fields[0]), _recording(folder, fields[0]), text=text))
    return Listing(tuple(entries), tuple(problems))


def _recording(folder: Path, name: str) -> Path:
    candidates = [folder / "wavs" / f"{name}{suffix}" for suffix in AUDIO_SUFFIXES]
    return next((path for path in candidates if path.is_file()), candidates[0])
