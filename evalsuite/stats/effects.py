"""How large a difference is, beside whether it is there. Numbers without verbal labels."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalsuite.stats.scores import SystemScores

__all__ = ["EffectSize", "cliffs_delta", "effect_size", "paired_cliffs_delta"]


@dataclass(frozen=True)
class EffectSize:
    """Of system a over system b; NaN where undefined.

    Parameters
    ----------
    cliffs_delta : over all pairs of a rating of a and one of b.
    cliffs_delta_paired : over listeners who rated both, each by their means: strict and lenient
        listeners no longer blur it.
    standardised : difference of means over the pooled standard deviation of the ratings (d).
    n_paired_listeners : behind the second.
    """

    cliffs_delta: float
    cliffs_delta_paired: float
    standardised: float
    n_paired_listeners: int


def effect_size(a: SystemScores, b: SystemScores) -> EffectSize:
    """Compute all effect sizes of two systems."""
    paired, n_listeners = paired_cliffs_delta(a, b)
    return EffectSize(cliffs_delta(a.scores, b.scores), paired, _standardised(a, b), n_listeners)


def cliffs_delta(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """P(a > b) - P(a < b) for a random rating of each; -1 to 1.

    Cliff 1993, "Dominance statistics: ordinal analyses to answer ordinal questions",
    Psychol. Bull. 114. O(n log n).

    >>> cliffs_delta(np.array([3.0, 4.0]), np.array([3.0, 3.0]))
    0.5
    """
    if not len(a) or not len(b):
        return math.nan
    ordered = np.sort(b)
    below = np.searchsorted(ordered, a, side="left").sum()
    not_above = np.searchsorted(ordered, a, side="right").sum()
    return float((below + not_above) / (len(a) * len(b)) - 1.0)


def paired_cliffs_delta(a: SystemScores, b: SystemScores) -> tuple[float, int]:
    """Share of listeners whose mean is higher for a, minus that for b; how many rated both."""
    means_a, means_b = _listener_means(a, b)
    signs = np.sign(means_a - means_b)
    return (float(signs.mean()) if len(signs) else math.nan), len(signs)


def _listener_means(
    a: SystemScores, b: SystemScores
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of each listener who rated both, for a and for b."""
    n = 1 + max(int(one.listeners.max(initial=0)) for one in (a, b))
    counts = [np.bincount(one.listeners, minlength=n) for one in (a, b)]
    sums = [np.bincount(one.listeners, one.scores, minlength=n) for one in (a, b)]
    both = (counts[0] > 0) & (counts[1] > 0)
    return sums[0][both] / counts[0][both], sums[1][both] / counts[1][both]


def _standardised(a: SystemScores, b: SystemScores) -> float:
    if a.n < 2 or b.n < 2:
        return math.nan
    squares = (a.n - 1) * a.scores.var(ddof=1) + (b.n - 1) * b.scores.var(ddof=1)
    pooled = math.sqrt(squares / (a.n + b.n - 2))
    return (a.mean - b.mean) / pooled if pooled > 0 else math.nan
