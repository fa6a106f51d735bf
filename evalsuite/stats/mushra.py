"""MUSHRA (ITU-R BS.1534-3): hidden reference and anchors on a scale of 0 to 100."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import combinations

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from evalsuite.errors import UnknownName
from evalsuite.stats.holm import holm
from evalsuite.stats.scale_use import listener_by_system
from evalsuite.stats.scores import ScoreTable
from evalsuite.stats.screening import ScreeningResult

__all__ = ["MushraSummary", "MushraTests", "mushra_screening", "mushra_summary", "mushra_tests"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MushraSummary:
    """Of one system: median and quartiles over all ratings, by linear interpolation (type 7)."""

    system: str
    median: float
    lower_quartile: float
    upper_quartile: float
    n: int


@dataclass(frozen=True, eq=False)
class MushraTests:
    """Over listeners' medians.

    Parameters
    ----------
    friedman_p : all systems alike; NaN for fewer than three systems or two listeners.
    pairs : system numbers; p, p_holm : Wilcoxon's signed-rank test of each, and adjusted.
    n_listeners : who rated every system.
    """

    friedman_p: float
    pairs: tuple[tuple[int, int], ...]
    p: Array
    p_holm: Array
    n_listeners: int


def mushra_screening(
    table: ScoreTable, *, reference: str, mid_anchor: str | None = None, share: float = 0.15
) -> list[ScreeningResult]:
    """Post-screening, BS.1534-3 section 4.1.2 (read at second hand).

    Out goes who rates the hidden reference below 90 on more than 15 % of the items, or the mid
    anchor above 90 on more than 15 %.

    Raises
    ------
    UnknownName if `reference` or `mid_anchor` was not rated.
    """
    _require_systems(table, [name for name in (reference, mid_anchor) if name is not None])
    found = []
    for one in table.systems:
        if one.system == reference:
            rule, bad = "mushra_reference", one.scores < 90
        elif one.system == mid_anchor:
            rule, bad = "mushra_anchor", one.scores > 90
        else:
            continue
        n = np.bincount(one.listeners, minlength=len(table.listeners))
        count = np.bincount(one.listeners, bad, len(table.listeners))
        for name, total, failed in zip(table.listeners, n.tolist(), count.tolist(), strict=True):
            value = failed / total if total else math.nan
            reason = f"{failed:.0f} of {total} ratings of {one.system!r}"
            found.append(ScreeningResult(rule, name, value, share, value > share, reason))
    return found


def _require_systems(table: ScoreTable, names: Sequence[str]) -> None:
    known = [one.system for one in table.systems]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise UnknownName(
                f"no ratings of a system {name!r}",
                wanted=f"one of {', '.join(known)}",
                do=f"write {near[0]!r}" if near else "choose one of them",
            )


def mushra_summary(table: ScoreTable) -> list[MushraSummary]:
    """Median and quartiles of each system."""
    found = []
    for one in table.systems:
        lower, median, upper = np.quantile(one.scores, [0.25, 0.5, 0.75]).tolist()
        found.append(MushraSummary(one.system, median, lower, upper, one.n))
    return found


def mushra_tests(table: ScoreTable) -> MushraTests:
    """Friedman's test over listeners' medians, then all pairs by Wilcoxon, Holm-adjusted."""
    medians = _medians(table)
    complete = medians[~np.isnan(medians).any(axis=1)]
    pairs = tuple(combinations(range(len(table.systems)), 2))
    friedman = math.nan
    if len(complete) > 1 and len(table.systems) > 2 and np.ptp(complete) > 0:
        friedman = float(scipy.stats.friedmanchisquare(*complete.T).pvalue)
    p = np.array([_wilcoxon(complete[:, a] - complete[:, b]) for a, b in pairs])
    return MushraTests(friedman, pairs, p, holm(p), len(complete))


def _medians(table: ScoreTable) -> Array:
    """Median of each listener for each system, NaN where none, shape (listeners, systems)."""
    medians = np.full_like(listener_by_system(table), np.nan)
    for column, one in enumerate(table.systems):
        for listener in np.unique(one.listeners):
            medians[listener, column] = np.median(one.scores[one.listeners == listener])
    return medians


def _wilcoxon(differences: Sequence[float] | Array) -> float:
    values = np.asarray(differences)
    if len(values) < 6 or not values.any():
        return math.nan
    return float(scipy.stats.wilcoxon(values, zero_method="zsplit", method="approx").pvalue)
