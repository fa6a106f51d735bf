"""Screening by behaviour: hidden references, repeated trials, trap trials, time.

Like every rule of `evalsuite.stats.screening` these name listeners and remove nobody.
"""

import math

import numpy as np
from numpy.typing import NDArray

from evalsuite.stats.scores import Codes, Scores
from evalsuite.stats.screening import ScreeningResult

__all__ = ["hidden_reference", "repeated_trials", "too_fast", "trap_trials"]

Flags = NDArray[np.bool_]


def hidden_reference(
    scores: Scores,
    listeners: Codes,
    is_reference: Flags,
    names: tuple[str, ...],
    *,
    at_least: float = 4.0,
    share: float = 0.15,
) -> list[ScreeningResult]:
    """Natural speech rated below `at_least` on more than `share` of its trials."""
    low = scores < at_least
    return _by_share(
        "hidden_reference", low[is_reference], listeners[is_reference], names, share,
        f"of the natural recordings rated below {at_least:g}",
    )  # fmt: skip


def trap_trials(
    correct: Flags, listeners: Codes, names: tuple[str, ...], *, share: float = 0.0
) -> list[ScreeningResult]:
    """More than `share` of the trials with a known answer answered otherwise.

    Parameters
    ----------
    correct, listeners : of the trap trials alone.
    """
    return _by_share("trap_trials", ~correct, listeners, names, share, "of the traps missed")


def repeated_trials(
    first: Scores,
    second: Scores,
    listeners: Codes,
    names: tuple[str, ...],
    *,
    tolerance: float = 1.0,
    share: float = 0.5,
) -> list[ScreeningResult]:
    """Two answers to the same stimulus more than `tolerance` apart, in over `share` of repeats."""
    apart = np.abs(first - second) > tolerance
    return _by_share(
        "repeated_trials", apart, listeners, names, share,
        f"of the repeats answered over {tolerance:g} apart",
    )  # fmt: skip


def too_fast(
    seconds: NDArray[np.float64],
    clip_seconds: NDArray[np.float64],
    listeners: Codes,
    names: tuple[str, ...],
    *,
    share: float = 0.0,
) -> list[ScreeningResult]:
    """Answers that came sooner than the clip lasts; NaN times take no part."""
    known = ~np.isnan(seconds) & ~np.isnan(clip_seconds)
    fast = seconds[known] < clip_seconds[known]
    return _by_share(
        "too_fast", fast, listeners[known], names, share, "of the answers sooner than the clip"
    )


def _by_share(
    rule: str, bad: Flags, listeners: Codes, names: tuple[str, ...], limit: float, what: str
) -> list[ScreeningResult]:
    n = np.bincount(listeners, minlength=len(names))
    count = np.bincount(listeners, bad, len(names))
    results = []
    for name, total, failed in zip(names, n.tolist(), count.tolist(), strict=True):
        value = failed / total if total else math.nan
        reason = f"{100 * value:.0f} % {what}" if total else "no such trials"
        results.append(ScreeningResult(rule, name, value, limit, value > limit, reason))
    return results
