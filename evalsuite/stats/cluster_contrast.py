"""The default comparison: a difference of means with a two-way cluster-robust error.

A listener's strictness and an easy sentence move both systems alike; the contrast lets them cancel
as far as the design lets them, and counts what does not cancel. See `evalsuite.stats.clusters`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from evalsuite.stats.clusters import ClusterVariance, combine
from evalsuite.stats.comparison import Comparison, Pair
from evalsuite.stats.scores import Codes, ScoreTable, SystemScores

__all__ = ["cluster2_contrasts"]


@dataclass(frozen=True, eq=False)
class _Sums:
    """Influence of one system's ratings on its mean, summed by listener and by utterance."""

    by_listener: NDArray[np.float64]
    by_utterance: NDArray[np.float64]
    listeners: NDArray[np.bool_]
    utterances: NDArray[np.bool_]
    squares: float
    n: int


def cluster2_contrasts(
    table: ScoreTable, pairs: Sequence[Pair], confidence: float
) -> list[Comparison]:
    """Compare by ``t(min(L, U) - 1)`` with listeners and utterances of both systems as clusters.

    The sums of each system are made once, so that 45 pairs cost little more than one.
    """
    needed = {system for pair in pairs for system in pair}
    sums = {system: _sum_up(table, table.systems[system]) for system in needed}
    return [
        _contrast(table.systems[a], table.systems[b], _variance(sums[a], sums[b]), confidence)
        for a, b in pairs
    ]


def _sum_up(table: ScoreTable, one: SystemScores) -> _Sums:
    influence = (one.scores - one.mean) / one.n

    def group(codes: Codes, size: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        present = np.bincount(codes, minlength=size) > 0
        sums = np.bincount(codes, weights=influence, minlength=size).astype(np.float64)
        return sums, present

    by_listener, listeners = group(one.listeners, len(table.listeners))
    by_utterance, utterances = group(one.utterances, len(table.utterances))
    squares = float(influence @ influence)
    return _Sums(by_listener, by_utterance, listeners, utterances, squares, one.n)


def _variance(a: _Sums, b: _Sums) -> ClusterVariance | None:
    """Variance of the difference; None with one listener or one utterance."""
    n_listeners = int(np.count_nonzero(a.listeners | b.listeners))
    n_utterances = int(np.count_nonzero(a.utterances | b.utterances))
    if min(n_listeners, n_utterances) < 2:
        return None
    by_listener = a.by_listener - b.by_listener
    by_utterance = a.by_utterance - b.by_utterance
    return combine(
        float(by_listener @ by_listener),
        n_listeners,
        float(by_utterance @ by_utterance),
        n_utterances,
        a.squares + b.squares,
        a.n + b.n,
    )


def _contrast(
    a: SystemScores, b: SystemScores, variance: ClusterVariance | None, confidence: float
) -> Comparison:
    difference, nan = a.mean - b.mean, math.nan

    def undefined(reason: str, n_units: int) -> Comparison:
        return Comparison(
            a.system, b.system, difference, nan, nan, nan, "cluster2", n_units, reason=reason
        )

    if variance is None:
        return undefined("one listener or one utterance: no spread between them", 1)
    n_units = variance.df + 1
    if a.constant and b.constant:
        return undefined("all scores of both systems are equal: no spread to test against", n_units)
    error = math.sqrt(variance.total)
    p = 2 * float(stdtr(variance.df, -abs(difference) / error)) if error > 0 else nan
    half_width = float(stdtrit(variance.df, 0.5 + confidence / 2)) * error
    reason = "" if error > 0 else "the residuals of both systems cancel exactly"
    return Comparison(
        a.system, b.system, difference, half_width, variance.df, p, "cluster2", n_units,
        reason=reason,
    )  # fmt: skip
