"""Figures: what is drawn where, equal bytes, and what must be stamped."""

import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from evalsuite.analysis import Analysis, analyse
from evalsuite.figures import (
    ONE_COLUMN_IN,
    TWO_COLUMNS_IN,
    counts_figure,
    figure_bytes,
    heat_map_figure,
    metric_figure,
    mos_figure,
    order_figure,
    rank_figure,
    save_figure,
    significance_figure,
)
from evalsuite.ratings import Ratings, ratings_from_frame

FIGURES = {
    "mos": mos_figure,
    "counts": counts_figure,
    "significance": significance_figure,
    "ranks": rank_figure,
}


def analysed(*, simulated: bool = False, n_systems: int = 4) -> Analysis:
    return analyse(rated(simulated=simulated, n_systems=n_systems))


def rated(*, simulated: bool = False, n_systems: int = 4) -> Ratings:
    generator = np.random.default_rng(0)
    rows = [
        (f"l{listener}", f"system_{system}", f"u{utterance}", generator.integers(1, 6))
        for listener in range(6)
        for system in range(n_systems)
        for utterance in range(5)
    ]
    frame = pd.DataFrame(rows, columns=["listener", "system", "utterance", "score"])
    # As `evalsuite study export` writes it: trials count from 1, each presents one sample.
    trials = frame.groupby("listener").cumcount() + 1
    return ratings_from_frame(
        frame.assign(simulated=simulated, trial=trials, presentation=1), source="test"
    )


def texts(figure: Figure) -> str:
    found = [text.get_text() for axes in figure.axes for text in (*axes.texts, axes.title)]
    found += [text.get_text() for text in figure.texts]
    return " ".join(found + ([figure.get_supxlabel()] if figure.get_supxlabel() else []))


def test_every_interval_is_drawn_where_it_is() -> None:
    analysis = analysed()
    lines = mos_figure(analysis).axes[0].lines
    for row, one in enumerate(analysis.systems):
        drawn = [line for line in lines if list(line.get_ydata()) == [row, row]]
        ends = sorted(tuple(line.get_xdata()) for line in drawn)
        expected = sorted((i.low, i.high) for i in one.intervals.values())
        assert np.array(ends) == pytest.approx(np.array(expected))
    means = lines[-1].get_xdata()
    assert list(means) == [one.mean for one in analysis.systems]


def test_the_paper_interval_is_thin_and_in_front() -> None:
    lines = mos_figure(analysed()).axes[0].lines[:-1]
    widths = [line.get_linewidth() for line in lines]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 2 * widths[-1]


def test_the_best_system_is_on_top_and_names_are_shown() -> None:
    analysis = analysed()
    axes = mos_figure(analysis, names={analysis.systems[0].system: "The best"}).axes[0]
    assert axes.get_yticklabels()[0].get_text() == "The best"
    bottom, top = axes.get_ylim()
    assert bottom > top


def test_shares_add_up_to_all_ratings() -> None:
    analysis = analysed()
    patches = counts_figure(analysis).axes[0].patches
    n = len(analysis.systems)
    assert len(patches) == 5 * n
    for row, one in enumerate(analysis.systems):
        widths = [patches[point * n + row].get_width() for point in range(5)]
        assert sum(widths) == pytest.approx(100)
        assert widths == pytest.approx([100 * c / one.n for c in one.score_counts.values()])


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
@pytest.mark.parametrize("width_in", [ONE_COLUMN_IN, TWO_COLUMNS_IN])
def test_nothing_leaves_the_page(draw, width_in: float) -> None:
    figure = draw(analysed(n_systems=8), width_in=width_in, names={"system_0": "A very long name"})
    assert figure.get_size_inches()[0] == width_in
    figure.draw_without_rendering()
    page = figure.bbox
    for axes in figure.axes:
        inside = axes.get_tightbbox()
        assert inside.x0 >= page.x0 - 1
        assert inside.x1 <= page.x1 + 1
    for legend in figure.legends:
        extent = legend.get_window_extent()
        assert extent.x0 >= page.x0 - 1
        assert extent.x1 <= page.x1 + 1


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_simulated_and_untrained_are_written_on_it(draw) -> None:
    plain = texts(draw(analysed()))
    assert "SIMULATED" not in plain
    assert "UNTRAINED" not in plain
    marked = draw(analysed(simulated=True), stamps=["UNTRAINED WEIGHTS: melgan"])
    assert "SIMULATED LISTENERS" in texts(marked)
    assert "UNTRAINED WEIGHTS: melgan" in texts(marked)


