"""Intervals of one system's mean in closed form: ``paper``, ``t`` and ``cluster2``."""

import math
from dataclasses import replace

from scipy.special import ndtri, stdtrit

from evalsuite.stats.clusters import two_way_variance
from evalsuite.stats.interval import (
    NEW_LISTENERS_AND_SENTENCES,
    THESE_RATINGS,
    Interval,
    IntervalOptions,
    defined,
    undefined,
)
from evalsuite.stats.scores import SystemScores

__all__ = ["cluster2_interval", "paper_interval", "t_interval"]

# The paper writes 1.96; the normal quantile 1.959964 differs in the fifth digit.
_PAPER_QUANTILE = 1.96


def paper_interval(scores: SystemScores, options: IntervalOptions) -> Interval:
    """``mean ± 1.96 s / sqrt(N)``: Kumar et al. 2019, appendix B (recalled: ddof unstated).

    At 95 % the factor is 1.96 as written; at another confidence it is the normal quantile.
    """
    if scores.n <= options.paper_ddof or scores.n < 2:
        return undefined("paper", THESE_RATINGS, scores, options, "one rating has no spread")
    quantile = float(ndtri(0.5 + options.confidence / 2))
    if options.confidence == 0.95:
        quantile = _PAPER_QUANTILE
    spread = float(scores.scores.std(ddof=options.paper_ddof))
    error = spread / math.sqrt(scores.n)
    return defined(
        "paper", THESE_RATINGS, scores, options,
        standard_error=error, quantile=quantile, df=math.inf,
    )  # fmt: skip


def t_interval(scores: SystemScores, options: IntervalOptions) -> Interval:
    """``mean ± t(N - 1) s / sqrt(N)``: ITU-T P.1401, 7.4."""
    if scores.n < 2:
        return undefined("t", THESE_RATINGS, scores, options, "one rating has no spread")
    df = scores.n - 1
    quantile = float(stdtrit(df, 0.5 + options.confidence / 2))
    spread = float(scores.scores.std(ddof=1))
    error = spread / math.sqrt(scores.n)
    return defined(
        "t", THESE_RATINGS, scores, options, standard_error=error, quantile=quantile, df=df
    )


def cluster2_interval(scores: SystemScores, options: IntervalOptions) -> Interval:
    """Two-way cluster-robust interval with ``t(min(L, U) - 1)``; see `evalsuite.stats.clusters`.

    With one listener or one utterance it is undefined; the `t` interval then stands in, with its
    own (narrower) scope and a warning. Where ratings differ but no listener's or sentence's mean
    does, it is NaN: 0 would look like certainty.
    """
    clusters = (scores.n_listeners, scores.n_utterances)
    if min(clusters) < 2:
        return _stand_in(scores, options, clusters)
    influence = (scores.scores - scores.mean) / scores.n
    variance = two_way_variance(influence, scores.listeners, scores.utterances)
    if variance.vanishes:
        reason = "all listeners and all sentences have one mean: too few to show how they differ"
        return undefined("cluster2", NEW_LISTENERS_AND_SENTENCES, scores, options, reason)
    quantile = float(stdtrit(variance.df, 0.5 + options.confidence / 2))
    return defined(
        "cluster2",
        NEW_LISTENERS_AND_SENTENCES,
        scores,
        options,
        standard_error=math.sqrt(variance.total),
        quantile=quantile,
        df=variance.df,
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
