"""Look before the test is over, and stop when it is precise enough, without fooling oneself.

Who computes a 95 % interval after every ten listeners and stops when it is narrow stops rather
often on an interval that is too narrow by luck. Each look therefore spends a part of the error:
with K planned looks every interval is made at confidence ``1 - (1 - confidence) / K`` (Bonferroni's
inequality: Dunn 1961), so that all K together hold with the confidence that was asked for, whatever
the rule for stopping is and however the ratings depend on each other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalsuite.errors import UsageError
from evalsuite.stats.interval import IntervalOptions
from evalsuite.stats.intervals import intervals
from evalsuite.stats.scores import ScoreTable
from evalsuite.stats.simulate import Cells, Effects, named_table, simulate_scores, true_mean

__all__ = ["Look", "SequentialCoverage", "look_confidence", "sequential_coverage", "take_look"]


@dataclass(frozen=True)
class Look:
    """One look at a running test.

    Parameters
    ----------
    number, n_looks : this one of those planned.
    confidence : of each interval of this look.
    half_widths : system -> half width at that confidence.
    may_stop : whether all are defined and not above the target.
    """

    number: int
    n_looks: int
    confidence: float
    half_widths: dict[str, float]
    may_stop: bool


@dataclass(frozen=True)
class SequentialCoverage:
    """Measured by simulation, at the look where each test stopped.

    Parameters
    ----------
    spending, naive : share of true means held by intervals that spend the error, and by plain ones
        that stop by the same rule.
    mean_look, mean_look_naive : where they stopped.
    monte_carlo_error : standard error of a share, tests counted as independent.
    """

    spending: float
    naive: float
    mean_look: float
    mean_look_naive: float
    monte_carlo_error: float


def look_confidence(n_looks: int, confidence: float = 0.95) -> float:
    """Confidence of each of `n_looks` planned looks.

    Raises
    ------
    UsageError for fewer than one look.

    >>> round(look_confidence(5), 3)
    0.99
    """
    if n_looks < 1:
        raise UsageError(f"{n_looks} looks", wanted="at least one", do="plan the looks beforehand")
    return 1 - (1 - confidence) / n_looks


def take_look(
    table: ScoreTable, *, number: int, n_looks: int, half_width: float, confidence: float = 0.95
) -> Look:
    """Compute the default interval of every system at this look's confidence.

    Parameters
    ----------
    number : of this look, from 1 to `n_looks`, which was fixed before the first rating.
    half_width : wanted, in points.

    Raises
    ------
    UsageError if more looks are taken than were planned.
    """
    if not 1 <= number <= n_looks:
        raise UsageError(
            f"look {number} of {n_looks}",
            wanted="no more looks than were planned before the test",
            do="analyse the finished test instead",
        )
    own = look_confidence(n_looks, confidence)
    found = intervals(table, ["cluster2"], IntervalOptions(confidence=own))
    widths = {
        one.system: row["cluster2"].half_width
        for one, row in zip(table.systems, found, strict=True)
    }
    return Look(number, n_looks, own, widths, all(w <= half_width for w in widths.values()))


def sequential_coverage(
    cells: Cells,
    means: Sequence[float],
    *,
    look_after_listeners: Sequence[int],
    half_width: float,
    n_tests: int,
    seed: int,
    effects: Effects | None = None,
) -> SequentialCoverage:
    """Simulate tests that stop at the first look that is precise enough, or at the last.

    Parameters
    ----------
    look_after_listeners : numbers of listeners at which one looks, ascending.
    """
    truth = [true_mean(mean, effects=effects) for mean in means]
    n_looks = len(look_after_listeners)
    levels = {"spending": look_confidence(n_looks), "naive": look_confidence(1)}
    held: dict[str, list[bool]] = {name: [] for name in levels}
    looks: dict[str, list[int]] = {name: [] for name in levels}
    for test in range(n_tests):
        scores = simulate_scores(cells, means, seed=seed + test, effects=effects)
        for name, level in levels.items():
            for number, n_listeners in enumerate(look_after_listeners, start=1):
                table = named_table(cells, scores, cells.listeners < n_listeners)
                found = intervals(table, ["cluster2"], IntervalOptions(confidence=level))
                rows = [row["cluster2"] for row in found]
                if number == n_looks or all(row.half_width <= half_width for row in rows):
                    held[name] += [
                        row.low <= true <= row.high for row, true in zip(rows, truth, strict=True)
                    ]
                    looks[name].append(number)
                    break
    shares = {name: float(np.mean(values)) for name, values in held.items()}
    worst = max(share * (1 - share) for share in shares.values())
    return SequentialCoverage(
        shares["spending"], shares["naive"], float(np.mean(looks["spending"])),
        float(np.mean(looks["naive"])), math.sqrt(worst / n_tests),
    )  # fmt: skip
