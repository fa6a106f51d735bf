import pytest
from listening_site import Path, make_study

from dashboard.session import (
    BadLink,
    Outcome,
    Service,
    Submission,
    expected_minutes,
    open_service,
    parse_submission,
    read_invitation,
    too_fast,
)
from dashboard.settings import Settings
from evalsuite.errors import SeatLost, StoreError

GOOD = {"trial": 7, "key": "0" * 32, "scores": [4], "telemetry": {"plays": 2}}
ANYONE = read_invitation({})


@pytest.fixture
def service(study_file: Path) -> Service:
    return open_service(Settings(study_file, None))


def answer(service: Service, seat_id: int, *, key: str = "a" * 32, score: float = 4) -> Submission:
    [trial] = service.store.next_trials(seat_id, 1)
    return Submission(trial.trial_id, key, (score,), {"plays": 1.0})


def test_invitation_keeps_the_panel_numbers_and_drops_the_rest() -> None:
    query = {"PROLIFIC_PID": "5f-A_b", "STUDY_ID": "s1", "SESSION_ID": "x", "utm": "<script>"}
    invitation = read_invitation(query)
    assert invitation.listener == "5f-A_b"
    assert invitation.attributes == {"STUDY_ID": "s1", "SESSION_ID": "x"}


@pytest.mark.parametrize("value", ["", "a b", "<img src=x>", "x" * 65, "né", "a\n"])
@pytest.mark.parametrize("name", ["PROLIFIC_PID", "STUDY_ID", "SESSION_ID"])
def test_invitation_refuses_what_no_panel_sends(name: str, value: str) -> None:
    with pytest.raises(BadLink):
        read_invitation({name: value})


def test_submission_keeps_known_numbers_only() -> None:
    telemetry = {"plays": 2, "heard_fraction": float("nan"), "sample_rate": "48000", "essay": "x"}
    parsed = parse_submission({**GOOD, "telemetry": telemetry})
    assert parsed is not None
    assert (parsed.trial_id, parsed.scores) == (7, (4.0,))
    known = {name: value for name, value in parsed.telemetry.items() if value is not None}
    assert known == {"plays": 2.0}


@pytest.mark.parametrize(
    "change",
    [
        {"trial": "7"},
        {"trial": True},
        {"trial": 10**400},
        {"key": "short"},
        {"key": "G" * 32},
        {"scores": []},
        {"scores": ["4"]},
        {"scores": [None]},
        {"scores": [float("inf")]},
        {"scores": [float("nan")]},
        {"scores": [10**400]},
        {"scores": 4},
        {"telemetry": None},
    ],
    ids=str,
)
def test_submission_of_another_form_is_refused(change: dict[str, object]) -> None:
    assert parse_submission(GOOD) is not None
    assert parse_submission({**GOOD, **change}) is None


@pytest.mark.parametrize("value", [None, 3, "x", [], {}, [GOOD]])
def test_what_is_no_submission_is_refused(value: object) -> None:
    assert parse_submission(value) is None


def test_too_fast_is_about_the_clip_not_about_the_person() -> None:
    assert too_fast(100.0, 102.0, 3.0) is True
    assert too_fast(100.0, 103.0, 3.0) is False
    assert too_fast(100.0, 102.9, 3.0) is False  # within what two clocks may disagree
    assert too_fast(None, 102.0, 3.0) is None


def test_minutes_grow_with_the_samples() -> None:
    assert expected_minutes(1) == 3
    assert expected_minutes(60) == 17


def test_answer_is_stored_once_whatever_is_sent_again(service: Service) -> None:
    seat = service.enter(ANYONE)
    first = answer(service, seat.seat_id)
    outcomes = [
        service.take(seat, first, shown_at=None, duration_s=None),
        service.take(seat, first, shown_at=None, duration_s=None),
        service.take(
            seat,
            Submission(first.trial_id, "b" * 32, (1.0,), {}),
            shown_at=None,
            duration_s=None,
        ),
    ]
    assert outcomes == [Outcome.STORED, Outcome.REPEATED, Outcome.CONFLICT]
    assert list(service.store.ratings(service.study_id)["score"]) == [4.0]


@pytest.mark.parametrize("score", [0, 6, 3.5])
def test_score_off_the_scale_is_refused(service: Service, score: float) -> None:
    seat = service.enter(ANYONE)
    given = answer(service, seat.seat_id, score=score)
    assert service.take(seat, given, shown_at=None, duration_s=None) is Outcome.REFUSED
    assert service.store.ratings(service.study_id).empty


def test_trial_of_another_seat_is_refused(service: Service) -> None:
    mine, other = service.enter(ANYONE), service.enter(ANYONE)
    foreign = answer(service, other.seat_id)
    assert service.take(mine, foreign, shown_at=None, duration_s=None) is Outcome.REFUSED
    assert service.store.ratings(service.study_id).empty


def test_lost_seat_is_said_not_swallowed(tmp_path: Path) -> None:
    service = open_service(Settings(make_study(tmp_path, listeners=2, trials=2), None))
    seat = service.store.enter(service.study_id, None, attributes={}, now=0.0)
    given = answer(service, seat.seat_id)
    service.enter(ANYONE)  # takes the place that the first one left decades ago
    with pytest.raises(SeatLost):
        service.take(seat, given, shown_at=None, duration_s=None)


def test_service_knows_that_the_voices_are_synthetic(service: Service) -> None:
    assert service.synthetic_speech is True


def test_unpublished_study_is_refused(study_file: Path) -> None:
    database = f"sqlite:///{study_file.parent / 'empty.sqlite'}"
    with pytest.raises(StoreError, match="publish"):
        open_service(Settings(study_file, database))
