"""A metric against the listeners, one point a system."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from evalsuite.analysis import Analysis
from evalsuite.figures.style import BLUE, ONE_COLUMN_IN, stamp, style, watermark
from evalsuite.stats.objective import agreement, bootstrap_correlation
from evalsuite.tables.names import display_name

__all__ = ["metric_figure"]

# Points from the dot: right above, left above, right below, left below, further away.
_SIDES = ((4, 3), (-4, 3), (4, -9), (-4, -9), (4, 11), (-4, 11), (4, -17), (-4, -17))


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
        axes.plot(x, y, "o", color=BLUE, markersize=3)
        for one, place in zip(systems, x, strict=True):
            found = one.intervals[interval]
            axes.plot([place, place], [found.low, found.high], color=BLUE, linewidth=0.9,
                      marker="_", markersize=4)  # fmt: skip
        axes.margins(x=0.18)
        axes.set_ylim(*analysis.scale)
        axes.set_xlabel(title)
        axes.set_ylabel(f"MOS ({interval})")
        axes.set_title(_agreement_text(y, x), fontsize=7)
        stamp(figure, stamps, width_in)
        watermark(axes, analysis, width_in)
        _name_points(figure, axes, [
            (float(place), one.mean, display_name(one.system, names))
            for one, place in zip(systems, x, strict=True)
        ])  # fmt: skip
    return figure


def _name_points(figure: Figure, axes: Axes, points: Sequence[tuple[float, float, str]]) -> None:
    """Write names beside their points, each on the first side where it hides no other name."""
    figure.draw_without_rendering()
    taken: list[Bbox] = []
    for x, y, name in points:
        text = axes.annotate(name, (x, y), xytext=_SIDES[0], textcoords="offset points", fontsize=6)
        for side in _SIDES:
            text.set_position(side)
            text.set_horizontalalignment("left" if side[0] > 0 else "right")
            box = text.get_window_extent()
            inside = figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
            if inside and not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)


def _agreement_text(
    listeners: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    metric: "np.ndarray[tuple[int], np.dtype[np.float64]]",
) -> str:
    found = agreement(listeners, metric)
    if found.n < 3 or math.isnan(found.lcc):
        return f"{found.n} systems: no correlation"
    (low, high), _ = bootstrap_correlation(listeners, metric)
    return f"{found.n} systems: LCC {found.lcc:.2f} [{low:.2f}, {high:.2f}], SRCC {found.srcc:.2f}"
