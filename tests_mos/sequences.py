"""In which order listeners hear the systems: balanced by position and by what came before.

Method
------
Systems are the residues modulo S. A *base* sequence of blocks, each a permutation of all systems,
is given to S seats, seat j hearing ``base + j``: every system then stands at every position once,
and system ``a`` is followed by ``a + d`` as often as the difference ``d`` occurs in the base. So
the carry-over of a whole group is balanced if the differences are. Blocks are the zigzag
``0, -1, 1, -2, …`` of Williams (1949), whose differences are all distinct for even S, times a unit
of the ring (which permutes the differences; needed for odd S, where no block has all of them).
Block and start are chosen by the differences used least so far, over all groups.

Seats left over when S does not divide their number take distinct shifts of a further base; their
last, partial block is dealt from the systems heard least so far, so totals stay within one.
"""

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["IntArray", "system_sequences"]

IntArray = NDArray[np.int64]

_TRIED_ORDERS = 20  # of a partial block of a left-over seat
_TRIED_ENDS = 20  # ways to fill the left-over seats


def system_sequences(
    n_systems: int, n_trials: int, n_seats: int, generator: np.random.Generator
) -> IntArray:
    """Order of systems for each seat, shape (n_seats, n_trials).

    Each seat hears each system equally often, give or take one, and so do all seats together. With
    more than two systems none follows itself, the last trials of left-over seats apart.
    """
    used = np.zeros(n_systems, dtype=np.int64)  # how often each difference occurs in the bases
    groups = []
    for _ in range(n_seats // n_systems):
        base = _base(n_systems, n_trials, used, generator)
        shifts = generator.permutation(n_systems)
        groups.append((base + shifts[:, None]) % n_systems)
    left_over = n_seats % n_systems
    if left_over:
        done = np.concatenate([np.zeros((0, n_trials), dtype=np.int64), *groups])
        tried = [
            _left_over(n_systems, left_over, done, used, generator) for _ in range(_TRIED_ENDS)
        ]
        groups.append(
            min(tried, key=lambda end: _unevenness(np.concatenate([done, end]), n_systems))
        )
    return np.concatenate(groups)


def _zigzag(n_systems: int) -> IntArray:
    """0, -1, 1, -2, 2, … modulo n_systems."""
    steps = np.arange(n_systems)
    return np.where(steps % 2 == 0, steps // 2, -(steps + 1) // 2) % n_systems


def _base(
    n_systems: int, n_trials: int, used: IntArray, generator: np.random.Generator
) -> IntArray:
    """Blocks of permutations whose differences keep `used` even; `used` is updated."""
    zigzag = _zigzag(n_systems)
    units = [unit for unit in range(1, n_systems + 1) if math.gcd(unit, n_systems) == 1]
    blocks: list[IntArray] = []
    last: int | None = None
    for start in range(0, n_trials, n_systems):
        length = min(n_systems, n_trials - start)
        candidates = [(zigzag * unit % n_systems)[:length] for unit in generator.permutation(units)]
        costs = [_cost(used + _differences(block, n_systems)) for block in candidates]
        block = candidates[int(np.argmin(costs))]
        used += _differences(block, n_systems)
        if last is None:
            block = (block + generator.integers(n_systems)) % n_systems
        else:
            step = _rarest_step(used, generator)
            used[step] += 1
            block = (block - block[0] + last + step) % n_systems
        last = int(block[-1])
        blocks.append(block)
    return np.concatenate(blocks)


def _differences(block: IntArray, n_systems: int) -> IntArray:
    return np.bincount(np.diff(block) % n_systems, minlength=n_systems)


def _cost(used: IntArray) -> int:
    return int((used[1:] ** 2).sum())


def _rarest_step(used: IntArray, generator: np.random.Generator) -> int:
    """Step from the end of a block to the next: never back to the same system, if avoidable."""
    n_systems = len(used)
    if n_systems <= 2:
        # Two systems can only alternate otherwise, and a listener would soon know which is which.
        return int(generator.integers(n_systems))
    rarest = np.flatnonzero(used[1:] == used[1:].min()) + 1
    return int(generator.choice(rarest))


def _left_over(
    n_systems: int, n_seats: int, done: IntArray, used: IntArray, generator: np.random.Generator
) -> IntArray:
    """Seats that fill no whole group."""
    n_trials = done.shape[1]
    n_tail = n_trials % n_systems
    n_whole = n_trials - n_tail
    shifts = generator.permutation(n_systems)[:n_seats]
    if n_whole:
        base = _base(n_systems, n_whole, used.copy(), generator)
        heads = (base + shifts[:, None]) % n_systems
    else:
        heads = np.zeros((n_seats, 0), dtype=np.int64)
    heard = np.bincount(done.ravel(), minlength=n_systems) + n_seats * (n_whole // n_systems)
    follows = _follow_counts(done, n_systems) + _follow_counts(heads, n_systems)
    at_position = _position_counts(done[:, n_whole:], n_systems)
    tails = []
    for head in heads:
        rarest = np.argsort(heard + generator.random(n_systems))[:n_tail]
        heard[rarest] += 1
        last = int(head[-1]) if n_whole else -1
        tails.append(_best_order(rarest, last, follows, at_position, generator))
    return np.concatenate([heads, np.array(tails, dtype=np.int64).reshape(n_seats, n_tail)], axis=1)


def _best_order(
    systems: IntArray,
    last: int,
    follows: IntArray,
    at_position: IntArray,
    generator: np.random.Generator,
) -> IntArray:
    """Order a partial block by what is rarest so far; both counts are updated."""
    n_systems = follows.shape[0]
    tried = []
    for _ in range(_TRIED_ORDERS):
        order = generator.permutation(systems)
        places = at_position[np.arange(len(order)), order].sum()
        pairs = _pairs(order, last)
        repeats = sum(before == after for before, after in pairs)
        carried = sum(int(follows[pair]) for pair in pairs)
        tried.append(((n_systems > 2 and repeats, int(places) + carried), order))
    order = min(tried, key=lambda scored: scored[0])[1]
    at_position[np.arange(len(order)), order] += 1
    for pair in _pairs(order, last):
        follows[pair] += 1
    return order


def _pairs(order: IntArray, last: int) -> list[tuple[int, int]]:
    chain = [int(system) for system in order]
    return list(zip(([last] if last >= 0 else []) + chain, chain[last < 0 :], strict=False))


def _follow_counts(sequences: IntArray, n_systems: int) -> IntArray:
    """Count matrix (system, next system)."""
    counts = np.zeros((n_systems, n_systems), dtype=np.int64)
    np.add.at(counts, (sequences[:, :-1].ravel(), sequences[:, 1:].ravel()), 1)
    return counts


def _position_counts(sequences: IntArray, n_systems: int) -> IntArray:
    """Count matrix (position, system)."""
    counts = np.zeros((sequences.shape[1], n_systems), dtype=np.int64)
    for position, column in enumerate(sequences.T):
        counts[position] = np.bincount(column, minlength=n_systems)
    return counts


def _unevenness(sequences: IntArray, n_systems: int) -> tuple[int, int, int]:
    """Spread of position counts, spread of carry-over, and its sum of squares."""
    positions = _position_counts(sequences, n_systems)
    follows = _follow_counts(sequences, n_systems)
    others = follows[~np.eye(n_systems, dtype=bool)]
    if not others.size:
        return 0, 0, 0
    return int(np.ptp(positions, axis=1).max()), int(np.ptp(others)), int((follows**2).sum())
