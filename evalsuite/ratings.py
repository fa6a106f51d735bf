"""Read rating tables and refuse what cannot be true.

*Conventions* One rating a row. Four columns are required (`REQUIRED`), further ones of
`OPTIONAL` are kept when present. Rows are counted as in the file, the header being row 1.

Bad values are named with their rows and refused, never guessed or skipped in silence; what was
set aside on request is counted in `Ratings.notes`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from evalsuite.errors import RatingsError, UsageError
from evalsuite.files import sha256_file
from evalsuite.rating_files import DECIMAL_COMMA, read_frame
from evalsuite.rating_rows import (
    IDENTITY,
    Duplicates,
    as_text,
    require_one_scale,
    with_seats_apart,
    without_bad_rows,
    without_duplicates,
)

__all__ = [
    "OPTIONAL",
    "REQUIRED",
    "Duplicates",
    "Ratings",
    "as_flags",
    "choose_columns",
    "parse_columns",
    "ratings_from_frame",
    "read_ratings",
]

REQUIRED = ("listener", "system", "utterance", "score")
OPTIONAL = (
    "study", "protocol", "trial", "presentation", "reference", "scale", "role", "shown_at",
    "submitted_at", "plays", "heard_fraction", "simulated", "panel",
)  # fmt: skip

# What the columns are called elsewhere; only used to word the advice, never to guess.
_OFTEN_CALLED = {
    "listener": ("worker", "rater", "subject", "participant", "assessor", "user", "voter"),
    "system": ("model", "method", "condition", "vocoder", "algorithm"),
    "utterance": ("stimulus", "sentence", "item", "clip", "sample", "file", "text", "sid"),
    "score": ("mos", "rating", "vote", "opinion", "answer", "value", "grade"),
}


@dataclass(frozen=True, eq=False)
class Ratings:
    """A clean rating table and what was done to get it.

    Parameters
    ----------
    frame : columns `REQUIRED` (names as text, score as float64), the optional columns that were
        there, and ``simulated`` (bool). One row per hearing of a stimulus by a listener.
    source : file or study it came from, for footers.
    sha256 : of the file's bytes, or of the rows where there is no file.
    scale : lowest and highest possible score.
    notes : what was merged, dropped or is worth knowing.
    """

    frame: pd.DataFrame
    source: str
    sha256: str
    scale: tuple[float, float] = (1.0, 5.0)
    notes: tuple[str, ...] = ()

    @property
    def n_simulated(self) -> int:
        """Number of ratings no person gave."""
        return int(self.frame["simulated"].sum())


def parse_columns(text: str, known: Sequence[str] = REQUIRED + OPTIONAL) -> dict[str, str]:
    """Read ``listener=worker,score=mos``: our name = the file's name.

    Parameters
    ----------
    known : our names.

    Raises
    ------
    UsageError for other names of ours, or a pair without an equals sign.

    >>> parse_columns("listener=worker, score=mos")
    {'listener': 'worker', 'score': 'mos'}
    >>> parse_columns("")
    {}
    """
    columns: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        ours, equals, theirs = (piece.strip() for piece in part.partition("="))
        if not (equals and theirs) or ours not in known:
            raise UsageError(
                f"--columns has {part!r}",
                wanted=f"OURS=THEIRS with OURS one of {', '.join(known)}",
                do=f"write for example --columns {known[0]}=worker",
            )
        columns[ours] = theirs
    return columns


def read_ratings(
    path: Path,
    columns: Mapping[str, str] | None = None,
    *,
    scale: tuple[float, float] = (1.0, 5.0),
    duplicates: Duplicates = "keep_last",
    drop_bad: bool = False,
) -> Ratings:
    """Read a CSV (comma, semicolon or tab; with or without byte-order mark) or parquet file.

    Parameters
    ----------
    columns : our column name -> the file's.
    scale : lowest and highest possible score; scores between the points are allowed.
    duplicates : which of several ratings of the same thing by the same listener counts;
        "last" and "first" go by ``submitted_at`` where that column is complete, else by row.
    drop_bad : set impossible rows aside and count them instead of refusing the table.

    Raises
    ------
    RatingsError for an unreadable or empty file, rows with more or fewer fields than the header,
        missing or doubled columns, impossible scores, empty names, duplicates under ``error``,
        ratings on several scales, or a ``simulated`` that is neither yes nor no.
    Unavailable for parquet without pyarrow.
    """
    frame = read_frame(path)
    return ratings_from_frame(
        frame,
        columns,
        source=path.name,
        sha256=sha256_file(path),
        scale=scale,
        duplicates=duplicates,
        drop_bad=drop_bad,
    )


def ratings_from_frame(
    frame: pd.DataFrame,
    columns: Mapping[str, str] | None = None,
    *,
    source: str,
    sha256: str = "",
    scale: tuple[float, float] = (1.0, 5.0),
    duplicates: Duplicates = "keep_last",
    drop_bad: bool = False,
) -> Ratings:
    """Check a frame and bring it into our columns; the parameters are those of `read_ratings`.

    Raises
    ------
    RatingsError as `read_ratings`.
    """
    if duplicates not in get_args(Duplicates):
        raise UsageError(
            f"duplicates={duplicates!r}",
            wanted=f"one of {', '.join(get_args(Duplicates))}",
            do="choose one of them",
        )
    chosen = choose_columns(frame, columns or {}, source)
    chosen["simulated"] = _as_flag(chosen, source)
    require_one_scale(chosen, source)
    clean, bad_notes = without_bad_rows(chosen, scale, source, drop_bad=drop_bad)
    seated, seat_notes = with_seats_apart(clean)
    single, duplicate_notes = without_duplicates(seated, duplicates, source)
    notes = [*bad_notes, *seat_notes, *duplicate_notes, *_notes(single)]
    return Ratings(
        single.reset_index(drop=True), source, sha256 or _hash_rows(single), scale, tuple(notes)
    )


def choose_columns(
    frame: pd.DataFrame,
    columns: Mapping[str, str],
    source: str,
    *,
    required: Sequence[str] = REQUIRED,
    optional: Sequence[str] = OPTIONAL,
) -> pd.DataFrame:
    """Our columns only, under our names; names as stripped text, score still as given.

    Parameters
    ----------
    columns : our column name -> the file's.

    Raises
    ------
    RatingsError if a required or mapped column is not there, or one that is wanted is there twice.
    """
    found = [str(name).strip() for name in frame.columns]
    named = {ours: columns.get(ours, ours) for ours in (*required, *optional)}
    missing = [ours for ours in named if named[ours] not in found and ours in {*required, *columns}]
    if missing:
        raise RatingsError(
            f"{source} has the columns {', '.join(found) or '(none)'}; "
            f"none is {' or '.join(repr(named[ours]) for ours in missing)}",
            wanted=f"the columns {', '.join(required)}, or the names that stand for them",
            do=f"add --columns {_advice(missing, found)}",
        )
    doubled = [theirs for theirs in dict.fromkeys(named.values()) if found.count(theirs) > 1]
    if doubled:
        raise RatingsError(
            f"{source} has more than one column {' and '.join(map(repr, doubled))}",
            wanted="one column of each name: which is meant is not guessed",
            do="rename or remove the others",
        )
    decimal_comma = frame.attrs.get(DECIMAL_COMMA, False)
    frame = frame.reset_index(drop=True)
    chosen = pd.DataFrame(
        {
            ours: frame.iloc[:, found.index(theirs)]
            for ours, theirs in named.items()
            if theirs in found
        }
    )
    for name in set(IDENTITY).intersection(chosen):
        chosen[name] = as_text(chosen[name])
    if decimal_comma and "score" in chosen:
        chosen["score"] = chosen["score"].str.replace(",", ".")
    chosen.attrs = {}
    return chosen


def _advice(missing: Sequence[str], found: Sequence[str]) -> str:
    """The --columns line to use, with the file's own names where they are recognisable."""
    parts = []
    for ours in missing:
        usual = (ours, *_OFTEN_CALLED.get(ours, ()))
        guesses = [name for name in found if any(word in name.lower() for word in usual)]
        parts.append(f"{ours}={guesses[0] if guesses else '<your column>'}")
    return ",".join(parts)


