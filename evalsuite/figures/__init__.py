"""Figures for papers, as matplotlib ``Figure`` objects; see `evalsuite.figures.style`."""

from evalsuite.figures.comparisons import rank_figure, significance_figure
from evalsuite.figures.listeners import heat_map_figure, order_figure
from evalsuite.figures.metrics import metric_figure
from evalsuite.figures.opinion import counts_figure, mos_figure
from evalsuite.figures.style import (
    ONE_COLUMN_IN,
    TWO_COLUMNS_IN,
    figure_bytes,
    save_figure,
)

__all__ = [
    "ONE_COLUMN_IN",
    "TWO_COLUMNS_IN",
    "counts_figure",
    "figure_bytes",
    "heat_map_figure",
    "metric_figure",
    "mos_figure",
    "order_figure",
    "rank_figure",
    "save_figure",
    "significance_figure",
]
