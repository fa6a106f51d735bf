"""A table of metrics against listeners."""

import math
from collections.abc import Sequence

from evalsuite.prediction import Prediction
from evalsuite.tables.table import Column, Row, Table

__all__ = ["prediction_table"]


def prediction_table(predictions: Sequence[Prediction], *, stamps: Sequence[str] = ()) -> Table:
    """One row a metric: correlations with their intervals, errors, and the ceiling."""
    rows = []
    for one in predictions:
        report = one.report
        known = {name: r for name, r in one.leave_one_out.items() if not math.isnan(r)}
        lowest = min(known, key=lambda name: abs(known[name]), default="")
        rows.append(
            Row(
                {
                    "system": one.metric,
                    "n_systems": report.agreement.n,
                    "lcc": report.agreement.lcc,
                    "lcc_interval": _bracket(report.lcc_low, report.lcc_high),
                    "srcc": report.agreement.srcc,
                    "ktau": report.agreement.ktau,
                    "utterance_lcc": one.utterance_level.lcc,
                    "utterance_srcc": one.utterance_level.srcc,
                    "ceiling": report.ceiling,
                    "weakest": known.get(lowest, math.nan),
                    "weakest_without": lowest,
                    "rmse": report.raw.rmse,
                    "rmse_star": report.raw.rmse_star,
                    "outlier_ratio": report.raw.outlier_ratio,
                    "mapped_rmse": report.mapped.rmse,
                    "mapped_rmse_star": report.mapped.rmse_star,
                    "pairwise": one.pairwise,
                }
            )
        )
    return Table(
        id="metrics",
        title="Metrics against listeners",
        caption="Agreement of objective metrics with this test's mean opinion scores",
        columns=(
            Column("system", "metric"),
            Column("n_systems", "systems"),
            Column("lcc", "LCC", decimals=2),
            Column("lcc_interval", "95 %", words=True),
            Column("srcc", "SRCC", decimals=2, details=("ktau",)),
            Column("utterance_lcc", "utterance LCC", decimals=2, details=("utterance_srcc",)),
            Column("ceiling", "ceiling", decimals=2),
            Column("weakest", "least LCC without a system", decimals=2),
            Column("weakest_without", "which", words=True),
            Column("rmse", "RMSE", decimals=2, details=("rmse_star", "outlier_ratio",
                                                        "mapped_rmse", "mapped_rmse_star")),
            Column("pairwise", "pairs ordered alike", decimals=2),
        ),
        rows=tuple(rows),
        footer=(
            "System level: means of utterance means (VoiceMOS convention). Intervals: bootstrap "
            "over systems; with few systems they are wide because so little is known. Below four "
            "systems there is none, and no correlation without one of them: two points always lie "
            "on a line.",
            "Ceiling: correlation a perfect metric would be expected to reach, given how uncertain "
            "the listeners' means are; empty where that explains all differences between them. "
            "RMSE: after the best line, in points of the scale (ITU-T P.1401).",
            "PESQ and its like do not rank Griffin-Lim against neural vocoders as listeners do: a "
            "metric that agrees here need not agree elsewhere.",
        ),
        stamps=tuple(stamps),
    )  # fmt: skip


def _bracket(low: float, high: float) -> str:
    return "" if math.isnan(low) else f"[{low:.2f}, {high:.2f}]"
