"""Ratings, blindness and the ratings table, on each database that is at hand."""

from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from sessions_by_hand import enter, finish, rate_next

from evalsuite.errors import Conflict, SeatLost, StoreError
from evalsuite.ratings import ratings_from_frame
from tests_mos.design import make_design
from tests_mos.export import COLUMNS
from tests_mos.samples import find_stimuli
from tests_mos.store import Store
from tests_mos.study import Study

# -- ratings -------------------------------------------------------------------------------------


def test_a_resend_is_stored_once(store: Store, study_id: int) -> None:
    seat = enter(store, study_id)
    trial = store.next_trials(seat.seat_id)[0]

    def send(key: str, score: float) -> bool:
        return store.rate(seat.seat_id, trial.trial_id, [score], submit_key=key, telemetry={})

    assert send("a", 4) is True
    assert send("a", 4) is False
    with pytest.raises(Conflict, match="another submission"):
        send("b", 4)
    with pytest.raises(Conflict, match="other scores"):
        send("a", 5)
    assert list(store.ratings(study_id)["score"]) == [4.0]


def test_a_key_serves_one_trial(store: Store, study_id: int) -> None:
    seats = [enter(store, study_id) for _ in range(2)]
    rate_next(store, seats[0], key="same")
    with pytest.raises(Conflict, match="belongs to another trial"):
        rate_next(store, seats[1], key="same")
    assert len(store.ratings(study_id)) == 1


@pytest.mark.parametrize(
    "scores", [[], [0], [6], [3.5], [4, 4], [float("nan")], [float("inf")], [-1]], ids=str
)
def test_scores_off_the_scale(store: Store, study_id: int, scores: list[float]) -> None:
    seat = enter(store, study_id)
    trial = store.next_trials(seat.seat_id)[0]
    with pytest.raises(StoreError, match="one score out of"):
        store.rate(seat.seat_id, trial.trial_id, scores, submit_key="k", telemetry={})
    assert store.ratings(study_id).empty


def test_a_trial_of_another_seat(store: Store, study_id: int) -> None:
    mine, theirs = enter(store, study_id), enter(store, study_id)
    trial = store.next_trials(theirs.seat_id)[0]
    with pytest.raises(StoreError, match="is not in seat"):
        store.rate(mine.seat_id, trial.trial_id, [4], submit_key="k", telemetry={})
    with pytest.raises(StoreError):
        store.rate(9999, trial.trial_id, [4], submit_key="k", telemetry={})


def test_nobody_rates_from_an_unclaimed_seat(store: Store, study_id: int) -> None:
    seat = enter(store, study_id)
    trial = store.next_trials(seat.seat_id)[0]
    with pytest.raises(StoreError, match=r"not claimed"):
        store.next_trials(seat.seat_id + 1)
    with pytest.raises(StoreError):
        store.rate(seat.seat_id + 1, trial.trial_id + 4, [4], submit_key="k", telemetry={})


@pytest.mark.parametrize(
    ("telemetry", "message"),
    [
        ({"x": "y" * 20_000}, "at most 16384 bytes"),
        ({"x": float("nan")}, "not JSON"),
        ({"x": b"bytes"}, "not JSON"),
    ],
)
def test_telemetry_is_small_json(
    store: Store, study_id: int, telemetry: dict[str, object], message: str
) -> None:
    seat = enter(store, study_id)
    trial = store.next_trials(seat.seat_id)[0]
    with pytest.raises(StoreError, match=message):
        store.rate(seat.seat_id, trial.trial_id, [4], submit_key="k", telemetry=telemetry)


@pytest.mark.parametrize("key", ["", "k" * 81])
def test_submit_keys_have_a_length(store: Store, study_id: int, key: str) -> None:
    seat = enter(store, study_id)
    trial = store.next_trials(seat.seat_id)[0]
    with pytest.raises(StoreError, match="submit key"):
        store.rate(seat.seat_id, trial.trial_id, [4], submit_key=key, telemetry={})


# -- blindness and files -------------------------------------------------------------------------


def test_nothing_a_listener_gets_names_a_system_or_file(store: Store, study_id: int) -> None:
    seat = enter(store, study_id, "person")
    shown = repr(asdict(seat)) + repr(store.next_trials(seat.seat_id, 9))
    for name in ("original", "melgan", "griffin", "LJ0", "wav", "person"):
        assert name not in shown


def test_tokens_are_unique_and_lead_to_the_right_file(store: Store, study_id: int) -> None:
    tokens = []
    for _ in range(6):
        for trial in store.next_trials(enter(store, study_id).seat_id, 9):
            (token,) = trial.tokens
            path = store.audio_path(token)
            assert path is not None
            system, utterance = store.reveal(token)
            assert path.read_text() == f"sound of {utterance} by {system}"
            tokens.append(token)
    assert len(set(tokens)) == 24
    assert {len(token) for token in tokens} == {22}  # 128 bits
    assert store.audio_path(tokens[0][:-1]) is None
    assert store.audio_path("../../etc/passwd") is None


@pytest.mark.parametrize("kind", ["dots", "absolute", "link"])
def test_files_outside_the_run_are_never_served(
    store: Store, study: Study, tmp_path: Path, kind: str
) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(b"secret")
    assert study.run is not None
    path = {"dots": Path("../secret.wav"), "absolute": secret, "link": Path("link.wav")}[kind]
    (study.run / "link.wav").symlink_to(secret)
    stimuli = [replace(stimulus, path=path) for stimulus in find_stimuli(study)]
    seat = enter(store, store.publish(study, make_design(study), stimuli))
    assert store.audio_path(store.next_trials(seat.seat_id)[0].tokens[0]) is None


