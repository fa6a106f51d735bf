"""Intervals of one system's mean in closed form: ``paper``, ``t`` and ``cluster2``."""

import math
from dataclasses import replace

from scipy.special import ndtri, stdtrit

from evalsuite.stats.clusters import two_way_variance
from evalsuite.stats.interval import Interval, IntervalOptions
from evalsuite.stats.scores import SystemScores

__all__ = [
    "NEW_LISTENERS_AND_SENTENCES",
    "THESE_RATINGS",
    "cluster2_interval",
    "paper_interval",
    "t_interval",
]

# The paper writes 1.96; the normal quantile 1.959964 differs in the fifth digit.
_PAPER_QUANTILE = 1.96

THESE_RATINGS = (
    "these ratings only, as if independent: neither new listeners nor new sentences are covered"
)
NEW_LISTENERS_AND_SENTENCES = "new listeners and new sentences like those of the test"


def _interval(
    method: str,
    scope: str,
    scores: SystemScores,
    options: IntervalOptions,
    standard_error: float,
    quantile: float,
    df: float,
) -> Interval:
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


def _undefined(
    method: str, scope: str, scores: SystemScores, options: IntervalOptions, reason: str
) -> Interval:
    nan = float("nan")
    return Interval(
        method, scores.mean, nan, nan, options.confidence, scope, computed_by=method, reason=reason
    )


def paper_interval(scores: SystemScores, options: IntervalOptions) -> Interval:
    """``mean ± 1.96 s / sqrt(N)``: Kumar et al. 2019, appendix B (recalled: ddof unstated).

    At 95 % the factor is 1.96 as written; at another confidence it is the normal quantile.
    """
    if scores.n <= options.paper_ddof or scores.n < 2:
        return _undefined("paper", THESE_RATINGS, scores, options, "one rating has no spread")
    quantile = float(ndtri(0.5 + options.confidence / 2))
    if options.confidence == 0.95:
        quantile = _PAPER_QUANTILE
    spread = float(scores.scores.std(ddof=options.paper_ddof))
    return _interval(
        "paper", THESE_RATINGS, scores, options, spread / math.sqrt(scores.n), quantile, math.inf
    )


def t_interval(scores: SystemScores, options: IntervalOptions) -> Interval:
    """``mean ± t(N - 1) s / sqrt(N)``: ITU-T P.1401, 7.4."""
    if scores.n < 2:
        return _undefined("t", THESE_RATINGS, scores, options, "one rating has no spread")
    df = scores.n - 1
    quantile = float(stdtrit(df, 0.5 + options.confidence / 2))
    spread = float(scores.scores.std(ddof=1))
    return _interval(
        "t", THESE_RATINGS, scores, options, spread / math.sqrt(scores.n), quantile, df
    )


def cluster2_interval(scores: SystemScores, options: IntervalOptions) -> Interval:
    """Two-way cluster-robust interval with ``t(min(L, U) - 1)``; see `evalsuite.stats.clusters`.

    With one listener or one utterance it is undefined; the `t` interval then stands in, with its
    own (narrower) scope and a warning.
    """
    clusters = (scores.n_listeners, scores.n_utterances)
    if min(clusters) < 2:
        return _stand_in(scores, options, clusters)
    influence = (scores.scores - scores.mean) / scores.n
    variance = two_way_variance(influence, scores.listeners, scores.utterances)
    quantile = float(stdtrit(variance.df, 0.5 + options.confidence / 2))
    return _interval(
        "cluster2",
        NEW_LISTENERS_AND_SENTENCES,
        scores,
        options,
        math.sqrt(variance.total),
        quantile,
        variance.df,
    )


def _stand_in(
    scores: SystemScores, options: IntervalOptions, clusters: tuple[int, int]
) -> Interval:
    missing = " and ".join(
        f"one {kind}" for kind, n in zip(("listener", "utterance"), clusters, strict=True) if n < 2
    )
    reason = f"cluster2 is undefined with {missing}"
    stand_in = replace(t_interval(scores, options), method="cluster2")
    if math.isnan(stand_in.half_width):
        return replace(stand_in, reason=f"{reason}, and {stand_in.reason}")
    warning = f"{scores.system}: {reason}; the t interval stands in and covers {THESE_RATINGS}"
    return replace(stand_in, reason=reason, warnings=(*stand_in.warnings, warning))
