"""Measured coverage of every interval in every design, at a reduced number of tests."""

import math

import numpy as np
import pytest

from evalsuite.stats.coverage import DESIGNS, interval_coverage, rejection_rates

# Binomial standard errors of a share of n tests; five correlated systems a test narrow it.
N_TESTS = 250


@pytest.mark.slow
@pytest.mark.parametrize("design", DESIGNS)
def test_the_default_interval_holds_what_it_promises(design: str) -> None:
    found = interval_coverage(design, ["paper", "cluster2", "crowdmos", "moments"],
                              n_tests=N_TESTS, seed=11)  # fmt: skip
    assert 0.93 - 0.015 <= found["cluster2"].share <= 0.97 + 0.015
    assert found["crowdmos"].share >= 0.915
    assert found["moments"].share >= 0.89
    assert found["paper"].share < 0.9
    assert found["cluster2"].n_intervals == 5 * N_TESTS


@pytest.mark.slow
def test_bootstrap_overstates_and_one_way_understates() -> None:
    found = interval_coverage("A", ["bootstrap", "bootstrap_listeners", "cluster2"], n_tests=150,
                              seed=3, n_resamples=300)  # fmt: skip
    assert found["bootstrap"].share > 0.96
    assert found["bootstrap_listeners"].share < 0.93
    assert found["bootstrap"].width > found["cluster2"].width


@pytest.mark.slow
def test_mixed_model_covers() -> None:
    found = interval_coverage("B", ["lmm"], n_tests=12, seed=5)["lmm"]
    assert found.share == pytest.approx(0.942, abs=3 * math.sqrt(0.942 * 0.058 / 12))


@pytest.mark.slow
@pytest.mark.parametrize("design", DESIGNS)
def test_false_positives_of_the_default_comparison(design: str) -> None:
    wrong, right = rejection_rates(design, "cluster2", n_tests=300, seed=17)
    assert wrong <= 0.06 + 2 * math.sqrt(0.06 * 0.94 / 300)
    assert right > 0.25


def test_a_stated_error_is_that_of_the_binomial() -> None:
    found = interval_coverage("E", ["cluster2"], n_tests=20, seed=0)["cluster2"]
    share = found.share
    assert found.monte_carlo_error == pytest.approx(np.sqrt(share * (1 - share) / 20))
