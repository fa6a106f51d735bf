"""What the views need, without Streamlit: which study, which seat, which answer.

*Conventions* Times are seconds since 1970 UTC on the server's clock. Whatever a browser sends is
hostile until a function here has returned it.
"""

import logging
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache

from dashboard.settings import Settings, read_settings
from evalsuite.errors import Conflict, ManifestError, SeatLost, StoreError
from evalsuite.manifest import read_manifest
from tests_mos.store import SeatView, Store, default_url, open_store
from tests_mos.study import Study, load_study

__all__ = [
    "BadLink",
    "Invitation",
    "Outcome",
    "Service",
    "Submission",
    "current_service",
    "expected_minutes",
    "open_service",
    "parse_submission",
    "read_invitation",
    "too_fast",
]

SECONDS_PER_TRIAL = 15.0  # one hearing of a sentence, the choice, now and then a second hearing
SECONDS_BEFORE = 120.0  # welcome and level check
_MARGIN_S = 0.25  # two clocks: the sample may start to play a little before the server notes it
_PARAMETERS = ("PROLIFIC_PID", "STUDY_ID", "SESSION_ID")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEY = re.compile(r"[0-9a-f]{32}")
_LARGEST_NUMBER = 2**53
_NUMBERS = (
    "plays",
    "heard_fraction",
    "listened_s",
    "shown_at_ms",
    "first_play_at_ms",
    "submitted_at_ms",
    "times_hidden",
    "sample_rate",
    "output_latency_s",
)

_log = logging.getLogger(__name__)


class BadLink(ValueError):
    """The address carries something that no invitation of ours carries."""


@dataclass(frozen=True)
class Invitation:
    """What the address says about the listener.

    Parameters
    ----------
    listener : the panel's participant number; None for an open link.
    attributes : the panel's other numbers.
    """

    listener: str | None
    attributes: Mapping[str, str]


def read_invitation(query: Mapping[str, str]) -> Invitation:
    """Read a panel's parameters from the address.

    Raises
    ------
    BadLink if one of them is not made of 1 to 64 letters, digits, ``_`` and ``-``.

    >>> read_invitation({"PROLIFIC_PID": "5f3a", "theme": "x"}).listener
    '5f3a'
    """
    given = {name: query[name] for name in _PARAMETERS if name in query}
    for name, value in given.items():
        if not _IDENTIFIER.fullmatch(value):
            raise BadLink(name)
    listener = given.pop("PROLIFIC_PID", None)
    return Invitation(listener, given)


@dataclass(frozen=True)
class Submission:
    """One answer as a browser sent it, checked for form."""

    trial_id: int
    key: str
    scores: tuple[float, ...]
    telemetry: Mapping[str, float | None]


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # JSON knows integers that no float can hold.
    return float(value) if abs(value) < _LARGEST_NUMBER else None


def parse_submission(value: object) -> Submission | None:
    """Return what the trial component sent, or None if it is not of its form.

    Only known numbers are kept of the telemetry, so that nobody can fill the database.

    >>> parse_submission({"trial": 1, "key": "not a key", "scores": [4]}) is None
    True
    """
    match value:
        case {"trial": int(trial), "key": str(key), "scores": [*given], "telemetry": {**facts}}:
            scores = [_number(score) for score in given[:16]]
        case _:
            return None
    if not _KEY.fullmatch(key) or not scores or None in scores or _number(trial) is None:
        return None
    telemetry = {name: _number(facts.get(name)) for name in _NUMBERS}
    return Submission(trial, key, tuple(s for s in scores if s is not None), telemetry)


def too_fast(shown_at: float | None, submitted_at: float, duration_s: float) -> bool | None:
    """Say whether an answer came before its sample can have been heard; None = not known.

    Both times are the server's, so no browser can forge them. Not known after a restart of the
    server while the trial was open: then nothing is claimed about the listener.

    >>> too_fast(10.0, 11.0, 3.0), too_fast(10.0, 14.0, 3.0), too_fast(None, 14.0, 3.0)
    (True, False, None)
    """
    if shown_at is None:
        return None
    return submitted_at - shown_at < duration_s - _MARGIN_S


def expected_minutes(n_trials: int) -> int:
    """Return how long a session takes, rounded up to whole minutes.

    >>> expected_minutes(30)
    10
    """
    return math.ceil((SECONDS_BEFORE + SECONDS_PER_TRIAL * n_trials) / 60)


class Outcome(Enum):
    """What became of an answer."""

    STORED = "stored"
    REPEATED = "repeated"  # the same answer had arrived before
    CONFLICT = "conflict"  # another window had answered this trial
    REFUSED = "refused"  # no answer of this page, or the database failed


class Service:
    """One study and its store.

    Parameters
    ----------
    synthetic_speech : the recordings themselves are made by a speech synthesiser.
    """

    def __init__(self, study: Study, store: Store, study_id: int, *, synthetic_speech: bool):
        self.study, self.store, self.study_id = study, store, study_id
        self.synthetic_speech = synthetic_speech

    def ping(self) -> None:
        """Ask the database for the study; raises what the database raises."""
        self.store.find_study(self.study)

    def release_expired(self) -> int:
        """Give back the seats of listeners who have been away for too long."""
        return self.store.release_expired(self.study_id)

    def enter(self, invitation: Invitation) -> SeatView:
        """Give the listener a seat, or the seat they already have.

        Raises
        ------
        StudyFull if no seat is free, SeatLost if their own was given to somebody else.
        """
        attributes = {**invitation.attributes, "language": self.study.language}
        return self.store.enter(self.study_id, invitation.listener, attributes=attributes)

    def take(
        self,
        seat: SeatView,
        submission: Submission,
        *,
        shown_at: float | None,
        duration_s: float | None,
    ) -> Outcome:
        """Store an answer, once.

        Raises
        ------
        SeatLost if the seat has been given to somebody else.
        """
        known = None if duration_s is None else too_fast(shown_at, time.time(), duration_s)
        telemetry = {**submission.telemetry, "too_fast": known}
        try:
            stored = self.store.rate(
                seat.seat_id,
                submission.trial_id,
                submission.scores,
                submit_key=submission.key,
                telemetry=telemetry,
            )
        except Conflict:
            return Outcome.CONFLICT
        except SeatLost:
            raise
        except StoreError:
            # The page keeps the answer, says so, and sends it again.
            _log.exception("an answer could not be stored")
            return Outcome.REFUSED
        return Outcome.STORED if stored else Outcome.REPEATED


def _is_synthetic(study: Study) -> bool:
    """Whether the run says that its recordings are synthetic speech; False if it says nothing."""
    if study.run is None:
        return False
    try:
        return read_manifest(study.run).synthetic_speech
    except ManifestError:
        _log.warning("no readable manifest beside the samples; nothing is said about their origin")
        return False


def open_service(settings: Settings) -> Service:
    """Open a published study.

    Raises
    ------
    ConfigError for a study file that cannot be followed, StoreError if it is not published.
    """
    study = load_study(settings.study)
    store = open_store(settings.database or default_url(settings.study))
    return Service(study, store, store.find_study(study), synthetic_speech=_is_synthetic(study))


@cache
def _cached_service(settings: Settings) -> Service:
    return open_service(settings)


def current_service() -> Service:
    """Return the study that the environment names; opened once per process."""
    return _cached_service(read_settings())
