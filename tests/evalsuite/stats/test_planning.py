"""Plans against simulation, and looks that stay valid."""

import math

import numpy as np
import pytest

from evalsuite.errors import TooFewRatings, UsageError
from evalsuite.stats.attention import hidden_reference, repeated_trials, too_fast, trap_trials
from evalsuite.stats.interval import IntervalOptions
from evalsuite.stats.intervals import intervals
from evalsuite.stats.planning import (
    MEASURED_EFFECTS,
    effects_from_pilot,
    minimal_detectable_difference,
    plan_half_width,
    plan_listeners,
    simulated_power,
)
from evalsuite.stats.sequential import look_confidence, sequential_coverage, take_look
from evalsuite.stats.simulate import (
    Effects,
    crossed_cells,
    latin_cells,
    rotated_cells,
    simulate_table,
)

TABLED = Effects(0.0, 0.0, 0.25, 0.40, 0.70)


@pytest.mark.parametrize(
    ("n_listeners", "each", "n_utterances", "difference"),
    [(50, 10, 50, 0.29), (200, 10, 100, 0.18), (50, 10, 100, 0.25), (200, 3, 200, 0.17)],
)
def test_detectable_differences_of_the_documentation(
    n_listeners: int, each: int, n_utterances: int, difference: float
) -> None:
    found = minimal_detectable_difference(TABLED, n_listeners, n_utterances, n_listeners * each)
    assert found == pytest.approx(difference, abs=0.006)


def test_expected_half_width_is_what_simulated_tests_give() -> None:
    effects = Effects()
    cells = crossed_cells(18, 2, 14)
    widths = [
        intervals(
            simulate_table(cells, [45.0, 55.0], seed=seed, effects=effects, scale=(0, 100)),
            ["cluster2"], IntervalOptions(),
        )[0]["cluster2"].half_width
        for seed in range(150)
    ]  # fmt: skip
    # Rounding to whole points adds 1/12 to the variance of a rating, which hardly shows.
    assert np.mean(widths) == pytest.approx(plan_half_width(effects, 18, 14, 252), rel=0.08)


def test_power_of_a_planned_difference_is_reached_in_simulation() -> None:
    effects = Effects(0.4, 0.3, 0.25, 0.2, 0.7)
    n_listeners, n_utterances = 20, 16
    difference = minimal_detectable_difference(effects, n_listeners, n_utterances, 320)
    cells = crossed_cells(n_listeners, 2, n_utterances)
    power, error = simulated_power(cells, [2.8, 2.8 + difference], effects, n_tests=300, seed=1)
    assert power == pytest.approx(0.8, abs=0.03 + 2 * error)
    wrong, _ = simulated_power(cells, [3.0, 3.0], effects, n_tests=300, seed=1)
    assert wrong <= 0.06 + 2 * math.sqrt(0.06 * 0.94 / 300)


def test_smallest_number_of_listeners_is_the_smallest() -> None:
    effects = MEASURED_EFFECTS["voicemos_2024"]
    plan = plan_listeners(effects, n_utterances=60, n_ratings_each=12, half_width=0.25)
    assert plan is not None
    assert plan.half_width <= 0.25
    fewer = plan_half_width(effects, plan.n_listeners - 1, 60, (plan.n_listeners - 1) * 12)
    assert fewer > 0.25
    assert plan.n_ratings == plan.n_listeners * 12


def test_no_number_of_listeners_makes_up_for_few_sentences() -> None:
    assert plan_listeners(
        Effects(0.4, 0.4, 0.3, 0.4, 0.7), n_utterances=20, n_ratings_each=10, difference=0.3
    ) is None  # fmt: skip


def test_impossible_plans_are_refused() -> None:
    with pytest.raises(UsageError, match="at least two"):
        plan_half_width(Effects(), 1, 20, 20)
    with pytest.raises(UsageError, match="rated twice"):
        minimal_detectable_difference(Effects(), 10, 5, 100)
    with pytest.raises(UsageError, match="half width"):
        plan_listeners(Effects(), n_utterances=10, n_ratings_each=5)
    with pytest.raises(UsageError, match="a half width of -1 points"):
        plan_listeners(Effects(), n_utterances=10, n_ratings_each=5, half_width=-1)
    with pytest.raises(UsageError, match="a difference of 0 points"):
        plan_listeners(Effects(), n_utterances=10, n_ratings_each=5, difference=0)
    with pytest.raises(UsageError, match="10 ratings of each system by every listener, and 5 utt"):
        plan_listeners(Effects(), n_utterances=5, n_ratings_each=10, half_width=0.2)


