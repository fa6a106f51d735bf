"""Screening rules and subject models against the reference packages' figures and direct loops."""

import math

import numpy as np
import pytest
import scipy.stats

from evalsuite.stats.scores import ScoreTable, score_table
from evalsuite.stats.screening import SCREENING_RULES, flat_ratings, screen
from evalsuite.stats.simulate import crossed_cells, simulate_table
from evalsuite.stats.subject_model import fit_subject_model, listener_bias, remove_bias

#: Ten stimuli by eight listeners, and what sureal 0.9.0 estimates from it
#: (SubjectMLEModelProjectionSolver, not normalised).
VOTES = [
    [2, 2, 2, 1, 1, 2, 2, 1], [3, 1, 3, 2, 3, 2, 2, 2], [3, 2, 2, 3, 1, 2, 2, 1],
    [2, 2, 2, 2, 1, 3, 3, 2], [3, 3, 3, 3, 4, 4, 3, 2], [4, 3, 4, 3, 2, 3, 2, 3],
    [4, 3, 4, 4, 4, 4, 4, 2], [5, 4, 3, 4, 3, 5, 4, 3], [5, 3, 5, 4, 5, 4, 5, 4],
    [5, 5, 5, 5, 2, 5, 5, 4],
]  # fmt: skip
QUALITY = [
    1.52705805, 2.13972912, 2.21384463, 2.08379016, 2.91521949, 3.09983692, 3.5610895,
    4.01361846, 4.2345881, 4.71122556,
]  # fmt: skip
QUALITY_ERROR = 0.16819489
BIAS = [0.55, -0.25, 0.25, 0.05, -0.45, 0.35, 0.15, -0.65]
INCONSISTENCY = [
    0.34872904, 0.53760277, 0.55662219, 0.35295619, 1.14821297, 0.48929517, 0.54610175,
    0.49250831,
]  # fmt: skip


def votes_table(votes=VOTES) -> ScoreTable:
    stimuli, listeners = np.indices(np.shape(votes))
    return score_table(
        ["s"] * stimuli.size, listeners.ravel().astype(str), stimuli.ravel().astype(str),
        np.ravel(votes),
    )  # fmt: skip


def test_subject_model_gives_the_figures_of_sureal() -> None:
    model = fit_subject_model(votes_table())
    assert model.quality == pytest.approx(QUALITY, abs=1e-6)
    assert model.quality_error == pytest.approx([QUALITY_ERROR] * 10, abs=1e-6)
    assert model.bias == pytest.approx(BIAS, abs=1e-6)
    assert model.inconsistency == pytest.approx(INCONSISTENCY, abs=1e-6)
    assert model.system_means[0] == pytest.approx(np.mean(QUALITY), abs=1e-6)


def test_bias_removal_is_the_mean_difference_to_the_stimulus() -> None:
    votes = np.array(VOTES, float)
    stimuli, listeners = (axis.ravel() for axis in np.indices(votes.shape))
    expected = (votes - votes.mean(axis=1, keepdims=True)).mean(axis=0)
    found = listener_bias(votes.ravel(), listeners, stimuli)
    assert found == pytest.approx(expected, abs=1e-12)
    cleaned = remove_bias(votes.ravel(), listeners, stimuli).reshape(votes.shape)
    assert cleaned.mean(axis=0) == pytest.approx([votes.mean()] * 8)


def results(table: ScoreTable, rule: str) -> dict[str, bool]:
    return {one.listener: one.would_exclude for one in screen(table, (rule,))}


def test_correlation_is_that_of_direct_loops() -> None:
    table = simulate_table(crossed_cells(7, 4, 5), [1.6, 3.0, 3.6, 4.4], seed=1)
    flat = flat_ratings(table)
    for one in screen(table, ("crowdmos_correlation",)):
        listener = table.listeners.index(one.listener)
        own = flat.listeners == listener
        correlations = []
        for groups in (flat.stimuli, flat.systems):
            mine = [flat.scores[own & (groups == g)].mean() for g in np.unique(groups[own])]
            others = [flat.scores[~own & (groups == g)].mean() for g in np.unique(groups[own])]
            correlations.append(scipy.stats.pearsonr(mine, others).statistic)
        assert one.value == pytest.approx(np.mean(correlations), abs=1e-9)


