"""What an interval is, and the form every method that makes one has."""

from collections.abc import Callable
from dataclasses import dataclass

from evalsuite.stats.scores import ScoreTable, SystemScores

__all__ = [
    "NEW_LISTENERS_AND_SENTENCES",
    "THESE_RATINGS",
    "THESE_SENTENCES",
    "Interval",
    "IntervalMethod",
    "IntervalOptions",
    "defined",
    "per_system",
    "undefined",
]

THESE_RATINGS = (
    "these ratings only, as if independent: neither new listeners nor new sentences are covered"
)
THESE_SENTENCES = "new listeners like those of the test; these sentences only"
NEW_LISTENERS_AND_SENTENCES = "new listeners and new sentences like those of the test"


@dataclass(frozen=True)
class Interval:
    """An interval around a mean, in points of the rating scale.

    Parameters
    ----------
    method : the method asked for.
    estimate, half_width, low, high : NaN where undefined. Never clipped to the scale.
        `half_width` is half the width also where the interval is not symmetric.
    df : degrees of freedom of the quantile; infinite for the normal.
    confidence : nominal coverage.
    scope : what the interval covers.
    computed_by : differs from `method` where that is undefined and another stands in.
    reason : why the interval is undefined, or why another method stands in; else empty.
    warnings : what a reader must know before trusting it.
    ends : lower and upper end of an interval that is not symmetric; None if it is.
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
    ends: tuple[float, float] | None = None

    @property
    def low(self) -> float:
        """Lower end."""
        return self.estimate - self.half_width if self.ends is None else self.ends[0]

    @property
    def high(self) -> float:
        """Upper end."""
        return self.estimate + self.half_width if self.ends is None else self.ends[1]


@dataclass(frozen=True)
class IntervalOptions:
    """What methods may be told; each reads what it needs.

    Parameters
    ----------
    confidence : nominal coverage, between 0 and 1.
    paper_ddof : divisor of the `paper` method's standard deviation is ``n - paper_ddof``; the
        paper does not say which it used.
    scale : lowest and highest possible score, for methods that use the bounds.
    seed, n_resamples : of the bootstrap.
    """

    confidence: float = 0.95
    paper_ddof: int = 1
    scale: tuple[float, float] = (1.0, 5.0)
    seed: int = 0
    n_resamples: int = 2000


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


def defined(
    method: str,
    scope: str,
    scores: SystemScores,
    options: IntervalOptions,
    *,
    standard_error: float,
    quantile: float,
    df: float,
) -> Interval:
    """``mean ± quantile * standard error``; without width, and with a warning, for equal scores."""
    warnings: tuple[str, ...] = ()
    if scores.constant:
        standard_error = 0.0  # exactly, whatever rounding left of the residuals
        warnings = (
            f"{scores.system}: all {scores.n} scores are equal, so the interval has no width",
        )
    return Interval(
        method,
        scores.mean,
        quantile * standard_error,
        df,
        options.confidence,
        scope,
        computed_by=method,
        warnings=warnings,
    )


def undefined(
    method: str, scope: str, scores: SystemScores, options: IntervalOptions, reason: str
) -> Interval:
    """NaN, with the reason."""
    nan = float("nan")
    return Interval(
        method, scores.mean, nan, nan, options.confidence, scope, computed_by=method, reason=reason
    )