def test_pilot_gives_back_its_effects() -> None:
    effects = Effects(6.0, 5.0, 3.0, 3.0, 8.0)
    table = simulate_table(crossed_cells(20, 3, 20), [40.0, 50.0, 60.0], seed=2, effects=effects,
                           scale=(0, 100))  # fmt: skip
    found = effects_from_pilot(table)
    assert found is not None
    assert found.noise == pytest.approx(8.0, rel=0.1)
    assert found.listener == pytest.approx(6.0, rel=0.5)


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        (crossed_cells(1, 2, 5), "listeners and sentences apart"),
        (crossed_cells(12, 1, 10), "1 systems.* listener:system and utterance:system"),
        (crossed_cells(12, 3, 1), "listeners and sentences apart"),
        (latin_cells(12, 3, 9, 3), "does not show the part .*listener:system"),
    ],
)
def test_a_part_that_a_pilot_does_not_show_is_not_taken_for_nothing(cells, fault: str) -> None:
    with pytest.raises(TooFewRatings, match=fault):
        effects_from_pilot(simulate_table(cells, [3.0, 3.5, 4.0], seed=0))


def test_power_is_that_of_scores_whose_deviations_include_rounding() -> None:
    """With little noise, rounding twice would leave .56 of the power."""
    effects = Effects(0.4, 0.4, 0.08, 0.05, 0.36)
    cells = rotated_cells(40, 2, 30, 2)
    difference = minimal_detectable_difference(effects, 40, 30, 80)
    power, error = simulated_power(
        cells, [3 - difference / 2, 3 + difference / 2], effects, n_tests=300, seed=1
    )
    assert power == pytest.approx(0.8, abs=0.03 + 2 * error)


def test_looking_early_stays_valid() -> None:
    """At reduced size; docs/statistics.md has 1,000 tests."""
    found = sequential_coverage(
        crossed_cells(30, 3, 12), [2.4, 3.0, 3.6], look_after_listeners=(6, 12, 18, 24, 30),
        half_width=0.5, n_tests=150, seed=3,
    )  # fmt: skip
    assert found.spending >= 0.95 - 2 * found.monte_carlo_error
    assert found.spending > found.naive
    assert found.mean_look > found.mean_look_naive


def test_a_look_spends_its_share() -> None:
    assert look_confidence(1) == pytest.approx(0.95)
    assert look_confidence(4) == pytest.approx(1 - 0.05 / 4)
    table = simulate_table(crossed_cells(10, 2, 10), [3.0, 4.0], seed=1)
    wide = take_look(table, number=1, n_looks=4, half_width=9.0)
    assert wide.may_stop
    assert not take_look(table, number=2, n_looks=4, half_width=0.01).may_stop
    plain = intervals(table, ["cluster2"], IntervalOptions())[0]["cluster2"]
    assert wide.half_widths["000000"] > plain.half_width
    with pytest.raises(UsageError, match="planned"):
        take_look(table, number=5, n_looks=4, half_width=1.0)
    with pytest.raises(UsageError, match="at least one"):
        look_confidence(0)


def test_rules_on_behaviour() -> None:
    names = ("x", "y", "z")
    listeners = np.array([0, 0, 1, 1, 2])
    flags = np.array([True, False, True, True, False])
    scores = np.array([5.0, 1.0, 3.0, 5.0, 4.0])
    found = {one.listener: one for one in hidden_reference(scores, listeners, flags, names)}
    assert not found["x"].would_exclude
    assert found["y"].value == 0.5
    assert found["y"].would_exclude
    assert math.isnan(found["z"].value)
    assert not found["z"].would_exclude
    traps = trap_trials(np.array([True, False]), np.array([0, 1]), names)
    assert [one.would_exclude for one in traps] == [False, True, False]
    repeats = repeated_trials(np.array([5.0, 2.0]), np.array([3.0, 3.0]), np.array([0, 1]), names)
    assert [one.would_exclude for one in repeats] == [True, False, False]
    fast = too_fast(np.array([1.0, 9.0, math.nan]), np.full(3, 4.0), np.arange(3), names)
    assert [one.would_exclude for one in fast] == [True, False, False]