@pytest.mark.parametrize("format", ["pdf", "png", "svg"])
def test_drawn_twice_it_is_the_same_bytes(format: str) -> None:
    first, second = (figure_bytes(mos_figure(analysed()), format) for _ in range(2))
    assert first == second
    assert len(first) > 2000


def test_saving_changes_nothing_and_needs_no_window(tmp_path) -> None:
    figure = mos_figure(analysed())
    save_figure(figure, tmp_path / "deep" / "mos.pdf")
    assert (tmp_path / "deep" / "mos.pdf").read_bytes() == figure_bytes(figure, "pdf")
    assert b"CreationDate" not in figure_bytes(figure, "pdf")


def test_an_undefined_interval_leaves_only_the_mean() -> None:
    frame = pd.DataFrame({"listener": ["a"], "system": "m", "utterance": "u", "score": [3]})
    analysis = analyse(ratings_from_frame(frame, source="test"))
    lines = mos_figure(analysis).axes[0].lines
    assert all(math.isnan(end) for line in lines[:-1] for end in line.get_xdata())
    assert list(lines[-1].get_xdata()) == [3.0]


def test_significance_matrix_holds_each_pair_twice_and_turned() -> None:
    analysis = analysed()
    axes = significance_figure(analysis).axes[0]
    kinds = np.asarray(axes.images[0].get_array())
    assert set(np.diag(kinds)) == {0}
    assert analysis.inference is not None
    order = [one.system for one in analysis.systems]
    for one in analysis.inference.comparisons:
        row, column = order.index(one.a), order.index(one.b)
        better = 3 if one.p_holm < 0.05 else 1
        assert kinds[row, column] == better
        assert kinds[column, row] == (2 if better == 3 else 1)


def test_rank_bars_join_exactly_what_shares_a_letter() -> None:
    analysis = analysed()
    assert analysis.inference is not None
    letters = [analysis.inference.letters[one.system] for one in analysis.systems]
    bars = rank_figure(analysis).axes[0].lines[1:]
    assert len(bars) == len({letter for text in letters for letter in text})
    for bar, letter in zip(bars, "abc", strict=False):
        rows = [row for row, text in enumerate(letters) if letter in text]
        start, end = bar.get_ydata()
        assert (start, end) == pytest.approx((rows[0] - 0.28, rows[-1] + 0.28))


def test_heat_map_holds_every_listeners_means_strictest_first() -> None:
    ratings = rated()
    analysis = analyse(ratings)
    image = np.asarray(heat_map_figure(analysis, ratings).axes[0].images[0].get_array())
    means = ratings.frame.pivot_table(index="listener", columns="system", values="score")
    columns = [one.system for one in analysis.systems]
    expected = means[columns].to_numpy()
    expected = expected[np.argsort(expected.mean(axis=1), kind="stable")]
    assert image == pytest.approx(expected)


def test_order_figure_finds_a_drift_and_needs_the_order() -> None:
    ratings = rated()
    frame = ratings.frame.assign(
        score=np.clip(3 + 0.1 * ratings.frame["trial"], 1, 5), simulated=False
    )
    figure = order_figure(analysed(), ratings_from_frame(frame, source="test"))
    assert figure is not None
    title = figure.axes[0].get_title()
    assert title.startswith("drift +")
    assert "6 listeners" in title
    plain = ratings_from_frame(frame.drop(columns="trial"), source="test")
    assert order_figure(analysed(), plain) is None
    torn = ratings_from_frame(frame.assign(trial="?"), source="test")
    assert order_figure(analysed(), torn) is None


def test_order_figure_of_one_listener_has_points_and_no_errors() -> None:
    one = rated().frame.query("listener == 'l0'")
    ratings = ratings_from_frame(one, source="test")
    figure = order_figure(analyse(ratings), ratings)
    assert figure is not None
    axes = figure.axes[0]
    assert axes.get_title() == "drift undefined"
    assert [line for line in axes.lines if line.get_marker() == "o"]
    assert not axes.collections  # bars of no length would say that the error is 0


def test_the_whole_label_of_the_order_figure_is_on_the_page() -> None:
    figure = order_figure(analysed(simulated=True), rated(), stamps=["SYNTHETIC SPEECH", "WEAK"])
    assert figure is not None
    figure.draw_without_rendering()
    extent = figure.axes[0].yaxis.label.get_window_extent()
    assert figure.bbox.y0 <= extent.y0
    assert extent.y1 <= figure.bbox.y1


