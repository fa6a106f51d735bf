"""Confidence intervals of a mean opinion score, by name.

An interval is only as good as the sentence that says what it covers, so each method carries one.
A new method is a function and a line in `INTERVALS`: it sees the scores of all systems (a mixed
model needs them) and returns one interval a system; `per_system` turns a function of one system
into that form.
"""

from collections.abc import Sequence
from difflib import get_close_matches

from evalsuite.errors import UnknownName
from evalsuite.stats.interval import Interval, IntervalMethod, IntervalOptions, per_system
from evalsuite.stats.mean_intervals import (
    NEW_LISTENERS_AND_SENTENCES,
    THESE_RATINGS,
    cluster2_interval,
    paper_interval,
    t_interval,
)
from evalsuite.stats.scores import ScoreTable

__all__ = ["DEFAULT_METHODS", "INTERVALS", "interval_method", "intervals"]

DEFAULT_METHODS = ("paper", "cluster2")
"""What every table shows: the paper's figure to compare with, and the one to believe."""

INTERVALS: dict[str, IntervalMethod] = {
    method.name: method
    for method in (
        IntervalMethod(
            "paper",
            "paper CI",
            "these ratings only",
            THESE_RATINGS,
            "Kumar et al. 2019, appendix B",
            per_system(paper_interval),
        ),
        IntervalMethod(
            "t",
            "t CI",
            "these ratings only",
            THESE_RATINGS,
            "ITU-T P.1401, 7.4",
            per_system(t_interval),
        ),
        IntervalMethod(
            "cluster2",
            "cluster2 CI",
            "new listeners and sentences",
            NEW_LISTENERS_AND_SENTENCES,
            "Cameron, Gelbach and Miller 2011",
            per_system(cluster2_interval),
        ),
    )
}


def interval_method(name: str) -> IntervalMethod:
    """Return a method by name.

    Raises
    ------
    UnknownName naming the nearest and all known methods.
    """
    if name in INTERVALS:
        return INTERVALS[name]
    near = get_close_matches(name, INTERVALS, n=1)
    guess = f"did you mean {near[0]!r}? " if near else ""
    raise UnknownName(
        f"{name!r} is not an interval method",
        wanted=f"one of {', '.join(INTERVALS)}",
        do=f"{guess}pass --methods with names from that list".strip(),
    )


def intervals(
    table: ScoreTable, methods: Sequence[str], options: IntervalOptions
) -> list[dict[str, Interval]]:
    """Compute every method for every system: one mapping method -> interval a system."""
    columns = {name: interval_method(name).compute(table, options) for name in methods}
    return [
        {name: column[row] for name, column in columns.items()} for row in range(len(table.systems))
    ]
