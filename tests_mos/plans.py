"""The design as data: for each seat its trials in order."""

from dataclasses import dataclass

__all__ = ["Design", "TrialPlan"]


@dataclass(frozen=True)
class TrialPlan:
    """One trial: its (system, utterance) pairs in order of presentation; one pair for ACR."""

    stimuli: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Design:
    """Who hears what, and in which order.

    Parameters
    ----------
    systems, utterances : every name that may occur.
    seats : for each listener the trials in order; all equally many.
    """

    systems: tuple[str, ...]
    utterances: tuple[str, ...]
    seats: tuple[tuple[TrialPlan, ...], ...]
