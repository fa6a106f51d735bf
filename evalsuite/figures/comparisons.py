"""Who differs from whom: a matrix of all pairs, and ranks with the systems not told apart."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch

from evalsuite.analysis import Analysis
from evalsuite.figures.style import (
    BLUE,
    ONE_COLUMN_IN,
    headline,
    name_systems,
    row_axes,
    stamp,
    style,
    watermark,
)
from evalsuite.inference import Inference
from evalsuite.tables.names import display_name

__all__ = ["rank_figure", "significance_figure"]

_NAME_WIDTH = 16  # characters; longer names take two lines

# Points: the smallest can be read in print; five characters are 3.3 times as wide as high.
_LARGEST_TEXT, _SMALLEST_TEXT, _TEXT_WIDTH = 7.0, 4.5, 3.3
# Blue and orange keep apart for the colour-blind and, by their lightness, in grey.
_BETTER, _WORSE, _EQUAL, _EMPTY = "#0072B2", "#E69F00", "#F0F0F0", "#FFFFFF"


def significance_figure(
    analysis: Analysis,
    *,
    width_in: float = ONE_COLUMN_IN,
    names: Mapping[str, str] | None = None,
    stamps: Sequence[str] = (),
) -> Figure:
    """Draw all pairs: row above column (blue), below it (orange), not told apart (grey).

    Each cell holds the p-value after Holm, with three decimals, as large as fits; where no readable
    size fits the colour stands alone. A dash in a white cell: not tested.

    Raises
    ------
    ValueError if the analysis was made without comparisons of all pairs.
    """
    inference = _all_pairs(analysis)
    order = [one.system for one in analysis.systems]
    n = len(order)
    kinds, texts = _cells(inference, order)
    with style():
        figure = Figure(figsize=(width_in, 0.85 * width_in), layout="constrained")
        axes = figure.add_subplot()
        image = axes.imshow(
            kinds, cmap=ListedColormap([_EMPTY, _EQUAL, _WORSE, _BETTER]), vmin=0, vmax=3
        )
        # Upright below the columns: slanted lines of two-line names run into each other.
        labels = [textwrap.fill(display_name(name, names), _NAME_WIDTH) for name in order]
        axes.set_xticks(range(n), labels, rotation=90)
        axes.set_yticks(range(n), labels)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        figure.legend(
            handles=[
                Patch(color=_BETTER, label="row better"),
                Patch(color=_WORSE, label="row worse"),
                Patch(color=_EQUAL, label=f"not told apart at {inference.alpha:g}"),
            ],
            loc="outside upper center", ncols=3, frameon=False, fontsize=7,
            handlelength=1.0, columnspacing=1.0,
        )  # fmt: skip
        stamp(figure, stamps, width_in)
        headline(axes, analysis)
        _write_cells(figure, image, kinds, texts)
    return figure


def _write_cells(
    figure: Figure, image: AxesImage, kinds: "np.ndarray[Any, Any]", texts: list[list[str]]
) -> None:
    """Write into each cell, in a size that the cells of the finished layout hold."""
    figure.draw_without_rendering()
    cell_pt = image.get_window_extent().width / len(texts) * 72 / figure.dpi
    size_pt = min(_LARGEST_TEXT, cell_pt / _TEXT_WIDTH)
    if size_pt < _SMALLEST_TEXT:
        return
    for (row, column), kind in np.ndenumerate(kinds):
        image.axes.text(
            column, row, texts[row][column], ha="center", va="center", fontsize=size_pt,
            color="white" if kind == 3 else "black",
        )  # fmt: skip


def rank_figure(
    analysis: Analysis,
    *,
    width_in: float = ONE_COLUMN_IN,
    names: Mapping[str, str] | None = None,
    stamps: Sequence[str] = (),
) -> Figure:
    """Draw the means in order, and a bar beside each group of systems that share a letter.

    Raises
    ------
    ValueError if the analysis was made without comparisons of all pairs.
    """
    letters = _all_pairs(analysis).letters
    used = sorted({letter for text in letters.values() for letter in text})
    systems = analysis.systems
    with style():
        figure, axes = row_axes(width_in, len(systems), extra_in=0.6)
        low, high = analysis.scale
        axes.plot([one.mean for one in systems], range(len(systems)), "o", color="black",
                  markersize=3.2)  # fmt: skip
        step = 0.05 * (high - low)
        for place, letter in enumerate(used, start=1):
            rows = [row for row, one in enumerate(systems) if letter in letters[one.system]]
            x = high + place * step
            axes.plot([x, x], [rows[0] - 0.28, rows[-1] + 0.28], color=BLUE, linewidth=2.2,
                      solid_capstyle="butt")  # fmt: skip
            axes.text(x, rows[0] - 0.34, letter, ha="center", va="bottom", fontsize=7)
        for row, one in enumerate(systems):
            if not letters[one.system]:  # no bar must not look like a difference
                axes.text(high + 0.5 * step, row, "not tested", ha="left", va="center", fontsize=6)
        axes.set_xlim(low, high + (len(used) + 1) * step)
        if high - low <= 10:
            axes.set_xticks(range(int(low), int(high) + 1))
        axes.set_xlabel("MOS; a bar joins what was not told apart")
        name_systems(axes, analysis, names)
        axes.set_ylim(len(systems) - 0.4, -0.9)
        stamp(figure, stamps, width_in)
        watermark(axes, analysis, width_in)
    return figure


def _all_pairs(analysis: Analysis) -> Inference:
    inference = analysis.inference
    if inference is None or (not inference.letters and len(analysis.systems) > 1):
        raise ValueError("the analysis was made without comparisons of all pairs")
    return inference


def _cells(inference: Inference, order: Sequence[str]) -> tuple[np.ndarray, list[list[str]]]:
    """Kind of each cell (0 empty, 1 equal, 2 worse, 3 better) and its text."""
    place = {name: row for row, name in enumerate(order)}
    kinds = np.zeros((len(order), len(order)))
    texts = [[""] * len(order) for _ in order]
    for one in inference.comparisons:
        differ = one.p_holm < inference.alpha
        untested = math.isnan(one.p_holm)
        text = "–" if untested else _p_text(one.p_holm)
        for first, second, above in (
            (one.a, one.b, one.difference > 0), (one.b, one.a, one.difference < 0)
        ):  # fmt: skip
            row, column = place[first], place[second]
            kinds[row, column] = 0 if untested else (3 if above else 2) if differ else 1
            texts[row][column] = text
    return kinds, texts


def _p_text(p: float) -> str:
    """Three decimals without the zero before the point, as p-values are printed.

    >>> [_p_text(p) for p in (0.0004, 0.0015, 0.0496, 0.33, 1.0)]
    ['<.001', '.002', '.050', '.330', '1']
    """
    return "<.001" if p < 1e-3 else "1" if p > 0.9995 else f"{p:.3f}".removeprefix("0")
