"""Many listeners at once: distinct seats, one rating a trial, on each database at hand."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from evalsuite.errors import Conflict, StudyFull
from tests_mos.store import SeatView, Store
from tests_mos.study import Study

N = 50


@pytest.fixture
def crowd_id(store: Store, study: Study, publish: Callable[[Store, Study], int]) -> int:
    """The small study for fifty listeners."""
    return publish(store, study.model_copy(update={"listeners": N}))


def at_once(job: Callable[[int], object]) -> list[object]:
    with ThreadPoolExecutor(N) as pool:
        return list(pool.map(job, range(N)))


def test_fifty_arrive_at_once(store: Store, crowd_id: int) -> None:
    seats = at_once(lambda i: store.enter(crowd_id, f"person{i}", attributes={}).seat_id)
    assert len(set(seats)) == N
    with pytest.raises(StudyFull):
        store.enter(crowd_id, "one too many", attributes={})


def test_one_person_in_fifty_tabs_has_one_seat(store: Store, crowd_id: int) -> None:
    seats = at_once(lambda _: store.enter(crowd_id, "person", attributes={}).seat_id)
    assert len(set(seats)) == 1
    assert store.status(crowd_id).seats == {"claimed": 1, "free": N - 1}


def test_fifty_want_the_last_ten_seats(store: Store, crowd_id: int) -> None:
    for index in range(40):
        store.enter(crowd_id, f"early{index}", attributes={})

    def try_to_enter(index: int) -> SeatView | None:
        try:
            return store.enter(crowd_id, f"late{index}", attributes={})
        except StudyFull:
            return None

    seats = [seat for seat in at_once(try_to_enter) if seat is not None]
    assert len({seat.seat_id for seat in seats}) == len(seats) == 10


def test_a_returning_listener_and_an_heir_never_share(store: Store, crowd_id: int) -> None:
    """Nobody keeps a lost seat whose copy somebody else has."""
    for index in range(N):
        store.enter(crowd_id, f"person{index}", attributes={}, now=0.0)
    store.release_expired(crowd_id, 1e6)

    def return_or_inherit(index: int) -> None:
        name = f"person{index}" if index % 2 else f"heir{index}"
        try:
            store.enter(crowd_id, name, attributes={}, now=1e6)
        except Exception as error:
            assert type(error).__name__ == "SeatLost"

    at_once(return_or_inherit)
    seats = store.status(crowd_id).seats
    # Every plan has exactly one seat that is free, claimed or waits for its first owner.
    assert seats["claimed"] + seats.get("free", 0) == N
    assert seats["lost"] + seats.get("void", 0) == N


def submit(store: Store, seat: SeatView, trial_id: int, key: str) -> str:
    try:
        stored = store.rate(seat.seat_id, trial_id, [4], submit_key=key, telemetry={})
    except Conflict:
        return "conflict"
    return "stored" if stored else "known"


def test_fifty_sends_of_one_submission(store: Store, crowd_id: int) -> None:
    seat = store.enter(crowd_id, "person", attributes={})
    trial = store.next_trials(seat.seat_id)[0]
    told = at_once(lambda _: submit(store, seat, trial.trial_id, "same"))
    assert (told.count("stored"), told.count("known")) == (1, N - 1)
    assert len(store.ratings(crowd_id)) == 1


def test_fifty_submissions_for_one_trial(store: Store, crowd_id: int) -> None:
    seat = store.enter(crowd_id, "person", attributes={})
    trial = store.next_trials(seat.seat_id)[0]
    told = at_once(lambda index: submit(store, seat, trial.trial_id, f"key{index}"))
    assert (told.count("stored"), told.count("conflict")) == (1, N - 1)
    assert len(store.ratings(crowd_id)) == 1


def test_fifty_listeners_rate_everything(store: Store, crowd_id: int) -> None:
    def session(index: int) -> str | None:
        seat = store.enter(crowd_id, f"person{index}", attributes={})
        while trials := store.next_trials(seat.seat_id, 2):
            submit(store, seat, trials[0].trial_id, f"key{trials[0].trial_id}")
        return store.enter(crowd_id, f"person{index}", attributes={}).completion_code

    assert len(set(at_once(session))) == N
    frame = store.ratings(crowd_id)
    assert len(frame) == 4 * N
    assert set(frame.groupby("listener").size()) == {4}
