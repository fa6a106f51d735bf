"""Intervals against scipy, statsmodels, hand computation and simulated listening tests."""

import math

import numpy as np
import pytest
import scipy.stats
import statsmodels.api

from evalsuite.errors import UnknownName
from evalsuite.stats.interval import Interval, IntervalOptions
from evalsuite.stats.intervals import INTERVALS, interval_method, intervals
from evalsuite.stats.scores import score_table


def compute(method: str, scores, listeners, utterances, **options) -> Interval:
    table = score_table(["s"] * len(scores), listeners, utterances, scores)
    return INTERVALS[method].compute(table, IntervalOptions(**options))[0]


def unbalanced(seed: int, n: int = 120):
    """Ratings with listener and utterance effects, cells missing at random."""
    generator = np.random.default_rng(seed)
    cells = generator.choice(15 * 12, n, replace=False)
    listeners, utterances = cells // 12, cells % 12
    latent = (
        3.4
        + generator.normal(0, 0.5, 15)[listeners]
        + generator.normal(0, 0.3, 12)[utterances]
        + generator.normal(0, 0.7, n)
    )
    return np.clip(np.rint(latent), 1, 5), listeners, utterances


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_t_equals_scipy(seed: int, confidence: float) -> None:
    scores, listeners, utterances = unbalanced(seed)
    ours = compute("t", scores, listeners, utterances, confidence=confidence)
    low, high = scipy.stats.t.interval(
        confidence, len(scores) - 1, scores.mean(), scipy.stats.sem(scores)
    )
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_cluster2_standard_error_equals_statsmodels(seed: int) -> None:
    scores, listeners, utterances = unbalanced(seed)
    ours = compute("cluster2", scores, listeners, utterances)
    both = np.column_stack([listeners, utterances])
    model = statsmodels.api.OLS(scores, np.ones(len(scores)))
    errors = [
        model.fit(cov_type="cluster", cov_kwds={"groups": groups}).bse[0]
        for groups in (both, listeners, utterances)
    ]
    quantile = scipy.stats.t.ppf(0.975, ours.df)
    assert ours.half_width / quantile == pytest.approx(max(errors), rel=1e-8)
    assert ours.df == min(len(set(listeners)), len(set(utterances))) - 1


def test_paper_uses_the_literal_factor_and_both_divisors() -> None:
    scores = [1, 2, 3, 4, 5]
    for ddof, spread in ((1, math.sqrt(2.5)), (0, math.sqrt(2.0))):
        found = compute("paper", scores, range(5), range(5), paper_ddof=ddof)
        assert found.half_width == pytest.approx(1.96 * spread / math.sqrt(5), abs=1e-15)
    assert math.isinf(found.df)


def test_cluster2_by_hand() -> None:
    # Two listeners x two sentences, scores 1 3 / 3 5: residuals / 4 are -1/2 0 / 0 1/2, so both
    # listeners and both sentences sum to -1/2 and 1/2.
    found = compute("cluster2", [1, 3, 3, 5], ["a", "a", "b", "b"], ["x", "y", "x", "y"])
    by_listener = by_sentence = 2 / 1 * (1 / 4 + 1 / 4)
    independent = 4 / 3 * (1 / 4 + 1 / 4)
    variance = by_listener + by_sentence - independent
    assert found.estimate == 3.0
    assert found.half_width == pytest.approx(
        scipy.stats.t.ppf(0.975, 1) * math.sqrt(variance), rel=1e-12
    )


def test_cluster2_never_falls_below_one_way_clustering() -> None:
    # Residuals / 4 are -1/2 1/2 / 1/4 -1/4: listeners sum to 0, V_U - V_0 alone is negative.
    found = compute("cluster2", [1, 5, 4, 2], ["a", "a", "b", "b"], ["x", "y", "x", "y"])
    by_utterance = 2 / 1 * (1 / 16 + 1 / 16)
    assert by_utterance < 4 / 3 * (1 / 4 + 1 / 4 + 1 / 16 + 1 / 16)
    assert found.half_width == pytest.approx(
        scipy.stats.t.ppf(0.975, 1) * math.sqrt(by_utterance), rel=1e-12
    )


