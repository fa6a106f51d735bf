"""How listeners used the scale: each listener's means, and scores over the session."""

import math
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evalsuite.analysis import Analysis
from evalsuite.figures.style import BLUE, ONE_COLUMN_IN, headline, stamp, style, watermark
from evalsuite.rating_times import drift_over_trials, trial_numbers
from evalsuite.ratings import Ratings
from evalsuite.stats.scale_use import Drift, listener_by_system
from evalsuite.stats.scores import score_table
from evalsuite.tables.names import display_name

__all__ = ["heat_map_figure", "order_figure"]

_NAMED_LISTENERS = 40  # more do not fit beside the picture
_N_BLOCKS = 8


def heat_map_figure(
    analysis: Analysis,
    ratings: Ratings,
    *,
    width_in: float = ONE_COLUMN_IN,
    names: Mapping[str, str] | None = None,
    stamps: Sequence[str] = (),
) -> Figure:
    """Draw each listener's mean for each system, the strictest listener on top; white = none.

    A row of one colour is somebody who did not tell systems apart; a column in which one row
    stands out is somebody who heard something else.
    """
    frame = ratings.frame
    table = score_table(
        frame["system"], frame["listener"], frame["utterance"], frame["score"].to_numpy()
    )
    by_name = {one.system: column for column, one in enumerate(table.systems)}
    columns = [by_name[one.system] for one in analysis.systems]
    means = listener_by_system(table)[:, columns]
    order = np.argsort(np.nanmean(means, axis=1), kind="stable")
    with style():
        height_in = min(8.0, 1.2 + 0.09 * max(len(means), 8))
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        axes = figure.add_subplot()
        low, high = analysis.scale
        image = axes.imshow(
            means[order], cmap="cividis", vmin=low, vmax=high, aspect="auto",
            interpolation="nearest",
        )  # fmt: skip
        labels = [textwrap.fill(display_name(one.system, names), 14) for one in analysis.systems]
        axes.set_xticks(range(len(labels)), labels, rotation=0 if width_in > len(labels) else 90)
        if len(means) <= _NAMED_LISTENERS:
            shown = [table.listeners[row][:16] for row in order]
            axes.set_yticks(range(len(shown)), shown, fontsize=5)
        else:
            axes.set_yticks([])
        axes.set_ylabel(f"{len(means)} listeners, strictest first")
        axes.tick_params(length=0)
        bar = figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02)
        bar.set_label("mean score")
        bar.outline.set_visible(False)
        stamp(figure, stamps, width_in)
        headline(axes, analysis)
    return figure


def order_figure(
    analysis: Analysis,
    ratings: Ratings,
    *,
    width_in: float = ONE_COLUMN_IN,
    stamps: Sequence[str] = (),
) -> Figure | None:
    """Draw scores over the session, systems held fixed; None if the order is not known.

    Points are means of eighths of the session, of what a score differs from its system's mean;
    bars are two standard errors over listeners, where there are two. The drift with its interval
    stands in the title.
    """
    frame = ratings.frame
    trials = trial_numbers(frame)
    drift = drift_over_trials(frame)
    if trials is None or drift is None:
        return None
    listeners, systems = (
        np.unique(frame[name].astype(str), return_inverse=True)[1]
        for name in ("listener", "system")
    )
    scores = frame["score"].to_numpy(dtype=np.float64)
    residual = scores - (np.bincount(systems, scores) / np.bincount(systems))[systems]
    with style():
        figure = Figure(figsize=(width_in, 2.2), layout="constrained")
        axes = figure.add_subplot()
        for x, mean, error in _blocks(trials, residual, listeners):
            axes.plot([x], [mean], color=BLUE, marker="o", markersize=3)
            if not math.isnan(error):
                axes.errorbar([x], [mean], yerr=[2 * error], color=BLUE, linewidth=1, capsize=2)
        axes.axhline(0, color="black", linewidth=0.6)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("trial")
        axes.set_ylabel("score − system’s mean")
        axes.set_title(_drift_text(drift), fontsize=7)
        stamp(figure, stamps, width_in)
        watermark(axes, analysis, width_in)
    return figure


def _blocks(
    trials: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    residual: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    listeners: "np.ndarray[tuple[int], np.dtype[np.int64]]",
) -> list[tuple[float, float, float]]:
    """Middle, mean and standard error over listeners of each part of the session.

    The error is NaN where a part holds one listener.
    """
    edges = np.unique(np.quantile(trials, np.linspace(0, 1, _N_BLOCKS + 1)))
    block = np.clip(np.searchsorted(edges, trials, side="right") - 1, 0, max(len(edges) - 2, 0))
    found = []
    for number in range(max(len(edges) - 1, 1)):
        inside = block == number
        if not inside.any():
            continue
        own = listeners[inside]
        n = np.bincount(own)
        means = (np.bincount(own, residual[inside]) / np.maximum(n, 1))[n > 0]
        error = float(means.std(ddof=1) / np.sqrt(len(means))) if len(means) > 1 else math.nan
        found.append((float(trials[inside].mean()), float(residual[inside].mean()), error))
    return found


def _drift_text(drift: Drift) -> str:
    if np.isnan(drift.slope):
        return "drift undefined"
    return (
        f"drift {drift.slope:+.2f} ± {drift.half_width:.2f} points per 100 trials "
        f"({drift.n_listeners} listeners)"
    )
