"""Comparisons against statsmodels, scipy, closed forms and simulated listening tests."""

import math
import tracemalloc

import numpy as np
import pytest
import scipy.stats
import statsmodels.api
from statsmodels.stats.multitest import multipletests

from evalsuite.errors import UnknownName
from evalsuite.stats.cluster_contrast import cluster2_contrasts
from evalsuite.stats.comparisons import (
    COMPARISONS,
    compare,
    comparison_method,
    pairs_of,
    significance_letters,
)
from evalsuite.stats.holm import holm
from evalsuite.stats.scores import ScoreTable, score_table


def listening_test(
    seed: int,
    means=(3.6, 3.6, 4.1),
    n_listeners: int = 14,
    n_utterances: int = 12,
    drop: float = 0.3,
) -> ScoreTable:
    """Ratings of every listener, system and utterance, some missing at random."""
    random = np.random.default_rng(seed)
    shape = (len(means), n_listeners, n_utterances)
    latent = (
        np.array(means)[:, None, None]
        + random.normal(0, 0.5, n_listeners)[None, :, None]
        + random.normal(0, 0.3, n_utterances)[None, None, :]
        + random.normal(0, 0.25, shape[:2])[:, :, None]
        + random.normal(0, 0.2, (shape[0], shape[2]))[:, None, :]
        + random.normal(0, 0.7, shape)
    )
    kept = random.random(shape) >= drop
    systems, listeners, utterances = (axis[kept] for axis in np.indices(shape))
    scores = np.clip(np.rint(latent), 1, 5)[systems, listeners, utterances]
    names = np.array(list("abcdefgh"))
    return score_table(names[systems], listeners.astype(str), utterances.astype(str), scores)


def shuffled(table: ScoreTable, seed: int, *, shift: float = 0.0, factor: float = 1.0):
    """The same ratings in another order, under other listener names, on another scale."""
    random = np.random.default_rng(seed)
    renamed = random.permutation(len(table.listeners)).astype(str)
    rows = [
        (one.system, renamed[listener], table.utterances[utterance], shift + factor * score)
        for one in table.systems
        for listener, utterance, score in zip(
            one.listeners, one.utterances, one.scores, strict=True
        )
    ]
    order = random.permutation(len(rows))
    return score_table(*zip(*[rows[i] for i in order], strict=True))


@pytest.mark.parametrize("seed", range(10))
def test_cluster2_equals_statsmodels_on_two_groups(seed: int) -> None:
    table = listening_test(seed)
    for comparison, (a, b) in zip(compare(table, pairs_of(table)), pairs_of(table), strict=True):
        one, other = table.systems[a], table.systems[b]
        scores = np.concatenate([one.scores, other.scores])
        is_a = np.repeat([1.0, 0.0], [one.n, other.n])
        listeners = np.concatenate([one.listeners, other.listeners])
        utterances = np.concatenate([one.utterances, other.utterances])
        model = statsmodels.api.OLS(scores, np.column_stack([is_a, 1 - is_a]))
        contrast = np.array([1.0, -1.0])
        # Cameron, Gelbach and Miller: listener, utterance, and both together.
        both = np.unique(np.column_stack([listeners, utterances]), axis=0, return_inverse=True)[1]
        parts = []
        for groups in (listeners, utterances, both.ravel()):
            fit = model.fit(
                cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
            )
            n_groups = len(set(groups.tolist()))
            raw = float(contrast @ fit.cov_params() @ contrast)
            parts.append(raw * n_groups / (n_groups - 1))
        n_listeners, n_utterances = len(set(listeners)), len(set(utterances))
        error = math.sqrt(max(parts[0] + parts[1] - parts[2], parts[0], parts[1]))
        df = min(n_listeners, n_utterances) - 1
        assert comparison.half_width == pytest.approx(
            scipy.stats.t.ppf(0.975, df) * error, rel=1e-8
        )
        assert comparison.p == pytest.approx(
            2 * scipy.stats.t.sf(abs(comparison.difference) / error, df), rel=1e-8
        )


def test_holm_equals_statsmodels_and_ignores_tests_not_made() -> None:
    random = np.random.default_rng(0)
    for n in (1, 2, 5, 40):
        p = random.uniform(size=n) ** 3
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], rel=1e-12)
        padded = np.append(p, np.nan)
        assert holm(padded)[:-1] == pytest.approx(holm(p), rel=1e-12)
        assert np.isnan(holm(padded)[-1])


