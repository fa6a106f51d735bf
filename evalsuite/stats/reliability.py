"""How far listeners agree: intraclass correlation, Krippendorff's alpha, split halves.

Agreement is not quality: listeners who all hear the same may still be few, or the wrong ones.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from evalsuite.stats.components import variance_components
from evalsuite.stats.scores import Codes, Scores, ScoreTable, SystemScores
from evalsuite.stats.screening import FlatRatings, flat_ratings

__all__ = [
    "IntraclassCorrelation",
    "Reliability",
    "SplitHalf",
    "intraclass_correlation",
    "krippendorff_alpha",
    "reliability",
    "spearman_brown",
    "split_half",
]

Array = NDArray[np.float64]
Metric = Literal["ordinal", "interval"]


@dataclass(frozen=True)
class IntraclassCorrelation:
    """Of stimuli rated by listeners; NaN where the design cannot tell the parts apart.

    Parameters
    ----------
    single : of one listener's score, listeners random, absolute agreement: ICC(2,1).
    average : of the mean of `n_per_stimulus` listeners, the same listeners for all: ICC(2,k).
    one_way_single, one_way_average : listeners not told apart: ICC(1,1) and ICC(1,k).
    n_per_stimulus : k, the mean number of ratings of a stimulus.
    """

    single: float
    average: float
    one_way_single: float
    one_way_average: float
    n_per_stimulus: float


@dataclass(frozen=True)
class SplitHalf:
    """Correlation of two halves of the listeners, stepped up to all of them.

    Parameters
    ----------
    mean, low, high : over splits, with the 2.5 and 97.5 % quantiles.
    n_splits : random halvings.
    """

    mean: float
    low: float
    high: float
    n_splits: int


@dataclass(frozen=True)
class Reliability:
    """Agreement of the listeners of a test about its stimuli.

    Parameters
    ----------
    alpha_interval, alpha_ordinal : Krippendorff's.
    split_half_stimuli, split_half_systems : of stimulus means and of system means.
    """

    icc: IntraclassCorrelation
    alpha_interval: float
    alpha_ordinal: float
    split_half_stimuli: SplitHalf
    split_half_systems: SplitHalf


def reliability(table: ScoreTable, *, n_splits: int = 100, seed: int = 0) -> Reliability:
    """Compute all of it; a stimulus is an utterance of a system."""
    flat = flat_ratings(table)
    return Reliability(
        icc=intraclass_correlation(flat.scores, flat.listeners, flat.stimuli),
        alpha_interval=krippendorff_alpha(flat.scores, flat.stimuli, "interval"),
        alpha_ordinal=krippendorff_alpha(flat.scores, flat.stimuli, "ordinal"),
        split_half_stimuli=split_half(flat, flat.stimuli, n_splits=n_splits, seed=seed),
        split_half_systems=split_half(flat, flat.systems, n_splits=n_splits, seed=seed),
    )


def intraclass_correlation(
    scores: Scores, listeners: Codes, stimuli: Codes
) -> IntraclassCorrelation:
    """Shrout and Fleiss 1979, "Intraclass correlations", Psychol. Bull. 86, cases 1 and 2.

    From variance components, so that missing cells are allowed; on complete tables the same as
    their mean squares unless a component is negative.
    """
    n = len(scores)
    n_stimuli = len(np.unique(stimuli))
    k = n / n_stimuli
    nan = math.nan
    one_single = one_average = nan
    between, within = _one_way(scores, stimuli)
    if not math.isnan(between) and between + within > 0:
        one_single = between / (between + within)
        one_average = between / (between + within / k) if between + within / k > 0 else nan
    parts = variance_components(SystemScores("", scores, listeners, stimuli))
    if parts is None:
        return IntraclassCorrelation(nan, nan, one_single, one_average, k)
    listener, stimulus, residual = parts.raw
    rest = listener + residual
    single = stimulus / (stimulus + rest) if stimulus + rest > 0 else nan
    average = stimulus / (stimulus + rest / k) if stimulus + rest / k > 0 else nan
    return IntraclassCorrelation(single, average, one_single, one_average, k)


def krippendorff_alpha(scores: Scores, stimuli: Codes, metric: Metric) -> float:
    """Krippendorff 2011, "Computing Krippendorff's alpha-reliability": 1 - observed / expected.

    Works on counts of each value per stimulus, so its cost is that of sorting. Stimuli with one
    rating take no part. NaN if all paired scores are equal.

    Parameters
    ----------
    metric : ``interval`` squares differences; ``ordinal`` squares the number of scores between.
    """
    values, codes = np.unique(scores, return_inverse=True)
    _, rows = np.unique(stimuli, return_inverse=True)
    counts = np.zeros((int(rows.max()) + 1, len(values)))
    np.add.at(counts, (rows, codes), 1.0)
    counts = counts[counts.sum(axis=1) > 1]
    totals = counts.sum(axis=0)
    n = totals.sum()
    if n == 0 or np.count_nonzero(totals) < 2:
        return math.nan
    distance = _ordinal_distance(totals) if metric == "ordinal" else _interval_distance(values)
    weights = 1 / (counts.sum(axis=1) - 1)
    observed = np.einsum("ik,kl,il,i->", counts, distance, counts, weights) / n
    expected = float(totals @ distance @ totals) / (n * (n - 1))
    return float(1 - observed / expected)


def split_half(flat: FlatRatings, groups: Codes, *, n_splits: int, seed: int) -> SplitHalf:
    """Split the listeners at random, correlate the halves' means of `groups`, step up.

    Groups that one half did not rate are left out of a split; splits without spread are left out.
    """
    random = np.random.default_rng(seed)
    shape = (flat.n_listeners, int(groups.max()) + 1)
    places = (flat.listeners, groups)
    sums = scipy.sparse.csr_array((flat.scores, places), shape=shape)
    counts = scipy.sparse.csr_array((np.ones(len(groups)), places), shape=shape)
    all_sums = np.bincount(groups, flat.scores, shape[1])
    all_counts = np.bincount(groups, minlength=shape[1])
    found = []
    for _ in range(n_splits):
        half = np.zeros(flat.n_listeners)
        half[random.permutation(flat.n_listeners)[: flat.n_listeners // 2]] = 1.0
        first_sums, first_counts = (np.asarray(half @ table) for table in (sums, counts))
        both = (first_counts > 0) & (first_counts < all_counts)
        a = first_sums[both] / first_counts[both]
        b = (all_sums - first_sums)[both] / (all_counts - first_counts)[both]
        if len(a) > 1 and np.ptp(a) > 0 and np.ptp(b) > 0:
            found.append(spearman_brown(float(np.corrcoef(a, b)[0, 1])))
    if not found:
        return SplitHalf(math.nan, math.nan, math.nan, 0)
    low, high = np.quantile(found, [0.025, 0.975]).tolist()
    return SplitHalf(float(np.mean(found)), low, high, len(found))


def spearman_brown(r: float, factor: float = 2.0) -> float:
    """Reliability of `factor` times as many listeners: Spearman 1910, Brown 1910.

    >>> round(spearman_brown(0.5), 4)
    0.6667
    """
    denominator = 1 + (factor - 1) * r
    return factor * r / denominator if denominator > 0 else math.nan


def _one_way(scores: Scores, stimuli: Codes) -> tuple[float, float]:
    """Variances between and within stimuli, by the unbalanced analysis of variance."""
    n = np.bincount(stimuli)
    n = n[n > 0].astype(np.float64)
    total, groups = n.sum(), len(n)
    if groups < 2 or total <= groups:
        return math.nan, math.nan
    means = np.bincount(stimuli, scores)[np.bincount(stimuli) > 0] / n
    between = float((n * (means - scores.mean()) ** 2).sum()) / (groups - 1)
    squares = float(((scores - scores.mean()) ** 2).sum()) - between * (groups - 1)
    within = squares / (total - groups)
    size = (total - float(n @ n) / total) / (groups - 1)
    return (between - within) / float(size), float(within)


def _interval_distance(values: Array) -> Array:
    distance: Array = (values[:, None] - values[None, :]) ** 2
    return distance


def _ordinal_distance(totals: Array) -> Array:
    """``(sum of n_g from c to k - (n_c + n_k) / 2)^2``."""
    cumulative = np.cumsum(totals)
    index = np.arange(len(totals))
    start, end = np.minimum.outer(index, index), np.maximum.outer(index, index)
    between = cumulative[end] - cumulative[start] + totals[start]
    distance: Array = (between - (totals[start] + totals[end]) / 2) ** 2
    return distance
