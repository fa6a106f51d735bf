"""Which of two systems listeners prefer."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr, stdtrit

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
        with one listener or one utterance, or if all answers are the same.
    cluster_p : two-sided, for a share of one half, with the same error; NaN likewise.
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
    cluster_p: float
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
    clustered = _clustered(answers, listeners, utterances, share, confidence)
    cluster_low, cluster_high, cluster_p = clustered
    return Preference(
        share=share,
        share_without_ties=wins / chosen if chosen else math.nan,
        low=low,
        high=high,
        cluster_low=cluster_low,
        cluster_high=cluster_high,
        cluster_p=cluster_p,
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
    import scipy.stats  # slow to import, and the default report does not need it

    return float(scipy.stats.binomtest(successes, n).pvalue) if n else math.nan


def _clustered(
    answers: NDArray[np.int64],
    listeners: Codes,
    utterances: Codes,
    share: float,
    confidence: float,
) -> tuple[float, float, float]:
    """Lower and upper end of the share's interval, and p for one half."""
    few = min(len(np.unique(listeners)), len(np.unique(utterances))) < 2
    # Answers that are all the same show no spread, which is not certainty.
    if few or np.ptp(answers) == 0:
        return math.nan, math.nan, math.nan
    influence = ((answers + 1) / 2 - share) / len(answers)
    variance = two_way_variance(influence, listeners, utterances)
    error = math.sqrt(variance.total)
    half_width = float(stdtrit(variance.df, 0.5 + confidence / 2)) * error
    p = 2 * float(stdtr(variance.df, -abs(share - 0.5) / error)) if error > 0 else math.nan
    return share - half_width, share + half_width, p
