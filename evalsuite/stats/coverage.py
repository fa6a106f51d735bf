"""How often intervals hold what they promise: simulated tests of known truth.

The five designs and the deviations are those of docs/statistics.md. A nominal 95 % interval that
holds the truth in 61 of 100 tests is not a 95 % interval, whatever its formula is called.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evalsuite.stats.comparisons import compare
from evalsuite.stats.interval import IntervalOptions
from evalsuite.stats.intervals import intervals
from evalsuite.stats.simulate import (
    Cells,
    crossed_cells,
    latin_cells,
    random_cells,
    rotated_cells,
    simulate_table,
    true_mean,
)

__all__ = ["DESIGNS", "LATENT_MEANS", "Coverage", "Design", "interval_coverage", "rejection_rates"]

#: Two systems are equal, so that false positives can be counted.
LATENT_MEANS = (1.6, 3.6, 3.6, 4.1, 4.5)


@dataclass(frozen=True)
class Design:
    """Who rates what, drawn anew for every simulated test if it is random."""

    title: str
    cells: Callable[[int], Cells]


#: Five systems each.
DESIGNS = {
    "A": Design(
        "20 listeners x 15 of 20 utterances, Latin", lambda seed: latin_cells(20, 5, 20, 15)
    ),
    "B": Design(
        "20 listeners x 3 of 15 utterances x 5 systems", lambda seed: rotated_cells(20, 5, 15, 3)
    ),
    "C": Design(
        "the paper's as recalled: 200 listeners x 15 of 100 stimuli",
        lambda seed: random_cells(200, 5, 20, 15, seed=seed),
    ),
    "D": Design("50 listeners x 40 utterances, Latin", lambda seed: latin_cells(50, 5, 40)),
    "E": Design("6 listeners x 8 utterances x 5 systems", lambda seed: crossed_cells(6, 5, 8)),
}


@dataclass(frozen=True)
class Coverage:
    """Of one method in one design.

    Parameters
    ----------
    share : of intervals that held the truth.
    width : mean width, in points.
    n_intervals : that were defined. n_tests : simulated; the systems of a test are not
        independent, so the Monte Carlo error is that of `n_tests`.
    """

    share: float
    width: float
    n_intervals: int
    n_tests: int

    @property
    def monte_carlo_error(self) -> float:
        """Standard error of `share`, from above."""
        return math.sqrt(max(self.share * (1 - self.share), 1e-12) / self.n_tests)


def interval_coverage(
    design: str, methods: Sequence[str], *, n_tests: int, seed: int, n_resamples: int = 500
) -> dict[str, Coverage]:
    """Simulate tests and count how often each method's intervals hold the true means."""
    truth = [true_mean(mean) for mean in LATENT_MEANS]
    options = IntervalOptions(n_resamples=n_resamples)
    held: dict[str, list[bool]] = {name: [] for name in methods}
    widths: dict[str, list[float]] = {name: [] for name in methods}
    for test in range(n_tests):
        table = simulate_table(DESIGNS[design].cells(seed + test), LATENT_MEANS, seed=seed + test)
        for row, found in enumerate(intervals(table, methods, options)):
            for name, interval in found.items():
                if not math.isnan(interval.half_width):
                    held[name].append(interval.low <= truth[row] <= interval.high)
                    widths[name].append(interval.high - interval.low)
    return {
        name: Coverage(
            float(np.mean(held[name])) if held[name] else math.nan,
            float(np.mean(widths[name])) if widths[name] else math.nan,
            len(held[name]),
            n_tests,
        )
        for name in methods
    }


def rejection_rates(
    design: str, method: str, *, n_tests: int, seed: int, alpha: float = 0.05
) -> tuple[float, float]:
    """Share of tests in which two equal systems, and two .445 apart, were found to differ."""
    wrong = right = 0
    for test in range(n_tests):
        table = simulate_table(DESIGNS[design].cells(seed + test), LATENT_MEANS, seed=seed + test)
        null, real = compare(table, [(1, 2), (3, 1)], method)
        wrong += null.p < alpha
        right += real.p < alpha
    return wrong / n_tests, right / n_tests
