"""What an interval is, and the form every method that makes one has."""

from collections.abc import Callable
from dataclasses import dataclass

from evalsuite.stats.scores import ScoreTable, SystemScores

__all__ = ["Interval", "IntervalMethod", "IntervalOptions", "per_system"]


@dataclass(frozen=True)
class Interval:
    """A symmetric interval around a mean, in points of the rating scale.

    Parameters
    ----------
    method : the method asked for.
    estimate, half_width, low, high : NaN where undefined. Never clipped to the scale.
    df : degrees of freedom of the quantile; infinite for the normal.
    confidence : nominal coverage.
    scope : what the interval covers.
    computed_by : differs from `method` where that is undefined and another stands in.
    reason : why the interval is undefined, or why another method stands in; else empty.
    warnings : what a reader must know before trusting it.
    """

    method: str
    estimate: float
    half_width: float
    df: float
    confidence: float
    scope: str
    computed_by: str
    reason: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def low(self) -> float:
        """Lower end."""
        return self.estimate - self.half_width

    @property
    def high(self) -> float:
        """Upper end."""
        return self.estimate + self.half_width


@dataclass(frozen=True)
class IntervalOptions:
    """What methods may be told; each reads what it needs.

    Parameters
    ----------
    confidence : nominal coverage, between 0 and 1.
    paper_ddof : divisor of the `paper` method's standard deviation is ``n - paper_ddof``; the
        paper does not say which it used.
    """

    confidence: float = 0.95
    paper_ddof: int = 1


IntervalFunction = Callable[[ScoreTable, IntervalOptions], list[Interval]]
SystemFunction = Callable[[SystemScores, IntervalOptions], Interval]


@dataclass(frozen=True)
class IntervalMethod:
    """A registered method.

    Parameters
    ----------
    name : as in the API and in tables.
    title : a column heading.
    covers : the scope in a few words, for legends.
    scope : the sentence that says what the interval covers.
    source : where the formula is from.
    compute : one interval a system, in the order of the table.
    """

    name: str
    title: str
    covers: str
    scope: str
    source: str
    compute: IntervalFunction


def per_system(function: SystemFunction) -> IntervalFunction:
    """Apply a function of one system's scores to each system of a table."""

    def compute(table: ScoreTable, options: IntervalOptions) -> list[Interval]:
        return [function(scores, options) for scores in table.systems]

    return compute
