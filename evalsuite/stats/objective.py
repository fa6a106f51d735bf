"""How well a metric predicts listeners: correlations, errors, and how good it could be.

- Correlations follow the VoiceMOS challenges (Huang et al. 2022): at utterance level, and at
  system level on means of utterance means, every utterance counting once.
- Errors follow ITU-T P.1401 sections 7.5 and 7.7 (formulas recalled): RMSE, RMSE* that forgives
  what lies within the listeners' own interval, outlier ratio; raw and after a monotone mapping.
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy.optimize
import scipy.stats
from numpy.typing import NDArray

__all__ = [
    "Agreement",
    "Errors",
    "MetricReport",
    "agreement",
    "bootstrap_correlation",
    "leave_one_system_out",
    "monotone_cubic",
    "noise_ceiling",
    "pairwise_accuracy",
    "prediction_errors",
    "system_means",
]

Array = NDArray[np.float64]
_FEWEST_POINTS = 3


@dataclass(frozen=True)
class Agreement:
    """Pearson (LCC), Spearman (SRCC), Kendall's tau-b (KTAU) and mean squared error (MSE)."""

    lcc: float
    srcc: float
    ktau: float
    mse: float
    n: int


@dataclass(frozen=True)
class Errors:
    """P.1401: of predictions, in points of the scale.

    Parameters
    ----------
    rmse : with n - d in the denominator; d = 1, or 4 after the mapping.
    rmse_star : the same of max(0, |error| - half width of the listeners' interval).
    outlier_ratio : share of predictions outside that interval.
    """

    rmse: float
    rmse_star: float
    outlier_ratio: float


@dataclass(frozen=True)
class MetricReport:
    """Of one metric against the listeners, per system.

    Parameters
    ----------
    lcc_low, lcc_high, srcc_low, srcc_high : bootstrap intervals over systems, NaN below four.
    raw, mapped : errors before and after the monotone third-order mapping.
    ceiling : correlation that a perfect metric would reach, given the listeners' own noise; NaN
        where that is as large as the spread of the systems.
    """

    agreement: Agreement
    lcc_low: float
    lcc_high: float
    srcc_low: float
    srcc_high: float
    raw: Errors
    mapped: Errors
    ceiling: float


def system_means(values: Array, systems: NDArray[np.int64], utterances: NDArray[np.int64]) -> Array:
    """Mean of utterance means of each system, shape (systems,)."""
    n_utterances = int(utterances.max()) + 1
    cells, codes = np.unique(systems * n_utterances + utterances, return_inverse=True)
    means = np.bincount(codes, values) / np.bincount(codes)
    owner = cells // n_utterances
    result: Array = np.bincount(owner, means) / np.bincount(owner)
    return result


def agreement(listeners: Array, metric: Array) -> Agreement:
    """Compare two arrays of equal length; correlations are NaN without spread or below 3 points.

    Two points lie on a line whatever was measured: their correlation is 1 or -1 and says nothing.
    """
    n = len(listeners)
    mse = float(np.mean((listeners - metric) ** 2)) if n else math.nan
    if n < _FEWEST_POINTS or np.ptp(listeners) == 0 or np.ptp(metric) == 0:
        return Agreement(math.nan, math.nan, math.nan, mse, n)
    return Agreement(
        float(scipy.stats.pearsonr(listeners, metric).statistic),
        float(scipy.stats.spearmanr(listeners, metric).statistic),
        float(scipy.stats.kendalltau(listeners, metric).statistic),
        mse,
        n,
    )


def prediction_errors(
    listeners: Array, predicted: Array, half_widths: Array, *, n_parameters: int = 1
) -> Errors:
    """Errors of predictions on the listeners' scale.

    Parameters
    ----------
    half_widths : of the 95 % interval of each listeners' mean.
    n_parameters : d; fitted by the mapping, 1 without one.
    """
    n = len(listeners)
    error = np.abs(listeners - predicted)
    degrees = n - n_parameters
    if degrees < 1:
        return Errors(math.nan, math.nan, float(np.mean(error > half_widths)))
    beyond = np.maximum(error - half_widths, 0)
    return Errors(
        math.sqrt(float((error**2).sum()) / degrees),
        math.sqrt(float((beyond**2).sum()) / degrees),
        float(np.mean(error > half_widths)),
    )


