"""What a study has gathered: the ratings table and the state of its seats."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa

from tests_mos.protocols import acr
from tests_mos.schema import rating, seat, slot, stimulus, study, trial
from tests_mos.seats import StudyStatus, listener_name

__all__ = ["COLUMNS", "ratings_frame", "study_status"]

COLUMNS = (
    "study", "protocol", "listener", "trial", "presentation", "system", "utterance", "reference",
    "scale", "score", "role", "shown_at", "submitted_at", "plays", "heard_fraction", "simulated",
)  # fmt: skip
"""Columns of the ratings table, one rating a row.

study : id and version. listener : pseudonym; the recruiting platform's id never leaves the
database. trial : 1-based place in the listener's session. presentation : 1-based place of the
stimulus in its trial. reference : system heard as reference; empty for ACR. role : ``test``, or
``incomplete`` if the listener has not (yet) rated all trials. shown_at, submitted_at : UTC,
ISO 8601, on the server's clock. plays, heard_fraction : measured by the player. simulated : no
person gave it.
"""


_EXPORTED = (
    study.c.name, study.c.version, study.c.config, seat.c.number, seat.c.status, seat.c.simulated,
    trial.c.position, slot.c.slot, stimulus.c.system, stimulus.c.utterance, rating.c.score,
    rating.c.telemetry, rating.c.shown_at, rating.c.submitted_at,
)  # fmt: skip


def ratings_frame(connection: sa.Connection, study_id: int) -> pd.DataFrame:
    """Ratings of a study in the order of seats and trials, without listeners who withdrew."""
    query = (
        sa.select(
            *_EXPORTED,
        )
        .select_from(_ratings())
        .where(seat.c.study_id == study_id, seat.c.status != "withdrawn")
        .order_by(seat.c.number, trial.c.position, slot.c.slot)
    )
    rows = [_as_row(found) for found in connection.execute(query)]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"score": "float64", "plays": "float64", "heard_fraction": "float64"})


def _ratings() -> sa.FromClause:
    same_slot = sa.and_(slot.c.trial_id == rating.c.trial_id, slot.c.slot == rating.c.slot)
    return (
        sa.join(rating, slot, same_slot)
        .join(stimulus, stimulus.c.id == slot.c.stimulus_id)
        .join(trial, trial.c.id == rating.c.trial_id)
        .join(seat, seat.c.id == trial.c.seat_id)
        .join(study, study.c.id == seat.c.study_id)
    )


def _as_row(found: Any) -> tuple[Any, ...]:
    return (
        f"{found.name}-v{found.version}",
        found.config["protocol"],
        listener_name(found.number),
        found.position + 1,
        found.slot + 1,
        found.system,
        found.utterance,
        None,
        acr.SCALE,
        found.score,
        "test" if found.status == "done" else "incomplete",
        _iso(found.shown_at),
        _iso(found.submitted_at),
        _number(found.telemetry, "plays"),
        _number(found.telemetry, "heard_fraction"),
        bool(found.simulated),
    )


def _iso(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _number(telemetry: Mapping[str, Any], key: str) -> float:
    """A number the browser claims; NaN if it claims something else."""
    value = telemetry.get(key)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and value is not None else float("nan")


def study_status(connection: sa.Connection, study_id: int) -> StudyStatus:
    """Count seats by status and ratings by system."""
    found = connection.execute(sa.select(study).where(study.c.id == study_id)).one()
    of_study = seat.c.study_id == study_id
    seats = connection.execute(
        sa.select(seat.c.status, sa.func.count()).where(of_study).group_by(seat.c.status)
    ).all()
    planned = connection.execute(
        sa.select(stimulus.c.system, sa.func.count())
        .join_from(slot, stimulus)
        .join(trial, trial.c.id == slot.c.trial_id)
        .join(seat, seat.c.id == trial.c.seat_id)
        .where(of_study, seat.c.replaces_id.is_(None))
        .group_by(stimulus.c.system)
    ).all()
    rated = connection.execute(
        sa.select(stimulus.c.system, seat.c.status, seat.c.simulated, sa.func.count().label("n"))
        .select_from(_ratings())
        .where(of_study)
        .group_by(stimulus.c.system, seat.c.status, seat.c.simulated)
    ).all()
    people = connection.execute(
        sa.select(sa.func.count()).where(
            of_study, seat.c.claimed_at.is_not(None), seat.c.simulated.is_(False)
        )
    ).scalar_one()
    in_use = {system: 0 for system, _ in planned}
    for row in rated:
        if row.status in {"claimed", "done"}:
            in_use[row.system] += row.n
    return StudyStatus(
        name=found.name,
        version=found.version,
        seats=dict(sorted((status, count) for status, count in seats)),
        planned=dict(sorted((system, count) for system, count in planned)),
        rated=dict(sorted(in_use.items())),
        incomplete=sum(row.n for row in rated if row.status == "lost"),
        withdrawn=sum(row.n for row in rated if row.status == "withdrawn"),
        simulated=sum(row.n for row in rated if row.simulated),
        people=people,
    )
