"""Who may not have listened: rules from the literature, always computed, applied only when asked.

A rule names listeners; it removes nothing. Removing listeners after seeing their scores changes
results, so tables say who would go and what would change, and the experimenter decides.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalsuite.stats.scores import Codes, Scores, ScoreTable

__all__ = ["SCREENING_RULES", "FlatRatings", "ScreeningResult", "flat_ratings", "screen"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ScreeningResult:
    """One rule applied to one listener.

    Parameters
    ----------
    rule, listener : names.
    value, threshold : what was measured, and where the rule cuts; NaN where undefined.
    would_exclude : what the rule says.
    reason : in words.
    """

    rule: str
    listener: str
    value: float
    threshold: float
    would_exclude: bool
    reason: str


@dataclass(frozen=True, eq=False)
class FlatRatings:
    """All ratings in one column each; a stimulus is an utterance of a system."""

    scores: Scores
    listeners: Codes
    systems: Codes
    stimuli: Codes
    n_listeners: int


def flat_ratings(table: ScoreTable) -> FlatRatings:
    """Put the ratings of all systems below each other."""
    systems = np.repeat(np.arange(len(table.systems)), [one.n for one in table.systems])
    utterances = np.concatenate([one.utterances for one in table.systems])
    _, stimuli = np.unique(systems * len(table.utterances) + utterances, return_inverse=True)
    return FlatRatings(
        np.concatenate([one.scores for one in table.systems]),
        np.concatenate([one.listeners for one in table.systems]),
        systems.astype(np.int64),
        stimuli.astype(np.int64),
        len(table.listeners),
    )


def screen(table: ScoreTable, rules: tuple[str, ...] | None = None) -> list[ScreeningResult]:
    """Apply rules (default: all of `SCREENING_RULES`) to every listener, in the order of names."""
    flat = flat_ratings(table)
    return [
        result
        for rule in (rules or tuple(SCREENING_RULES))
        for result in SCREENING_RULES[rule](flat, table.listeners)
    ]


def _crowdmos(flat: FlatRatings, names: tuple[str, ...]) -> list[ScreeningResult]:
    """Correlation with the mean of the others below .25 (Ribeiro et al. 2011; recalled).

    The mean of two Pearson correlations: over stimuli, and over systems.
    """
    by_stimulus = _leave_one_out_correlation(flat, flat.stimuli)
    by_system = _leave_one_out_correlation(flat, flat.systems)
    both = np.stack([by_stimulus, by_system])
    defined = ~np.isnan(both)
    counts = defined.sum(axis=0)
    values = np.where(
        counts > 0, np.where(defined, both, 0).sum(axis=0) / np.maximum(counts, 1), math.nan
    )
    return [
        ScreeningResult(
            "crowdmos_correlation", name, float(value), 0.25, bool(value < 0.25),
            "undefined: fewer than two points, or no spread" if math.isnan(value)
            else f"correlation with the others {value:.2f}",
        )
        for name, value in zip(names, values, strict=True)
    ]  # fmt: skip


def _leave_one_out_correlation(flat: FlatRatings, groups: Codes) -> Array:
    """Pearson r of each listener's means per group with the means of all others."""
    n_groups = int(groups.max()) + 1
    cells, cell_of = np.unique(flat.listeners * n_groups + groups, return_inverse=True)
    own_n = np.bincount(cell_of)
    own_sum = np.bincount(cell_of, flat.scores)
    listener, group = cells // n_groups, cells % n_groups
    other_n = np.bincount(groups)[group] - own_n
    usable = other_n > 0
    others = np.bincount(groups, flat.scores)[group] - own_sum
    x, y = (own_sum / own_n)[usable], others[usable] / other_n[usable]
    return _correlation(x, y, listener[usable], flat.n_listeners)


def _correlation(x: Array, y: Array, groups: Codes, n_groups: int) -> Array:
    """Pearson r within each group; NaN for fewer than two points or no spread."""
    n = np.bincount(groups, minlength=n_groups).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        x = x - (np.bincount(groups, x, n_groups) / n)[groups]
        y = y - (np.bincount(groups, y, n_groups) / n)[groups]
        xx, yy, xy = (np.bincount(groups, v, n_groups) for v in (x * x, y * y, x * y))
        tiny = 1e-12 * n
        r: Array = np.where((xx > tiny) & (yy > tiny) & (n > 1), xy / np.sqrt(xx * yy), math.nan)
    return r


