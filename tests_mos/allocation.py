"""Which utterance each listener hears from which system: equal cells, no repeats.

Method
------
Seats and systems are the two sides of a bipartite graph, each trial an edge, each utterance a
colour. Wanted is a colouring in which every two colours differ by at most one at every seat
(nobody hears an utterance twice while others are unheard), at every system (equal cells) and in
total. It always exists (de Werra 1971) and is found by its own proof: take two colours that differ
too much somewhere, walk their edges in closed trails and colour each trail alternately. That
halves the two colours evenly at every node, so the sum of squared counts falls with every step.

A seat that would hear the same stimulus twice is kept from it: where both colours already join the
same seat and system, these two edges stay as they are, which changes no balance.
"""

from collections.abc import Iterator

import numpy as np

from tests_mos.placement import place_utterances
from tests_mos.sequences import IntArray

__all__ = ["assign_utterances"]


def assign_utterances(
    systems: IntArray, n_systems: int, n_utterances: int, generator: np.random.Generator
) -> IntArray:
    """Utterance of each trial, for given systems; both of shape (n_seats, n_trials).

    Parameters
    ----------
    systems : each seat hears each system equally often, give or take one.
    """
    n_seats, n_trials = systems.shape
    # Once a listener has heard every stimulus, the count of repeats starts anew.
    period = n_systems * n_utterances
    rows = np.arange(n_seats)[:, None] * (n_trials // period + 1) + np.arange(n_trials) // period
    rows = np.unique(rows, return_inverse=True)[1].reshape(systems.shape)
    graph = _Colouring(rows.ravel(), systems.ravel(), n_utterances, generator)
    graph.balance()
    colours = graph.colours.reshape(systems.shape)
    return place_utterances(systems, rows, colours, n_utterances, generator)


class _Colouring:
    """Edges between rows (a seat's trials) and systems, coloured by utterance."""

    def __init__(
        self, rows: IntArray, systems: IntArray, n_colours: int, generator: np.random.Generator
    ) -> None:
        self.rows, self.systems, self.n_colours = rows, systems, n_colours
        self.n_rows, self.n_systems = int(rows.max()) + 1, int(systems.max()) + 1
        self._generator = generator
        self.colours = self._first_guess()

    def _first_guess(self) -> IntArray:
        """Seat by seat the rarest utterances; nearly balanced, so that little is left to mend."""
        colours = np.empty_like(self.rows)
        cells = np.zeros((self.n_systems, self.n_colours))
        order = np.lexsort((self.systems, self.rows))
        keys = self.rows[order] * self.n_systems + self.systems[order]
        bundles = np.split(order, np.flatnonzero(np.diff(keys)) + 1)
        row, heard = -1, np.zeros(self.n_colours)
        for bundle in bundles:  # the trials of one seat and system
            if self.rows[bundle[0]] != row:
                row, heard = int(self.rows[bundle[0]]), np.zeros(self.n_colours)
            system = self.systems[bundle[0]]
            rank = np.lexsort(
                (self._generator.random(self.n_colours), cells.sum(axis=0), cells[system], heard)
            )
            chosen = rank[: len(bundle)]
            colours[bundle] = chosen
            heard[chosen] += 1
            cells[system, chosen] += 1
        return colours

    def balance(self) -> None:
        """Split pairs of colours until every count is within one of every other."""
        while (pair := self._worst_pair()) is not None:
            self._split(*pair)

    def _worst_pair(self) -> tuple[int, int] | None:
        for nodes, n_nodes in (
            (self.rows, self.n_rows),
            (self.systems, self.n_systems),
            (np.zeros_like(self.rows), 1),
        ):
            counts = np.bincount(
                nodes * self.n_colours + self.colours, minlength=n_nodes * self.n_colours
            ).reshape(n_nodes, self.n_colours)
            spread = counts.max(axis=1) - counts.min(axis=1)
            worst = counts[int(spread.argmax())]
            if spread.max() > 1:
                return self._any_of(worst == worst.max()), self._any_of(worst == worst.min())
        return None

    def _any_of(self, where: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]") -> int:
        return int(self._generator.choice(np.flatnonzero(where)))

    def _split(self, one: int, other: int) -> None:
        """Colour the edges of two colours anew, evenly at every node."""
        edges = np.flatnonzero((self.colours == one) | (self.colours == other))
        keys = self.rows[edges] * self.n_systems + self.systems[edges]
        _, first, count = np.unique(keys, return_index=True, return_counts=True)
        edges = edges[first[count == 1]]
        ends = list(zip(self.rows[edges], self.n_rows + self.systems[edges], strict=True))
        n_real = len(ends)
        ends += _make_even(ends, self.n_rows + self.n_systems)
        for trail in _closed_trails(ends):
            for step, edge in enumerate(trail):
                if edge < n_real:
                    self.colours[edges[edge]] = one if step % 2 == 0 else other


def _make_even(ends: list[tuple[int, int]], n_nodes: int) -> list[tuple[int, int]]:
    """Edges to two extra nodes, one a side, after which every node has an even degree."""
    left_extra, right_extra = n_nodes, n_nodes + 1
    odd_left: set[int] = set()
    odd_right: set[int] = set()
    for left, right in ends:
        odd_left ^= {left}
        odd_right ^= {right}
    extra = [(left, right_extra) for left in sorted(odd_left)]
    extra += [(left_extra, right) for right in sorted(odd_right)]
    if len(odd_left) % 2:
        extra.append((left_extra, right_extra))
    return extra


def _closed_trails(ends: list[tuple[int, int]]) -> Iterator[list[int]]:
    """Split a graph of even degrees into closed trails; edges by index."""
    at_node: dict[int, list[int]] = {}
    for edge, (left, right) in enumerate(ends):
        at_node.setdefault(left, []).append(edge)
        at_node.setdefault(right, []).append(edge)
    is_used = [False] * len(ends)
    for start in range(len(ends)):
        trail: list[int] = []
        node, edge = ends[start][0], start
        while not is_used[edge]:
            is_used[edge] = True
            trail.append(edge)
            node = sum(ends[edge]) - node
            while at_node[node] and is_used[at_node[node][-1]]:
                at_node[node].pop()
            if at_node[node]:
                edge = at_node[node][-1]
        if trail:
            yield trail
