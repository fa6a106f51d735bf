"""One sample, one answer: the page on which listeners spend their time."""

import logging
import time
from typing import Any

import streamlit as st

from dashboard.audio_route import AUDIO_PATH
from dashboard.components.mounting import Component
from dashboard.session import Outcome, Service, parse_submission
from dashboard.texts import ENGLISH, TRIAL_KEYS
from dashboard.views import thanks
from tests_mos.store import SeatView, TrialView

__all__ = ["show"]

_component = Component("trial", trigger="submit")
_LATE = "late_answer"
_log = logging.getLogger(__name__)


def _shown() -> dict[int, tuple[float, float]]:
    """When this session first showed a trial, and the sample's length: trial id -> (s, s)."""
    shown: dict[int, tuple[float, float]] = st.session_state.setdefault("shown", {})
    return shown


def _take(service: Service, seat: SeatView, value: Any) -> Outcome:
    submission = parse_submission(value)
    if submission is None:
        _log.warning("a trial sent something that is no answer")
        return Outcome.REFUSED
    shown_at, duration_s = _shown().get(submission.trial_id, (None, None))
    return service.take(seat, submission, shown_at=shown_at, duration_s=duration_s)


def _payload(
    service: Service, seat: SeatView, trials: list[TrialView], outcome: Outcome | None
) -> dict[str, Any]:
    """All that the browser learns about a trial."""
    study, current = service.study, trials[0]
    scores = [score for score, _ in study.scale.shown]
    keys = ENGLISH["keys"].format(digits=f"{min(scores)}–{max(scores)}")
    place = ENGLISH["place"].format(position=current.position + 1, count=seat.n_trials)
    urls = [f"{AUDIO_PATH}/{trial.tokens[0]}" for trial in trials]
    return {
        "seat": seat.resume_code,
        "trial": current.trial_id,
        "position": current.position + 1,
        "count": seat.n_trials,
        "place": place,
        "question": study.question,
        "url": urls[0],
        "preload": urls[1:],
        "scale": [{"value": score, "label": label} for score, label in study.scale.shown],
        "required": study.min_coverage,
        "notice": ENGLISH["already_rated"] if outcome is Outcome.CONFLICT else None,
        "texts": {**{name: ENGLISH[name] for name in TRIAL_KEYS}, "keys": keys},
    }


def show(service: Service, seat: SeatView) -> None:
    """Store the answer that came in, if any, and draw the trial that is due.

    Raises
    ------
    SeatLost if the seat has been given to somebody else.
    """
    sent = _component.sent() or st.session_state.pop(_LATE, None)
    outcome = None if sent is None else _take(service, seat, sent)
    trials = service.store.next_trials(seat.seat_id, 2)
    if not trials:
        thanks.show(service, service.store.seat_by_code(seat.resume_code) or seat)
        return
    current = trials[0]
    _shown().setdefault(current.trial_id, (time.time(), current.duration_s[0]))
    late = _component.mount(_payload(service, seat, trials, outcome))
    # In a session that is new (server restarted, line lost) an answer is seen only once the
    # component has been drawn; it is taken at the start of the next run, like any other.
    if late is not None and sent is None:
        st.session_state[_LATE] = late
        st.rerun()
