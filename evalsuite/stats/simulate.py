"""Listening tests with known truth: for planning, and to measure what statistics are worth.

``score = clip(round(mean of the system + listener + utterance + listener:system
+ utterance:system + noise), lowest, highest)``, all effects normal. The default deviations are
assumptions of the size that listening tests show. Nothing simulated is evidence about a system.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from evalsuite.stats.scores import Codes, Scores, ScoreTable, score_table

__all__ = [
    "Cells",
    "Effects",
    "ListenerKind",
    "crossed_cells",
    "latin_cells",
    "named_table",
    "random_cells",
    "rotated_cells",
    "simulate_scores",
    "simulate_table",
    "true_mean",
]

ListenerKind = Literal["careful", "random", "middle", "generous", "reversed"]


@dataclass(frozen=True)
class Effects:
    """Standard deviations, in points of the scale."""

    listener: float = 0.5
    utterance: float = 0.3
    listener_system: float = 0.25
    utterance_system: float = 0.20
    noise: float = 0.7

    @property
    def total(self) -> float:
        """Standard deviation of one latent score."""
        parts = (
            self.listener, self.utterance, self.listener_system, self.utterance_system, self.noise
        )  # fmt: skip
        return float(np.sqrt(np.square(parts).sum()))


@dataclass(frozen=True, eq=False)
class Cells:
    """Who rates what: int64 codes, shape (n_ratings,) each."""

    listeners: Codes
    systems: Codes
    utterances: Codes


def crossed_cells(n_listeners: int, n_systems: int, n_utterances: int) -> Cells:
    """Every listener rates every utterance of every system."""
    grid = np.indices((n_listeners, n_systems, n_utterances)).reshape(3, -1)
    return Cells(*grid.astype(np.int64))


def rotated_cells(
    n_listeners: int, n_systems: int, n_utterances: int, n_utterances_each: int
) -> Cells:
    """Every listener rates some utterances, each of every system, the next listener the next."""
    listeners, places, systems = (
        np.indices((n_listeners, n_utterances_each, n_systems)).reshape(3, -1).astype(np.int64)
    )
    return Cells(listeners, systems, (listeners * n_utterances_each + places) % n_utterances)


def latin_cells(
    n_listeners: int, n_systems: int, n_utterances: int, n_heard: int | None = None
) -> Cells:
    """Every listener rates `n_heard` utterances once each, the system turning with both."""
    n_heard = n_heard or n_utterances
    listeners, places = np.indices((n_listeners, n_heard)).reshape(2, -1).astype(np.int64)
    utterances = (listeners + places) % n_utterances
    return Cells(listeners, (listeners + utterances) % n_systems, utterances)


def random_cells(
    n_listeners: int, n_systems: int, n_utterances: int, n_ratings_each: int, *, seed: int
) -> Cells:
    """Every listener rates `n_ratings_each` stimuli drawn at random, none twice."""
    random = np.random.default_rng(seed)
    pool = n_systems * n_utterances
    drawn = np.concatenate(
        [random.choice(pool, n_ratings_each, replace=False) for _ in range(n_listeners)]
    )
    listeners = np.repeat(np.arange(n_listeners), n_ratings_each).astype(np.int64)
    return Cells(listeners, drawn // n_utterances, drawn % n_utterances)


def simulate_scores(
    cells: Cells,
    means: Sequence[float],
    *,
    seed: int,
    effects: Effects | None = None,
    scale: tuple[int, int] = (1, 5),
    kinds: Mapping[int, ListenerKind] | None = None,
) -> Scores:
    """Draw the scores of a listening test, float64, shape (n_ratings,).

    Parameters
    ----------
    means : latent mean of each system; `true_mean` gives the mean of the scores.
    scale : lowest and highest score, whole numbers.
    kinds : listeners who are not ``careful``: ``random`` answers at random, ``middle`` always
        gives the middle, ``generous`` adds two points, ``reversed`` takes 1 for the best.
    """
    sd, random = effects or Effects(), np.random.default_rng(seed)
    n_listeners, n_systems, n_utterances = (
        int(codes.max()) + 1 for codes in (cells.listeners, cells.systems, cells.utterances)
    )
    latent = (
        np.asarray(means, np.float64)[cells.systems]
        + random.normal(0, sd.listener, n_listeners)[cells.listeners]
        + random.normal(0, sd.utterance, n_utterances)[cells.utterances]
        + random.normal(0, sd.listener_system, (n_listeners, n_systems))[
            cells.listeners, cells.systems
        ]
        + random.normal(0, sd.utterance_system, (n_utterances, n_systems))[
            cells.utterances, cells.systems
        ]
        + random.normal(0, sd.noise, len(cells.systems))
    )
    for listener, kind in sorted((kinds or {}).items()):
        own = cells.listeners == listener
        latent[own] = _answers(latent[own], kind, scale, random)
    scores: Scores = np.clip(np.rint(latent), *scale)
    return scores


def simulate_table(
    cells: Cells,
    means: Sequence[float],
    *,
    seed: int,
    effects: Effects | None = None,
    scale: tuple[int, int] = (1, 5),
    kinds: Mapping[int, ListenerKind] | None = None,
) -> ScoreTable:
    """Simulate and code a test; systems, listeners and utterances are named by their number."""
    scores = simulate_scores(cells, means, seed=seed, effects=effects, scale=scale, kinds=kinds)
    return named_table(cells, scores)


def named_table(cells: Cells, scores: Scores, kept: NDArray[np.bool_] | None = None) -> ScoreTable:
    """Code simulated scores, or those that are `kept`; names are numbers."""
    # Of equal width, so that sorting by name is sorting by number.
    systems, listeners, utterances = (
        np.char.zfill((codes if kept is None else codes[kept]).astype(str), 6)
        for codes in (cells.systems, cells.listeners, cells.utterances)
    )
    return score_table(systems, listeners, utterances, scores if kept is None else scores[kept])


def true_mean(
    mean: float, *, effects: Effects | None = None, scale: tuple[int, int] = (1, 5)
) -> float:
    """Mean score over all listeners and utterances of a system with this latent mean, exactly.

    Rounding and the ends of the scale move it: ``sum of k P(k)`` with the normal distribution of
    the latent score.

    >>> round(true_mean(3.6), 3)
    3.575
    """
    low, high = scale
    edges = np.arange(low, high) + 0.5
    above = 1 - ndtr((edges - mean) / (effects or Effects()).total)
    return float(low + above.sum())


def _answers(
    latent: NDArray[np.float64],
    kind: ListenerKind,
    scale: tuple[int, int],
    random: np.random.Generator,
) -> NDArray[np.float64]:
    low, high = scale
    if kind == "random":
        return random.integers(low, high, len(latent), endpoint=True).astype(np.float64)
    if kind == "middle":
        return np.full(len(latent), (low + high) / 2)
    if kind == "generous":
        return latent + 2
    return low + high - latent if kind == "reversed" else latent
