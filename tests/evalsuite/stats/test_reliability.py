"""Agreement against published worked examples."""

import math

import numpy as np
import pytest

from evalsuite.stats.reliability import (
    intraclass_correlation,
    krippendorff_alpha,
    reliability,
    spearman_brown,
)
from evalsuite.stats.scale_use import listener_by_system, session_drift, sos_parameter
from evalsuite.stats.scores import score_table
from evalsuite.stats.simulate import Effects, crossed_cells, simulate_table

#: Six subjects by four judges: Shrout and Fleiss 1979, table 2.
SHROUT_FLEISS = [
    [9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7],
]  # fmt: skip

_NAN = math.nan
#: Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section E: four observers by
#: twelve units with missing values.
CANONICAL = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _NAN, _NAN, _NAN],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _NAN, 3],
    [_NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _NAN],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _NAN],
]  # fmt: skip


def columns(matrix):
    """Scores, row and column codes of what is there."""
    values = np.asarray(matrix, float)
    rows, cols = np.nonzero(~np.isnan(values))
    return values[rows, cols], rows, cols


def test_icc_of_shrout_and_fleiss() -> None:
    """Their table 4: ICC(1,1) .17, ICC(2,1) .29, ICC(1,4) .44, ICC(2,4) .62."""
    scores, subjects, judges = columns(SHROUT_FLEISS)
    found = intraclass_correlation(scores, judges, subjects)
    assert found.one_way_single == pytest.approx(0.1657, abs=5e-5)
    assert found.single == pytest.approx(0.2898, abs=5e-5)
    assert found.one_way_average == pytest.approx(0.4428, abs=5e-5)
    assert found.average == pytest.approx(0.6201, abs=5e-5)
    assert found.n_per_stimulus == 4


def test_alpha_of_krippendorffs_example() -> None:
    """Section E prints .815 ordinal and .849 interval."""
    scores, _, units = columns(CANONICAL)
    assert krippendorff_alpha(scores, units, "ordinal") == pytest.approx(0.815, abs=5e-4)
    assert krippendorff_alpha(scores, units, "interval") == pytest.approx(0.849, abs=5e-4)


def test_alpha_extremes() -> None:
    agree = np.repeat([1.0, 3.0, 5.0], 4)
    units = np.repeat([0, 1, 2], 4)
    assert krippendorff_alpha(agree, units, "ordinal") == pytest.approx(1.0)
    assert math.isnan(krippendorff_alpha(np.full(12, 3.0), units, "interval"))
    random = np.random.default_rng(0)
    chance = random.integers(1, 6, 20000).astype(float)
    found = krippendorff_alpha(chance, random.permutation(20000) // 4, "ordinal")
    assert found == pytest.approx(0, abs=0.03)


def test_icc_from_components_with_missing_cells_finds_the_truth() -> None:
    effects = Effects(5.0, 8.0, 0, 0, 6.0)
    table = simulate_table(crossed_cells(60, 1, 80), [50.0], seed=4, effects=effects,
                           scale=(0, 100))  # fmt: skip
    one = table.systems[0]
    kept = np.random.default_rng(1).random(one.n) < 0.5
    found = intraclass_correlation(one.scores[kept], one.listeners[kept], one.utterances[kept])
    assert found.single == pytest.approx(64 / (64 + 25 + 36), abs=0.08)


def test_spearman_brown_and_split_halves_agree_with_the_true_reliability() -> None:
    assert spearman_brown(0.6) == pytest.approx(0.75)
    effects = Effects(4.0, 8.0, 0, 0, 10.0)
    table = simulate_table(crossed_cells(20, 2, 60), [40.0, 60.0], seed=2, effects=effects,
                           scale=(0, 100))  # fmt: skip
    found = reliability(table, n_splits=100)
    between = 64 + 100 / 1  # utterances, and two systems 20 apart
    assert found.split_half_stimuli.mean == pytest.approx(between / (between + 100 / 20), abs=0.03)
    assert found.split_half_stimuli.low <= found.split_half_stimuli.mean
    assert found.split_half_systems.mean == pytest.approx(1.0)
    again = reliability(table, n_splits=100)
    assert again == found


def test_sos_parameter_finds_the_law_it_was_drawn_from() -> None:
    random = np.random.default_rng(3)
    a, n = 0.25, 400
    rows = []
    for stimulus, x in enumerate(np.linspace(1.3, 4.7, 40)):
        variance = a * (-(x**2) + 6 * x - 5)
        scores = random.normal(x, math.sqrt(variance), n)
        rows += [("s", str(i), str(stimulus), score) for i, score in enumerate(scores)]
    assert sos_parameter(score_table(*zip(*rows, strict=True))) == pytest.approx(a, abs=0.01)


def test_heat_map_holds_each_listeners_means() -> None:
    table = score_table(list("aab"), list("xyx"), list("111"), [2, 4, 5])
    means = listener_by_system(table)
    assert means[0].tolist() == [2, 5]
    assert means[1, 0] == 4
    assert math.isnan(means[1, 1])


def test_drift_is_found_and_strictness_is_not_drift() -> None:
    random = np.random.default_rng(5)
    listeners = np.repeat(np.arange(30), 40)
    positions = np.tile(np.arange(40.0), 30)
    systems = random.integers(0, 4, 1200)
    level = 2 + systems + random.normal(0, 1, 30)[listeners]
    still = session_drift(level + random.normal(0, 0.5, 1200), listeners, systems, positions)
    assert abs(still.slope) < still.half_width * 1.5
    moving = session_drift(
        level + 0.008 * positions + random.normal(0, 0.5, 1200), listeners, systems, positions
    )
    assert moving.slope == pytest.approx(0.8, abs=0.35)
    assert moving.slope > moving.half_width
    empty = session_drift(np.ones(3), np.arange(3), np.zeros(3, int), np.arange(3.0))
    assert math.isnan(empty.slope)
