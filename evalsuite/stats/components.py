"""How much of the spread comes from listeners, how much from sentences, how much from neither.

Within one system a score is ``mean + listener + utterance + residual``. The three variances are
found from sums of squares in O(N) for any missing cells, without iteration: Gao and Owen 2017,
"Efficient moment calculations for variance components in large unbalanced crossed random effects
models", Electron. J. Stat. 11 (recalled). On complete tables they equal REML.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from evalsuite.stats.interval import (
    NEW_LISTENERS_AND_SENTENCES,
    Interval,
    IntervalOptions,
    defined,
    undefined,
)
from evalsuite.stats.scores import Codes, Scores, SystemScores

__all__ = ["Components", "moments_interval", "variance_components"]


@dataclass(frozen=True)
class Components:
    """Variances of the parts of a score, in squared points; negative solutions are set to 0.

    Parameters
    ----------
    listener, utterance, residual : the variances.
    raw : the same before negative ones were set to 0.
    """

    listener: float
    utterance: float
    residual: float
    raw: tuple[float, float, float]


def variance_components(scores: SystemScores) -> Components | None:
    """Solve the three moment equations; None where the design does not tell the parts apart.

    With N ratings, n_l by listener l and n_u of utterance u the expectations are::

        sum of squares within listeners   (N - L) (utterance + residual)
        sum of squares within utterances  (N - U) (listener + residual)
        N * total sum of squares          (N^2 - sum n_l^2) listener + (N^2 - sum n_u^2) utterance
                                          + (N^2 - N) residual
    """
    y, n = scores.scores - scores.mean, scores.n
    n_l, within_l = _within(y, scores.listeners)
    n_u, within_u = _within(y, scores.utterances)
    equations = np.array(
        [
            [0.0, n - len(n_l), n - len(n_l)],
            [n - len(n_u), 0.0, n - len(n_u)],
            [n**2 - float(n_l @ n_l), n**2 - float(n_u @ n_u), n**2 - n],
        ]
    )
    sums = np.array([within_l, within_u, n * float(y @ y)])
    if np.linalg.matrix_rank(equations) < 3:
        return None
    listener, utterance, residual = np.linalg.solve(equations, sums).tolist()
    return Components(
        max(listener, 0.0), max(utterance, 0.0), max(residual, 0.0), (listener, utterance, residual)
    )


def moments_interval(scores: SystemScores, options: IntervalOptions) -> Interval:
    """Interval from the variance components, with Satterthwaite's degrees of freedom.

    ``Var = listener * sum n_l^2 / N^2 + utterance * sum n_u^2 / N^2 + residual / N``; the degrees
    of freedom never fall below min(L, U) - 1.
    """
    method, scope = "moments", NEW_LISTENERS_AND_SENTENCES
    if min(scores.n_listeners, scores.n_utterances) < 2:
        return undefined(method, scope, scores, options, "one listener or one utterance")
    parts = variance_components(scores)
    if parts is None:
        reason = "the design does not tell listeners, sentences and residuals apart"
        return undefined(method, scope, scores, options, reason)
    n = scores.n
    n_l, n_u = (_counts(codes) for codes in (scores.listeners, scores.utterances))
    terms = (
        (parts.listener * float(n_l @ n_l) / n**2, len(n_l) - 1),
        (parts.utterance * float(n_u @ n_u) / n**2, len(n_u) - 1),
        (parts.residual / n, max(n - len(n_l) - len(n_u) + 1, 1)),
    )
    variance = sum(term for term, _ in terms)
    df = float(min(len(n_l), len(n_u)) - 1)
    if variance > 0:
        df = max(df, variance**2 / sum(term**2 / own for term, own in terms))
    quantile = float(stdtrit(df, 0.5 + options.confidence / 2))
    return defined(
        method, scope, scores, options,
        standard_error=math.sqrt(variance), quantile=quantile, df=df,
    )  # fmt: skip


def _counts(codes: Codes) -> Scores:
    """Number of ratings of each group that has any, as floats: their squares may be large."""
    counts = np.bincount(codes)
    return counts[counts > 0].astype(np.float64)


def _within(y: Scores, codes: Codes) -> tuple[Scores, float]:
    """Counts of the groups, and the sum of squares around each group's mean."""
    counts = np.bincount(codes)
    sums = np.bincount(codes, y)[counts > 0]
    present = counts[counts > 0].astype(np.float64)
    return present, float(y @ y - (sums**2 / present).sum())
