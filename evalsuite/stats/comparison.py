"""What a comparison of two systems is, and the form every method that makes one has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evalsuite.stats.scores import ScoreTable

__all__ = ["Comparison", "ComparisonMethod", "Pair"]

Pair = tuple[int, int]


@dataclass(frozen=True)
class Comparison:
    """System a against system b.

    Parameters
    ----------
    a, b : names.
    difference : mean of a minus mean of b, in points of the scale.
    half_width : of its interval; NaN for methods that give none.
    df : degrees of freedom of test and interval; NaN where there are none.
    p : two-sided, for no difference; NaN if the test was not made.
    p_holm : adjusted over the family of pairs that were compared.
    method : the method asked for.
    n_units : what the test counts as independent: utterances, or the smaller number of clusters.
    reason : why there is no p; else empty.
    """

    a: str
    b: str
    difference: float
    half_width: float
    df: float
    p: float
    method: str
    n_units: int
    p_holm: float = float("nan")
    reason: str = ""

    @property
    def low(self) -> float:
        """Lower end of the interval of the difference."""
        return self.difference - self.half_width

    @property
    def high(self) -> float:
        """Upper end."""
        return self.difference + self.half_width


@dataclass(frozen=True)
class ComparisonMethod:
    """A registered method.

    Parameters
    ----------
    name : as in the API and in tables.
    scope : what the test generalises to.
    source : where the formula is from.
    compute : (table, pairs of system numbers, confidence) -> one comparison a pair, unadjusted.
    warning : what makes its p-values untrustworthy; empty if nothing does.
    """

    name: str
    scope: str
    source: str
    compute: Callable[[ScoreTable, Sequence[Pair], float], list[Comparison]]
    warning: str = ""
