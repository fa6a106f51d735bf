"""Second opinions on a difference: tests on per-utterance means, and the test to avoid.

Each utterance counts once, by the mean of its ratings, so that more listeners for the same
sentences do not pretend to be more sentences.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from evalsuite.stats.comparison import Comparison, Pair
from evalsuite.stats.scores import ScoreTable, SystemScores
from evalsuite.stats.signed_rank import signed_rank_p

__all__ = [
    "MINIMUM_UTTERANCES",
    "mann_whitney_tests",
    "matched_differences",
    "paired_t_tests",
    "wilcoxon_tests",
]

#: With five pairs the smallest possible p of the signed-rank test is .0625: nothing could be shown.
MINIMUM_UTTERANCES = 6


def matched_differences(a: SystemScores, b: SystemScores) -> NDArray[np.float64]:
    """Mean of a minus mean of b for each utterance rated in both, float64, shape (utterances,)."""
    n = 1 + max(int(one.utterances.max(initial=0)) for one in (a, b))
    counts = [np.bincount(one.utterances, minlength=n) for one in (a, b)]
    sums = [np.bincount(one.utterances, one.scores, minlength=n) for one in (a, b)]
    both = (counts[0] > 0) & (counts[1] > 0)
    return sums[0][both] / counts[0][both] - sums[1][both] / counts[1][both]


def wilcoxon_tests(table: ScoreTable, pairs: Sequence[Pair], confidence: float) -> list[Comparison]:
    """Wilcoxon's signed-rank test on matched utterance means; gives no interval.

    Zero differences are split between both signs (``zsplit``); the distribution is exact for at
    most 50 utterances without ties, else normal.
    """

    def test(differences: NDArray[np.float64]) -> tuple[float, float, float]:
        # Equal differences must stay tied whatever rounding did to them.
        largest = float(np.abs(differences).max())
        if largest > 0:
            differences = np.round(differences / largest, 9)
        return signed_rank_p(differences), math.nan, math.nan

    return _on_utterances(table, pairs, "wilcoxon", test)


def paired_t_tests(table: ScoreTable, pairs: Sequence[Pair], confidence: float) -> list[Comparison]:
    """Student's t on matched utterance means."""

    def test(differences: NDArray[np.float64]) -> tuple[float, float, float]:
        n = len(differences)
        error = float(differences.std(ddof=1)) / math.sqrt(n)
        if error == 0:
            return math.nan, math.nan, n - 1
        p = 2 * float(stdtr(n - 1, -abs(float(differences.mean())) / error))
        return p, float(stdtrit(n - 1, 0.5 + confidence / 2)) * error, n - 1

    return _on_utterances(table, pairs, "paired_t", test)


def mann_whitney_tests(
    table: ScoreTable, pairs: Sequence[Pair], confidence: float
) -> list[Comparison]:
    """Mann-Whitney on pooled raw ratings, which takes them as independent. See its warning."""
    import scipy.stats  # a third of the time of a small report, and nothing else there needs it

    found = []
    for first, second in pairs:
        a, b = table.systems[first], table.systems[second]
        constant = a.constant and b.constant and a.mean == b.mean
        p = math.nan if constant else float(scipy.stats.mannwhitneyu(a.scores, b.scores).pvalue)
        found.append(
            Comparison(
                a.system,
                b.system,
                a.mean - b.mean,
                math.nan,
                math.nan,
                p,
                "mann_whitney",
                a.n + b.n,
                reason="all scores are equal" if constant else "",
            )
        )
    return found


def _on_utterances(
    table: ScoreTable,
    pairs: Sequence[Pair],
    method: str,
    test: Callable[[NDArray[np.float64]], tuple[float, float, float]],
) -> list[Comparison]:
    """Run a test that returns p, half width and degrees of freedom on each pair."""
    found = []
    for first, second in pairs:
        a, b = table.systems[first], table.systems[second]
        differences = matched_differences(a, b)
        n = len(differences)
        p = half_width = df = math.nan
        mean = float(differences.mean()) if n else math.nan
        if n < MINIMUM_UTTERANCES:
            reason = f"{n} matched utterances; at least {MINIMUM_UTTERANCES} are needed"
        else:
            p, half_width, df = test(differences)
            reason = "all utterances differ alike: no spread" if math.isnan(p) else ""
        found.append(Comparison(a.system, b.system, mean, half_width, df, p, method, n,
                                reason=reason))  # fmt: skip
    return found
