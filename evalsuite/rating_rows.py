"""What may be wrong with the rows of a rating table, and what becomes of them."""

from typing import Any, Literal

import pandas as pd

from evalsuite.errors import RatingsError

__all__ = [
    "HEARING",
    "IDENTITY",
    "Duplicates",
    "as_text",
    "require_one_scale",
    "with_seats_apart",
    "without_bad_rows",
    "without_duplicates",
]

Duplicates = Literal["keep_last", "keep_first", "mean", "error"]
"""What to do with several ratings of one utterance of one system by one listener.

Two kinds, told apart by `HEARING`. Ratings of the same hearing are corrections of each other: one
of them counts, or none under ``error``. Ratings of several hearings were planned, and each counts;
only ``mean`` makes one of them.
"""

IDENTITY = ["listener", "system", "utterance"]

HEARING = ["study", "trial", "presentation"]
"""What tells a second hearing of a stimulus from a correction; used where every row has it."""

# How our studies name a listener: by the seat, counted from 1 in every study.
_SEAT = r"L\d{4,}"

_SHOWN_ROWS = 10


def as_text(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Names as stripped text; missing ones become empty. Works by distinct value: fast."""
    codes, distinct = pd.factorize(values, use_na_sentinel=True)
    names = pd.Index([str(name).strip() for name in distinct] + [""])
    return pd.Series(names.take(codes), index=values.index)


def require_one_scale(frame: pd.DataFrame, source: str) -> None:
    """Refuse a table that mixes scales or protocols: their means cannot be compared.

    Raises
    ------
    RatingsError naming them.
    """
    for name in ("scale", "protocol"):
        kinds = sorted(set(as_text(frame[name]))) if name in frame else []
        if len(kinds) > 1:
            raise RatingsError(
                f"{source} mixes ratings of {name} {', '.join(map(repr, kinds))}",
                wanted=f"ratings of one {name}: their means cannot be compared",
                do=f"split the table by {name}",
            )


def without_bad_rows(
    frame: pd.DataFrame, scale: tuple[float, float], source: str, *, drop_bad: bool
) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows that can be true, with numeric scores, and notes on those left out.

    Parameters
    ----------
    frame : `IDENTITY` as text and ``score`` as given, indexed by position.
    drop_bad : leave bad rows out instead of refusing the table.

    Raises
    ------
    RatingsError naming the bad rows, or if no row is usable.
    """
    given = frame["score"]
    scores = pd.to_numeric(given, errors="coerce").astype("float64")
    low, high = scale
    faults = {
        "no listener, system or utterance": (frame[IDENTITY] == "").any(axis=1),
        "a score that is not a number": scores.isna(),
        f"a score outside {low:g} to {high:g}": (scores < low) | (scores > high),
    }
    frame = frame.assign(score=scores)
    bad = pd.Series(False, index=frame.index)
    found = []
    for fault, where in faults.items():
        fresh = where & ~bad
        if fresh.any():
            found.append(f"{fault}: {_name_rows(given, fresh)}")
            bad |= where
    if bad.all():
        detail = "; ".join(found) or "it has no rows"
        raise RatingsError(
            f"{source} holds no usable rating ({detail})",
            wanted=f"at least one score from {low:g} to {high:g}",
            do="check the file and the --columns",
        )
    if found and not drop_bad:
        raise RatingsError(
            f"{source} has impossible rows; {'; '.join(found)}",
            wanted=f"named listeners, systems and utterances, and scores from {low:g} to {high:g}",
            do="correct these rows, set --scale, or leave them out with --drop-bad",
        )
    dropped = (
        [f"dropped {int(bad.sum())} of {len(frame)} rows; {'; '.join(found)}"] if found else []
    )
    return frame[~bad], dropped


def _name_rows(given: "pd.Series[Any]", where: "pd.Series[Any]") -> str:
    positions = where.to_numpy().nonzero()[0]
    shown = ", ".join(f"row {row + 2} ({given.iloc[row]!r})" for row in positions[:_SHOWN_ROWS])
    more = len(positions) - _SHOWN_ROWS
    return f"{shown} and {more} more" if more > 0 else shown


def with_seats_apart(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Tell the listeners of pooled studies apart, and note it.

    Seat L0001 of one study is nobody's seat L0001 of another; taken for one person, the two would
    be one cluster. Other names, such as those of a panel, are left as they are: they may be people.
    """
    if "study" not in frame or frame["study"].nunique() < 2:
        return frame, []
    studies = as_text(frame["study"])
    is_seat = frame["listener"].str.fullmatch(_SEAT) & (studies != "")
    names = frame.loc[is_seat, "listener"]
    n_shared = int((studies[is_seat].groupby(names).nunique() > 1).sum())
    if n_shared == 0:
        return frame, []
    apart = frame["listener"].where(~is_seat, studies + " " + frame["listener"])
    return frame.assign(listener=apart), [
        f"{n_shared} seats, such as {names.iloc[0]}, are in several studies: their listeners are "
        "told apart by the study"
    ]


def without_duplicates(
    frame: pd.DataFrame, policy: Duplicates, source: str
) -> tuple[pd.DataFrame, list[str]]:
    """Return one row per hearing of a stimulus by a listener, and notes on repeats.

    Under ``mean`` one row per listener, system and utterance.

    Raises
    ------
    RatingsError naming the first repeat under ``error``.
    """
    n_repeats = int(frame.duplicated(IDENTITY).sum())
    if n_repeats == 0:
        return frame, []
    hearings = _hearings(frame)
    known = list(hearings.columns[len(IDENTITY) :])
    corrections = hearings.duplicated()
    n_corrections = int(corrections.sum())
    if policy == "mean":
        return _means(frame), [
            f"{n_repeats} repeated ratings (same listener, system and utterance"
            + (f", {n_repeats - n_corrections} of them of another {known[-1]}" if known else "")
            + "): the mean counts"
        ]
    notes = []
    if n_corrections:
        if policy == "error":
            first = frame.loc[corrections, IDENTITY].iloc[0]
            raise _repeat_error(first, n_corrections, source)
        keep: Literal["first", "last"] = "first" if policy == "keep_first" else "last"
        frame = _in_time_order(frame)
        frame = frame[~hearings.loc[frame.index].duplicated(keep=keep)].sort_index()
        same = ", ".join([*IDENTITY, *known])
        notes.append(f"{n_corrections} repeated ratings (same {same}): the {keep} counts")
    if n_again := n_repeats - n_corrections:
        notes.append(
            f"{n_again} ratings are of a stimulus that the listener had rated before (in another "
            f"{' or '.join(known)}): all of them count"
        )
    return frame, notes


def _hearings(frame: pd.DataFrame) -> pd.DataFrame:
    """`IDENTITY` and what is known of `HEARING`, as text."""
    texts = {name: as_text(frame[name]) for name in HEARING if name in frame}
    return frame[IDENTITY].assign(
        **{name: values for name, values in texts.items() if (values != "").all()}
    )


def _means(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per listener, system and utterance, with the mean of their scores."""
    means = frame.groupby(IDENTITY, sort=False)["score"].transform("mean")
    last = _in_time_order(frame.assign(score=means)).drop_duplicates(IDENTITY, keep="last")
    return last.sort_index()


def _repeat_error(first: "pd.Series[Any]", n_repeats: int, source: str) -> RatingsError:
    listener, system, utterance = first
    return RatingsError(
        f"{source} rates the same thing twice, {n_repeats} times in all; the first is "
        f"listener {listener!r}, system {system!r}, utterance {utterance!r}",
        wanted="one rating per listener, system and utterance, or the trial of each",
        do="remove the repeats, name the column of trials with --columns trial=…, or choose "
        "--duplicates keep_last, keep_first or mean",
    )


def _in_time_order(frame: pd.DataFrame) -> pd.DataFrame:
    """By time of submission where every row has one, else as in the file."""
    if "submitted_at" not in frame:
        return frame
    times = frame["submitted_at"]
    if times.dtype == object or pd.api.types.is_string_dtype(times):
        numbers = pd.to_numeric(times, errors="coerce")
        times = numbers if numbers.notna().all() else times.replace("", None)
    if times.isna().any():
        return frame
    return frame.assign(submitted_at=times).sort_values("submitted_at", kind="stable")
