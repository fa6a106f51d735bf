"""Which of two systems listeners prefer."""

import math
from dataclasses import dataclass

import numpy as np
import scipy.stats
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from evalsuite.stats.clusters import two_way_variance
from evalsuite.stats.scores import Codes

__all__ = ["Preference", "preference", "wilson_bounds"]


@dataclass(frozen=True)
class Preference:
    """Of system a over system b.

    Parameters
    ----------
    share : of answers for a, ties counting half.
    share_without_ties : of answers for a among those that chose.
    low, high : Wilson's interval of `share`, as if answers were independent.
    cluster_low, cluster_high : of `share` for new listeners and sentences, two-way clustered; NaN
        with one listener or one utterance.
    p : exact binomial, two-sided, ties split in equal parts (an odd one is dropped).
    p_without_ties : the same among those that chose.
    n, n_ties : answers, and those without a preference.
    """

    share: float
    share_without_ties: float
    low: float
    high: float
    cluster_low: float
    cluster_high: float
    p: float
    p_without_ties: float
    n: int
    n_ties: int


def preference(
    answers: NDArray[np.int64], listeners: Codes, utterances: Codes, *, confidence: float = 0.95
) -> Preference:
    """Summarise the answers of a preference (AB) test.

    Parameters
    ----------
    answers : 1 for a, -1 for b, 0 for no preference, shape (n,); at least one.
    listeners, utterances : codes, shape (n,).
    """
    n = len(answers)
    wins, losses = int((answers == 1).sum()), int((answers == -1).sum())
    ties = n - wins - losses
    share = (wins + ties / 2) / n
    chosen = wins + losses
    low, high = wilson_bounds(share, n, confidence)
    cluster_low, cluster_high = _clustered(answers, listeners, utterances, share, confidence)
    return Preference(
        share=share,
        share_without_ties=wins / chosen if chosen else math.nan,
        low=low,
        high=high,
        cluster_low=cluster_low,
        cluster_high=cluster_high,
        p=_binomial(wins + ties // 2, chosen + 2 * (ties // 2)),
        p_without_ties=_binomial(wins, chosen),
        n=n,
        n_ties=ties,
    )


def wilson_bounds(share: float, n: int, confidence: float) -> tuple[float, float]:
    """Wilson 1927: the shares p for which the observed share is within z standard errors."""
    z = float(ndtri(0.5 + confidence / 2))
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    spread = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return centre - spread, centre + spread


def _binomial(successes: int, n: int) -> float:
    return float(scipy.stats.binomtest(successes, n).pvalue) if n else math.nan


def _clustered(
    answers: NDArray[np.int64],
    listeners: Codes,
    utterances: Codes,
    share: float,
    confidence: float,
) -> tuple[float, float]:
    if min(len(np.unique(listeners)), len(np.unique(utterances))) < 2:
        return math.nan, math.nan
    influence = ((answers + 1) / 2 - share) / len(answers)
    variance = two_way_variance(influence, listeners, utterances)
    half_width = float(stdtrit(variance.df, 0.5 + confidence / 2)) * math.sqrt(variance.total)
    return share - half_width, share + half_width