@pytest.mark.parametrize(
    ("listeners", "utterances", "missing"),
    [
        (["a"] * 4, list("wxyz"), "one listener"),
        (list("abcd"), ["x"] * 4, "one utterance"),
        (["a"] * 4, ["x"] * 4, "one listener and one utterance"),
    ],
)
def test_one_cluster_falls_back_to_t_and_says_so(listeners, utterances, missing) -> None:
    found = compute("cluster2", [1, 2, 4, 4], listeners, utterances)
    plain = compute("t", [1, 2, 4, 4], listeners, utterances)
    assert (found.method, found.computed_by) == ("cluster2", "t")
    assert found.half_width == plain.half_width
    assert found.scope == plain.scope
    assert f"undefined with {missing}" in found.reason
    assert any("stands in" in warning for warning in found.warnings)


BOUNDED = ("wilson", "hoeffding")
SPREAD = [method for method in INTERVALS if method not in BOUNDED]


@pytest.mark.parametrize("method", SPREAD)
def test_one_rating_is_undefined_with_a_reason(method: str) -> None:
    found = compute(method, [4], ["a"], ["x"])
    assert found.estimate == 4.0
    assert all(map(math.isnan, (found.half_width, found.low, found.high)))
    assert "one rating" in found.reason or "one listener" in found.reason


@pytest.mark.parametrize("method", BOUNDED)
@pytest.mark.parametrize("scores", [[5], [5, 5, 5], [1, 1]])
def test_bounded_intervals_keep_their_width_without_spread(method: str, scores) -> None:
    found = compute(method, scores, range(len(scores)), range(len(scores)))
    assert 1 <= found.low <= found.estimate <= found.high <= 5
    assert found.high - found.low > 1


@pytest.mark.parametrize("method", SPREAD)
def test_constant_scores_have_no_width_and_say_so(method: str) -> None:
    # 2.2 is not a binary fraction: naive residuals of its mean are not exactly zero.
    found = compute(method, [2.2] * 6, list("aabbcc"), list("xyxyxy"))
    if method == "lmm":
        assert math.isnan(found.half_width)
        assert "equal scores" in found.reason
    else:
        assert found.half_width == pytest.approx(0.0, abs=1e-12)
        assert any("all 6 scores are equal" in warning for warning in found.warnings)


@pytest.mark.parametrize("method", INTERVALS)
def test_row_order_changes_no_bit(method: str) -> None:
    scores, listeners, utterances = unbalanced(3)
    order = np.random.default_rng(1).permutation(len(scores))
    ours = compute(method, scores, listeners, utterances)
    shuffled = compute(method, scores[order], listeners[order], utterances[order])
    assert (ours.estimate, ours.half_width) == (shuffled.estimate, shuffled.half_width)


@pytest.mark.parametrize("method", SPREAD)
def test_shifting_scores_moves_the_interval_and_keeps_its_width(method: str) -> None:
    scores, listeners, utterances = unbalanced(5)
    ours = compute(method, scores, listeners, utterances)
    moved = compute(method, scores + 7, listeners, utterances)
    # Iterated to a tolerance, or rounded to float32 as the package it copies.
    tolerance = 1e-4 if method in ("lmm", "crowdmos_pypi") else 1e-9
    assert moved.estimate == pytest.approx(ours.estimate + 7, rel=tolerance)
    assert moved.half_width == pytest.approx(ours.half_width, rel=tolerance)


@pytest.mark.parametrize("method", [m for m in SPREAD if not m.startswith("bootstrap")])
def test_names_of_listeners_do_not_matter(method: str) -> None:
    scores, listeners, utterances = unbalanced(8)
    renamed = np.random.default_rng(2).permutation(15)[listeners]
    ours = compute(method, scores, listeners, utterances)
    other = compute(method, scores, renamed, utterances)
    assert other.half_width == pytest.approx(ours.half_width, rel=1e-4)


