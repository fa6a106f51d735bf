"""Preference, Bradley-Terry, ABX, MUSHRA and best-worst against textbooks and scipy."""

import math

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.proportion import proportion_confint

from evalsuite.errors import TooFewRatings, UnknownName
from evalsuite.stats.bradley_terry import best_worst_scores, best_worst_wins, fit_bradley_terry
from evalsuite.stats.discrimination import abx_share_correct, discrimination, sensitivity
from evalsuite.stats.mushra import mushra_screening, mushra_summary, mushra_tests
from evalsuite.stats.preference import preference
from evalsuite.stats.scores import score_table

#: American League East 1987, wins of the row over the column: Agresti 2013, table 11.10.
#: Milwaukee, Detroit, Toronto, New York, Boston, Cleveland, Baltimore.
BASEBALL = np.array(
    [
        [0, 7, 9, 7, 7, 9, 11], [6, 0, 7, 5, 11, 9, 9], [4, 6, 0, 7, 7, 8, 12],
        [6, 8, 6, 0, 6, 7, 10], [6, 2, 6, 7, 0, 7, 12], [4, 4, 5, 6, 6, 0, 6],
        [2, 4, 1, 3, 1, 7, 0],
    ],
    float,
)  # fmt: skip


def test_baseball_has_agrestis_estimates() -> None:
    found = fit_bradley_terry(BASEBALL, reference=6)
    assert found.abilities == pytest.approx([1.58, 1.44, 1.29, 1.25, 1.11, 0.68, 0.0], abs=5e-3)
    assert found.deviance == pytest.approx(15.74, abs=0.01)
    assert found.df == 15
    assert found.p == pytest.approx(scipy.stats.chi2.sf(found.deviance, 15))
    assert found.elo == pytest.approx(400 * found.abilities / math.log(10))


def test_errors_are_those_of_a_logistic_regression() -> None:
    import statsmodels.api

    pairs = [(i, j) for i in range(7) for j in range(i + 1, 7)]
    design = np.array([[float(k == i) - float(k == j) for k in range(6)] for i, j in pairs])
    outcomes = np.array([[BASEBALL[i, j], BASEBALL[j, i]] for i, j in pairs])
    oracle = statsmodels.api.GLM(outcomes, design, family=statsmodels.api.families.Binomial()).fit()
    found = fit_bradley_terry(BASEBALL, reference=6)
    assert found.abilities[:6] == pytest.approx(oracle.params, abs=1e-6)
    assert found.errors[:6] == pytest.approx(oracle.bse, abs=1e-6)
    assert found.deviance == pytest.approx(oracle.deviance, abs=1e-6)


def test_reference_moves_the_zero_alone() -> None:
    one, other = fit_bradley_terry(BASEBALL, reference=6), fit_bradley_terry(BASEBALL, reference=2)
    assert one.abilities - one.abilities[2] == pytest.approx(other.abilities)
    assert other.abilities[2] == other.errors[2] == 0


def test_a_system_that_always_wins_needs_a_ridge() -> None:
    wins = np.array([[0, 5, 5], [0, 0, 3], [0, 2, 0]], float)
    with pytest.raises(TooFewRatings, match="ridge="):
        fit_bradley_terry(wins)
    found = fit_bradley_terry(wins, reference=1, ridge=0.01)
    assert np.isfinite(found.abilities).all()
    assert found.abilities[0] > 3


def test_preference_is_scipys_binomial_and_statsmodels_wilson() -> None:
    answers = np.array([1] * 40 + [-1] * 25 + [0] * 10)
    random = np.random.default_rng(0)
    listeners, utterances = random.integers(0, 12, 75), random.integers(0, 9, 75)
    found = preference(answers, listeners, utterances)
    assert found.share == pytest.approx(45 / 75)
    assert found.p == pytest.approx(scipy.stats.binomtest(45, 75).pvalue)
    assert found.p_without_ties == pytest.approx(scipy.stats.binomtest(40, 65).pvalue)
    assert (found.low, found.high) == pytest.approx(proportion_confint(45, 75, method="wilson"))
    assert found.n_ties == 10
    turned = preference(-answers, listeners, utterances)
    assert turned.share == pytest.approx(1 - found.share)
    assert turned.cluster_low == pytest.approx(1 - found.cluster_high)


def test_clusters_widen_the_interval_of_opinionated_listeners() -> None:
    """Each listener always prefers the same system: 200 answers are 10 opinions."""
    listeners = np.repeat(np.arange(10), 20)
    answers = np.where(listeners < 6, 1, -1)
    found = preference(answers, listeners, np.tile(np.arange(20), 10))
    assert found.cluster_high - found.cluster_low > 3 * (found.high - found.low)
    alone = preference(answers[:20], listeners[:20], np.arange(20))
    assert math.isnan(alone.cluster_low)
    assert found.p < 0.01 < 0.3 < found.cluster_p


