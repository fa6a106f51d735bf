"""Objective metrics, one per file.

A metric compares two recordings of the same utterance. Where it is undefined its value is NaN
with a reason; a metric never returns a number that stands for a failure.
"""

import math
from dataclasses import dataclass
from typing import Protocol

from evalsuite.types import Waveform

__all__ = ["Metric", "MetricValue"]


@dataclass(frozen=True)
class MetricValue:
    """The value of one metric for one pair.

    Parameters
    ----------
    value : NaN if undefined.
    reason : why it is undefined; empty if it is not.

    >>> MetricValue(math.nan, "the reference is silent").reason
    'the reference is silent'
    """

    value: float
    reason: str = ""

    def __post_init__(self) -> None:
        if math.isnan(self.value) == (self.reason == ""):
            raise ValueError("a metric has either a value or a reason")


class Metric(Protocol):
    """Compares a degraded recording with its reference."""

    @property
    def name(self) -> str:
        """Column name, such as ``pesq_wb``."""
        ...

    @property
    def version(self) -> str:
        """Raised whenever the value for equal input changes; part of every cache key."""
        ...

    @property
    def higher_is_better(self) -> bool:
        """Direction, for the arrows of tables."""
        ...

    def compare(self, *, reference: Waveform, degraded: Waveform) -> MetricValue:
        """Return the value for one pair; the arguments are named because they may not be swapped.

        Raises
        ------
        AudioError for input that is no audio: NaN, or rates that differ.
        Unavailable if a package or weights are missing.
        """
        ...
