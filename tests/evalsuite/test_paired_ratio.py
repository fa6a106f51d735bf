"""Ratios of speeds taken in turns."""

from itertools import product

import pytest

from evalsuite.errors import ConfigError
from evalsuite.paired_ratio import paired_ratio


def test_a_load_that_comes_and_goes_does_not_change_the_ratio() -> None:
    load = [1.0, 0.4, 0.9, 0.3, 1.0]
    found = paired_ratio([3 * one for one in load], [2 * one for one in load])
    assert (found.median, found.low, found.high) == pytest.approx((1.5, 1.5, 1.5))


def test_the_median_is_of_the_ratios_not_of_the_speeds() -> None:
    """Median speeds 4 and 2 would give 2; pair by pair it is 3, 4 and 0.5."""
    assert paired_ratio([3.0, 8.0, 4.0], [1.0, 2.0, 8.0]).median == 3.0


@pytest.mark.parametrize("n_pairs", [3, 5])
def test_the_coverage_is_that_of_all_ways_to_fall_on_either_side(n_pairs: int) -> None:
    """Exact: the extremes miss the median if all pairs fall on one side of it."""
    sides = list(product([0, 1], repeat=n_pairs))
    covered = sum(0 < sum(side) < n_pairs for side in sides) / len(sides)
    assert paired_ratio([1.0] * n_pairs, [1.0] * n_pairs).coverage == covered


@pytest.mark.parametrize(("ours", "theirs"), [([], []), ([1.0], [1.0, 2.0])])
def test_what_is_not_in_pairs_is_refused(ours: list[float], theirs: list[float]) -> None:
    with pytest.raises(ConfigError, match="pairs measured in turns"):
        paired_ratio(ours, theirs)
