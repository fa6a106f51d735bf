"""The values of a study: everything that decides what listeners hear, are told and are asked."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from evalsuite.files import sha256_json
from tests_mos.protocols import acr
from tests_mos.strict_yaml import StrictModel

__all__ = ["Completion", "Scale", "SessionPlan", "Study", "UtteranceDraw"]


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"each name once; repeated: {', '.join(repeated)}")
    return values


Text = Annotated[str, Field(min_length=1)]
Names = Annotated[tuple[Text, ...], Field(min_length=1), AfterValidator(_distinct)]
Count = Annotated[int, Field(ge=1, le=100_000)]


class Scale(StrictModel):
    """Categories a listener chooses from: score -> label, and the order they are shown in."""

    labels: dict[int, Text] = Field(default_factory=lambda: dict(acr.LABELS), min_length=2)
    order: Literal["best_first", "worst_first"] = "best_first"

    @property
    def shown(self) -> tuple[tuple[int, str], ...]:
        """(score, label) in the order of the page."""
        return tuple(sorted(self.labels.items(), reverse=self.order == "best_first"))


class UtteranceDraw(StrictModel):
    """So many utterances, drawn by seed from those that every system has spoken."""

    count: Count
    seed: int = 0


class Completion(StrictModel):
    """What a listener gets at the end.

    Parameters
    ----------
    code : the same for all; None = an own random code for each listener.
    url : where to go next; ``{code}`` is replaced.
    """

    code: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    url: Annotated[str, Field(pattern=r"^https?://")] | None = None


class Study(StrictModel):
    """One listening test; each value is explained in a file that ``evalsuite study new`` wrote.

    Once published, a study is frozen: its ratings belong to exactly these values (`digest`), and
    a change needs a new `version`.
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")]
    version: Count = 1
    title: Text = "Listening test"
    source: str = ""
    protocol: Literal["acr"] = "acr"
    scale: Scale = Scale()
    question: Text = acr.QUESTION
    instructions: Text
    consent: Text
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] = "en"
    run: Path | None = None
    systems: Names
    utterances: Names | UtteranceDraw
    listeners: Count
    ratings_per_stimulus: Count | None = None
    ratings_per_listener: Count | None = None
    seat_timeout_minutes: Annotated[float, Field(gt=0)] = 60.0
    min_coverage: Annotated[float, Field(ge=0, le=1)] = 0.98
    completion: Completion = Completion()
    seed: int = 0

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.ratings_per_stimulus is None) == (self.ratings_per_listener is None):
            raise ValueError(
                "exactly one of ratings_per_stimulus and ratings_per_listener; "
                "the other one follows from it"
            )
        return self

    @property
    def n_utterances(self) -> int:
        """How many utterances each system speaks in this study."""
        chosen = self.utterances
        return chosen.count if isinstance(chosen, UtteranceDraw) else len(chosen)

    @property
    def digest(self) -> str:
        """SHA-256 over every value but `run`: where the files lie does not change the test."""
        return sha256_json(self.model_dump(mode="json", exclude={"run"}))

    def plan(self) -> "SessionPlan":
        """Derive session length and ratings per stimulus from the numbers given."""
        n_stimuli = len(self.systems) * self.n_utterances
        if self.ratings_per_listener is not None:
            trials = self.ratings_per_listener
        else:
            wanted = (self.ratings_per_stimulus or 0) * n_stimuli
            trials = math.ceil(wanted / self.listeners)
        return SessionPlan(self.listeners, trials, n_stimuli)


@dataclass(frozen=True)
class SessionPlan:
    """The numbers of a study that follow from each other.

    Parameters
    ----------
    listeners : seats.
    trials_per_listener : equal for all; rounded up where ratings per stimulus were asked for.
    n_stimuli : systems × utterances.
    """

    listeners: int
    trials_per_listener: int
    n_stimuli: int

    @property
    def n_ratings(self) -> int:
        """Ratings if every seat is finished."""
        return self.listeners * self.trials_per_listener

    @property
    def ratings_per_stimulus(self) -> tuple[int, int]:
        """Fewest and most ratings that a stimulus gets.

        >>> SessionPlan(listeners=20, trials_per_listener=15, n_stimuli=100).ratings_per_stimulus
        (3, 3)
        """
        fewest, rest = divmod(self.n_ratings, self.n_stimuli)
        return fewest, fewest + (rest > 0)
