"""Tables of recordings: CSV with a header, or one JSON object a line."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from evalsuite.corpus.model import Entry, Listing, Problem, read_text, safe_id
from evalsuite.errors import CorpusError

__all__ = ["PATH_COLUMNS", "TABLE_SUFFIXES", "read_table"]

PATH_COLUMNS = ("path", "file", "wav")
TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl")

Row = Mapping[str, object]


def read_table(manifest: Path) -> Listing:
    """List the recordings a table names.

    Columns: ``path`` (or ``file``, ``wav``), relative to the table's folder; optional ``id``
    (else the path without suffix), ``speaker`` and ``text``; others are ignored.

    Raises
    ------
    CorpusError if there is no path column at all, or the text is no table.
    """
    read = _json_rows if manifest.suffix.lower() == ".jsonl" else _csv_rows
    entries: list[Entry] = []
    problems: list[Problem] = []
    for number, row in read(manifest):
        entry = _entry(row, manifest.parent) if row is not None else None
        if entry is not None:
            entries.append(entry)
        else:
            problems.append(
                Problem(
                    manifest,
                    "bad_row",
                    f"line {number} names no recording",
                    f"give it a value for {' or '.join(PATH_COLUMNS)}, or delete it",
                )
            )
    return Listing(tuple(entries), tuple(problems))


def _entry(row: Row, folder: Path) -> Entry | None:
    named = next((text for name in PATH_COLUMNS if (text := _cell(row, name))), "")
    if not named:
        return None
    # Tables written on Windows separate folders with backslashes.
    path = Path(named.replace("\\", "/"))
    identifier = _cell(row, "id") or path.with_suffix("").as_posix().lstrip("/")
    return Entry(safe_id(identifier), folder / path, _cell(row, "speaker"), _cell(row, "text"))


def _cell(row: Row, name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value).strip()


def _csv_rows(manifest: Path) -> Iterator[tuple[int, Row | None]]:
    text = read_text(manifest)
    delimiter = "\t" if manifest.suffix.lower() == ".tsv" else ","
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = [name.strip() for name in rows.fieldnames or ()]
    if not set(columns) & set(PATH_COLUMNS):
        raise CorpusError(
            f"{manifest} has the columns {', '.join(columns) or 'of an empty file'}",
            wanted=f"a header with one of {', '.join(PATH_COLUMNS)}",
            do="name the column that holds the audio files",
        )
    rows.fieldnames = columns
    try:
        for row in rows:
            yield rows.line_num, row
    except csv.Error as error:
        raise CorpusError(
            f"{manifest} is damaged near line {rows.line_num} ({error})",
            wanted="comma-separated values",
            do="correct the line",
        ) from error


def _json_rows(manifest: Path) -> Iterator[tuple[int, Row | None]]:
    # Not splitlines: JSON strings may hold U+2028, which it takes for a line end.
    for number, line in enumerate(read_text(manifest).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            row = None
        yield number, row if isinstance(row, dict) else None
