"""Publishing and seats, on each database that is at hand."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sessions_by_hand import enter, finish, rate_next

from evalsuite.errors import SeatLost, StoreError, StudyChanged, StudyFull
from tests_mos.design import make_design
from tests_mos.samples import find_stimuli
from tests_mos.store import Store, default_url, open_store
from tests_mos.study import Completion, Study

Publish = Callable[[Store, Study], int]
HOUR_S = 3600.0


# -- publishing ----------------------------------------------------------------------------------


def test_publishing_again_changes_nothing(
    store: Store, study: Study, study_id: int, publish: Publish
) -> None:
    before = store.status(study_id)
    assert publish(store, study) == study_id == store.find_study(study)
    assert store.status(study_id) == before
    assert before.seats == {"free": 6}
    assert before.planned == {"griffin_lim": 8, "melgan": 8, "original": 8}


def test_a_changed_study_is_refused(
    store: Store, study: Study, study_id: int, publish: Publish
) -> None:
    changed = study.model_copy(update={"question": "How natural is it?"})
    with pytest.raises(StudyChanged, match="set version: 2"):
        publish(store, changed)
    with pytest.raises(StudyChanged):
        store.find_study(changed)
    raised = changed.model_copy(update={"version": 2})
    assert publish(store, raised) != study_id


def test_changed_audio_is_refused(store: Store, study: Study, study_id: int) -> None:
    stimuli = list(find_stimuli(study))
    stimuli[0] = replace(stimuli[0], sha256="0" * 64)
    with pytest.raises(StudyChanged, match="audio files"):
        store.publish(study, make_design(study), stimuli)


def test_a_moved_run_is_found_again(
    store: Store, study: Study, study_id: int, publish: Publish, tmp_path: Path
) -> None:
    assert study.run is not None
    token = store.next_trials(enter(store, study_id).seat_id)[0].tokens[0]
    study.run.rename(tmp_path / "elsewhere")
    assert store.audio_path(token) is None
    publish(store, study.model_copy(update={"run": tmp_path / "elsewhere"}))
    found = store.audio_path(token)
    assert found is not None and found.is_relative_to(tmp_path / "elsewhere")


def test_design_and_stimuli_must_fit(store: Store, study: Study) -> None:
    with pytest.raises(StoreError, match="without a file"):
        store.publish(study, make_design(study), find_stimuli(study)[1:])


def test_unpublished_study(store: Store, study: Study) -> None:
    with pytest.raises(StoreError, match="is not in the database"):
        store.find_study(study)
    with pytest.raises(StoreError):
        enter(store, 99)


# -- seats ---------------------------------------------------------------------------------------


def test_listeners_get_seats_in_order_and_their_own_again(store: Store, study_id: int) -> None:
    seats = [enter(store, study_id, f"person{index}") for index in range(3)]
    assert [seat.listener for seat in seats] == ["L0001", "L0002", "L0003"]
    rate_next(store, seats[1])
    again = enter(store, study_id, "person1")
    assert again == replace(seats[1], n_rated=1)
    assert store.seat_by_code(seats[1].resume_code) == again


def test_anonymous_listeners_are_different_people(store: Store, study_id: int) -> None:
    assert enter(store, study_id).seat_id != enter(store, study_id).seat_id


def test_codes_are_secret_and_unknown_ones_lead_nowhere(store: Store, study_id: int) -> None:
    seats = [enter(store, study_id) for _ in range(6)]
    assert len({seat.resume_code for seat in seats}) == 6
    assert store.seat_by_code("AAAAAAAAAAAAAAAA") is None
    assert store.seat_by_code("") is None


def test_a_full_study_says_so(store: Store, study_id: int) -> None:
    for index in range(6):
        enter(store, study_id, f"person{index}")
    with pytest.raises(StudyFull):
        enter(store, study_id, "late")
    assert enter(store, study_id, "person3").listener == "L0004"


def test_trials_come_in_order_and_resume(store: Store, study_id: int) -> None:
    seat = enter(store, study_id)
    trials = store.next_trials(seat.seat_id, 10)
    assert [trial.position for trial in trials] == [0, 1, 2, 3]
    assert all(trial.duration_s == (2.0,) for trial in trials)
    rate_next(store, seat)
    assert store.next_trials(seat.seat_id, 2) == trials[1:3]
    finish(store, replace(seat, n_rated=1))
    assert store.next_trials(seat.seat_id) == []


def test_completion_code_comes_after_the_last_rating(store: Store, study_id: int) -> None:
    seats = [enter(store, study_id) for _ in range(2)]
    for seat in seats:
        for _ in range(3):
            rate_next(store, seat)
        assert store.seat_by_code(seat.resume_code).completion_code is None
        rate_next(store, seat)
    codes = [store.seat_by_code(seat.resume_code).completion_code for seat in seats]
    assert None not in codes and codes[0] != codes[1]


def test_a_given_completion_code_is_used(store: Store, study: Study, publish: Publish) -> None:
    given = study.model_copy(update={"completion": Completion(code="C1A2B3")})
    seat = enter(store, publish(store, given), "person")
    finish(store, seat)
    assert enter(store, store.find_study(given), "person").completion_code == "C1A2B3"


# -- time-out ------------------------------------------------------------------------------------


def test_a_silent_seat_is_dealt_again(store: Store, study_id: int) -> None:
    lost = enter(store, study_id, "silent", now=0)
    plan = [store.reveal(trial.tokens[0]) for trial in store.next_trials(lost.seat_id, 9)]
    tokens = {trial.tokens for trial in store.next_trials(lost.seat_id, 9)}
    assert store.release_expired(study_id, HOUR_S) == 0
    assert store.release_expired(study_id, HOUR_S + 1) == 1
    fresh = enter(store, study_id, "next", now=HOUR_S + 2)
    trials = store.next_trials(fresh.seat_id, 9)
    assert [store.reveal(trial.tokens[0]) for trial in trials] == plan
    assert not {trial.tokens for trial in trials} & tokens
    assert fresh.listener == "L0007"


def test_rating_keeps_a_seat(store: Store, study_id: int) -> None:
    seat = enter(store, study_id, "slow", now=0)
    rate_next(store, seat, now=HOUR_S - 1)
    assert store.release_expired(study_id, 2 * HOUR_S - 2) == 0
    assert store.release_expired(study_id, 2 * HOUR_S) == 1


def test_a_finished_seat_never_times_out(store: Store, study_id: int) -> None:
    finish(store, enter(store, study_id, "quick", now=0), now=1)
    assert store.release_expired(study_id, 100 * HOUR_S) == 0


def test_who_comes_back_in_time_keeps_the_seat(store: Store, study_id: int) -> None:
    """The copy that nobody took becomes void, so no plan is heard twice."""
    seat = enter(store, study_id, "late", now=0)
    store.release_expired(study_id, 2 * HOUR_S)
    assert enter(store, study_id, "late", now=3 * HOUR_S) == seat
    assert store.status(study_id).seats == {"claimed": 1, "free": 5, "void": 1}
    rate_next(store, seat, now=3 * HOUR_S)
    others = [enter(store, study_id, f"p{index}", now=3 * HOUR_S) for index in range(5)]
    assert "L0007" not in {other.listener for other in others}
    with pytest.raises(StudyFull):
        enter(store, study_id, "one too many", now=3 * HOUR_S)


@pytest.mark.parametrize("way", ["enter", "code", "trials", "rate"])
def test_every_way_back_restores_an_untaken_seat(store: Store, study_id: int, way: str) -> None:
    seat = enter(store, study_id, "late", now=0)
    trial = store.next_trials(seat.seat_id)[0]
    store.release_expired(study_id, 2 * HOUR_S)
    back = {
        "enter": lambda: enter(store, study_id, "late", now=2 * HOUR_S),
        "code": lambda: store.seat_by_code(seat.resume_code, now=2 * HOUR_S),
        "trials": lambda: store.next_trials(seat.seat_id, now=2 * HOUR_S),
        "rate": lambda: rate_next(store, seat, now=2 * HOUR_S),
    }
    assert back[way]()
    assert store.status(study_id).seats == {"claimed": 1, "free": 5, "void": 1}
    assert trial.position == 0


@pytest.mark.parametrize("way", ["enter", "code", "trials", "rate"])
def test_who_comes_back_too_late_is_told(store: Store, study_id: int, way: str) -> None:
    seat = enter(store, study_id, "late", now=0)
    rate_next(store, seat, now=1)
    trial = store.next_trials(seat.seat_id)[0]
    enter(store, study_id, "heir", now=2 * HOUR_S)  # releases by itself
    with pytest.raises(SeatLost):
        if way == "enter":
            enter(store, study_id, "late", now=2 * HOUR_S)
        elif way == "code":
            store.seat_by_code(seat.resume_code)
        elif way == "trials":
            store.next_trials(seat.seat_id)
        else:
            store.rate(seat.seat_id, trial.trial_id, [3], submit_key="k", telemetry={})
    frame = store.ratings(study_id)
    assert list(frame["role"]) == ["incomplete"]
    assert store.status(study_id).incomplete == 1


def test_a_resend_after_the_seat_was_lost_is_still_told_that_it_is_safe(
    store: Store, study_id: int
) -> None:
    seat = enter(store, study_id, "late", now=0)
    trial_id = rate_next(store, seat, score=4, key="once", now=1)
    enter(store, study_id, "heir", now=2 * HOUR_S)
    telemetry: dict[str, float] = {}
    again = store.rate(seat.seat_id, trial_id, [4], submit_key="once", telemetry=telemetry)
    assert again is False


def test_a_full_study_has_room_again_when_a_seat_times_out(store: Store, study_id: int) -> None:
    for index in range(6):
        enter(store, study_id, f"person{index}", now=0)
    assert enter(store, study_id, "late", now=2 * HOUR_S).listener == "L0007"


# -- SQLite files --------------------------------------------------------------------------------


def test_ratings_survive_closing(study: Study, publish: Publish, tmp_path: Path) -> None:
    url = default_url(tmp_path / "study.yaml")
    with open_store(url) as store:
        study_id = publish(store, study)
        seat = enter(store, study_id, "person")
        rate_next(store, seat)
    assert (tmp_path / "study.sqlite").is_file()
    with open_store(url) as store:
        assert enter(store, store.find_study(study), "person").n_rated == 1
        assert len(store.ratings(study_id)) == 1