def test_every_rating_its_own_listener_leaves_only_the_utterances() -> None:
    scores, _, utterances = unbalanced(6)
    ours = compute("cluster2", scores, np.arange(len(scores)), utterances)
    residual = (scores - scores.mean()) / len(scores)
    sums = np.array([residual[utterances == one].sum() for one in np.unique(utterances)])
    one_way = len(sums) / (len(sums) - 1) * (sums**2).sum()
    assert ours.half_width == pytest.approx(
        scipy.stats.t.ppf(0.975, len(sums) - 1) * math.sqrt(one_way)
    )


def test_systems_are_computed_apart() -> None:
    scores, listeners, utterances = unbalanced(7)
    table = score_table(["b"] * 60 + ["a"] * 60, listeners, utterances, scores)
    both = intervals(table, ["t", "cluster2"], IntervalOptions())
    assert [one.system for one in table.systems] == ["a", "b"]
    alone = compute("cluster2", scores[60:], listeners[60:], utterances[60:])
    assert both[0]["cluster2"].half_width == alone.half_width


def test_unknown_method_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'cluster2'") as caught:
        interval_method("cluster")
    assert "paper, t, cluster2" in str(caught.value)


# Coverage in the simulated design of docs/statistics.md.

LATENT = np.array([1.6, 3.6, 3.6, 4.1, 4.5])


def true_means() -> np.ndarray:
    """Exact mean of the rounded, clipped score over both populations, from the normal law."""
    sd = math.sqrt(0.5**2 + 0.3**2 + 0.25**2 + 0.2**2 + 0.7**2)
    edges = np.array([1.5, 2.5, 3.5, 4.5])
    return 1 + scipy.stats.norm.sf(edges[:, None], LATENT, sd).sum(axis=0)


def simulated_test(generator: np.random.Generator):
    """One listening test: 300 ratings, 100 stimuli with three ratings each.

    A listener hears 15 of 20 sentences, each by one system, every system three times.
    """
    grid = np.mgrid[:20, :20].reshape(2, -1)
    listeners, utterances = grid[:, grid[0] // 5 != grid[1] // 5]
    systems = (listeners + utterances) % 5
    latent = (
        LATENT[systems]
        + generator.normal(0, 0.5, 20)[listeners]
        + generator.normal(0, 0.3, 20)[utterances]
        + generator.normal(0, 0.25, (20, 5))[listeners, systems]
        + generator.normal(0, 0.2, (20, 5))[utterances, systems]
        + generator.normal(0, 0.7, 300)
    )
    return systems, listeners, utterances, np.clip(np.rint(latent), 1, 5)


def coverage(n_tests: int, seed: int, methods) -> dict[str, float]:
    generator = np.random.default_rng(seed)
    truth = true_means()
    held = dict.fromkeys(methods, 0)
    for _ in range(n_tests):
        table = score_table(*simulated_test(generator))
        for found, true in zip(
            intervals(table, methods, IntervalOptions(n_resamples=200)), truth, strict=True
        ):
            for method, interval in found.items():
                held[method] += int(interval.low <= true <= interval.high)
    return {method: count / (n_tests * 5) for method, count in held.items()}


def test_true_means_are_those_of_the_documentation() -> None:
    assert true_means() == pytest.approx([1.743, 3.575, 3.575, 4.020, 4.330], abs=5e-4)


def test_coverage_for_new_listeners_and_sentences() -> None:
    held = coverage(1500, 20191008, ["paper", "t", "cluster2", "crowdmos", "moments"])
    assert held["paper"] == pytest.approx(0.841, abs=0.02)
    assert held["t"] == pytest.approx(0.851, abs=0.02)
    assert 0.93 <= held["cluster2"] <= 0.97
    assert held["crowdmos"] == pytest.approx(0.943, abs=0.015)
    assert held["moments"] == pytest.approx(0.938, abs=0.015)


def test_ratings_that_cancel_in_all_listeners_and_sentences_show_no_spread() -> None:
    """Two listeners who disagree in opposite ways: 0 would look like certainty."""
    table = score_table(["s"] * 4, ["a", "a", "b", "b"], ["u", "v", "u", "v"], [4.1, 2.1, 2.1, 4.1])
    found = INTERVALS["cluster2"].compute(table, IntervalOptions())[0]
    assert math.isnan(found.half_width)
    assert "all listeners and all sentences have one mean" in found.reason