def test_clustered_p_agrees_with_its_interval_and_is_undefined_without_spread() -> None:
    random = np.random.default_rng(4)
    for seed in range(20):
        answers = np.where(np.random.default_rng(seed).random(60) < 0.62, 1, -1)
        listeners, utterances = random.integers(0, 8, 60), random.integers(0, 6, 60)
        found = preference(answers, listeners, utterances)
        assert (found.cluster_p < 0.05) == (not found.cluster_low <= 0.5 <= found.cluster_high)
    alike = preference(np.ones(60, np.int64), listeners, utterances)
    assert math.isnan(alike.cluster_low)
    assert math.isnan(alike.cluster_p)
    assert alike.low < 1


def test_sensitivity_has_the_tabled_values_and_inverts_the_share() -> None:
    assert sensitivity(0.75, "independent") == pytest.approx(1.7904, abs=5e-5)
    assert sensitivity(0.75, "differencing") == pytest.approx(2.0200, abs=5e-5)
    assert sensitivity(0.75, "2afc") == pytest.approx(0.9539, abs=5e-5)
    for strategy in ("independent", "differencing", "2afc"):
        for d_prime in (0.3, 1.0, 2.7):
            share = abx_share_correct(d_prime, strategy)
            assert sensitivity(share, strategy) == pytest.approx(d_prime, rel=1e-6)
        assert sensitivity(0.5, strategy) == 0
        assert sensitivity(1.0, strategy) == math.inf


def test_abx_share_is_what_simulated_listeners_get() -> None:
    """Differencing: choose the sound that X is nearer to, with noise on all three."""
    random = np.random.default_rng(1)
    d_prime, n = 1.5, 200_000
    a, b, x = random.normal(0, 1, n), random.normal(d_prime, 1, n), random.normal(0, 1, n)
    right = np.abs(x - a) < np.abs(x - b)
    assert abx_share_correct(d_prime, "differencing") == pytest.approx(right.mean(), abs=0.005)


def test_discrimination_summary() -> None:
    found = discrimination(15, 20)
    assert found.p == pytest.approx(scipy.stats.binomtest(15, 20, alternative="greater").pvalue)
    assert found.d_prime_independent == pytest.approx(1.7904, abs=5e-5)
    assert found.low < 0.75 < found.high


def mushra_table(rating_of_reference=None):
    random = np.random.default_rng(2)
    rows = []
    for listener in range(10):
        for item in range(8):
            for system, mean in (("reference", 98), ("a", 80), ("b", 60), ("anchor", 25)):
                score = np.clip(mean + random.normal(0, 4), 0, 100)
                if system == "reference" and listener == 3 and rating_of_reference:
                    score = rating_of_reference
                rows.append((system, str(listener), str(item), score))
    return score_table(*zip(*rows, strict=True))


def test_mushra_screening_names_who_misses_the_reference() -> None:
    found = mushra_screening(mushra_table(70), reference="reference", mid_anchor="anchor")
    assert [one.listener for one in found if one.would_exclude] == ["3"]
    assert {one.rule for one in found} == {"mushra_reference", "mushra_anchor"}


def test_mushra_screening_refuses_a_reference_that_nobody_rated() -> None:
    with pytest.raises(UnknownName, match="write 'reference'"):
        mushra_screening(mushra_table(), reference="referense")
    with pytest.raises(UnknownName, match="'low'"):
        mushra_screening(mushra_table(), reference="reference", mid_anchor="low")


def test_mushra_tests_are_scipys_over_listeners_medians() -> None:
    table = mushra_table()
    medians = np.array(
        [[np.median(one.scores[one.listeners == i]) for one in table.systems] for i in range(10)]
    )
    found = mushra_tests(table)
    assert found.friedman_p == pytest.approx(scipy.stats.friedmanchisquare(*medians.T).pvalue)
    first, second = found.pairs[0]
    assert found.p[0] == pytest.approx(
        scipy.stats.wilcoxon(
            medians[:, first] - medians[:, second], zero_method="zsplit", method="approx"
        ).pvalue
    )
    assert (found.p_holm >= found.p).all()
    summary = {one.system: one for one in mushra_summary(table)}
    assert summary["a"].lower_quartile < summary["a"].median < summary["a"].upper_quartile


def test_best_worst_counts_and_implied_pairs() -> None:
    scores = best_worst_scores([3, 1, 0], [0, 1, 3], [4, 4, 4])
    assert scores.tolist() == [0.75, 0.0, -0.75]
    assert math.isnan(best_worst_scores([0], [0], [0])[0])
    wins = best_worst_wins([([0, 1, 2, 3], 2, 0)], 4)
    assert wins.sum() == 5  # three losses to the best, two more wins over the worst
    assert wins[2].tolist() == [1, 1, 0, 1]
    assert wins[:, 0].tolist() == [0, 1, 1, 1]
