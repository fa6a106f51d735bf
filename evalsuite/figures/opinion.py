"""Opinion scores with their intervals, and what people answered."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evalsuite.analysis import Analysis
from evalsuite.figures.style import (
    BLUE,
    ONE_COLUMN_IN,
    headline,
    legend,
    name_systems,
    row_axes,
    stamp,
    style,
    watermark,
)
from evalsuite.stats.intervals import INTERVALS

__all__ = ["counts_figure", "mos_figure"]

# Brown to blue, light in the middle: the order survives in grey for the two halves.
_SCORE_COLOURS = ("#A6611A", "#DFC27D", "#E8E8E8", "#80B1D3", "#2166AC")
_LINE_WIDTHS = {"paper": 1.0, "t": 1.8, "cluster2": 3.2}


def mos_figure(
    analysis: Analysis,
    *,
    width_in: float = ONE_COLUMN_IN,
    names: Mapping[str, str] | None = None,
    stamps: Sequence[str] = (),
) -> Figure:
    """Draw each system's mean with all intervals of the analysis, best system on top.

    The wider intervals are drawn thicker and behind, the paper's thin in front. The axis shows the
    whole scale; intervals that leave it are cut there in the picture only.

    Parameters
    ----------
    width_in : `ONE_COLUMN_IN` or `TWO_COLUMNS_IN`.
    names : system -> name shown.
    stamps : what else makes this no result, printed below: untrained weights, synthetic speech.
    """
    systems = analysis.systems
    with style():
        figure, axes = row_axes(width_in, len(systems), extra_in=0.6 + 0.14 * len(analysis.methods))
        low, high = analysis.scale
        for method in sorted(analysis.methods, key=lambda name: -_LINE_WIDTHS.get(name, 2.5)):
            _draw_intervals(axes, analysis, method)
        means = [one.mean for one in systems]
        axes.plot(means, range(len(systems)), "o", color="black", markersize=2.6, zorder=5)
        axes.set_xlim(low - 0.02 * (high - low), high + 0.02 * (high - low))
        if high - low <= 10:
            axes.set_xticks(range(int(low), int(high) + 1))
        axes.set_xlabel(f"MOS, {100 * analysis.confidence:g} % intervals")
        axes.grid(axis="x", color="#DDDDDD", linewidth=0.5)
        axes.set_axisbelow(True)
        name_systems(axes, analysis, names)
        # Two entries with their scopes do not fit beside each other in one column of a paper.
        legend(figure, n_columns=1 if width_in < 5 else len(analysis.methods))
        stamp(figure, stamps, width_in)
        watermark(axes, analysis, width_in)
    return figure


def _draw_intervals(axes: Axes, analysis: Analysis, method: str) -> None:
    low, high = analysis.scale
    thin = method == "paper"
    for row, one in enumerate(analysis.systems):
        interval = one.intervals[method]
        ends = [min(max(end, low), high) for end in (interval.low, interval.high)]
        axes.plot(
            ends,
            [row, row],
            color="black" if thin else BLUE,
            alpha=1.0 if thin else 0.55,
            linewidth=_LINE_WIDTHS.get(method, 2.5),
            marker="|" if thin else None,
            markersize=4,
            solid_capstyle="butt",
            label=f"{method}: {INTERVALS[method].covers}" if row == 0 else None,
        )


def counts_figure(
    analysis: Analysis,
    *,
    width_in: float = ONE_COLUMN_IN,
    names: Mapping[str, str] | None = None,
    stamps: Sequence[str] = (),
) -> Figure:
    """Draw the share of every score a system was given, as stacked bars of 100 %.

    A mean hides whether people agree; the shares do not.

    Parameters
    ----------
    width_in : `ONE_COLUMN_IN` or `TWO_COLUMNS_IN`.
    names : system -> name shown.
    stamps : what else makes this no result, printed below: untrained weights, synthetic speech.
    """
    systems = analysis.systems
    with style():
        figure, axes = row_axes(width_in, len(systems), extra_in=0.9)
        left = [0.0] * len(systems)
        points = list(systems[0].score_counts) if systems else []
        for index, point in enumerate(points):
            shares = [100 * one.score_counts[point] / one.n for one in systems]
            colour = _score_colour(index, len(points))
            axes.barh(
                range(len(systems)),
                shares,
                left=left,
                height=0.72,
                color=colour,
                edgecolor="white",
                linewidth=0.5,
                label=str(point),
            )
            left = [start + share for start, share in zip(left, shares, strict=True)]
        axes.set_xlim(0, 100)
        axes.set_xlabel("share of ratings in %")
        name_systems(axes, analysis, names)
        legend(figure, n_columns=max(len(points), 1))
        stamp(figure, stamps, width_in)
        headline(axes, analysis)
    return figure


def _score_colour(index: int, n_points: int) -> Any:
    if n_points == len(_SCORE_COLOURS):
        return _SCORE_COLOURS[index]
    return mpl.colormaps["BrBG"](index / max(n_points - 1, 1))