def boxes_overlap(boxes) -> bool:
    return any(
        min(a.x1, b.x1) - max(a.x0, b.x0) > 0.5 and min(a.y1, b.y1) - max(a.y0, b.y0) > 0.5
        for row, a in enumerate(boxes)
        for b in boxes[:row]
    )


@pytest.mark.parametrize("width_in", [ONE_COLUMN_IN, TWO_COLUMNS_IN])
def test_six_systems_fit_the_significance_figure(width_in: float) -> None:
    """Nothing in the matrix runs into anything else, and no stamp covers a number."""
    names = {"system_0": "Anchor (low-passed)", "system_1": "Griffin-Lim", "system_2": "our_melgan"}
    figure = significance_figure(
        analysed(simulated=True, n_systems=6), width_in=width_in, names=names,
        stamps=["SYNTHETIC SPEECH: the recordings are not human speech"],
    )  # fmt: skip
    figure.draw_without_rendering()
    axes = figure.axes[0]
    cells = [text for text in axes.texts if text.get_text()]
    assert len(cells) == 30
    cell_width = axes.images[0].get_window_extent().width / 6
    for text in cells:
        text.set_text("<.001")  # the longest
    figure.draw_without_rendering()
    assert all(text.get_window_extent().width < cell_width for text in cells)
    labels = [label.get_window_extent() for label in axes.get_xticklabels()]
    titles = [axes.title.get_window_extent(), *(one.get_window_extent() for one in figure.legends)]
    assert not boxes_overlap([*labels, *titles, *(text.get_window_extent() for text in cells)])


def test_a_crowded_significance_figure_keeps_its_colours_and_drops_its_numbers() -> None:
    axes = significance_figure(analysed(n_systems=16)).axes[0]
    assert not [text for text in axes.texts if text.get_text()]
    assert np.asarray(axes.images[0].get_array()).shape == (16, 16)


def test_pairs_without_a_test_are_not_drawn_as_equal() -> None:
    one = rated().frame.query("listener == 'l0'")
    analysis = analyse(ratings_from_frame(one, source="test"))
    axes = significance_figure(analysis).axes[0]
    assert set(np.asarray(axes.images[0].get_array()).ravel()) == {0}
    assert [text.get_text() for text in axes.texts if text.get_text()] == ["–"] * 12
    ranks = rank_figure(analysis).axes[0]
    assert len(ranks.lines) == 1  # the means alone, no bar
    assert [text.get_text() for text in ranks.texts] == ["not tested"] * 4


def test_metric_figure_draws_the_interval_where_it_is_and_none_where_undefined() -> None:
    ratings = rated()
    analysis = analyse(ratings, methods=["wilson", "cluster2"])
    metric = {one.system: float(row) for row, one in enumerate(analysis.systems)}
    axes = metric_figure(analysis, metric, title="m", interval="wilson").axes[0]
    drawn = {tuple(line.get_ydata()) for line in axes.lines[1:]}
    found = [one.intervals["wilson"] for one in analysis.systems]
    assert any(abs(one.high + one.low - 2 * one.estimate) > 0.01 for one in found)
    assert drawn == {(one.low, one.high) for one in found}
    lone = ratings_from_frame(ratings.frame.query("utterance == 'u0'").head(4), source="test")
    alone = analyse(lone, methods=["crowdmos"])
    axes = metric_figure(alone, metric, title="m", interval="crowdmos").axes[0]
    assert all(np.isnan(line.get_ydata()).all() for line in axes.lines[1:])


def test_names_in_the_metric_figure_do_not_hide_each_other() -> None:
    analysis = analysed(n_systems=6)
    metric = {one.system: 1.0 + 0.01 * row for row, one in enumerate(analysis.systems)}
    figure = metric_figure(analysis, metric, title="m")
    figure.draw_without_rendering()
    texts_ = [text for text in figure.axes[0].texts if text.get_text().startswith("system_")]
    assert len(texts_) == 6
    assert not boxes_overlap([text.get_window_extent() for text in texts_])


@pytest.mark.parametrize("draw", [significance_figure, rank_figure])
def test_figures_of_pairs_need_all_pairs(draw) -> None:
    with pytest.raises(ValueError, match="all pairs"):
        draw(analyse(rated(), reference="system_0"))
