"""Effect sizes against direct counts."""

import math

import numpy as np
import pytest

from evalsuite.stats.effects import cliffs_delta, effect_size
from evalsuite.stats.scores import score_table


def test_cliffs_delta_counts_pairs() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        a, b = (random.integers(1, 6, size).astype(float) for size in random.integers(1, 40, 2))
        counted = np.sign(a[:, None] - b[None, :]).mean()
        assert cliffs_delta(a, b) == pytest.approx(counted, abs=1e-12)
    assert cliffs_delta(np.array([5.0]), np.array([1.0])) == 1.0
    assert math.isnan(cliffs_delta(np.array([]), np.array([1.0])))


def test_paired_delta_does_not_see_strictness() -> None:
    """Every listener hears a as half a point better; their levels differ by much more."""
    listeners = np.repeat(np.arange(10), 4)
    level = 1.0 + 0.3 * listeners
    utterances = np.tile(np.arange(4), 10)
    systems = ["a"] * 40 + ["b"] * 40
    scores = np.concatenate([level + 0.5, level])
    table = score_table(
        systems, np.tile(listeners, 2).astype(str), np.tile(utterances, 2).astype(str), scores
    )
    size = effect_size(*table.systems)
    assert size.cliffs_delta_paired == 1.0
    assert size.n_paired_listeners == 10
    assert size.cliffs_delta == pytest.approx(np.sign((level + 0.5)[:, None] - level).mean())
    pooled = math.sqrt((np.var(level + 0.5, ddof=1) + np.var(level, ddof=1)) / 2)
    assert size.standardised == pytest.approx(0.5 / pooled)


def test_undefined_sizes_are_nan() -> None:
    table = score_table(["a", "b"], ["x", "y"], ["1", "1"], [3, 4])
    size = effect_size(*table.systems)
    assert math.isnan(size.cliffs_delta_paired)
    assert size.n_paired_listeners == 0
    assert math.isnan(size.standardised)