def _outlying(flat: FlatRatings, names: tuple[str, ...]) -> list[ScreeningResult]:
    """More than 5 % of ratings with |z| > 3 within their system."""
    means = np.bincount(flat.systems, flat.scores) / np.bincount(flat.systems)
    residuals = flat.scores - means[flat.systems]
    n = np.bincount(flat.systems)
    sd = np.sqrt(np.bincount(flat.systems, residuals**2) / np.maximum(n - 1, 1))
    far = np.abs(residuals) > 3 * np.where(sd > 0, sd, math.inf)[flat.systems]
    count = np.bincount(flat.listeners, minlength=flat.n_listeners)
    share = np.bincount(flat.listeners, far, flat.n_listeners) / count
    return [
        ScreeningResult(
            "outlying_ratings", name, float(value), 0.05, bool(value > 0.05),
            f"{100 * value:.1f} % of the ratings are over 3 standard deviations from their system",
        )
        for name, value in zip(names, share, strict=True)
    ]  # fmt: skip


def _bt500(flat: FlatRatings, names: tuple[str, ...], *, ddof: int) -> list[ScreeningResult]:
    """ITU-R BT.500: count ratings far above (P) and far below (Q) their stimulus's mean.

    Far is 2 standard deviations where the kurtosis of the stimulus lies in 2 to 4, else sqrt(20).
    Out goes who has (P + Q) / n > .05 and |P - Q| / (P + Q) < .3. The recommendation divides the
    variance by n - 1, a widespread implementation (sureal) by n: they do not always agree.
    """
    n = np.bincount(flat.stimuli).astype(np.float64)
    mean = np.bincount(flat.stimuli, flat.scores) / n
    residual = flat.scores - mean[flat.stimuli]
    second = np.bincount(flat.stimuli, residual**2) / n
    fourth = np.bincount(flat.stimuli, residual**4) / n
    with np.errstate(invalid="ignore", divide="ignore"):
        kurtosis = fourth / second**2
        sd = np.sqrt(second * n / (n - ddof))
    reach = np.where((kurtosis >= 2) & (kurtosis <= 4), 2.0, math.sqrt(20)) * sd
    usable = (second[flat.stimuli] > 0) & (n[flat.stimuli] > 1)
    above = usable & (residual >= reach[flat.stimuli])
    below = usable & (residual <= -reach[flat.stimuli])
    count = np.bincount(flat.listeners, minlength=flat.n_listeners)
    p, q = (np.bincount(flat.listeners, far, flat.n_listeners) for far in (above, below))
    share = (p + q) / count
    # A stimulus that nobody else rated shows no deviation, which is not the same as none.
    comparable = np.bincount(flat.listeners, n[flat.stimuli] > 1, flat.n_listeners) > 0
    rule = "bt500" if ddof else "bt500_population"
    results = []
    for row, name in enumerate(names):
        if not comparable[row]:
            reason = "no stimulus this listener rated was rated by anyone else"
            results.append(ScreeningResult(rule, name, math.nan, 0.05, False, reason))
            continue
        both = p[row] + q[row]
        balance = abs(p[row] - q[row]) / both if both else math.nan
        results.append(
            ScreeningResult(
                rule, name, float(share[row]), 0.05, bool(share[row] > 0.05 and balance < 0.3),
                f"{int(p[row])} ratings far above, {int(q[row])} far below their stimulus",
            )
        )  # fmt: skip
    return results


def _straight_line(flat: FlatRatings, names: tuple[str, ...]) -> list[ScreeningResult]:
    """Always the same score, over at least five ratings."""
    n = np.bincount(flat.listeners, minlength=flat.n_listeners)
    mean = np.bincount(flat.listeners, flat.scores, flat.n_listeners) / n
    squares = np.bincount(
        flat.listeners, (flat.scores - mean[flat.listeners]) ** 2, flat.n_listeners
    )
    sd = np.sqrt(squares / n)
    return [
        ScreeningResult(
            "straight_line", name, float(value), 0.0, bool(count >= 5 and value < 1e-9),
            f"standard deviation {value:.2f} over {count} ratings",
        )
        for name, value, count in zip(names, sd, n, strict=True)
    ]  # fmt: skip


Rule = Callable[[FlatRatings, tuple[str, ...]], list[ScreeningResult]]

#: Rule -> what computes it for every listener. Rules on behaviour (traps, hidden references,
#: time) need more than scores: `evalsuite.stats.attention`.
SCREENING_RULES: dict[str, Rule] = {
    "crowdmos_correlation": _crowdmos,
    "outlying_ratings": _outlying,
    "bt500": lambda flat, names: _bt500(flat, names, ddof=1),
    "bt500_population": lambda flat, names: _bt500(flat, names, ddof=0),
    "straight_line": _straight_line,
}
