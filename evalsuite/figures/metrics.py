"""A metric against the listeners, one point a system."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from evalsuite.analysis import Analysis
from evalsuite.figures.style import BLUE, ONE_COLUMN_IN, stamp, style, watermark
from evalsuite.stats.objective import agreement, bootstrap_correlation
from evalsuite.tables.names import display_name

__all__ = ["metric_figure"]


def metric_figure(
    analysis: Analysis,
    metric: Mapping[str, float],
    *,
    title: str,
    interval: str = "cluster2",
    width_in: float = ONE_COLUMN_IN,
    names: Mapping[str, str] | None = None,
    stamps: Sequence[str] = (),
) -> Figure:
    """Draw MOS with its interval over a metric's mean, with their correlation.

    Parameters
    ----------
    metric : system -> mean of the metric; systems without one are left out.
    title : of the metric's axis, with its unit.
    interval : method of the vertical bars; must be part of the analysis.

    Notes
    -----
    With few systems a correlation can be anything: its bootstrap interval is printed beside it,
    and nothing at all below three systems.
    """
    systems = [one for one in analysis.systems if not math.isnan(metric.get(one.system, math.nan))]
    x = np.array([metric[one.system] for one in systems])
    y = np.array([one.mean for one in systems])
    with style():
        figure = Figure(figsize=(width_in, 0.75 * width_in), layout="constrained")
        axes = figure.add_subplot()
        half_widths = [one.intervals[interval].half_width for one in systems]
        axes.errorbar(x, y, yerr=np.nan_to_num(half_widths), fmt="o", color=BLUE, markersize=3,
                      linewidth=0.9, capsize=2)  # fmt: skip
        for one, place in zip(systems, x, strict=True):
            axes.annotate(
                display_name(one.system, names), (place, one.mean), xytext=(4, 3),
                textcoords="offset points", fontsize=6,
            )  # fmt: skip
        axes.margins(x=0.18)
        axes.set_ylim(*analysis.scale)
        axes.set_xlabel(title)
        axes.set_ylabel(f"MOS ({interval})")
        axes.set_title(_agreement_text(y, x), fontsize=7)
        stamp(figure, stamps, width_in)
        watermark(axes, analysis, width_in, behind=True)
    return figure


def _agreement_text(
    listeners: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    metric: "np.ndarray[tuple[int], np.dtype[np.float64]]",
) -> str:
    found = agreement(listeners, metric)
    if found.n < 3 or math.isnan(found.lcc):
        return f"{found.n} systems: no correlation"
    (low, high), _ = bootstrap_correlation(listeners, metric)
    return f"{found.n} systems: LCC {found.lcc:.2f} [{low:.2f}, {high:.2f}], SRCC {found.srcc:.2f}"
