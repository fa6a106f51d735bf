"""Simulated listeners take a study the way people do: through the store, one rating at a time.

Every seat, rating and table they touch is marked as simulated.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from evalsuite.errors import StoreError, StudyFull, UsageError
from tests_mos.listener_model import Effects, SimulatedPanel, made_up_means
from tests_mos.model import Study
from tests_mos.store import SeatView, Store

__all__ = ["Simulation", "simulate_listeners"]

_SECONDS_TO_ANSWER = 3.0
_LAZY_FROM = 4  # listeners; a smaller panel is all diligent


@dataclass(frozen=True)
class Simulation:
    """What was simulated.

    Parameters
    ----------
    listeners, ratings : added now; a repeat with the same seed adds nothing.
    means : latent mean of each system, made up or given.
    lazy : pseudonyms of the listeners who did not listen.
    """

    listeners: int
    ratings: int
    means: dict[str, float]
    lazy: tuple[str, ...]


def simulate_listeners(
    store: Store,
    study_id: int,
    study: Study,
    *,
    seed: int,
    n_listeners: int | None = None,
    means: Mapping[str, float] | None = None,
    effects: Effects | None = None,
    n_lazy: int = 1,
    allow_mixed: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Simulation:
    """Let simulated listeners fill seats of a published study.

    Parameters
    ----------
    n_listeners : None = as many as the study plans.
    means : system -> latent mean; None = `made_up_means`.
    n_lazy : so many of them, the last ones, do not listen; none of fewer than four.
    allow_mixed : also if people take part; each row still says who is simulated.
    progress : called with the number of finished listeners.

    Raises
    ------
    StoreError if people have taken seats and `allow_mixed` is not set.
    UsageError if `means` names other systems than the study.
    StudyFull if there are not enough seats; those before are simulated.
    """
    chosen = _check_means(study, means)
    status = store.status(study_id)
    if status.people and not allow_mixed:
        raise StoreError(
            f"{status.people} people take part in study {study.id!r}",
            wanted="a study without people: simulated ratings are no evidence",
            do="simulate into another database with --database, or add --allow-mixed",
        )
    count = study.listeners if n_listeners is None else n_listeners
    lazy = range(count - n_lazy, count) if count >= _LAZY_FROM else range(0)
    panel = SimulatedPanel(
        chosen, tuple(study.scale.labels), seed=seed, effects=effects, lazy=tuple(lazy)
    )
    n_new, n_ratings, names = 0, 0, []
    for listener in range(count):
        seat = _take_seat(store, study_id, f"simulated-{seed}-{listener}", listener, count)
        rated = _answer_all(store, seat, panel, listener)
        n_new, n_ratings = n_new + (rated > 0), n_ratings + rated
        if listener in lazy:
            names.append(seat.listener)
        if progress:
            progress(listener + 1)
    return Simulation(n_new, n_ratings, chosen, tuple(names))


def _check_means(study: Study, means: Mapping[str, float] | None) -> dict[str, float]:
    if means is None:
        return made_up_means(study.systems)
    if set(means) != set(study.systems):
        raise UsageError(
            f"means for {', '.join(sorted(means)) or '(nothing)'}",
            wanted=f"one for each of {', '.join(sorted(study.systems))}",
            do="give SYSTEM=MEAN for every system, or none at all",
        )
    return dict(means)


def _take_seat(store: Store, study_id: int, name: str, listener: int, count: int) -> SeatView:
    try:
        return store.enter(study_id, name, attributes={"simulated": True}, simulated=True)
    except StudyFull as error:
        raise StudyFull(
            f"seats for {listener} of {count} listeners",
            wanted="a free seat for each",
            do=f"simulate {listener} listeners, or plan more in a new version of the study",
        ) from error


def _answer_all(store: Store, seat: SeatView, panel: SimulatedPanel, listener: int) -> int:
    """Rate what is left; the clock is set so that the session ends now."""
    trials = store.next_trials(seat.seat_id, seat.n_trials)
    needed_s = [sum(trial.duration_s) + _SECONDS_TO_ANSWER for trial in trials]
    moment = time.time() - sum(needed_s)
    for trial, trial_s in zip(trials, needed_s, strict=True):
        moment += trial_s
        store.rate(
            seat.seat_id,
            trial.trial_id,
            [panel.score(listener, *store.reveal(token)) for token in trial.tokens],
            submit_key=f"simulated-{trial.trial_id}",
            telemetry={
                "plays": 1,
                "heard_fraction": 1.0,
                "shown_at_ms": 0,
                "submitted_at_ms": round(1000 * trial_s),
            },
            now=moment,
        )
    return len(trials)
