"""What every statistic reads: scores with the listener and the utterance behind each of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Codes", "ScoreTable", "SystemScores", "score_table"]

Codes = NDArray[np.int64]
Scores = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SystemScores:
    """All scores of one system.

    Parameters
    ----------
    system : its name.
    scores : float64, shape (n_ratings,).
    listeners, utterances : int64, shape (n_ratings,); who rated what, as codes from 0.
    """

    system: str
    scores: Scores
    listeners: Codes
    utterances: Codes

    @property
    def n(self) -> int:
        """Number of ratings."""
        return len(self.scores)

    @property
    def n_listeners(self) -> int:
        """Number of listeners who rated this system."""
        return int(np.count_nonzero(np.bincount(self.listeners)))

    @property
    def n_utterances(self) -> int:
        """Number of utterances of this system that were rated."""
        return int(np.count_nonzero(np.bincount(self.utterances)))

    @property
    def mean(self) -> float:
        """Mean opinion score: the unweighted mean of all ratings."""
        return float(self.scores.mean())

    @property
    def constant(self) -> bool:
        """True if all scores are equal."""
        return bool(np.ptp(self.scores) == 0.0)


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """The scores of all systems; listener and utterance codes are shared between systems.

    Parameters
    ----------
    systems : one entry a system, sorted by name.
    listeners, utterances : the names behind the codes, sorted.
    """

    systems: tuple[SystemScores, ...]
    listeners: tuple[str, ...]
    utterances: tuple[str, ...]


def score_table(
    systems: Sequence[str] | Any,
    listeners: Sequence[str] | Any,
    utterances: Sequence[str] | Any,
    scores: Sequence[float] | Any,
) -> ScoreTable:
    """Code the names and split by system.

    Rows are put into (system, listener, utterance) order first, so that floating-point sums, and
    with them every printed digit, do not depend on the order of the input.

    Parameters
    ----------
    systems, listeners, utterances : names, shape (n_ratings,); lists, arrays or pandas series.
    scores : numbers, shape (n_ratings,).

    >>> table = score_table(["b", "a", "a"], ["x", "y", "x"], ["1", "1", "1"], [3, 5, 4])
    >>> [(one.system, one.scores.tolist(), one.n_listeners) for one in table.systems]
    [('a', [4.0, 5.0], 2), ('b', [3.0], 1)]
    """
    system_codes, system_names = _coded(systems)
    listener_codes, listener_names = _coded(listeners)
    utterance_codes, utterance_names = _coded(utterances)
    values = np.asarray(scores, dtype=np.float64)
    # One integer per row sorts faster than three keys; the score breaks ties between duplicates.
    key = (system_codes * len(listener_names) + listener_codes) * len(utterance_names)
    order = np.lexsort((values, key + utterance_codes))
    bounds = np.searchsorted(system_codes[order], np.arange(1, len(system_names)))
    return ScoreTable(
        systems=tuple(
            SystemScores(name, values[rows], listener_codes[rows], utterance_codes[rows])
            for name, rows in zip(system_names, np.split(order, bounds), strict=True)
        ),
        listeners=tuple(listener_names),
        utterances=tuple(utterance_names),
    )


def _coded(names: Any) -> tuple[Codes, list[str]]:
    """Codes of sorted names; pandas hashes, which is many times faster than sorting strings."""
    import pandas as pd

    codes, found = pd.factorize(np.asarray(names, dtype=object), sort=True)
    return codes.astype(np.int64), [str(name) for name in found]
