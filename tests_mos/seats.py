"""What the store hands out, and the secrets a seat carries."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = [
    "SeatView",
    "Status",
    "StimulusFile",
    "StudyStatus",
    "TrialView",
    "listener_name",
    "new_completion_code",
    "new_resume_code",
    "new_token",
]

Status = Literal["free", "claimed", "done", "lost", "withdrawn", "void"]

# Without characters that are easily mistaken for each other when copied by hand.
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


@dataclass(frozen=True)
class StimulusFile:
    """One sample of a run that listeners will hear.

    Parameters
    ----------
    run : folder of the run, absolute.
    path : of the file, relative to `run`.
    sha256 : of its bytes.
    duration_s : length in seconds.
    """

    system: str
    utterance: str
    run: Path
    path: Path
    sha256: str
    duration_s: float


@dataclass(frozen=True)
class SeatView:
    """A listener's place in a study.

    Parameters
    ----------
    seat_id : key for the other operations of the store; not a secret, never sent to a browser.
    listener : pseudonym in the ratings table; says nothing about the person.
    resume_code : secret that leads back to this seat.
    n_trials, n_rated : planned and rated trials.
    completion_code : None until every trial is rated.
    simulated : no person sits here.
    """

    seat_id: int
    listener: str
    resume_code: str
    n_trials: int
    n_rated: int
    completion_code: str | None
    simulated: bool


@dataclass(frozen=True)
class TrialView:
    """A trial as a listener may know it: no system, utterance or file name.

    Parameters
    ----------
    position : 0-based place in the session.
    tokens : one opaque audio token per stimulus, in order.
    duration_s : length of each stimulus, in seconds.
    """

    trial_id: int
    position: int
    tokens: tuple[str, ...]
    duration_s: tuple[float, ...]


@dataclass(frozen=True)
class StudyStatus:
    """How far a study is.

    Parameters
    ----------
    seats : status -> number of seats; a void seat is a copy that was not needed.
    planned : system -> ratings if all seats are finished.
    rated : system -> ratings stored of listeners who finished or are under way.
    incomplete : ratings stored of listeners who stopped; kept, marked in the export.
    withdrawn : ratings stored of listeners who withdrew; never exported.
    simulated : ratings stored that no person gave.
    people : seats that people have taken, whatever became of them.
    """

    name: str
    version: int
    seats: dict[str, int]
    planned: dict[str, int]
    rated: dict[str, int]
    incomplete: int
    withdrawn: int
    simulated: int
    people: int


def listener_name(seat_number: int) -> str:
    """Pseudonym of the listener in a seat.

    >>> listener_name(7)
    'L0007'
    """
    return f"L{seat_number:04d}"


def new_token() -> str:
    """128 random bits, safe in a URL."""
    return secrets.token_urlsafe(16)


def new_resume_code() -> str:
    """16 characters to copy by hand, 79 random bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(16))


def new_completion_code() -> str:
    """8 characters to copy by hand; a receipt, not a key."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(8))
