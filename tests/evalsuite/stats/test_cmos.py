"""The test against 0 beside statsmodels, the default interval and simulation."""

import math

import numpy as np
import pytest
import scipy.stats
import statsmodels.api

from evalsuite.stats.cmos import cmos_contrasts
from evalsuite.stats.holm import holm
from evalsuite.stats.interval import IntervalOptions
from evalsuite.stats.intervals import intervals
from evalsuite.stats.scores import ScoreTable, score_table
from evalsuite.stats.simulate import Effects, crossed_cells, simulate_table


def compared(means, *, seed: int, listeners: int = 14, utterances: int = 12) -> ScoreTable:
    return simulate_table(crossed_cells(listeners, len(means), utterances), means, seed=seed,
                          scale=(-3, 3))  # fmt: skip


def test_error_and_p_are_those_of_statsmodels_with_two_groups() -> None:
    table = compared([0.4, -0.1, 0.0], seed=3)
    found = cmos_contrasts(table)
    for one, contrast in zip(table.systems, found, strict=True):
        both = np.column_stack([one.listeners, one.utterances])
        model = statsmodels.api.OLS(one.scores, np.ones(one.n))
        error = max(
            model.fit(cov_type="cluster", cov_kwds={"groups": groups}).bse[0]
            for groups in (both, one.listeners, one.utterances)
        )
        p = 2 * scipy.stats.t.sf(abs(one.scores.mean()) / error, 11)
        assert contrast.difference == pytest.approx(one.scores.mean())
        assert contrast.p == pytest.approx(p, rel=1e-7)
        assert contrast.df == 11
    assert [one.p_holm for one in found] == pytest.approx(holm([one.p for one in found]))


def test_the_interval_is_the_default_one_and_agrees_with_p() -> None:
    table = compared([0.25, -0.2, 0.1, 0.0], seed=9)
    rows = intervals(table, ["cluster2"], IntervalOptions(confidence=0.9, scale=(-3, 3)))
    for row, contrast in zip(rows, cmos_contrasts(table, confidence=0.9), strict=True):
        assert contrast.half_width == pytest.approx(row["cluster2"].half_width)
        assert (contrast.p < 0.1) == (not contrast.low <= 0 <= contrast.high)


def test_equal_systems_are_told_apart_as_often_as_promised_and_others_more() -> None:
    effects = Effects(0.3, 0.3, 0.2, 0.2, 0.8)
    wrong = right = 0
    for seed in range(300):
        table = simulate_table(crossed_cells(15, 2, 12), [0.0, 0.45], seed=seed, effects=effects,
                               scale=(-3, 3))  # fmt: skip
        null, real = cmos_contrasts(table)
        wrong += null.p < 0.05
        right += real.p < 0.05
    assert wrong / 300 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)
    assert right / 300 > 0.5


@pytest.mark.parametrize(
    ("listeners", "scores", "reason"),
    [("xxxx", [1, 2, 0, 1], "one listener"), ("xyxy", [2, 2, 2, 2], "all scores are equal")],
)
def test_no_spread_is_no_test(listeners: str, scores, reason: str) -> None:
    table = score_table(["a"] * 4, list(listeners), list("1122"), scores)
    (found,) = cmos_contrasts(table)
    assert found.difference == np.mean(scores)
    assert math.isnan(found.p)
    assert math.isnan(found.p_holm)
    assert math.isnan(found.half_width)
    assert reason in found.reason
