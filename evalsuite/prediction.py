"""Objective metrics beside listeners: does a metric predict what was heard in this test?

Agreement is computed where both exist: per utterance and system, and per system on means of
utterance means (the VoiceMOS convention). Nothing here says that a metric may stand in for
listeners.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from evalsuite.analysis import Analysis
from evalsuite.metrics.measure import Measured
from evalsuite.ratings import Ratings
from evalsuite.stats.interval import Interval
from evalsuite.stats.objective import (
    Agreement,
    MetricReport,
    agreement,
    bootstrap_correlation,
    leave_one_system_out,
    monotone_cubic,
    noise_ceiling,
    pairwise_accuracy,
    prediction_errors,
    system_means,
)

__all__ = ["Prediction", "predict", "prediction_json"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Prediction:
    """One metric against one listening test.

    Parameters
    ----------
    metric : its name.
    utterance_level : agreement over utterance x system cells.
    report : of the systems; see `MetricReport`.
    leave_one_out : system -> LCC without it.
    pairwise : share of the pairs told apart by listeners that the metric orders alike; NaN without
        comparisons.
    means : system -> mean of the metric.
    """

    metric: str
    utterance_level: Agreement
    report: MetricReport
    leave_one_out: dict[str, float]
    pairwise: float
    means: dict[str, float]


def predict(
    analysis: Analysis,
    ratings: Ratings,
    measured: Sequence[Measured],
    *,
    interval: str = "cluster2",
) -> list[Prediction]:
    """Compare every metric with the listeners, in the order of the metrics' names.

    Parameters
    ----------
    measured : of the run that was rated; undefined values take no part.
    interval : the listeners' uncertainty; must be part of the analysis.
    """
    heard = ratings.frame.groupby(["system", "utterance"])["score"].mean()
    found = []
    for metric in sorted({one.metric for one in measured}):
        cells = [
            (one.system, one.utterance, float(heard[(one.system, one.utterance)]), one.value)
            for one in measured
            if one.metric == metric
            and one.value is not None
            and (one.system, one.utterance) in heard.index
        ]
        if cells:
            found.append(_predict(metric, cells, analysis, interval))
    return found


def _predict(
    metric: str,
    cells: Sequence[tuple[str, str, float, float | None]],
    analysis: Analysis,
    interval: str,
) -> Prediction:
    order, systems = _coded([cell[0] for cell in cells])
    sentences = _coded([cell[1] for cell in cells])[1]
    scores_ = np.array([cell[2] for cell in cells], np.float64)
    values_ = np.array([cell[3] for cell in cells], np.float64)
    mos, mean = (system_means(column, systems, sentences) for column in (scores_, values_))
    summaries = {one.system: one for one in analysis.systems}
    intervals = [summaries[name].intervals[interval] for name in order]
    return Prediction(
        metric,
        agreement(scores_, values_),
        _report(mos, mean, intervals),
        dict(zip(order, leave_one_system_out(mos, mean).tolist(), strict=True)),
        _pairwise(order, mos, mean, analysis),
        dict(zip(order, mean.tolist(), strict=True)),
    )


def _coded(names: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    order = sorted(set(names))
    place = {name: code for code, name in enumerate(order)}
    return order, np.array([place[name] for name in names], np.int64)


def _report(mos: Array, metric: Array, intervals: Sequence[Interval]) -> MetricReport:
    half_widths = np.array([one.half_width for one in intervals])
    errors = np.array([_standard_error(one) for one in intervals])
    lcc, srcc = bootstrap_correlation(mos, metric)
    # A metric has its own scale: errors need a mapping, a line at least.
    line = mapped = np.full_like(mos, math.nan)
    if np.ptp(metric) > 0:
        line = np.polyval(np.polyfit(metric, mos, 1), metric).astype(np.float64)
    if len(mos) > 3:
        mapped = monotone_cubic(metric, mos)
    return MetricReport(
        agreement(mos, metric), *lcc, *srcc,
        prediction_errors(mos, line, half_widths, n_parameters=2),
        prediction_errors(mos, mapped, half_widths, n_parameters=4),
        noise_ceiling(mos, errors),
    )  # fmt: skip


def _standard_error(interval: Interval) -> float:
    """Half width over the interval's own quantile: t with few clusters is far from 1.96."""
    tail = 0.5 + interval.confidence / 2
    quantile = ndtri(tail) if math.isinf(interval.df) else stdtrit(interval.df, tail)
    return interval.half_width / float(quantile)


def _pairwise(names: Sequence[str], mos: Array, metric: Array, analysis: Analysis) -> float:
    """Metrics whose small values are good are turned round before pairs are counted.

    NaN below three systems: which way round a metric is shows only in their order.
    """
    order = agreement(mos, metric).srcc
    if analysis.inference is None or math.isnan(order):
        return math.nan
    place = {name: row for row, name in enumerate(names)}
    apart = np.zeros((len(names), len(names)), dtype=bool)
    for one in analysis.inference.comparisons:
        if one.a in place and one.b in place and one.p_holm < analysis.inference.alpha:
            apart[place[one.a], place[one.b]] = apart[place[one.b], place[one.a]] = True
    sign = -1.0 if order < 0 else 1.0
    return pairwise_accuracy(mos, sign * metric, apart)


def prediction_json(predictions: Sequence[Prediction]) -> list[dict[str, Any]]:
    """Return JSON values; NaN becomes null."""
    cleaned = [_clean(asdict(one)) for one in predictions]
    return [one for one in cleaned if isinstance(one, dict)]


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _clean(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
