"""Compact letters: the two properties that define them, for random results."""

from itertools import combinations

import numpy as np
import pytest

from evalsuite.stats.letters import compact_letters


@pytest.mark.parametrize("seed", range(200))
def test_a_letter_is_shared_exactly_by_pairs_that_do_not_differ(seed: int) -> None:
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 13))
    p = random.uniform(size=(n, n))
    level = random.uniform()
    different = {pair for pair in combinations(range(n), 2) if p[pair] < level}
    letters = [set(text) for text in compact_letters(n, different)]
    assert all(letters)
    for pair in combinations(range(n), 2):
        shares = bool(letters[pair[0]] & letters[pair[1]])
        assert shares == (pair not in different)


def test_known_displays() -> None:
    assert compact_letters(1, []) == ["a"]
    assert compact_letters(3, []) == ["a", "a", "a"]
    assert compact_letters(3, combinations(range(3), 2)) == ["a", "b", "c"]
    # Piepho 2004: a chain in which only the ends differ.
    assert compact_letters(4, [(0, 2), (0, 3), (1, 3)]) == ["a", "ab", "bc", "c"]


def test_order_of_pairs_does_not_matter() -> None:
    pairs = [(0, 3), (1, 3), (0, 2), (4, 1), (2, 4)]
    assert compact_letters(5, pairs) == compact_letters(5, [pair[::-1] for pair in pairs[::-1]])


def test_more_letters_than_the_alphabet_has() -> None:
    n = 30
    letters = compact_letters(n, combinations(range(n), 2))
    assert len(set(letters)) == n
    assert letters[26] == "aa"
