"""What the ratings say about the listeners: screening rules, biases and inconsistencies.

*Conventions* Rules and models describe; nothing here changes a rating. What they would change is
computed beside them, so that a reader sees both before anybody is left out.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalsuite.stats.attention import hidden_reference, too_fast
from evalsuite.stats.scores import Codes, ScoreTable
from evalsuite.stats.screening import SCREENING_RULES, ScreeningResult, flat_ratings, screen
from evalsuite.stats.subject_model import fit_subject_model, listener_bias

__all__ = [
    "RULES",
    "AnswerTimes",
    "ListenerModel",
    "RaterModels",
    "largest",
    "rater_models",
    "screen_listeners",
    "would_change",
]

#: Every rule that may be computed and applied; the last two only where the data are known.
RULES = (*SCREENING_RULES, "hidden_reference", "too_fast")


@dataclass(frozen=True, eq=False)
class AnswerTimes:
    """How long answers took, and how long what was rated lasts.

    Parameters
    ----------
    listeners : name behind each answer, shape (n_ratings,).
    answer_s : seconds from the start of the trial to the answer, float64, shape (n_ratings,).
    clip_s : seconds of the sample, float64, shape (n_ratings,); NaN where not known.
    """

    listeners: Sequence[str]
    answer_s: NDArray[np.float64]
    clip_s: NDArray[np.float64]


@dataclass(frozen=True)
class ListenerModel:
    """One listener; NaN where nobody else rated what this listener rated.

    Parameters
    ----------
    listener : name.
    bias : mean difference to the mean score of what was rated, in points (ITU-T P.913, 12.4).
    bias_ml, inconsistency : maximum likelihood, in points (ITU-T P.910, annex E).
    """

    listener: str
    bias: float
    bias_ml: float
    inconsistency: float


@dataclass(frozen=True)
class RaterModels:
    """Listeners with a bias and an inconsistency of their own.

    Parameters
    ----------
    listeners : in the order of their names.
    would_change : ``p913`` (biases taken out) and ``p910`` (maximum likelihood: inconsistent
        listeners count less, every utterance counts once) -> system -> change of its mean, in
        points; NaN where undefined.
    """

    listeners: tuple[ListenerModel, ...]
    would_change: dict[str, dict[str, float]]


def screen_listeners(
    table: ScoreTable,
    *,
    natural: Collection[str] = (),
    times: AnswerTimes | None = None,
    scale: tuple[float, float] = (1.0, 5.0),
) -> list[ScreeningResult]:
    """Apply every rule that the data allow to every listener.

    Parameters
    ----------
    natural : systems that are the recording itself, hidden among the others.
    times : for the rule on answers sooner than the clip lasts.
    scale : a recording should be rated in its upper quarter, from 4 on 1 to 5.
    """
    results = screen(table)
    is_natural = np.isin([one.system for one in table.systems], list(natural))
    if is_natural.any():
        flat = flat_ratings(table)
        low, high = scale
        results += hidden_reference(
            flat.scores, flat.listeners, is_natural[flat.systems], table.listeners,
            at_least=low + 0.75 * (high - low),
        )  # fmt: skip
    if times is not None:
        codes = np.searchsorted(table.listeners, np.asarray(times.listeners, dtype=str))
        results += too_fast(
            times.answer_s, times.clip_s, codes.astype(np.int64), table.listeners
        )  # fmt: skip
    return results


def would_change(
    table: ScoreTable, screening: Sequence[ScreeningResult]
) -> dict[str, dict[str, float]]:
    """Change of each system's mean without the listeners a rule names: rule -> system -> points."""
    found: dict[str, dict[str, float]] = {}
    for rule in dict.fromkeys(one.rule for one in screening if one.would_exclude):
        out = [one.listener for one in screening if one.rule == rule and one.would_exclude]
        codes = np.flatnonzero(np.isin(table.listeners, out))
        found[rule] = {}
        for one in table.systems:
            kept = ~np.isin(one.listeners, codes)
            mean = float(one.scores[kept].mean()) if kept.any() else math.nan
            found[rule][one.system] = mean - one.mean
    return found


def rater_models(table: ScoreTable) -> RaterModels:
    """Estimate each listener's bias and inconsistency, and the means without them.

    A stimulus with one listener says nothing about that listener; listeners with no other, and all
    changes where there is no other at all, are undefined.
    """
    flat = flat_ratings(table)
    shared = _shared_listeners(flat.listeners, flat.stimuli, flat.n_listeners)
    bias = listener_bias(flat.scores, flat.listeners, flat.stimuli)
    model = fit_subject_model(table)
    rows = (
        np.where(shared, values, math.nan) for values in (bias, model.bias, model.inconsistency)
    )
    listeners = tuple(
        ListenerModel(name, *numbers)
        for name, *numbers in zip(table.listeners, *(row.tolist() for row in rows), strict=True)
    )
    n = np.bincount(flat.systems)
    raw = np.bincount(flat.systems, flat.scores) / n
    unbiased = np.bincount(flat.systems, flat.scores - bias[flat.listeners]) / n
    return RaterModels(
        listeners,
        {
            name: _changes(table, means - raw, known=bool(shared.any()))
            for name, means in (("p913", unbiased), ("p910", model.system_means))
        },
    )


def _changes(table: ScoreTable, changes: NDArray[np.float64], *, known: bool) -> dict[str, float]:
    values = changes.tolist() if known else [math.nan] * len(table.systems)
    return {one.system: value for one, value in zip(table.systems, values, strict=True)}


def _shared_listeners(listeners: Codes, stimuli: Codes, n_listeners: int) -> NDArray[np.bool_]:
    """True for who rated at least one stimulus that somebody else rated too."""
    someone = np.zeros(int(stimuli.max()) + 1, dtype=np.int64)
    someone[stimuli] = listeners  # any one of each stimulus: who differs from them is another
    several = np.bincount(stimuli, listeners != someone[stimuli]) > 0
    return np.bincount(listeners, several[stimuli], n_listeners) > 0


def largest(changes: Mapping[str, float]) -> tuple[str, float]:
    """The system whose mean changes most, and by how much; empty and NaN if none is known."""
    known = {name: value for name, value in changes.items() if not math.isnan(value)}
    most = max(known, key=lambda name: abs(known[name]), default="")
    return most, known.get(most, math.nan)