def test_who_guesses_or_turns_the_scale_round_is_named() -> None:
    kinds = {3: "random", 8: "reversed", 11: "middle"}
    table = simulate_table(crossed_cells(12, 5, 12), [1.4, 2.4, 3.4, 4.2, 4.8], seed=0, kinds=kinds)
    named = {name for name, out in results(table, "crowdmos_correlation").items() if out}
    assert named == {"000003", "000008"}
    lines = [name for name, out in results(table, "straight_line").items() if out]
    assert lines == ["000011"]
    careful = simulate_table(crossed_cells(12, 5, 12), [1.4, 2.4, 3.4, 4.2, 4.8], seed=0)
    for rule in SCREENING_RULES:
        assert sum(results(careful, rule).values()) <= 1


def bt500_by_loops(votes: np.ndarray, ddof: int) -> list[bool]:
    above, below = np.zeros(votes.shape[1]), np.zeros(votes.shape[1])
    for row in votes:
        if row.std() == 0:
            continue
        kurtosis = ((row - row.mean()) ** 4).mean() / row.var() ** 2
        reach = (2 if 2 <= kurtosis <= 4 else math.sqrt(20)) * row.std(ddof=ddof)
        above += row >= row.mean() + reach
        below += row <= row.mean() - reach
    out = []
    for p, q in zip(above, below, strict=True):
        out.append(bool((p + q) / len(votes) > 0.05 and p + q and abs(p - q) / (p + q) < 0.3))
    return out


@pytest.mark.parametrize("seed", range(5))
def test_bt500_is_that_of_direct_loops_with_both_divisors(seed: int) -> None:
    random = np.random.default_rng(seed)
    votes = np.clip(np.rint(random.normal(3, 0.6, (30, 14))), 1, 5)
    votes[:, 5] = random.integers(1, 6, 30)
    table = votes_table(votes)
    order = [table.listeners.index(str(i)) for i in range(14)]
    for rule, ddof in (("bt500", 1), ("bt500_population", 0)):
        found = [one.would_exclude for one in screen(table, (rule,))]
        assert [found[i] for i in order] == bt500_by_loops(votes, ddof)


def test_outlying_ratings_count_within_systems() -> None:
    scores = np.full((20, 40), 4.0) + np.tile([0.0, 1.0], 20)
    scores[0, :4] = 1.0  # a tenth of the first listener's ratings, far from everything
    listeners, utterances = np.indices(scores.shape)
    table = score_table(
        ["s"] * scores.size, listeners.ravel().astype(str), utterances.ravel().astype(str),
        scores.ravel(),
    )  # fmt: skip
    found = {one.listener: one for one in screen(table, ("outlying_ratings",))}
    assert found["0"].value == pytest.approx(0.1)
    assert found["0"].would_exclude
    assert not any(one.would_exclude for name, one in found.items() if name != "0")


def test_undefined_correlation_excludes_nobody() -> None:
    table = score_table(["a", "a", "b"], ["x", "y", "x"], ["1", "1", "1"], [3, 4, 5])
    for one in screen(table, ("crowdmos_correlation",)):
        assert math.isnan(one.value)
        assert not one.would_exclude
        assert "undefined" in one.reason


def test_bt500_is_undefined_for_who_rated_what_nobody_else_did() -> None:
    """No deviation can be seen, which is not a share of 0."""
    table = score_table(
        ["a"] * 5, ["x", "y", "z", "w", "w"], ["1", "1", "2", "3", "1"], [3, 4, 5, 1, 2]
    )
    for rule in ("bt500", "bt500_population"):
        found = {one.listener: one for one in screen(table, (rule,))}
        assert math.isnan(found["z"].value)
        assert not found["z"].would_exclude
        assert "rated by anyone else" in found["z"].reason
        assert [found[name].value for name in "xyw"] == [0.0, 0.0, 0.0]
