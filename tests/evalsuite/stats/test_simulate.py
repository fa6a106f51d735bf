"""Simulated tests: designs, exact means, kinds of listeners."""

import numpy as np
import pytest

from evalsuite.stats.simulate import (
    Effects,
    crossed_cells,
    latin_cells,
    random_cells,
    rotated_cells,
    simulate_scores,
    true_mean,
)


def test_true_mean_is_what_many_listeners_give() -> None:
    cells = crossed_cells(400, 1, 400)
    for mean in (1.2, 3.6, 4.8):
        scores = simulate_scores(cells, [mean], seed=0)
        assert scores.mean() == pytest.approx(true_mean(mean), abs=0.06)
    # Without spread it is the rounded latent mean.
    still = Effects(0, 0, 0, 0, 1e-9)
    assert true_mean(3.6, effects=still) == pytest.approx(4.0)


def test_effects_have_their_deviations() -> None:
    cells = crossed_cells(60, 3, 50)
    effects = Effects(9.0, 0, 0, 0, 1e-9)
    scores = simulate_scores(cells, [50.0] * 3, seed=1, effects=effects, scale=(0, 100))
    by_listener = scores.reshape(60, -1)
    assert by_listener.std(axis=1).max() == 0.0
    assert by_listener.mean(axis=1).std(ddof=1) == pytest.approx(9, rel=0.25)


def test_designs_have_their_cells() -> None:
    latin = latin_cells(20, 5, 20, 15)
    stimuli = latin.systems * 20 + latin.utterances
    assert set(np.bincount(stimuli)) == {3}
    assert set(np.bincount(latin.listeners * 5 + latin.systems)) == {3}
    pairs = latin.listeners * 20 + latin.utterances
    assert len(set(pairs.tolist())) == len(pairs) == 300
    drawn = random_cells(200, 5, 20, 15, seed=0)
    assert set(np.bincount(drawn.listeners)) == {15}
    keys = drawn.listeners * 100 + drawn.systems * 20 + drawn.utterances
    assert len(set(keys.tolist())) == 3000
    rotated = rotated_cells(20, 5, 15, 3)
    assert set(np.bincount(rotated.systems * 15 + rotated.utterances)) == {4}


def test_kinds_of_listeners() -> None:
    cells = crossed_cells(5, 2, 200)
    kinds = {1: "random", 2: "middle", 3: "generous", 4: "reversed"}
    scores = simulate_scores(cells, [1.5, 3.0], seed=3, kinds=kinds).reshape(5, 2, 200)
    careful, guessing, middle, generous, reversed_ = scores
    assert careful[1].mean() - careful[0].mean() > 0.7
    assert abs(guessing[1].mean() - guessing[0].mean()) < 0.5
    assert set(guessing.ravel().tolist()) == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert set(middle.ravel().tolist()) == {3.0}
    assert generous.mean() > careful.mean() + 0.5
    assert reversed_[1].mean() < reversed_[0].mean() - 0.7


def test_seeded() -> None:
    cells = crossed_cells(4, 2, 5)
    assert (simulate_scores(cells, [3, 4], seed=1) == simulate_scores(cells, [3, 4], seed=1)).all()
    assert (simulate_scores(cells, [3, 4], seed=1) != simulate_scores(cells, [3, 4], seed=2)).any()
