"""Can listeners hear a difference at all: ABX and two-alternative tests.

d' is the distance between two sounds in units of the listener's own noise; Macmillan and Creelman
2005, "Detection Theory", chapters 7 and 9.
"""

import math
from dataclasses import dataclass
from typing import Literal

import scipy.optimize
import scipy.stats
from scipy.special import ndtr, ndtri

from evalsuite.stats.preference import wilson_bounds

__all__ = ["Discrimination", "abx_share_correct", "discrimination", "sensitivity"]

Strategy = Literal["independent", "differencing", "2afc"]
_LARGEST = 20.0


@dataclass(frozen=True)
class Discrimination:
    """Of n trials with a right answer.

    Parameters
    ----------
    share, low, high : right answers, with Wilson's interval.
    p : exact binomial, one-sided, against guessing.
    d_prime_independent, d_prime_differencing : by what the listener is thought to do; 0 for a
        share at or below chance, infinite for all right.
    """

    share: float
    low: float
    high: float
    p: float
    d_prime_independent: float
    d_prime_differencing: float
    n: int


def discrimination(n_right: int, n: int, *, confidence: float = 0.95) -> Discrimination:
    """Summarise an ABX test of one listener, or of a panel pooled."""
    share = n_right / n
    low, high = wilson_bounds(share, n, confidence)
    p = float(scipy.stats.binomtest(n_right, n, 0.5, alternative="greater").pvalue)
    return Discrimination(
        share,
        low,
        high,
        p,
        sensitivity(share, "independent"),
        sensitivity(share, "differencing"),
        n,
    )


def abx_share_correct(d_prime: float, strategy: Strategy) -> float:
    """Share of right answers at a sensitivity.

    ``independent`` compares X with A and B after classifying each, ``differencing`` compares the
    differences X - A and X - B, ``2afc`` chooses between two intervals.
    """
    if strategy == "2afc":
        return float(ndtr(d_prime / math.sqrt(2)))
    other = d_prime / 2 if strategy == "independent" else d_prime / math.sqrt(6)
    one = d_prime / math.sqrt(2)
    return float(ndtr(one) * ndtr(other) + ndtr(-one) * ndtr(-other))


def sensitivity(share: float, strategy: Strategy) -> float:
    """Find the d' behind a share of right answers.

    >>> [round(sensitivity(0.75, s), 4) for s in ("independent", "differencing", "2afc")]
    [1.7904, 2.02, 0.9539]
    """
    if share <= 0.5:
        return 0.0
    if share >= 1.0:
        return math.inf
    if strategy == "2afc":
        return math.sqrt(2) * float(ndtri(share))
    return float(
        scipy.optimize.brentq(lambda d: abx_share_correct(d, strategy) - share, 0, _LARGEST)
    )
