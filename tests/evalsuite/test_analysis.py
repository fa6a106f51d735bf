"""From ratings to summaries: counts, order, warnings, JSON."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from evalsuite.analysis import analyse, analysis_json
from evalsuite.errors import UnknownName, UsageError
from evalsuite.ratings import ratings_from_frame


def frame(n: int = 200, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    cells = generator.choice(10 * 3 * 8, n, replace=False)
    return pd.DataFrame(
        {
            "listener": [f"l{i}" for i in cells // 24],
            "system": [f"s{i}" for i in cells // 8 % 3],
            "utterance": [f"u{i}" for i in cells % 8],
            "score": generator.integers(1, 6, n),
        }
    )


def analysed(table: pd.DataFrame, **options):
    return analyse(ratings_from_frame(table, source="test"), **options)


def test_summaries_equal_pandas_and_scipy() -> None:
    table = frame()
    found = analysed(table, methods=["paper", "t", "cluster2"])
    for one in found.systems:
        rows = table[table["system"] == one.system]
        assert one.n == len(rows)
        assert one.listeners == rows["listener"].nunique()
        assert one.utterances == rows["utterance"].nunique()
        assert one.mean == pytest.approx(rows["score"].mean(), abs=1e-12)
        assert one.sd == pytest.approx(rows["score"].std(), abs=1e-12)
        assert one.score_counts == {p: int((rows["score"] == p).sum()) for p in range(1, 6)}
        half_width = 1.96 * scipy.stats.sem(rows["score"])
        assert one.intervals["paper"].half_width == pytest.approx(half_width, abs=1e-12)
    assert (found.n, found.listeners, found.utterances) == (200, 10, 8)


def test_order_is_by_mean_then_name() -> None:
    table = pd.DataFrame(
        {
            "listener": list("ababab"),
            "system": ["z", "z", "a", "a", "top", "top"],
            "utterance": ["u"] * 6,
            "score": [3, 3, 2, 4, 5, 5],
        }
    )
    assert [one.system for one in analysed(table).systems] == ["top", "a", "z"]


def test_result_does_not_depend_on_row_order() -> None:
    table = frame()
    table["score"] = table["score"] * 0.7 + 0.3  # sums of these round differently by order
    ours = analysis_json(analysed(table))
    for seed in range(3):
        shuffled = table.sample(frac=1, random_state=seed)
        assert analysis_json(analysed(shuffled)) == ours


def test_json_is_strict_and_explains_what_is_undefined() -> None:
    table = pd.DataFrame(
        {"listener": ["a"], "system": ["m"], "utterance": ["u"], "score": [4], "simulated": [1]}
    )
    value = json.loads(json.dumps(analysis_json(analysed(table)), allow_nan=False))
    system = value["systems"][0]
    assert set(system) >= {"system", "n", "listeners", "utterances", "mean", "sd", "intervals"}
    assert (system["mean"], system["sd"]) == (4.0, None)
    for interval in system["intervals"].values():
        assert interval["half_width"] is interval["low"] is interval["high"] is None
        assert interval["reason"]
    assert value["simulated"] is True


def test_simulated_ratings_are_counted_and_warned_of() -> None:
    table = frame().assign(simulated=[True] * 50 + [False] * 150)
    found = analysed(table)
    assert (found.simulated, found.n_simulated) == (True, 50)
    assert found.warnings[0].startswith("50 of 200 ratings are simulated")
    assert not analysed(frame()).simulated


def test_listeners_of_one_system_only_are_counted() -> None:
    table = frame()
    lone = pd.DataFrame({"listener": ["new"], "system": "s0", "utterance": "u0", "score": [1]})
    assert not any("one system only" in warning for warning in analysed(table).warnings)
    assert "1 of 11 listeners" in analysed(pd.concat([table, lone])).warnings[0]


def test_every_warning_of_an_interval_reaches_the_reader() -> None:
    table = frame()
    table.loc[table["system"] == "s1", "score"] = 2
    table.loc[len(table)] = ["l0", "single", "u0", 3]
    warnings = " / ".join(analysed(table).warnings)
    assert "s1: all" in warnings
    assert "single: cluster2 interval undefined" in warnings


def test_half_points_are_counted_upwards() -> None:
    table = frame(20)
    table["score"] = 3.5
    assert all(one.score_counts[4] == one.n for one in analysed(table).systems)


def test_a_hundred_point_scale_has_no_counts() -> None:
    ratings = ratings_from_frame(frame(), source="test", scale=(0, 100))
    assert all(one.score_counts == {} for one in analyse(ratings).systems)


def test_confidence_widens_every_interval() -> None:
    narrow, wide = analysed(frame(), confidence=0.8), analysed(frame(), confidence=0.99)
    for one, other in zip(narrow.systems, wide.systems, strict=True):
        for method in one.intervals:
            assert one.intervals[method].half_width < other.intervals[method].half_width


def test_paper_ddof_reaches_the_paper_interval_only() -> None:
    sample, population = analysed(frame()), analysed(frame(), paper_ddof=0)
    for one, other in zip(sample.systems, population.systems, strict=True):
        ratio = one.intervals["paper"].half_width / other.intervals["paper"].half_width
        assert ratio == pytest.approx(math.sqrt(one.n / (one.n - 1)))
        assert one.intervals["cluster2"] == other.intervals["cluster2"]


def test_json_holds_what_the_figures_of_listeners_show() -> None:
    table = frame().assign(trial=lambda one: one.groupby("listener").cumcount() + 1)
    value = analysis_json(analysed(table))
    means = table.groupby(["listener", "system"])["score"].mean()
    assert value["listener_means"] == {
        listener: pytest.approx(means[listener].to_dict())
        for listener in sorted(set(table["listener"]))
    }
    residual = table["score"] - table.groupby(["listener", "system"])["score"].transform("mean")
    x = table["trial"] - table.groupby(["listener", "system"])["trial"].transform("mean")
    assert value["drift"]["slope"] == pytest.approx(100 * (x @ residual) / (x @ x))
    assert analysis_json(analysed(frame()))["drift"] is None


def test_json_says_what_an_interval_lies_around() -> None:
    (first, *_) = analysis_json(analysed(frame(), methods=["lmm", "wilson", "t"]))["systems"]
    assert first["intervals"]["t"]["estimate"] == pytest.approx(first["mean"])
    lmm = first["intervals"]["lmm"]
    assert lmm["estimate"] != pytest.approx(first["mean"], abs=1e-4)
    assert lmm["estimate"] == pytest.approx((lmm["low"] + lmm["high"]) / 2)


def test_bad_requests() -> None:
    with pytest.raises(UnknownName, match="did you mean 'paper'"):
        analysed(frame(), methods=["papr"])
    with pytest.raises(UsageError, match="no interval method"):
        analysed(frame(), methods=[])
    with pytest.raises(UsageError, match="confidence 95"):
        analysed(frame(), confidence=95)
