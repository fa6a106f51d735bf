"""The default comparison: a difference of means with a two-way cluster-robust error.

A listener's strictness and an easy sentence move both systems alike; the contrast lets them cancel
as far as the design lets them, and counts what does not cancel. See `evalsuite.stats.clusters`.

V_0 groups by listener and utterance together: a listener who heard a sentence from both systems
gives two ratings that are not independent. Taking each alone makes V too small.
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

__all__ = ["cluster2_contrasts", "squares_by_cell"]


@dataclass(frozen=True, eq=False)
class _Sums:
    """Influence of one system's ratings on its mean, summed by listener and by utterance."""

    by_listener: NDArray[np.float64]
    by_utterance: NDArray[np.float64]
    listeners: NDArray[np.bool_]
    utterances: NDArray[np.bool_]
    cells: Codes
    by_cell: NDArray[np.float64]


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
    keys = one.listeners * len(table.utterances) + one.utterances
    cells, codes = np.unique(keys, return_inverse=True)
    by_cell = np.bincount(codes, weights=influence).astype(np.float64)
    return _Sums(by_listener, by_utterance, listeners, utterances, cells, by_cell)


def squares_by_cell(
    cells_a: Codes, sums_a: NDArray[np.float64], cells_b: Codes, sums_b: NDArray[np.float64]
) -> tuple[float, int]:
    """Sum of squares of two sets of sums, added where their cells are the same.

    Parameters
    ----------
    cells_a, cells_b : sorted keys without repetition.

    Returns
    -------
    The sum of squares and the number of cells.
    """
    _, in_a, in_b = np.intersect1d(cells_a, cells_b, assume_unique=True, return_indices=True)
    common = float(sums_a[in_a] @ sums_b[in_b])
    squares = float(sums_a @ sums_a) + float(sums_b @ sums_b) + 2 * common
    return squares, len(cells_a) + len(cells_b) - len(in_a)


def _variance(a: _Sums, b: _Sums) -> ClusterVariance | None:
    """Variance of the difference; None if one of both has one listener or one utterance.

    Its own mean then has no variance to add, and 0 in its place would look like certainty.
    """
    present = (a.listeners, a.utterances, b.listeners, b.utterances)
    if min(np.count_nonzero(one) for one in present) < 2:
        return None
    n_listeners = int(np.count_nonzero(a.listeners | b.listeners))
    n_utterances = int(np.count_nonzero(a.utterances | b.utterances))
    by_listener = a.by_listener - b.by_listener
    by_utterance = a.by_utterance - b.by_utterance
    squares, n_cells = squares_by_cell(a.cells, a.by_cell, b.cells, -b.by_cell)
    return combine(
        float(by_listener @ by_listener),
        n_listeners,
        float(by_utterance @ by_utterance),
        n_utterances,
        squares,
        n_cells,
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
        return undefined("a system with one listener or one utterance has no spread", 1)
    n_units = variance.df + 1
    if a.constant and b.constant:
        return undefined("all scores of both systems are equal: no spread to test against", n_units)
    if variance.total == 0 or variance.vanishes:
        return undefined("the differences cancel in every listener and in every sentence", n_units)
    error = math.sqrt(variance.total)
    p = 2 * float(stdtr(variance.df, -abs(difference) / error))
    half_width = float(stdtrit(variance.df, 0.5 + confidence / 2)) * error
    return Comparison(
        a.system, b.system, difference, half_width, variance.df, p, "cluster2", n_units
    )
