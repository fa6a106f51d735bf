"""Listeners in a few calls: enter a study, rate the next trial, finish."""

from tests_mos.store import SeatView, Store


def enter(store: Store, study_id: int, name: str | None = None, now: float = 1000.0) -> SeatView:
    return store.enter(study_id, name, attributes={}, now=now)


def rate_next(
    store: Store, seat: SeatView, score: float = 4, key: str | None = None, now: float = 1001.0
) -> int:
    trial = store.next_trials(seat.seat_id, 1, now=now)[0]
    store.rate(
        seat.seat_id,
        trial.trial_id,
        [score],
        submit_key=key or f"key-{trial.trial_id}",
        telemetry={"plays": 2, "heard_fraction": 0.99},
        now=now,
    )
    return trial.trial_id


def finish(store: Store, seat: SeatView, now: float = 1001.0) -> None:
    for _ in range(seat.n_trials - seat.n_rated):
        rate_next(store, seat, now=now)
