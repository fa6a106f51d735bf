"""Compact letter display: systems that share a letter could not be told apart.

Piepho 2004, "An algorithm for a letter-based representation of all-pairwise comparisons",
J. Comput. Graph. Statist. 13: insert and absorb.
"""

from collections.abc import Iterable, Sequence
from string import ascii_lowercase

__all__ = ["compact_letters"]


def compact_letters(n: int, different: Iterable[tuple[int, int]]) -> list[str]:
    """Give each of `n` systems its letters.

    Two systems share at least one letter exactly if their pair is not in `different`.

    Parameters
    ----------
    n : number of systems, in the order in which letters are handed out (best first).
    different : pairs that differ significantly, in any order.

    Returns
    -------
    One text a system, letters sorted; after z come aa, ab, ..., separated by a dot.

    >>> compact_letters(3, [(0, 2)])
    ['a', 'ab', 'b']
    """
    columns: list[frozenset[int]] = [frozenset(range(n))]
    for first, second in different:
        split: list[frozenset[int]] = []
        for column in columns:
            if first in column and second in column:
                split += [column - {first}, column - {second}]
            else:
                split.append(column)
        columns = _absorb(split)
    columns.sort(key=lambda column: sorted(column))
    names = _letters(len(columns))
    separator = "." if len(columns) > len(ascii_lowercase) else ""
    return [
        separator.join(name for name, column in zip(names, columns, strict=True) if row in column)
        for row in range(n)
    ]


def _absorb(columns: Sequence[frozenset[int]]) -> list[frozenset[int]]:
    """Drop every column that another holds; of equal ones keep the first."""
    kept: list[frozenset[int]] = []
    for column in sorted(columns, key=lambda column: (-len(column), sorted(column))):
        if column and not any(column <= other for other in kept):
            kept.append(column)
    return kept


def _letters(n: int) -> list[str]:
    """Name columns a, b, ..., z, aa, ab, ..."""
    names = list(ascii_lowercase)
    length = 1
    while len(names) < n:
        longest = [name for name in names if len(name) == length]
        names += [start + end for start in longest for end in ascii_lowercase]
        length += 1
    return names[:n]
