"""Wilcoxon's signed-rank test against scipy and against every sign pattern counted."""

import math
from itertools import product

import numpy as np
import pytest
import scipy.stats

from evalsuite.stats.signed_rank import signed_rank_p


@pytest.mark.parametrize("n", [1, 2, 6, 17, 50])
def test_exact_without_ties_as_scipy(n: int) -> None:
    for seed in range(20):
        differences = np.random.default_rng(seed).normal(0.3, 1, n)
        expected = scipy.stats.wilcoxon(differences, method="exact").pvalue
        assert signed_rank_p(differences) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n", [6, 20, 51, 300])
def test_normal_with_ties_and_zeros_as_scipy(n: int) -> None:
    for seed in range(20):
        differences = np.random.default_rng(seed).integers(-3, 5, n).astype(float)
        expected = scipy.stats.wilcoxon(differences, zero_method="zsplit", method="approx").pvalue
        assert signed_rank_p(differences) == pytest.approx(expected, rel=1e-12)


def test_exact_is_the_share_of_sign_patterns() -> None:
    differences = np.array([0.5, -1.0, 2.0, 3.0, -0.1, 4.0, 6.0])
    ranks = np.argsort(np.argsort(np.abs(differences))) + 1
    middle = ranks.sum() / 2
    seen = abs(ranks[differences > 0].sum() - middle)
    sums = [np.dot(signs, ranks) for signs in product([0, 1], repeat=7)]
    share = np.mean([abs(one - middle) >= seen for one in sums])
    assert signed_rank_p(differences) == pytest.approx(share, abs=1e-15)


def test_turned_round_it_is_the_same_and_nothing_is_undefined() -> None:
    differences = np.random.default_rng(3).normal(size=60)
    assert signed_rank_p(differences) == pytest.approx(signed_rank_p(-differences), rel=1e-12)
    assert math.isnan(signed_rank_p(np.zeros(8)))
