"""Who sits where: seats are dealt from the design, claimed, given back and dealt again.

Every function works inside the caller's write transaction. A seat is ``free`` until a listener
claims it and ``done`` when every trial is rated. Whoever is silent for too long loses the seat: it
becomes ``lost``, and a copy of its plan with new tokens is free for someone else. If the listener
returns before anyone has claimed the copy, the copy becomes ``void`` and the seat theirs again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from evalsuite.errors import SeatLost, StoreError, StudyFull
from tests_mos.schema import event, seat, slot, study, trial
from tests_mos.seats import listener_name, new_resume_code, new_token

__all__ = ["claim", "deal", "find_seat", "hold", "log_event", "release", "withdraw"]

Plan = Sequence[Sequence[int]]
"""The trials of a seat: for each trial the stimulus keys of its slots."""


def deal(
    connection: sa.Connection,
    study_id: int,
    plans: Sequence[tuple[int, Plan]],
    *,
    replaces: int | None = None,
) -> None:
    """Add free seats, numbered on from the last one.

    Parameters
    ----------
    plans : (index in the design, trials) for each seat.
    replaces : key of the seat whose plan is dealt again.
    """
    # One dealer at a time: seats are numbered without gaps or collisions.
    connection.execute(sa.select(study.c.id).where(study.c.id == study_id).with_for_update())
    highest = sa.select(sa.func.coalesce(sa.func.max(seat.c.number), 0))
    first = connection.execute(highest.where(seat.c.study_id == study_id)).scalar_one() + 1
    seats = [
        {
            "study_id": study_id,
            "number": first + index,
            "plan": plan,
            "replaces_id": replaces,
            "status": "free",
            "resume_code": new_resume_code(),
            "simulated": False,
            "attributes": {},
        }
        for index, (plan, _) in enumerate(plans)
    ]
    trials = [
        {"seat_id": key, "position": position}
        for key, (_, plan) in zip(_insert(connection, seat, seats), plans, strict=True)
        for position in range(len(plan))
    ]
    every_trial = [stimuli for _, plan in plans for stimuli in plan]
    slots = [
        {"trial_id": key, "slot": index, "stimulus_id": stimulus, "token": new_token()}
        for key, stimuli in zip(_insert(connection, trial, trials), every_trial, strict=True)
        for index, stimulus in enumerate(stimuli)
    ]
    connection.execute(sa.insert(slot), slots)


def _insert(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]
) -> Sequence[int]:
    """Insert many rows; their keys in the same order."""
    statement = sa.insert(table).returning(table.c.id, sort_by_parameter_order=True)
    return connection.execute(statement, rows).scalars().all()


def claim(
    connection: sa.Connection,
    study_id: int,
    external_id: str | None,
    *,
    attributes: Mapping[str, Any],
    simulated: bool,
    now: float,
) -> int:
    """Take the free seat that comes first in the design; returns its key.

    Raises
    ------
    StudyFull if no seat is free.
    """
    # PostgreSQL: two listeners who arrive together lock different rows. SQLite: one writes at a
    # time, and the clause is left out.
    first_free = (
        sa.select(seat.c.id)
        .where(seat.c.study_id == study_id, seat.c.status == "free")
        .order_by(seat.c.plan, seat.c.number)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    values = {
        "status": "claimed",
        "external_id": external_id,
        "attributes": dict(attributes),
        "simulated": simulated,
        "claimed_at": now,
        "last_seen": now,
    }
    found = connection.execute(first_free).scalar()
    if found is None:
        raise StudyFull(
            "every seat of the study is taken",
            wanted="a free seat",
            do="try again later: seats that are given up become free after the time-out",
        )
    connection.execute(sa.update(seat).where(seat.c.id == found).values(values))
    return int(found)


def find_seat(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> Any:
    """Lock and return the one seat that meets the conditions, or None."""
    return connection.execute(sa.select(seat).where(*conditions).with_for_update()).first()


def hold(connection: sa.Connection, row: Any, now: float) -> None:
    """Make sure the listener may go on in this seat; a lost one is given back if still possible.

    Raises
    ------
    SeatLost if the seat was dealt to someone else or its listener withdrew.
    """
    if row.status == "withdrawn":
        raise SeatLost(
            f"seat of listener {listener_name(row.number)} was withdrawn",
            wanted="a seat whose listener takes part",
            do="nothing: a withdrawal cannot be undone",
        )
    if row.status == "lost" and not _take_back(connection, row, now):
        raise SeatLost(
            f"seat of listener {listener_name(row.number)} timed out and is taken",
            wanted="a seat in use",
            do="thank the listener; the ratings given so far are kept",
        )
    if row.status in {"free", "void"}:
        raise StoreError(
            f"seat {row.id} is not claimed", wanted="a claimed seat", do="call enter() first"
        )


def _take_back(connection: sa.Connection, row: Any, now: float) -> bool:
    copy = connection.execute(
        sa.update(seat)
        .where(seat.c.replaces_id == row.id, seat.c.status == "free")
        .values(status="void")
        .returning(seat.c.id)
    ).scalar()
    if copy is None:
        return False
    connection.execute(
        sa.update(seat).where(seat.c.id == row.id).values(status="claimed", last_seen=now)
    )
    log_event(connection, row.study_id, row.id, "seat returned", {"void": copy}, now)
    return True


def release(connection: sa.Connection, study_id: int, timeout_s: float, now: float) -> int:
    """Give up every seat that was silent for longer than the time-out; returns how many."""
    expired = connection.execute(
        sa.select(seat)
        .where(
            seat.c.study_id == study_id,
            seat.c.status == "claimed",
            seat.c.last_seen < now - timeout_s,
        )
        .with_for_update(skip_locked=True)
    ).all()
    for row in expired:
        _give_up(connection, row, "lost", now)
    return len(expired)


def withdraw(connection: sa.Connection, row: Any, now: float) -> None:
    """The listener takes back consent: the plan is dealt again, no rating is exported any more."""
    if row.status in {"claimed", "done"}:
        _give_up(connection, row, "withdrawn", now)
    else:  # a lost seat is already dealt again
        connection.execute(sa.update(seat).where(seat.c.id == row.id).values(status="withdrawn"))
        log_event(connection, row.study_id, row.id, "withdrawn", {}, now)


def _give_up(connection: sa.Connection, row: Any, status: str, now: float) -> None:
    connection.execute(sa.update(seat).where(seat.c.id == row.id).values(status=status))
    slots = connection.execute(
        sa.select(trial.c.position, slot.c.stimulus_id)
        .join(slot, slot.c.trial_id == trial.c.id)
        .where(trial.c.seat_id == row.id)
        .order_by(trial.c.position, slot.c.slot)
    ).all()
    plan: dict[int, list[int]] = {}
    for position, stimulus in slots:
        plan.setdefault(position, []).append(stimulus)
    deal(connection, row.study_id, [(row.plan, list(plan.values()))], replaces=row.id)
    log_event(connection, row.study_id, row.id, status, {"last_seen": row.last_seen}, now)


def log_event(
    connection: sa.Connection,
    study_id: int | None,
    seat_id: int | None,
    kind: str,
    payload: Mapping[str, Any],
    now: float,
) -> None:
    """Add a line to the event log."""
    connection.execute(
        sa.insert(event).values(
            study_id=study_id, seat_id=seat_id, kind=kind, payload=dict(payload), created_at=now
        )
    )
