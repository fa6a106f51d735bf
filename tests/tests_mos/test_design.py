"""Designs are counted here by hand; `prove` is judged by designs that are wrong on purpose."""

import time
from collections import Counter
from itertools import pairwise, product

import numpy as np
import pytest

from evalsuite.errors import ConfigError
from tests_mos.design import Design, TrialPlan, deal_trials, make_design, prove
from tests_mos.model import Study, UtteranceDraw

PRIMES_AND_ROUND = [
    # systems, utterances, listeners, trials
    (5, 20, 200, 15),  # the set-up of the paper, as recalled
    (7, 20, 200, 15),
    (5, 20, 20, 15),
    (7, 11, 13, 11),
    (3, 13, 17, 11),
    (1, 7, 3, 5),  # one system
    (2, 5, 9, 5),
    (5, 4, 6, 10),  # fewer utterances than trials
    (5, 4, 6, 19),
    (5, 4, 6, 20),  # everything is heard once
    (5, 4, 3, 47),  # everything is heard more than twice
    (8, 30, 100, 40),
    (6, 10, 5, 7),  # fewer listeners than systems
    (3, 1, 5, 3),  # one utterance
    (1, 1, 4, 3),
    (12, 12, 12, 12),
    (4, 6, 1, 24),  # one listener
]


def deal(n_systems: int, n_utterances: int, n_seats: int, n_trials: int, seed: int = 0) -> Design:
    systems = [f"system{index}" for index in range(n_systems)]
    utterances = [f"utterance{index}" for index in range(n_utterances)]
    return deal_trials(systems, utterances, n_seats=n_seats, n_trials=n_trials, seed=seed)


def heard(design: Design) -> list[list[tuple[str, str]]]:
    return [[trial.stimuli[0] for trial in seat] for seat in design.seats]


def spread(counts: Counter, keys: object) -> int:
    values = [counts[key] for key in keys]
    return max(values) - min(values)


def random_sizes() -> list[tuple[int, int, int, int]]:
    generator = np.random.default_rng(20190610)
    limits = [(1, 10), (1, 14), (1, 24), (1, 40)]
    return [tuple(int(generator.integers(*limit)) for limit in limits) for _ in range(120)]


def assert_balanced(design: Design, n_trials: int) -> None:
    seats = heard(design)
    systems, utterances = design.systems, design.utterances
    assert {len(seat) for seat in seats} == {n_trials}
    cells = Counter(cell for seat in seats for cell in seat)
    assert spread(cells, product(systems, utterances)) <= 1
    assert spread(Counter(s for seat in seats for s, _ in seat), systems) <= 1
    assert spread(Counter(u for seat in seats for _, u in seat), utterances) <= 1
    for seat in seats:
        assert spread(Counter(system for system, _ in seat), systems) <= 1
        assert spread(Counter(utterance for _, utterance in seat), utterances) <= 1
        assert spread(Counter(seat), product(systems, utterances)) <= 1


@pytest.mark.parametrize("sizes", PRIMES_AND_ROUND, ids=str)
def test_every_count_is_within_one(sizes: tuple[int, int, int, int]) -> None:
    design = deal(*sizes)
    assert_balanced(design, sizes[3])
    assert prove(design).passed


def test_every_count_is_within_one_for_many_sizes() -> None:
    for number, sizes in enumerate(random_sizes()):
        assert_balanced(deal(*sizes, seed=number), sizes[3])


def test_nobody_hears_an_utterance_twice_while_there_are_enough() -> None:
    for seat in heard(deal(5, 20, 40, 20)):
        assert len({utterance for _, utterance in seat}) == 20


@pytest.mark.parametrize("n_systems", [3, 4, 5, 6, 7, 8, 9, 10, 11])
def test_carry_over_and_position_in_whole_groups(n_systems: int) -> None:
    """With a whole number of groups every system stands everywhere equally often."""
    seats = heard(deal(n_systems, 3 * n_systems, 4 * n_systems, 3 * n_systems))
    follows = Counter((a, b) for seat in seats for (a, _), (b, _) in pairwise(seat))
    systems = [f"system{index}" for index in range(n_systems)]
    others = [follows[a, b] for a, b in product(systems, systems) if a != b]
    assert max(others) - min(others) <= 2
    assert sum(follows[system, system] for system in systems) == 0
    for position in range(3 * n_systems):
        assert {*Counter(seat[position][0] for seat in seats).values()} == {4}


