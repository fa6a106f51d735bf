"""Confidence intervals of a mean opinion score, by name.

An interval is only as good as the sentence that says what it covers, so each method carries one.
A new method is a function and a line in `INTERVALS`: it sees the scores of all systems (a mixed
model needs them) and returns one interval a system; `per_system` turns a function of one system
into that form.
"""

from collections.abc import Sequence
from difflib import get_close_matches

from evalsuite.errors import UnknownName
from evalsuite.stats.bootstrap import bootstrap_interval, listener_bootstrap_interval
from evalsuite.stats.bounded import hoeffding_interval, wilson_interval
from evalsuite.stats.components import moments_interval
from evalsuite.stats.crowdmos import crowdmos_interval, crowdmos_pypi_interval
from evalsuite.stats.interval import (
    NEW_LISTENERS_AND_SENTENCES,
    THESE_RATINGS,
    THESE_SENTENCES,
    Interval,
    IntervalFunction,
    IntervalMethod,
    IntervalOptions,
    per_system,
)
from evalsuite.stats.mean_intervals import cluster2_interval, paper_interval, t_interval
from evalsuite.stats.mixed_model import lmm_intervals
from evalsuite.stats.scores import ScoreTable

__all__ = ["DEFAULT_METHODS", "INTERVALS", "interval_method", "intervals"]

DEFAULT_METHODS = ("paper", "cluster2")
"""What every table shows: the paper's figure to compare with, and the one to believe."""

_COVERS = {
    THESE_RATINGS: "these ratings only",
    THESE_SENTENCES: "new listeners, these sentences",
    NEW_LISTENERS_AND_SENTENCES: "new listeners and sentences",
}


def _method(name: str, scope: str, source: str, compute: IntervalFunction) -> IntervalMethod:
    return IntervalMethod(name, f"{name} CI", _COVERS[scope], scope, source, compute)


INTERVALS: dict[str, IntervalMethod] = {
    method.name: method
    for method in (
        _method(
            "paper", THESE_RATINGS, "Kumar et al. 2019, appendix B", per_system(paper_interval)
        ),
        _method("t", THESE_RATINGS, "ITU-T P.1401, 7.4", per_system(t_interval)),
        _method(
            "cluster2",
            NEW_LISTENERS_AND_SENTENCES,
            "Cameron, Gelbach and Miller 2011",
            per_system(cluster2_interval),
        ),
        _method(
            "crowdmos",
            NEW_LISTENERS_AND_SENTENCES,
            "Ribeiro et al. 2011, variances unbiased",
            per_system(crowdmos_interval),
        ),
        _method(
            "crowdmos_pypi",
            NEW_LISTENERS_AND_SENTENCES,
            "mean-opinion-score 0.0.2, with its faults",
            per_system(crowdmos_pypi_interval),
        ),
        _method(
            "moments",
            NEW_LISTENERS_AND_SENTENCES,
            "Gao and Owen 2017",
            per_system(moments_interval),
        ),
        _method(
            "bootstrap",
            NEW_LISTENERS_AND_SENTENCES,
            "Owen 2007, pigeonhole, percentile",
            per_system(bootstrap_interval),
        ),
        _method(
            "bootstrap_listeners",
            THESE_SENTENCES,
            "Efron 1979, percentile",
            per_system(listener_bootstrap_interval),
        ),
        _method("lmm", NEW_LISTENERS_AND_SENTENCES, "Bates et al. 2015, REML", lmm_intervals),
        _method("wilson", THESE_RATINGS, "Wilson 1927", per_system(wilson_interval)),
        _method("hoeffding", THESE_RATINGS, "Hoeffding 1963", per_system(hoeffding_interval)),
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
        do=f"{guess}pass --intervals with names from that list".strip(),
    )


def intervals(
    table: ScoreTable, methods: Sequence[str], options: IntervalOptions
) -> list[dict[str, Interval]]:
    """Compute every method for every system: one mapping method -> interval a system."""
    columns = {name: interval_method(name).compute(table, options) for name in methods}
    return [
        {name: column[row] for name, column in columns.items()} for row in range(len(table.systems))
    ]
