"""Comparison mean opinion scores: is a system better or worse than what it was compared with?

In a comparison category rating (ITU-T P.800 annex E) every score, from -3 (much worse) to 3 (much
better), is already a difference: the question is whether a system's mean is 0. Scores share
listeners and utterances as opinion scores do, so the error is that of the default interval
(`evalsuite.stats.clusters`).
"""

import math
from dataclasses import replace

from scipy.special import stdtr, stdtrit

from evalsuite.stats.clusters import two_way_variance
from evalsuite.stats.comparison import Comparison
from evalsuite.stats.holm import holm
from evalsuite.stats.scores import ScoreTable, SystemScores

__all__ = ["ZERO", "cmos_contrasts"]

ZERO = "0"
"""Stands for the second system in these comparisons: no difference."""


def cmos_contrasts(table: ScoreTable, *, confidence: float = 0.95) -> list[Comparison]:
    """Compare the mean of every system with 0 by ``t(min(L, U) - 1)``, adjusted after Holm.

    Returns
    -------
    One comparison a system, in the order of the table: `difference` is the system's mean score, in
    points, `half_width` that of its interval at `confidence`, `p` two-sided. NaN with a reason for
    one listener, one utterance, or equal scores.
    """
    found = [_contrast(one, confidence) for one in table.systems]
    adjusted = holm([one.p for one in found])
    return [replace(one, p_holm=float(p)) for one, p in zip(found, adjusted, strict=True)]


def _contrast(one: SystemScores, confidence: float) -> Comparison:
    n_units, nan = min(one.n_listeners, one.n_utterances), math.nan

    def undefined(reason: str) -> Comparison:
        return Comparison(
            one.system, ZERO, one.mean, nan, nan, nan, "cluster2", n_units, reason=reason
        )

    if n_units < 2:
        return undefined("one listener or one utterance: no spread between them")
    if one.constant:
        return undefined("all scores are equal: no spread to test against")
    influence = (one.scores - one.mean) / one.n
    variance = two_way_variance(influence, one.listeners, one.utterances)
    if variance.vanishes:
        return undefined("all listeners and all sentences have one mean: too few to tell")
    error, df = math.sqrt(variance.total), variance.df
    half_width = float(stdtrit(df, 0.5 + confidence / 2)) * error
    p = 2 * float(stdtr(df, -abs(one.mean) / error))
    return Comparison(one.system, ZERO, one.mean, half_width, df, p, "cluster2", n_units)
