"""CrowdMOS: the interval of Ribeiro et al. 2011, repaired, and as a package computes it.

Ribeiro, Florêncio, Zhang and Seltzer 2011, "CrowdMOS: An approach for crowdsourcing mean opinion
score studies", ICASSP. A score is ``mean + worker + sentence + uncertainty``; the three variances
are found from the mean variance within sentences, within workers, and the total.

Two forms:

- ``crowdmos`` divides by n - 1, and where only one of the two within-variances exists it weights
  the remaining component with the counts of its own groups.
- ``crowdmos_pypi`` gives what mean-opinion-score 0.0.2 on PyPI gives: it divides by n, weights
  with the counts of the other groups, and rounds variances to float32. For comparison with
  published figures only.
"""

import math

import numpy as np
from scipy.special import stdtrit

from evalsuite.stats.interval import (
    NEW_LISTENERS_AND_SENTENCES,
    Interval,
    IntervalOptions,
    defined,
    undefined,
)
from evalsuite.stats.scores import Codes, Scores, SystemScores

__all__ = ["crowdmos_interval", "crowdmos_pypi_interval"]


def crowdmos_interval(scores: SystemScores, options: IntervalOptions) -> Interval:
    """``mean ± t(min(L, U) - 1) * sqrt(Var)`` with unbiased variances."""
    return _interval("crowdmos", scores, options, pypi=False)


def crowdmos_pypi_interval(scores: SystemScores, options: IntervalOptions) -> Interval:
    """Compute the same with the faults of mean-opinion-score 0.0.2."""
    return _interval("crowdmos_pypi", scores, options, pypi=True)


def _interval(
    method: str, scores: SystemScores, options: IntervalOptions, *, pypi: bool
) -> Interval:
    scope = NEW_LISTENERS_AND_SENTENCES
    clusters = min(scores.n_listeners, scores.n_utterances)
    if clusters < 2:
        return undefined(method, scope, scores, options, "one listener or one utterance")
    variance = _variance_of_mean(scores, pypi=pypi)
    quantile = float(stdtrit(clusters - 1, 0.5 + options.confidence / 2))
    return defined(
        method, scope, scores, options,
        standard_error=math.sqrt(variance), quantile=quantile, df=clusters - 1,
    )  # fmt: skip


def _variance_of_mean(scores: SystemScores, *, pypi: bool) -> float:
    ddof = 0 if pypi else 1
    y = scores.scores
    within_sentences = _mean_variance(y, scores.utterances, ddof, single=pypi)  # worker + rest
    within_workers = _mean_variance(y, scores.listeners, ddof, single=pypi)  # sentence + rest
    total = float(y.var(ddof=ddof))
    per_sentence, per_worker = (_share(codes) for codes in (scores.utterances, scores.listeners))
    if math.isnan(within_workers) and math.isnan(within_sentences):
        return total / scores.n
    if math.isnan(within_workers):
        # Every worker rated one sentence: worker and rest cannot be told apart.
        share = per_worker if pypi else per_sentence
        return max(total - within_sentences, 0.0) * share + within_sentences / scores.n
    if math.isnan(within_sentences):
        share = per_sentence if pypi else per_worker
        return max(total - within_workers, 0.0) * share + within_workers / scores.n
    if pypi:
        within_workers, within_sentences, total = (
            float(np.float32(value)) for value in (within_workers, within_sentences, total)
        )
    sentence = max(total - within_sentences, 0.0)
    worker = max(total - within_workers, 0.0)
    rest = max(within_workers + within_sentences - total, 0.0)
    return sentence * per_sentence + worker * per_worker + rest / scores.n


def _mean_variance(y: Scores, codes: Codes, ddof: int, *, single: bool) -> float:
    """Mean over groups of two and more of the variance within; NaN if there is none."""
    counts = np.bincount(codes)
    groups = counts > 1
    if not groups.any():
        return math.nan
    n = counts[groups]
    means = np.bincount(codes, y) / np.maximum(counts, 1)
    squares = np.bincount(codes, (y - means[codes]) ** 2)[groups]
    variances = squares / (n - ddof)
    return float(variances.astype(np.float32).mean() if single else variances.mean())


def _share(codes: Codes) -> float:
    """``sum n^2 / N^2`` over groups."""
    counts = np.bincount(codes).astype(np.float64)
    return float(counts @ counts) / len(codes) ** 2
