"""How one submitted trial becomes stored ratings: checked, once, with the server's clock."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from evalsuite.errors import Conflict, StoreError
from tests_mos.dealing import find_seat, hold
from tests_mos.protocols import acr
from tests_mos.schema import rating, seat, trial
from tests_mos.seats import new_completion_code

__all__ = ["Submission", "checked_json", "record"]

_MAX_JSON_BYTES = 16_384  # a full event log of a trial is 2 kB; more is a fault or an attack
_MAX_KEY_LENGTH = 80


@dataclass(frozen=True)
class Submission:
    """What the page sends for one trial.

    Parameters
    ----------
    scores : one per slot, in order.
    submit_key : made by the page for this submission; a repeat with the same key changes nothing.
    telemetry : what the player measured. Read by the export: ``plays``, ``heard_fraction``,
        ``shown_at_ms`` and ``submitted_at_ms`` (the listener's clock; only their difference is
        used). The rest is kept as it is.
    """

    trial_id: int
    scores: tuple[float, ...]
    submit_key: str
    telemetry: Mapping[str, Any]


def checked_json(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Accept a small JSON object.

    Raises
    ------
    StoreError if it is too large or holds what JSON cannot (NaN, bytes).
    """
    try:
        size = len(json.dumps(dict(value), allow_nan=False).encode())
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"{name} is not JSON: {error}", wanted="a JSON object", do="send plain values only"
        ) from error
    if size > _MAX_JSON_BYTES:
        raise StoreError(
            f"{name} of {size} bytes",
            wanted=f"at most {_MAX_JSON_BYTES} bytes",
            do="send sums instead of every event",
        )
    return dict(value)


def record(
    connection: sa.Connection,
    seat_id: int,
    submission: Submission,
    *,
    allowed: Sequence[int],
    completion_code: str | None,
    now: float,
) -> bool:
    """Store the scores of a trial; True if stored now, False if this submission already was.

    Raises
    ------
    StoreError if the trial is not the seat's, the key is malformed or a score not on the scale.
    Conflict if another submission for this trial is stored.
    SeatLost if the seat timed out and is someone else's.
    """
    _check_key(submission.submit_key)
    acr.check_scores(submission.scores, allowed)
    telemetry = checked_json(submission.telemetry, "telemetry")
    row = find_seat(connection, seat.c.id == seat_id)
    if row is None or not _owns(connection, seat_id, submission.trial_id):
        raise StoreError(
            f"trial {submission.trial_id} is not in seat {seat_id}",
            wanted="a trial that next_trials() gave for this seat",
            do="ask next_trials() again",
        )
    # Before the seat is checked: a repeated send must be told that its rating is safe.
    if _is_stored(connection, submission):
        return False
    hold(connection, row, now)
    values = [
        {
            "trial_id": submission.trial_id,
            "slot": index,
            "score": float(score),
            "submit_key": submission.submit_key,
            "telemetry": telemetry,
            "shown_at": _shown_at(telemetry, now),
            "submitted_at": now,
        }
        for index, score in enumerate(submission.scores)
    ]
    try:
        connection.execute(sa.insert(rating), values)
    except sa.exc.IntegrityError as error:
        raise _conflict(submission, "its key belongs to another trial") from error
    _mark_progress(connection, seat_id, completion_code, now)
    return True


def _check_key(key: str) -> None:
    if not 1 <= len(key) <= _MAX_KEY_LENGTH:
        raise StoreError(
            f"submit key of {len(key)} characters",
            wanted=f"1 to {_MAX_KEY_LENGTH} characters",
            do="make a random key for each submission",
        )


def _owns(connection: sa.Connection, seat_id: int, trial_id: int) -> bool:
    query = sa.select(trial.c.id).where(trial.c.id == trial_id, trial.c.seat_id == seat_id)
    return connection.execute(query).first() is not None


def _is_stored(connection: sa.Connection, submission: Submission) -> bool:
    stored = connection.execute(
        sa.select(rating.c.submit_key, rating.c.score)
        .where(rating.c.trial_id == submission.trial_id)
        .order_by(rating.c.slot)
    ).all()
    if not stored:
        return False
    if stored[0].submit_key != submission.submit_key:
        raise _conflict(submission, "another submission for this trial is stored")
    if tuple(row.score for row in stored) != submission.scores:
        raise _conflict(submission, "the same key came before with other scores")
    return True


def _conflict(submission: Submission, why: str) -> Conflict:
    return Conflict(
        f"trial {submission.trial_id}: {why}",
        wanted="one submission per trial",
        do="go on with the next trial; the first submission stands",
    )


def _shown_at(telemetry: Mapping[str, Any], now: float) -> float | None:
    """When the trial was shown, on the server's clock: the listener's may be hours off."""
    shown_ms, submitted_ms = telemetry.get("shown_at_ms"), telemetry.get("submitted_at_ms")
    if isinstance(shown_ms, int | float) and isinstance(submitted_ms, int | float):
        return now - max(0.0, submitted_ms - shown_ms) / 1000
    return None


def _mark_progress(
    connection: sa.Connection, seat_id: int, completion_code: str | None, now: float
) -> None:
    open_trials = (
        sa.select(trial.c.id)
        .outerjoin(rating, rating.c.trial_id == trial.c.id)
        .where(trial.c.seat_id == seat_id, rating.c.id.is_(None))
        .limit(1)
    )
    values: dict[str, Any] = {"last_seen": now}
    if connection.execute(open_trials).first() is None:
        code = completion_code or new_completion_code()
        values |= {"status": "done", "completion_code": code}
    connection.execute(sa.update(seat).where(seat.c.id == seat_id).values(values))
