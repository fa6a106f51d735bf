"""Read the answers of tests that do not rate: preference, ABX and best-worst.

*Conventions* One answer a row, and the columns of `ANSWER_COLUMNS`; further ones are left alone. A
system is called by its name everywhere, so that no answer depends on the order in which two systems
were heard. Rows are counted as in the file, the header being row 1; what cannot be true is named
with its rows and refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from evalsuite.errors import RatingsError
from evalsuite.files import sha256_file
from evalsuite.rating_files import read_frame
from evalsuite.rating_rows import as_text
from evalsuite.ratings import as_flags, choose_columns

__all__ = [
    "ANSWER_COLUMNS",
    "BETWEEN_SYSTEMS",
    "NO_PREFERENCE",
    "OPTIONAL_COLUMNS",
    "Answers",
    "read_answers",
]

#: Kind of test -> the columns it needs. `preferred` is the name of a or b, or one of
#: `NO_PREFERENCE`; `correct` is yes or no; `shown` lists systems with `BETWEEN_SYSTEMS` between.
ANSWER_COLUMNS: dict[str, tuple[str, ...]] = {
    "preference": ("listener", "utterance", "a", "b", "preferred"),
    "abx": ("listener", "utterance", "correct"),
    "best_worst": ("listener", "utterance", "shown", "best", "worst"),
}
OPTIONAL_COLUMNS: dict[str, tuple[str, ...]] = {
    "preference": ("simulated",),
    "abx": ("system", "simulated"),
    "best_worst": ("simulated",),
}
NO_PREFERENCE = ("", "tie", "none")
"""What `preferred` may say beside the two names."""
BETWEEN_SYSTEMS = "|"
_SHOWN_ROWS = 10


@dataclass(frozen=True, eq=False)
class Answers:
    """A clean table of answers.

    Parameters
    ----------
    kind : of test, a key of `ANSWER_COLUMNS`.
    frame : the columns of that kind as text, `correct` and `simulated` as bool; ``abx`` has a
        `system`, empty where the file has none.
    source, sha256 : of the file.
    """

    kind: str
    frame: pd.DataFrame
    source: str
    sha256: str

    @property
    def n_simulated(self) -> int:
        """Number of answers no person gave."""
        return int(self.frame["simulated"].sum())


def read_answers(path: Path, kind: str, columns: Mapping[str, str] | None = None) -> Answers:
    """Read a CSV or parquet file.

    Parameters
    ----------
    kind : a key of `ANSWER_COLUMNS`.
    columns : our column name -> the file's.

    Raises
    ------
    RatingsError for an unreadable or empty file, a missing or doubled column, or rows that cannot
        be true.
    """
    frame = choose_columns(
        read_frame(path), columns or {}, path.name,
        required=ANSWER_COLUMNS[kind], optional=OPTIONAL_COLUMNS[kind],
    )  # fmt: skip
    if frame.empty:
        raise RatingsError(
            f"{path.name} has no rows", wanted="at least one answer", do="check the file"
        )
    for name in set(frame) - {"simulated"}:
        frame[name] = as_text(frame[name])
    if "simulated" in frame:
        frame["simulated"] = as_flags(frame["simulated"], "simulated", path.name)
    else:
        frame["simulated"] = False
    _refuse(frame, ("listener", "utterance"), lambda row: "" in row, "an empty name", path.name)
    return Answers(kind, _CHECKS[kind](frame, path.name), path.name, sha256_file(path))


def _check_preference(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    names = ("a", "b")
    _refuse(frame, names, lambda row: "" in row or row[0] == row[1],
            "a and b that are not two systems", source)  # fmt: skip
    _refuse(
        frame, (*names, "preferred"),
        lambda row: row[2] not in row[:2] and row[2].lower() not in NO_PREFERENCE,
        "a preferred system that is neither a nor b (nor empty, tie or none)", source,
    )  # fmt: skip
    return frame


def _check_abx(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    _refuse(frame, ("correct",), lambda row: "" in row, "an empty correct", source)
    correct = as_flags(frame["correct"], "correct", source)
    return frame.assign(correct=correct, system=frame.get("system", ""))


def _check_best_worst(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    def impossible(row: Sequence[str]) -> bool:
        shown, best, worst = [name.strip() for name in row[0].split(BETWEEN_SYSTEMS)], *row[1:]
        names = set(shown)
        whole = "" not in names and len(names) == len(shown) > 1
        return not whole or best == worst or not {best, worst} <= names

    fault = f"systems shown (joined by {BETWEEN_SYSTEMS!r}) without the best and another as worst"
    _refuse(frame, ("shown", "best", "worst"), impossible, fault, source)
    return frame


def _refuse(
    frame: pd.DataFrame,
    names: Sequence[str],
    impossible: Callable[[tuple[Any, ...]], bool],
    fault: str,
    source: str,
) -> None:
    """Raise if any row's values of these columns cannot be true."""
    rows = zip(*(frame[name].tolist() for name in names), strict=True)
    found = [(number, row) for number, row in enumerate(rows, start=2) if impossible(row)]
    if not found:
        return
    shown = ", ".join(
        f"row {number} ({', '.join(map(repr, row))})" for number, row in found[:_SHOWN_ROWS]
    )
    more = f" and {len(found) - _SHOWN_ROWS} more" if len(found) > _SHOWN_ROWS else ""
    raise RatingsError(
        f"{source} has rows with {fault}: {shown}{more}",
        wanted=f"columns {', '.join(names)} that can be true in every row",
        do="correct these rows",
    )


_CHECKS: dict[str, Callable[[pd.DataFrame, str], pd.DataFrame]] = {
    "preference": _check_preference,
    "abx": _check_abx,
    "best_worst": _check_best_worst,
}
