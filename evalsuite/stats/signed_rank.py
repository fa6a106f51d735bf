"""Wilcoxon's signed-rank test of paired differences.

Own code for one reason: the default report makes this test, and importing `scipy.stats` for it
would take longer than everything else a small report does. Tests hold it to scipy.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

__all__ = ["signed_rank_p"]

# Up to here the exact distribution is used, if no differences are tied or zero.
_EXACT_UP_TO = 50


def signed_rank_p(differences: NDArray[np.float64]) -> float:
    """Two-sided p for differences that lie symmetrically around 0; NaN if all are zero.

    Wilcoxon 1945, "Individual comparisons by ranking methods", Biometrics Bulletin 1. Ranks of zero
    differences are split between both signs. Exact for at most 50 differences without ties or
    zeros, else normal, with the variance corrected for ties and without correction for continuity.

    Parameters
    ----------
    differences : float64, shape (n,).

    >>> signed_rank_p(np.array([1.0, 2, 3, 4, 5, 6]))
    0.03125
    """
    magnitudes = np.abs(differences)
    if not magnitudes.any():
        return math.nan
    _, group, size = np.unique(magnitudes, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(size) - (size - 1) / 2)[group]
    positive = float(ranks[differences > 0].sum() + ranks[differences == 0].sum() / 2)
    n = len(differences)
    if n <= _EXACT_UP_TO and len(size) == n and magnitudes.min() > 0:
        return _exact_p(n, round(positive))
    variance = (n * (n + 1) * (2 * n + 1) - (size**3 - size).sum() / 2) / 24
    z = (positive - n * (n + 1) / 4) / math.sqrt(variance)
    return float(2 * ndtr(-abs(z)))


def _exact_p(n: int, positive: int) -> float:
    """Count the sets of ranks 1 to n by their sum: under no difference each set is as likely."""
    ways = np.zeros(n * (n + 1) // 2 + 1)
    ways[0] = 1
    for rank in range(1, n + 1):
        ways[rank:] = ways[rank:] + ways[:-rank]
    tail = min(ways[: positive + 1].sum(), ways[positive:].sum())
    return min(1.0, float(2 * tail / 2.0**n))
