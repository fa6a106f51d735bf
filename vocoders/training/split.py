"""Which recordings are learnt from and which are held out, by utterance."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evalsuite.corpus.layout import choose_kind
from evalsuite.corpus.model import read_text, safe_id
from evalsuite.corpus.table import PATH_COLUMNS
from evalsuite.errors import CorpusError
from evalsuite.files import sha256_json

__all__ = ["Split", "choose_split", "read_split_column"]

_NAMES = {"train": "train", "valid": "valid", "validation": "valid", "dev": "valid", "test": "test"}
# The tables `evalsuite.corpus` finds in a folder, in its order.
_TABLES = ("metadata.csv", "metadata.jsonl", "manifest.csv", "manifest.jsonl")


@dataclass(frozen=True)
class Split:
    """Numbers of the clips of each part; what is in neither is for tests and not touched."""

    train: tuple[int, ...]
    valid: tuple[int, ...]


def choose_split(ids: Sequence[str], named: Mapping[str, str], *, n_valid: int, seed: int) -> Split:
    """Split by the corpus's own column if it has one, else hold out `n_valid` clips.

    Held out are the clips with the smallest hash of seed and id, so a corpus that grows keeps
    most of its split.

    Parameters
    ----------
    ids : of all clips, in order.
    named : id -> ``train``, ``valid`` or ``test``; empty if the corpus has no such column.

    Raises
    ------
    CorpusError if a part would be empty.
    """
    if named:
        parts = [named.get(identifier, "") for identifier in ids]
    else:
        order = sorted(range(len(ids)), key=lambda i: sha256_json(["split", seed, ids[i]]))
        held_out = set(order[:n_valid])
        parts = ["valid" if i in held_out else "train" for i in range(len(ids))]
    split = Split(
        tuple(i for i, part in enumerate(parts) if part == "train"),
        tuple(i for i, part in enumerate(parts) if part == "valid"),
    )
    if not split.train or not split.valid:
        raise CorpusError(
            f"{len(split.train)} clips to train on and {len(split.valid)} to validate on, "
            f"of {len(ids)} usable recordings",
            wanted="at least one of each",
            do="check the split column" if named else "lower data.valid_clips, or add recordings",
        )
    return split


def read_split_column(corpus: Path, kind: str = "auto") -> dict[str, str]:
    """Read the column ``split`` of a table of recordings; empty if there is none.

    Raises
    ------
    CorpusError for a value that is not train, valid (validation, dev) or test.
    """
    if choose_kind(corpus, kind) != "manifest":
        return {}
    candidates = [corpus] if corpus.is_file() else [corpus / name for name in _TABLES]
    table = next(path for path in candidates if path.is_file())
    found = {}
    for row in _rows(table):
        value = row.get("split", "").strip().lower()
        if not value:
            continue
        if value not in _NAMES:
            raise CorpusError(
                f"{table}: split {value!r}",
                wanted=f"one of {', '.join(_NAMES)}, or nothing",
                do="correct the column, or remove it to split by data.valid_clips",
            )
        found[_identifier(row)] = _NAMES[value]
    return found


def _rows(table: Path) -> list[dict[str, str]]:
    text = read_text(table)
    if table.suffix.lower() == ".jsonl":
        rows = [json.loads(line) for line in text.split("\n") if line.strip()]
        return [{key: str(value) for key, value in row.items()} for row in rows]
    delimiter = "\t" if table.suffix.lower() == ".tsv" else ","
    reader = csv.DictReader(text.splitlines(keepends=True), delimiter=delimiter)
    return [{(k or "").strip(): str(v or "") for k, v in row.items()} for row in reader]


def _identifier(row: Mapping[str, str]) -> str:
    """The id that `evalsuite.corpus.table` gives the row."""
    if row.get("id", "").strip():
        return safe_id(row["id"].strip())
    named = next((row[name].strip() for name in PATH_COLUMNS if row.get(name, "").strip()), "")
    return safe_id(Path(named.replace("\\", "/")).with_suffix("").as_posix().lstrip("/"))