def monotone_cubic(metric: Array, listeners: Array) -> Array:
    """Map a metric to the listeners' scale by the best cubic that never turns on its range.

    P.1401 7.1: third order, monotone between the smallest and largest value. Fitted by least
    squares with the derivative's sign held on a grid; the direction is the one that fits better.
    """
    low, high = float(metric.min()), float(metric.max())
    if high == low:
        return np.full_like(listeners, listeners.mean())
    x = 2 * (metric - low) / (high - low) - 1
    design = np.vander(x, 4, increasing=True)
    grid = np.linspace(-1, 1, 41)
    slope = np.stack([np.zeros_like(grid), np.ones_like(grid), 2 * grid, 3 * grid**2], axis=1)

    def squares(c: Array) -> tuple[float, Array]:
        error = design @ c - listeners
        return float(error @ error), 2 * design.T @ error

    best: Array | None = None
    for sign in (1.0, -1.0):
        rising = scipy.optimize.LinearConstraint(sign * slope, np.zeros(len(grid)))
        found = scipy.optimize.minimize(
            squares, np.array([listeners.mean(), 0.0, 0.0, 0.0]), jac=True, method="SLSQP",
            constraints=rising, options={"ftol": 1e-12, "maxiter": 500},
        )  # fmt: skip
        mapped: Array = design @ found.x
        if best is None or ((mapped - listeners) ** 2).sum() < ((best - listeners) ** 2).sum():
            best = mapped
    assert best is not None
    return best


def bootstrap_correlation(
    listeners: Array, metric: Array, *, n_resamples: int = 2000, seed: int = 0
) -> tuple[tuple[float, float], tuple[float, float]]:
    """95 % percentile intervals of LCC and SRCC over systems drawn again.

    Resamples with fewer than three different systems are drawn again: two points correlate to 1 or
    -1 whatever they are. With three systems that leaves the three themselves, drawn again and again
    into an interval without width, so there is none below four. With five it is wide; that is what
    it is for.
    """
    random, n = np.random.default_rng(seed), len(listeners)
    if n <= _FEWEST_POINTS:
        return (math.nan, math.nan), (math.nan, math.nan)
    found: list[tuple[float, float]] = []
    for _ in range(20 * n_resamples):
        rows = random.integers(0, n, n)
        if len(np.unique(rows)) < _FEWEST_POINTS:
            continue
        x, y = listeners[rows], metric[rows]
        if np.ptp(x) == 0 or np.ptp(y) == 0:
            continue
        ranks = [scipy.stats.rankdata(values) for values in (x, y)]
        found.append((_pearson(x, y), _pearson(*ranks)))
        if len(found) == n_resamples:
            break
    if not found:
        return (math.nan, math.nan), (math.nan, math.nan)
    low, high = np.quantile(np.array(found), [0.025, 0.975], axis=0)
    return (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))


def leave_one_system_out(listeners: Array, metric: Array) -> Array:
    """LCC without each system in turn: one far system can make a correlation by itself.

    NaN below four systems.
    """
    kept = [np.arange(len(listeners)) != left_out for left_out in range(len(listeners))]
    return np.array([agreement(listeners[rows], metric[rows]).lcc for rows in kept])


def noise_ceiling(listeners: Array, standard_errors: Array) -> float:
    """Largest correlation that any metric can be expected to reach: sqrt of the reliability.

    The variance between systems minus that of their means' errors, over the former.

    Parameters
    ----------
    listeners : float64, shape (systems,), their means.
    standard_errors : of these means, shape (systems,), in points. An interval's half width divided
        by its own quantile, which for few listeners or sentences is far from 1.96.

    Returns
    -------
    NaN where the errors explain the whole spread: the ceiling is unknown then, not 0.
    """
    between = float(np.var(listeners, ddof=1)) if len(listeners) > 1 else math.nan
    noise = float(np.mean(standard_errors**2))
    if not noise < between:
        return math.nan
    return math.sqrt(1 - noise / between)


def pairwise_accuracy(listeners: Array, metric: Array, significant: NDArray[np.bool_]) -> float:
    """Share of pairs that listeners told apart which the metric puts in the same order.

    Parameters
    ----------
    significant : bool, shape (systems, systems), symmetric; NaN is returned if there is none.
    """
    upper = np.triu(significant, k=1)
    if not upper.any():
        return math.nan
    theirs = np.sign(listeners[:, None] - listeners[None, :])[upper]
    ours = np.sign(metric[:, None] - metric[None, :])[upper]
    return float(np.mean(theirs == ours))


def _pearson(x: Array, y: Array) -> float:
    x, y = x - x.mean(), y - y.mean()
    return float(x @ y / math.sqrt(float(x @ x) * float(y @ y)))