def test_random_order_would_fail_the_carry_over_test() -> None:
    """The bound above means something: shuffled sessions exceed it by far."""
    generator = np.random.default_rng(0)
    follows: Counter = Counter()
    for _ in range(20):
        order = generator.permutation(np.repeat(np.arange(5), 3))
        follows.update(pairwise(order.tolist()))
    others = [follows[a, b] for a, b in product(range(5), range(5)) if a != b]
    assert max(others) - min(others) > 6


def test_repeats_keep_apart() -> None:
    """Eight systems and thirty utterances in forty trials: no utterance returns at once."""
    gaps = []
    for seat in heard(deal(8, 30, 100, 40)):
        last: dict[str, int] = {}
        for place, (_, utterance) in enumerate(seat):
            gaps += [place - last[utterance]] if utterance in last else []
            last[utterance] = place
    assert len(gaps) == 100 * 10
    assert min(gaps) >= 5


def test_equal_seeds_make_equal_designs_and_others_do_not() -> None:
    assert deal(5, 20, 20, 15, seed=3) == deal(5, 20, 20, 15, seed=3)
    assert deal(5, 20, 20, 15, seed=3) != deal(5, 20, 20, 15, seed=4)


def test_a_large_study_is_dealt_in_seconds() -> None:
    started = time.process_time()
    design = deal(4, 100, 200, 100)
    assert time.process_time() - started < 10.0
    assert prove(design).cells.low == prove(design).cells.high == 50


def design_of(*seats: str) -> Design:
    """Written as 'a1 b2': system a with utterance 1, then b with 2."""
    plans = tuple(
        tuple(TrialPlan(((cell[0], cell[1]),)) for cell in seat.split()) for seat in seats
    )
    cells = [trial.stimuli[0] for plan in plans for trial in plan]
    return Design(tuple(sorted({s for s, _ in cells})), tuple(sorted({u for _, u in cells})), plans)


@pytest.mark.parametrize(
    ("design", "broken"),
    [
        (design_of("a1 b2", "a1 b2", "a2 b1"), set()),  # 3 seats: cells 1 or 2
        (design_of("a1 b2", "a1 b2", "a1 b2", "a2 b1"), {"ratings per stimulus"}),
        (design_of("a1 a2", "b1 b2"), {"systems per listener"}),
        (design_of("a1 b1", "a2 b2"), {"repeated utterances"}),
        (
            design_of("a1 a1 b2 b2", "a2 a2 b1 b1"),
            {"repeated stimuli"},
        ),
        (
            design_of("a1 a2", "a1 b2"),
            {"ratings per stimulus", "ratings per system", "systems per listener"},
        ),
    ],
)
def test_proof_finds_what_is_broken(design: Design, broken: set[str]) -> None:
    proof = prove(design)
    assert {line.name for line in proof.lines if line.promised and not line.passed} == broken
    assert proof.passed == (not broken)


def test_proof_counts_order() -> None:
    proof = prove(design_of("a1 b2 a3 b1", "b3 a2 b1 a3"))
    assert (proof.follows.low, proof.follows.high) == (3, 3)
    assert proof.same_again == 0
    assert (proof.positions.low, proof.positions.high) == (1, 1)
    assert prove(design_of("a1 a2 b1 b2")).same_again == 2
    assert prove(design_of("a1 b2 b1 a2")).smallest_gap == 2


def study_with(utterances: object) -> Study:
    return Study(
        id="s",
        instructions="i",
        consent="c",
        systems=("a", "b"),
        utterances=utterances,
        listeners=2,
        ratings_per_stimulus=1,
    )


def test_make_design_follows_the_study() -> None:
    study = study_with(("u", "v", "w"))
    design = make_design(study)
    assert design.utterances == ("u", "v", "w")
    assert len(design.seats) == 2
    assert {len(seat) for seat in design.seats} == {3}  # 2 x 3 stimuli once, over two listeners


def test_make_design_wants_the_drawn_utterances() -> None:
    study = study_with(UtteranceDraw(count=3))
    with pytest.raises(ConfigError, match="3 utterance ids"):
        make_design(study)
    assert make_design(study, ["x", "y", "z"]).utterances == ("x", "y", "z")
