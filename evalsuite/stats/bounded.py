"""Intervals for few votes that use the bounds of the scale, so that they never collapse.

Five votes of 5 have no spread, and any interval built on the spread has no width. A score between
two bounds has at most the variance of a coin, which gives intervals that stay honest for any
number of votes, at the price of width.
"""

import math
from dataclasses import replace

from evalsuite.stats.interval import (
    THESE_RATINGS,
    Interval,
    IntervalOptions,
    undefined,
)
from evalsuite.stats.preference import wilson_bounds
from evalsuite.stats.scores import SystemScores

__all__ = ["hoeffding_interval", "wilson_interval"]


def wilson_interval(scores: SystemScores, options: IntervalOptions) -> Interval:
    """Wilson's score interval of the mean, taken as a share of the scale.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference", J. Am.
    Stat. Assoc. 22, eq. for a share p of n. Hossfeld, Heegaard, Varela and Skorin-Kapov 2018 use
    the binomial as the bound of the variance of rating scales (abstract read). Not symmetric; its
    ends lie on the scale.
    """
    low, high = options.scale
    share = (scores.mean - low) / (high - low)
    return _interval("wilson", scores, options, *wilson_bounds(share, scores.n, options.confidence))


def hoeffding_interval(scores: SystemScores, options: IntervalOptions) -> Interval:
    """Bound valid for every distribution and every n: ``(b - a) sqrt(ln(2 / alpha) / 2n)``.

    Hoeffding 1963, J. Am. Stat. Assoc. 58, theorem 2; for mean opinion scores: Yasuda and Toda
    2023. Cut at the ends of the scale.
    """
    low, high = options.scale
    margin = math.sqrt(math.log(2 / (1 - options.confidence)) / (2 * scores.n))
    share = (scores.mean - low) / (high - low)
    return _interval(
        "hoeffding", scores, options, max(share - margin, 0.0), min(share + margin, 1.0)
    )


def _interval(
    method: str, scores: SystemScores, options: IntervalOptions, start: float, end: float
) -> Interval:
    low, high = options.scale
    empty = undefined(method, THESE_RATINGS, scores, options, "")
    ends = (low + (high - low) * start, low + (high - low) * end)
    return replace(empty, half_width=(ends[1] - ends[0]) / 2, df=math.inf, ends=ends)