def as_flags(values: "pd.Series[Any]", name: str, source: str) -> "pd.Series[Any]":
    """Read yes and no as people write them; empty is no.

    Raises
    ------
    RatingsError naming the first rows that say something else.
    """
    words = as_text(values).str.lower()
    flags = words.isin({"1", "1.0", "true", "yes"})
    unknown = (~flags & ~words.isin({"", "0", "0.0", "false", "no"})).to_numpy().nonzero()[0]
    if len(unknown):
        shown = ", ".join(f"row {row + 2} ({values.iloc[row]!r})" for row in unknown[:10])
        raise RatingsError(
            f"{source} has {len(unknown)} values of {name!r} that are neither yes nor no: {shown}",
            wanted="1, true or yes; 0, false, no or nothing",
            do=f"correct the column {name!r}",
        )
    return flags


def _as_flag(frame: pd.DataFrame, source: str) -> "pd.Series[Any]":
    if "simulated" not in frame:
        return pd.Series(False, index=frame.index)
    return as_flags(frame["simulated"], "simulated", source)


def _notes(frame: pd.DataFrame) -> list[str]:
    notes = []
    n_simulated = int(frame["simulated"].sum())
    if 0 < n_simulated < len(frame):
        notes.append(f"{n_simulated} of {len(frame)} ratings are simulated, the others are not")
    if "role" in frame:
        open_seats = frame[frame["role"] == "incomplete"]
        if len(open_seats):
            listeners = open_seats["listener"].nunique()
            notes.append(
                f"{len(open_seats)} ratings by {listeners} listeners who did not finish count too"
            )
    if "study" in frame and frame["study"].nunique() > 1:
        notes.append(f"ratings of {frame['study'].nunique()} studies are pooled")
    return notes


def _hash_rows(frame: pd.DataFrame) -> str:
    """Hash of the rows, whatever their order."""
    rows = frame[list(REQUIRED)].astype({"score": "float64"}).sort_values(list(REQUIRED))
    return hashlib.sha256(rows.to_csv(index=False).encode()).hexdigest()