def test_a_deleted_file_is_absent(store: Store, study_id: int) -> None:
    token = store.next_trials(enter(store, study_id).seat_id)[0].tokens[0]
    path = store.audio_path(token)
    assert path is not None
    path.unlink()
    assert store.audio_path(token) is None


# -- export --------------------------------------------------------------------------------------


def test_ratings_table(store: Store, study_id: int) -> None:
    seat = enter(store, study_id, "prolific-5f3a")
    finish(store, seat, now=86400.5)
    frame = store.ratings(study_id)
    assert tuple(frame.columns) == COLUMNS
    first = frame.iloc[0]
    assert (first["study"], first["protocol"], first["scale"]) == ("small-v1", "acr", "acr5")
    assert (first["listener"], first["trial"], first["presentation"]) == ("L0001", 1, 1)
    assert first["submitted_at"] == "1970-01-02T00:00:00.500+00:00"
    assert (first["plays"], first["heard_fraction"], first["role"]) == (2.0, 0.99, "test")
    assert not first["simulated"]
    assert "prolific" not in frame.to_csv()
    assert list(frame["trial"]) == [1, 2, 3, 4]


def test_table_agrees_with_what_was_heard(store: Store, study_id: int) -> None:
    """Scores coded by system come out under that system, from every seat."""
    code = {"original": 5, "melgan": 3, "griffin_lim": 1}
    for _ in range(6):
        seat = enter(store, study_id)
        for trial in store.next_trials(seat.seat_id, 9):
            score = code[store.reveal(trial.tokens[0])[0]]
            store.rate(
                seat.seat_id, trial.trial_id, [score], submit_key=f"k{trial.trial_id}", telemetry={}
            )
    frame = store.ratings(study_id)
    assert Counter(zip(frame["system"], frame["score"], strict=True)) == {
        ("original", 5.0): 8,
        ("melgan", 3.0): 8,
        ("griffin_lim", 1.0): 8,
    }
    assert set(frame.groupby(["system", "utterance"]).size()) == {2}
    assert len(ratings_from_frame(frame, source="store").frame) == 24  # analysis accepts it


def test_shown_at_is_on_the_servers_clock(store: Store, study_id: int) -> None:
    """A listener's clock may be years off; only its difference counts."""
    seat = enter(store, study_id)
    trial = store.next_trials(seat.seat_id)[0]
    telemetry = {"shown_at_ms": 5_000_000, "submitted_at_ms": 5_007_500}
    store.rate(seat.seat_id, trial.trial_id, [4], submit_key="k", telemetry=telemetry, now=1000.0)
    assert store.ratings(study_id)["shown_at"][0] == "1970-01-01T00:16:32.500+00:00"


def test_hostile_telemetry_does_not_reach_numbers(store: Store, study_id: int) -> None:
    seat = enter(store, study_id)
    trial = store.next_trials(seat.seat_id)[0]
    telemetry = {"plays": "many", "heard_fraction": [1], "shown_at_ms": "x", "submitted_at_ms": 1}
    store.rate(seat.seat_id, trial.trial_id, [4], submit_key="k", telemetry=telemetry)
    row = store.ratings(study_id).iloc[0]
    assert row[["plays", "heard_fraction", "shown_at"]].isna().all()


def test_empty_table_has_its_columns(store: Store, study_id: int) -> None:
    assert tuple(store.ratings(study_id).columns) == COLUMNS
    assert store.ratings(study_id).empty


def test_unfinished_sessions_are_marked(store: Store, study_id: int) -> None:
    finish(store, enter(store, study_id))
    rate_next(store, enter(store, study_id))
    frame = store.ratings(study_id)
    assert Counter(frame["role"]) == {"test": 4, "incomplete": 1}


def test_withdrawn_answers_are_kept_but_never_exported(store: Store, study_id: int) -> None:
    gone, stays = enter(store, study_id, "gone"), enter(store, study_id, "stays")
    rate_next(store, gone)
    rate_next(store, stays)
    store.withdraw(gone.seat_id)
    store.withdraw(gone.seat_id)  # twice is once
    assert set(store.ratings(study_id)["listener"]) == {stays.listener}
    status = store.status(study_id)
    assert (status.withdrawn, sum(status.rated.values())) == (1, 1)
    assert status.seats == {"claimed": 1, "free": 5, "withdrawn": 1}  # the plan is dealt again
    with pytest.raises(SeatLost, match="withdrawn"):
        rate_next(store, gone)
    with pytest.raises(SeatLost):
        enter(store, study_id, "gone")


def test_log_takes_events_of_seats_and_of_none(store: Store, study_id: int) -> None:
    seat = enter(store, study_id)
    store.log(seat.seat_id, "consent", {"text": "yes"})
    store.log(None, "started", {})
    with pytest.raises(StoreError, match="not JSON"):
        store.log(None, "bad", {"x": object()})


def test_simulated_seats_mark_every_row(store: Store, study_id: int) -> None:
    seat = store.enter(study_id, "robot", attributes={}, simulated=True, now=1000.0)
    rate_next(store, seat)
    rate_next(store, enter(store, study_id, "person"))
    frame = store.ratings(study_id)
    assert list(frame["simulated"]) == [True, False]
    status = store.status(study_id)
    assert (status.simulated, status.people) == (1, 1)
