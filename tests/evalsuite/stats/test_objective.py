"""Metrics against listeners: scipy, closed forms, and what a perfect metric reaches."""

import math

import numpy as np
import pytest
import scipy.stats

from evalsuite.stats.objective import (
    agreement,
    bootstrap_correlation,
    leave_one_system_out,
    monotone_cubic,
    noise_ceiling,
    pairwise_accuracy,
    prediction_errors,
    system_means,
)


def test_system_means_weigh_utterances_alike() -> None:
    systems = np.array([0, 0, 0, 0, 1, 1])
    utterances = np.array([0, 0, 0, 1, 0, 1])
    values = np.array([1.0, 1.0, 1.0, 5.0, 2.0, 4.0])
    assert system_means(values, systems, utterances).tolist() == [3.0, 3.0]


def test_agreement_is_scipys() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=30)
    y = x + random.normal(size=30)
    found = agreement(x, y)
    assert found.lcc == pytest.approx(scipy.stats.pearsonr(x, y).statistic)
    assert found.srcc == pytest.approx(scipy.stats.spearmanr(x, y).statistic)
    assert found.ktau == pytest.approx(scipy.stats.kendalltau(x, y).statistic)
    assert found.mse == pytest.approx(np.mean((x - y) ** 2))
    assert math.isnan(agreement(x, np.ones(30)).lcc)
    assert math.isnan(agreement(x[:1], y[:1]).srcc)


def test_errors_forgive_what_listeners_leave_open() -> None:
    listeners, predicted = np.array([2.0, 3.0, 4.0]), np.array([2.1, 3.5, 3.0])
    found = prediction_errors(listeners, predicted, np.array([0.2, 0.2, 0.4]))
    assert found.rmse == pytest.approx(math.sqrt((0.01 + 0.25 + 1) / 2))
    assert found.rmse_star == pytest.approx(math.sqrt((0.09 + 0.36) / 2))
    assert found.outlier_ratio == pytest.approx(2 / 3)
    few = prediction_errors(listeners, predicted, np.full(3, 0.2), n_parameters=4)
    assert math.isnan(few.rmse)


def test_mapping_is_monotone_and_not_worse_than_a_line() -> None:
    random = np.random.default_rng(1)
    for sign in (1, -1):
        metric = np.sort(random.uniform(-3, 3, 25))
        listeners = 3 + 1.5 * np.tanh(sign * metric) + random.normal(0, 0.1, 25)
        mapped = monotone_cubic(metric, listeners)
        assert (sign * np.diff(mapped) >= -1e-6).all()
        line = np.polyval(np.polyfit(metric, listeners, 1), metric)
        assert ((mapped - listeners) ** 2).sum() <= ((line - listeners) ** 2).sum() + 1e-9
    # Where the best cubic is monotone by itself, it is that one.
    metric = np.linspace(0, 1, 20)
    listeners = 1 + metric + metric**3
    assert monotone_cubic(metric, listeners) == pytest.approx(listeners, abs=1e-4)


def test_bootstrap_interval_holds_the_correlation_it_was_drawn_from() -> None:
    random = np.random.default_rng(2)
    rho, n, held = 0.7, 40, 0
    for seed in range(60):
        x = random.normal(size=n)
        y = rho * x + math.sqrt(1 - rho**2) * random.normal(size=n)
        (low, high), _ = bootstrap_correlation(x, y, n_resamples=300, seed=seed)
        held += low <= rho <= high
    assert held / 60 > 0.85
    assert math.isnan(bootstrap_correlation(np.ones(2), np.ones(2))[0][0])


def test_one_far_system_makes_a_correlation() -> None:
    random = np.random.default_rng(3)
    listeners = np.append(random.normal(4, 0.1, 5), 1.0)
    metric = np.append(random.normal(2, 0.1, 5), 0.0)
    assert agreement(listeners, metric).lcc > 0.95
    assert abs(leave_one_system_out(listeners, metric)[-1]) < 0.9


def test_noise_ceiling_is_the_correlation_of_the_truth_with_noisy_means() -> None:
    random = np.random.default_rng(4)
    truth = random.normal(3, 0.5, 4000)
    noise = 0.3
    observed = truth + random.normal(0, noise, 4000)
    ceiling = noise_ceiling(observed, np.full(4000, noise))
    assert ceiling == pytest.approx(agreement(truth, observed).lcc, abs=0.02)
    # Errors as large as the whole spread leave the ceiling unknown, which is not 0.
    assert math.isnan(noise_ceiling(np.array([3.0, 3.01]), np.array([0.5, 0.5])))
    assert math.isnan(noise_ceiling(np.array([3.0]), np.array([0.1])))


def test_two_points_have_no_correlation_and_three_no_interval() -> None:
    """Two points always lie on a line, three drawn again are the same three or fewer."""
    listeners, metric = np.array([1.2, 3.0, 4.4]), np.array([1.0, 3.5, 4.0])
    assert math.isnan(agreement(listeners[:2], metric[:2]).lcc)
    assert agreement(listeners, metric).lcc == pytest.approx(
        scipy.stats.pearsonr(listeners, metric).statistic
    )
    assert np.isnan(leave_one_system_out(listeners, metric)).all()
    assert np.isnan(bootstrap_correlation(listeners, metric)).all()
    # No resample of two distinct systems: else a third of these would be exactly 1 or -1.
    four, other = np.append(listeners, 2.0), np.append(metric, 0.5)
    (low, high), _ = bootstrap_correlation(four, other, n_resamples=300)
    assert -1 < low < high < 1


def test_pairwise_accuracy_counts_what_listeners_told_apart() -> None:
    listeners, metric = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])
    apart = np.array([[False, True, True], [True, False, False], [True, False, False]])
    assert pairwise_accuracy(listeners, metric, apart) == 1.0
    assert pairwise_accuracy(listeners, metric, ~np.eye(3, dtype=bool)) == pytest.approx(2 / 3)
    assert math.isnan(pairwise_accuracy(listeners, metric, np.zeros((3, 3), bool)))
