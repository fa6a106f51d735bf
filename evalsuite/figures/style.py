"""How all figures look, and how they are written: no pyplot, no global state, no date.

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
from evalsuite.tables.names import display_name

__all__ = [
    "BLUE",
    "ONE_COLUMN_IN",
    "ROW_IN",
    "TWO_COLUMNS_IN",
    "WARNING_RED",
    "figure_bytes",
    "headline",
    "legend",
    "name_systems",
    "row_axes",
    "save_figure",
    "stamp",
    "style",
    "watermark",
]

ONE_COLUMN_IN = 3.5
TWO_COLUMNS_IN = 7.0

ROW_IN = 0.27
NAME_WIDTH = 20  # characters; longer names take two lines
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
BLUE, WARNING_RED = "#0072B2", "#B00020"
_WITHOUT_DATE: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None},
    "png": {"Software": None},
    "svg": {"Date": None},
}


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PDF, PNG or SVG by its suffix: whole or not at all, without a date."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(figure_bytes(figure, path.suffix.lower().removeprefix(".")))


def figure_bytes(figure: Figure, format: str) -> bytes:
    """Return a figure as ``pdf``, ``png`` or ``svg``, without date or program name."""
    stream = io.BytesIO()
    with style():
        figure.savefig(stream, format=format, dpi=200, metadata=_WITHOUT_DATE[format])
    return stream.getvalue()


@contextmanager
def style() -> Iterator[None]:
    """Apply the common look inside a ``with`` block."""
    with mpl.rc_context(_STYLE):
        yield


def row_axes(width_in: float, n_rows: int, *, extra_in: float) -> tuple[Figure, Axes]:
    """Make a figure with one line a system and `extra_in` inches for what is around them."""
    height_in = extra_in + ROW_IN * max(n_rows, 2)
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    return figure, figure.add_subplot()


def name_systems(axes: Axes, analysis: Analysis, names: Mapping[str, str] | None) -> None:
    """Write the systems' names beside their lines, the best on top."""
    labels = [
        textwrap.fill(display_name(one.system, names), NAME_WIDTH) for one in analysis.systems
    ]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)


def legend(figure: Figure, *, n_columns: int) -> None:
    """Put the legend above the axes."""
    figure.legend(
        loc="outside upper center", ncols=n_columns, frameon=False, fontsize=7,
        handlelength=1.4, columnspacing=1.2, borderaxespad=0.2,
    )  # fmt: skip


def stamp(figure: Figure, stamps: Sequence[str], width_in: float) -> None:
    """Print below the axes what makes the figure no result."""
    if stamps:
        lines = [textwrap.fill(line, round(18 * width_in)) for line in stamps]
        figure.supxlabel("\n".join(lines), color=WARNING_RED, fontsize=6.5)


def watermark(axes: Axes, analysis: Analysis, width_in: float) -> None:
    """Say behind the points and lines of a picture that nobody listened."""
    if analysis.simulated:
        axes.text(
            0.5, 0.5, "SIMULATED LISTENERS", transform=axes.transAxes, ha="center", va="center",
            color=WARNING_RED, alpha=0.3, fontsize=min(3.4 * width_in, 18), fontweight="bold",
            zorder=0.5, in_layout=False,
        )  # fmt: skip


def headline(axes: Axes, analysis: Analysis) -> None:
    """Say above a picture that has no ground to write on that nobody listened."""
    if analysis.simulated:
        axes.set_title("SIMULATED LISTENERS", color=WARNING_RED, fontsize=9, fontweight="bold")