@pytest.mark.parametrize("method", ["wilcoxon", "paired_t"])
def test_utterance_tests_equal_scipy_on_means(method: str) -> None:
    table = listening_test(3, n_utterances=15)
    for comparison, (a, b) in zip(
        compare(table, pairs_of(table), method), pairs_of(table), strict=True
    ):
        means = [
            [one.scores[one.utterances == u].mean() for u in range(len(table.utterances))]
            for one in (table.systems[a], table.systems[b])
        ]
        if method == "paired_t":
            oracle = scipy.stats.ttest_rel(*means)
            interval = oracle.confidence_interval(0.95)
            assert (comparison.low, comparison.high) == pytest.approx(tuple(interval), rel=1e-9)
        else:
            magnitudes = np.abs(np.subtract(*means))
            plain = magnitudes.all() and len(set(magnitudes)) == len(magnitudes)
            oracle = scipy.stats.wilcoxon(
                *means, zero_method="zsplit", method="exact" if plain else "approx"
            )
        assert comparison.p == pytest.approx(oracle.pvalue, rel=1e-9)
        assert comparison.n_units == 15


def test_mann_whitney_is_scipys_and_carries_its_warning() -> None:
    table = listening_test(4)
    for comparison, (a, b) in zip(
        compare(table, pairs_of(table), "mann_whitney"), pairs_of(table), strict=True
    ):
        oracle = scipy.stats.mannwhitneyu(table.systems[a].scores, table.systems[b].scores)
        assert comparison.p == pytest.approx(oracle.pvalue, rel=1e-12)
    assert "legacy" in comparison_method("mann_whitney").warning
    assert comparison_method("cluster2").warning == ""


@pytest.mark.parametrize("method", list(COMPARISONS))
@pytest.mark.parametrize("seed", range(3))
def test_order_names_shift_and_scale_do_not_matter(method: str, seed: int) -> None:
    table = listening_test(seed)
    other = shuffled(table, seed, shift=7.0, factor=4.0)
    for ours, theirs in zip(
        compare(table, pairs_of(table), method),
        compare(other, pairs_of(other), method),
        strict=True,
    ):
        assert (ours.a, ours.b) == (theirs.a, theirs.b)
        factor = 1 if method == "ordinal" else 4
        assert theirs.difference == pytest.approx(factor * ours.difference, abs=1e-6)
        assert theirs.half_width == pytest.approx(factor * ours.half_width, nan_ok=True)
        assert theirs.p == pytest.approx(ours.p, rel=1e-6)


def test_swapping_a_pair_turns_the_sign_alone() -> None:
    table = listening_test(5)
    for method in COMPARISONS:
        (forward,) = compare(table, [(0, 1)], method)
        (backward,) = compare(table, [(1, 0)], method)
        assert backward.difference == pytest.approx(-forward.difference)
        assert backward.p == pytest.approx(forward.p, rel=1e-9)


def test_a_listener_who_rates_both_systems_alike_cancels() -> None:
    """Strictness shifts both systems: a complete design compares them as if it were not there."""
    table = listening_test(6, drop=0.0)
    strict = {name: 1.7 * int(name) for name in table.listeners}
    rows = [
        (one.system, table.listeners[listener], table.utterances[utterance],
         score + strict[table.listeners[listener]])
        for one in table.systems
        for listener, utterance, score in zip(
            one.listeners, one.utterances, one.scores, strict=True
        )
    ]  # fmt: skip
    shifted = score_table(*zip(*rows, strict=True))
    for ours, theirs in zip(
        compare(table, [(0, 1), (0, 2)]), compare(shifted, [(0, 1), (0, 2)]), strict=True
    ):
        assert theirs.difference == pytest.approx(ours.difference, abs=1e-9)


def test_too_little_to_test_is_no_p_with_a_reason() -> None:
    few = listening_test(7, n_utterances=5, drop=0.0)
    for method in ("wilcoxon", "paired_t"):
        found = compare(few, [(0, 1)], method)[0]
        assert math.isnan(found.p)
        assert math.isnan(found.p_holm)
        assert "at least 6" in found.reason
    one_listener = score_table(["a", "b"] * 8, ["x"] * 16, np.repeat(range(8), 2).astype(str),
                               [3, 4] * 8)  # fmt: skip
    found = compare(one_listener, [(0, 1)])[0]
    assert math.isnan(found.p)
    assert "one listener" in found.reason
    equal = score_table(["a", "b"] * 8, list("xxyy") * 4, np.repeat(range(8), 2).astype(str),
                        [3.0, 4.0] * 8)  # fmt: skip
    for method in COMPARISONS:
        found = compare(equal, [(0, 1)], method)[0]
        if method == "ordinal":
            assert "no finite ability" in found.reason
            continue
        assert found.difference == -1.0
        if method in ("cluster2", "paired_t"):
            assert math.isnan(found.p)
            assert found.reason


