"""The ratio of two speeds measured in turns, which outlives a change of the machine's load."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from evalsuite.errors import ConfigError

__all__ = ["PairedRatio", "paired_ratio"]


@dataclass(frozen=True)
class PairedRatio:
    """How many times faster one thing is than another.

    Parameters
    ----------
    median : of the pairs' ratios.
    low, high : their extremes.
    coverage : probability that the extremes enclose the median of all such pairs, if pairs are
        independent: ``1 - 2 ** (1 - n_pairs)``.
    n_pairs : measured.
    """

    median: float
    low: float
    high: float
    coverage: float
    n_pairs: int


def paired_ratio(speeds: Sequence[float], baseline_speeds: Sequence[float]) -> PairedRatio:
    """Divide each speed by the baseline's measured next to it.

    Parameters
    ----------
    speeds, baseline_speeds : positive, equally many, in the order of measuring (A B A B ...).

    Raises
    ------
    ConfigError if there are none, or not equally many.

    Source: the interval is the sign test's (order statistics), Conover 1999, section 3.2.

    >>> paired_ratio([30, 10, 22], [10, 5, 11])
    PairedRatio(median=2.0, low=2.0, high=3.0, coverage=0.75, n_pairs=3)
    """
    if not speeds or len(speeds) != len(baseline_speeds):
        raise ConfigError(
            f"{len(speeds)} speeds and {len(baseline_speeds)} of the baseline",
            wanted="pairs measured in turns",
            do="measure both equally often",
        )
    ratios = [ours / theirs for ours, theirs in zip(speeds, baseline_speeds, strict=True)]
    n_pairs = len(ratios)
    return PairedRatio(
        median=statistics.median(ratios),
        low=min(ratios),
        high=max(ratios),
        coverage=1 - 2.0 ** (1 - n_pairs),
        n_pairs=n_pairs,
    )
