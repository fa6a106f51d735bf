"""Figures for papers: opinion scores with their intervals, and what people answered.

Figures are made without pyplot, so nothing global changes and no window system is needed. Saved
twice they are the same bytes. Sizes are those of one or two columns of a paper.
"""

import io
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evalsuite.analysis import Analysis
from evalsuite.files import atomic_path
from evalsuite.stats.intervals import INTERVALS
from evalsuite.tables.names import display_name

__all__ = [
    "ONE_COLUMN_IN",
    "TWO_COLUMNS_IN",
    "counts_figure",
    "figure_bytes",
    "mos_figure",
    "save_figure",
]

ONE_COLUMN_IN = 3.5
TWO_COLUMNS_IN = 7.0

_ROW_IN = 0.27
_NAME_WIDTH = 20  # characters; longer names take two lines
_STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.0,
    "pdf.fonttype": 42,  # text stays text in the PDF
    "svg.fonttype": "path",  # the same look where the font is missing
    "svg.hashsalt": "evalsuite",  # element names do not change between runs
}
# Okabe and Ito's blue keeps apart from black for the colour-blind.
_BLUE, _WARNING_RED = "#0072B2", "#B00020"
_WITHOUT_DATE: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None},
    "png": {"Software": None},
    "svg": {"Date": None},
}
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
    with _style():
        figure, axes = _axes(width_in, len(systems), extra_in=0.6 + 0.14 * len(analysis.methods))
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
        _name_systems(axes, analysis, names)
        # Two entries with their scopes do not fit beside each other in one column of a paper.
        _legend(figure, n_columns=1 if width_in < 5 else len(analysis.methods))
        _stamp(figure, stamps, width_in)
        _watermark(axes, analysis, width_in, behind=True)
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
            color="black" if thin else _BLUE,
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
    with _style():
        figure, axes = _axes(width_in, len(systems), extra_in=0.75)
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
        _name_systems(axes, analysis, names)
        _legend(figure, n_columns=max(len(points), 1))
        _stamp(figure, stamps, width_in)
        _watermark(axes, analysis, width_in, behind=False)
    return figure


def _score_colour(index: int, n_points: int) -> Any:
    if n_points == len(_SCORE_COLOURS):
        return _SCORE_COLOURS[index]
    return mpl.colormaps["BrBG"](index / max(n_points - 1, 1))


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PDF, PNG or SVG by its suffix: whole or not at all, without a date."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(figure_bytes(figure, path.suffix.lower().removeprefix(".")))


def figure_bytes(figure: Figure, format: str) -> bytes:
    """Return a figure as ``pdf``, ``png`` or ``svg``, without date or program name."""
    stream = io.BytesIO()
    with _style():
        figure.savefig(stream, format=format, dpi=200, metadata=_WITHOUT_DATE[format])
    return stream.getvalue()


@contextmanager
def _style() -> Iterator[None]:
    with mpl.rc_context(_STYLE):
        yield


def _axes(width_in: float, n_rows: int, *, extra_in: float) -> tuple[Figure, Axes]:
    height_in = extra_in + _ROW_IN * max(n_rows, 2)
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    return figure, figure.add_subplot()


def _name_systems(axes: Axes, analysis: Analysis, names: Mapping[str, str] | None) -> None:
    labels = [
        textwrap.fill(display_name(one.system, names), _NAME_WIDTH) for one in analysis.systems
    ]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)


def _legend(figure: Figure, *, n_columns: int) -> None:
    figure.legend(
        loc="outside upper center", ncols=n_columns, frameon=False, fontsize=7,
        handlelength=1.4, columnspacing=1.2, borderaxespad=0.2,
    )  # fmt: skip


def _stamp(figure: Figure, stamps: Sequence[str], width_in: float) -> None:
    if stamps:
        lines = [textwrap.fill(stamp, round(18 * width_in)) for stamp in stamps]
        figure.supxlabel("\n".join(lines), color=_WARNING_RED, fontsize=6.5)


def _watermark(axes: Axes, analysis: Analysis, width_in: float, *, behind: bool) -> None:
    """Say across the picture that nobody listened, without hiding what it shows."""
    if analysis.simulated:
        axes.text(
            0.5, 0.5, "SIMULATED LISTENERS", transform=axes.transAxes, ha="center", va="center",
            color=_WARNING_RED, alpha=0.3 if behind else 0.6, fontsize=min(3.4 * width_in, 18),
            fontweight="bold", zorder=0.5 if behind else 10, in_layout=False,
        )  # fmt: skip
