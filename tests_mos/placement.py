"""When in the session each utterance is heard, within the trials of the same system.

Which system stands where is decided (`tests_mos.sequences`), and so is which utterances a listener
hears from which system (`tests_mos.allocation`). What is left is free: it keeps repeats of an
utterance far apart and lets no utterance be always heard by tired ears.
"""

from collections import defaultdict
from itertools import pairwise

import numpy as np

from tests_mos.sequences import IntArray

__all__ = ["place_utterances"]


def place_utterances(
    systems: IntArray,
    rows: IntArray,
    utterances: IntArray,
    n_utterances: int,
    generator: np.random.Generator,
) -> IntArray:
    """Reorder each seat's utterances; all arrays have the shape (n_seats, n_trials).

    Parameters
    ----------
    rows : trials of one seat that may change places have the same number.
    """
    lateness = generator.random(n_utterances) * 1e-3  # summed position, 0 = middle of the session
    placed = np.empty_like(utterances)
    for seat in range(len(systems)):
        kinds = list(zip(rows[seat].tolist(), systems[seat].tolist(), strict=True))
        order = _in_turn(kinds, utterances[seat].tolist(), lateness)
        if len(order) > n_utterances:
            _spread_repeats(order, kinds)
        placed[seat] = order
        lateness[order] += (np.arange(len(order)) + 0.5) / len(order) - 0.5
    return placed


Kind = tuple[int, int]
"""Row and system of a trial: utterances may change places between trials of one kind."""


def _in_turn(
    kinds: list[Kind],
    utterances: list[int],
    lateness: "np.ndarray[tuple[int], np.dtype[np.float64]]",
) -> list[int]:
    """First what this listener heard longest ago or never, then what others heard late."""
    waiting: defaultdict[Kind, list[int]] = defaultdict(list)
    for kind, utterance in zip(kinds, utterances, strict=True):
        waiting[kind].append(utterance)
    last_heard: defaultdict[int, int] = defaultdict(lambda: -1)
    order = []
    for position, kind in enumerate(kinds):
        best = min(waiting[kind], key=lambda name: (last_heard[name], -lateness[name]))
        waiting[kind].remove(best)
        last_heard[best] = position
        order.append(best)
    return order


def _spread_repeats(order: list[int], kinds: list[Kind]) -> None:
    """Exchange utterances within a kind while that moves close repeats apart; in place."""
    same_kind: defaultdict[Kind, list[int]] = defaultdict(list)
    for position, kind in enumerate(kinds):
        same_kind[kind].append(position)
    for _ in range(2 * len(order)):  # each round mends one repeat; a few are enough
        first, second = _closest_repeat(order)
        gains = [
            (_gain(order, here, there), here, there)
            for here in (first, second)
            for there in same_kind[kinds[here]]
        ]
        gain, here, there = max(gains)
        if gain <= 1e-12:
            return
        order[here], order[there] = order[there], order[here]


def _closest_repeat(order: list[int]) -> tuple[int, int]:
    last: dict[int, int] = {}
    best = (0, len(order))
    for position, utterance in enumerate(order):
        if utterance in last and position - last[utterance] < best[1] - best[0]:
            best = (last[utterance], position)
        last[utterance] = position
    return best


def _gain(order: list[int], here: int, there: int) -> float:
    """How much closeness an exchange removes."""
    if order[here] == order[there]:
        return 0.0
    names = {order[here], order[there]}
    before = _closeness(order, names)
    order[here], order[there] = order[there], order[here]
    after = _closeness(order, names)
    order[here], order[there] = order[there], order[here]
    return before - after


def _closeness(order: list[int], names: set[int]) -> float:
    """Sum over repeats of 1 / gap cubed: the closest repeat decides."""
    total = 0.0
    for name in names:
        places = [position for position, heard in enumerate(order) if heard == name]
        total += sum((later - earlier) ** -3.0 for earlier, later in pairwise(places))
    return total