def test_pairs_against_a_reference() -> None:
    table = listening_test(8)
    names = [[table.systems[i].system for i in pair] for pair in pairs_of(table, "c")]
    assert sorted(names) == [["a", "c"], ["b", "c"]]
    with pytest.raises(UnknownName, match="one of a, b, c"):
        pairs_of(table, "cc")
    with pytest.raises(UnknownName, match="wilcoxon"):
        compare(table, [(0, 1)], "wilcoxn")


def test_false_positives_of_the_default_and_of_the_legacy_test() -> None:
    """Many raters of few sentences: the pooled test sees differences that are not there."""
    n_tests = 200
    wrong = {"cluster2": 0, "mann_whitney": 0}
    for seed in range(n_tests):
        table = listening_test(
            1000 + seed, means=(3.6, 3.6), n_listeners=40, n_utterances=10, drop=0.0
        )
        for method in wrong:
            wrong[method] += compare(table, [(0, 1)], method)[0].p < 0.05
    # Three binomial standard errors above .06.
    assert wrong["cluster2"] / n_tests <= 0.06 + 3 * math.sqrt(0.06 * 0.94 / n_tests)
    assert wrong["mann_whitney"] / n_tests > 0.11


def test_letters_follow_the_comparisons() -> None:
    table = listening_test(9, means=(2.0, 2.0, 4.5), drop=0.0)
    comparisons = compare(table, pairs_of(table))
    letters = significance_letters(["c", "a", "b"], comparisons)
    assert letters["c"] == "a"
    assert letters["a"] == letters["b"] == "b"


@pytest.mark.parametrize("method", ["cluster2", "wilcoxon", "paired_t"])
def test_a_rater_who_always_gives_the_same_score_adds_no_difference(method: str) -> None:
    """Complete design: means move towards that score, differences shrink by n / (n + 1) alone."""
    table = listening_test(10, drop=0.0)
    rows = [
        (one.system, table.listeners[listener], table.utterances[utterance], score)
        for one in table.systems
        for listener, utterance, score in zip(
            one.listeners, one.utterances, one.scores, strict=True
        )
    ]
    flat = [(one.system, "flat", name, 3.0) for one in table.systems for name in table.utterances]
    more = score_table(*zip(*rows, *flat, strict=True))
    n = len(table.listeners)
    for ours, theirs in zip(
        compare(table, [(0, 1), (0, 2)], method), compare(more, [(0, 1), (0, 2)], method),
        strict=True,
    ):  # fmt: skip
        assert theirs.difference == pytest.approx(ours.difference * n / (n + 1), abs=1e-9)
        if method != "cluster2":  # tests on utterance means do not see scale
            assert theirs.p == pytest.approx(ours.p, rel=1e-6)


def test_a_million_ratings_need_no_table_of_listeners_by_stimuli() -> None:
    """50,000 listeners x 20,000 utterances would be 8 GB a system as a dense table."""
    random = np.random.default_rng(0)
    n = 1_000_000
    table = score_table(
        random.integers(0, 10, n).astype(str), random.integers(0, 50_000, n).astype(str),
        random.integers(0, 20_000, n).astype(str), random.integers(1, 6, n),
    )  # fmt: skip
    tracemalloc.start()
    found = compare(table, pairs_of(table))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 45
    assert peak < 500e6


def test_a_system_with_one_rating_is_compared_with_none() -> None:
    """Its mean has no variance that could be known; 0 in its place would make any p small."""
    rows = [("a", f"l{i}", f"u{j}", 3 + (i + j) % 3) for i in range(5) for j in range(4)]
    table = score_table(*zip(*rows, ("b", "l0", "u0", 1), strict=True))
    (found,) = cluster2_contrasts(table, [(0, 1)], 0.95)
    assert math.isnan(found.p)
    assert math.isnan(found.half_width)
    assert "one listener or one utterance" in found.reason
