"""What one listener sees of the study: their seat and the trials ahead."""

import sqlalchemy as sa

from tests_mos.schema import rating, seat, slot, stimulus, trial
from tests_mos.seats import SeatView, TrialView, listener_name

__all__ = ["next_trials", "seat_view"]


def seat_view(connection: sa.Connection, seat_id: int) -> SeatView:
    """Return a seat as the app may know it."""
    n_trials = sa.select(sa.func.count()).where(trial.c.seat_id == seat_id).scalar_subquery()
    n_rated = (
        sa.select(sa.func.count())
        .select_from(sa.join(rating, trial))
        .where(trial.c.seat_id == seat_id, rating.c.slot == 0)
        .scalar_subquery()
    )
    query = sa.select(seat, n_trials.label("n_trials"), n_rated.label("n_rated"))
    row = connection.execute(query.where(seat.c.id == seat_id)).one()
    return SeatView(
        row.id,
        listener_name(row.number),
        row.resume_code,
        row.n_trials,
        row.n_rated,
        row.completion_code,
        bool(row.simulated),
    )


def next_trials(connection: sa.Connection, seat_id: int, n: int) -> list[TrialView]:
    """Return the first `n` trials of the seat that are not rated, in order."""
    is_rated = sa.exists().where(rating.c.trial_id == trial.c.id)
    ahead = (
        sa.select(trial.c.id, trial.c.position)
        .where(trial.c.seat_id == seat_id, ~is_rated)
        .order_by(trial.c.position)
        .limit(n)
        .subquery()
    )
    query = (
        sa.select(ahead.c.id, ahead.c.position, slot.c.token, stimulus.c.duration_s)
        .join(slot, slot.c.trial_id == ahead.c.id)
        .join(stimulus, stimulus.c.id == slot.c.stimulus_id)
        .order_by(ahead.c.position, slot.c.slot)
    )
    slots: dict[tuple[int, int], list[tuple[str, float]]] = {}
    for key, position, token, duration_s in connection.execute(query):
        slots.setdefault((key, position), []).append((token, duration_s))
    return [
        TrialView(key, position, *(tuple(column) for column in zip(*heard, strict=True)))
        for (key, position), heard in slots.items()
    ]
