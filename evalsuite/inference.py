"""What a rating table says beyond means: who differs from whom, and how far listeners agree.

*Conventions* Everything here describes; nothing is removed from the ratings. Screening names
listeners and says what would change without them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from evalsuite.stats.comparison import Comparison
from evalsuite.stats.comparisons import (
    COMPARISONS,
    DEFAULT_COMPARISON,
    compare,
    pairs_of,
    significance_letters,
)
from evalsuite.stats.components import variance_components
from evalsuite.stats.effects import EffectSize, effect_size
from evalsuite.stats.reliability import Reliability, reliability
from evalsuite.stats.scale_use import sos_parameter
from evalsuite.stats.scores import ScoreTable, score_table
from evalsuite.stats.screening import ScreeningResult, flat_ratings, screen

__all__ = ["Inference", "infer", "inference_json", "without_listeners"]

#: Significance of comparisons and letters.
ALPHA = 0.05
# What the default comparison is checked against in every report.
_SECOND_OPINION, _ORDINAL = "wilcoxon", "ordinal"
# The parameter scatters with fewer stimuli than this.
_UNLIKELY_SOS, _MANY_STIMULI = 0.45, 20


@dataclass(frozen=True)
class Inference:
    """Comparisons, screening and reliability of one rating table.

    Parameters
    ----------
    method : of the comparisons.
    comparisons : all pairs, the better first, or all against the reference; adjusted after Holm.
    effects : effect size of each comparison, in the same order.
    letters : system -> letters; empty for comparisons against a reference.
    screening : every rule for every listener.
    without : rule -> system -> change of its mean if the listeners it names were left out; only
        rules that name somebody.
    reliability : agreement of the listeners.
    components : system -> standard deviations of listener, utterance and residual, by moments;
        NaN where they cannot be told apart.
    sos : the SOS parameter; NaN where undefined.
    warnings : disagreement of the methods, warnings of a method, implausible data.
    """

    method: str
    comparisons: tuple[Comparison, ...]
    effects: tuple[EffectSize, ...]
    letters: dict[str, str]
    screening: tuple[ScreeningResult, ...]
    without: dict[str, dict[str, float]]
    reliability: Reliability
    components: dict[str, dict[str, float]]
    sos: float
    warnings: tuple[str, ...]

    @property
    def named(self) -> dict[str, list[str]]:
        """Rule -> listeners it would leave out; only rules that name somebody."""
        found: dict[str, list[str]] = {}
        for one in self.screening:
            if one.would_exclude:
                found.setdefault(one.rule, []).append(one.listener)
        return found


def infer(
    table: ScoreTable,
    *,
    method: str = DEFAULT_COMPARISON,
    reference: str | None = None,
    confidence: float = 0.95,
    scale: tuple[float, float] = (1.0, 5.0),
) -> Inference:
    """Compute everything.

    Parameters
    ----------
    method : a name of `evalsuite.stats.comparisons.COMPARISONS`.
    reference : compare all others with this system instead of all pairs.

    Raises
    ------
    UnknownName for a method or a system that is not there.
    """
    pairs = pairs_of(table, reference)
    comparisons = compare(table, pairs, method, confidence=confidence)
    order = sorted(table.systems, key=lambda one: (-one.mean, one.system))
    letters = {}
    if reference is None:
        letters = significance_letters([one.system for one in order], comparisons, alpha=ALPHA)
    screening = screen(table)
    return Inference(
        method=method,
        comparisons=tuple(comparisons),
        effects=tuple(effect_size(table.systems[a], table.systems[b]) for a, b in pairs),
        letters=letters,
        screening=tuple(screening),
        without=_what_would_change(table, screening),
        reliability=reliability(table),
        components={one.system: _components(one) for one in table.systems},
        sos=sos_parameter(table, scale=scale),
        warnings=tuple(_warnings(table, pairs, comparisons, method, scale)),
    )


def without_listeners(table: ScoreTable, listeners: Sequence[str]) -> ScoreTable:
    """Leave out all ratings of some listeners; systems that nobody else rated disappear."""
    codes = np.flatnonzero(np.isin(table.listeners, list(listeners)))
    columns: list[tuple[str, str, str, float]] = []
    for one in table.systems:
        kept = ~np.isin(one.listeners, codes)
        columns += [
            (one.system, table.listeners[listener], table.utterances[utterance], score)
            for listener, utterance, score in zip(
                one.listeners[kept], one.utterances[kept], one.scores[kept].tolist(), strict=True
            )
        ]
    return score_table(*zip(*columns, strict=True)) if columns else ScoreTable((), (), ())


def _what_would_change(
    table: ScoreTable, screening: Sequence[ScreeningResult]
) -> dict[str, dict[str, float]]:
    """Change of each system's mean without the listeners a rule names."""
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


def _components(one: Any) -> dict[str, float]:
    parts = variance_components(one) if one.n > 2 else None
    names = ("listener", "utterance", "residual")
    if parts is None:
        return dict.fromkeys(names, math.nan)
    return {name: math.sqrt(getattr(parts, name)) for name in names}


def _warnings(
    table: ScoreTable,
    pairs: Sequence[tuple[int, int]],
    comparisons: Sequence[Comparison],
    method: str,
    scale: tuple[float, float],
) -> list[str]:
    warnings = []
    if COMPARISONS[method].warning:
        warnings.append(f"{method}: {COMPARISONS[method].warning}")
    for other in (_SECOND_OPINION, _ORDINAL):
        if other != method:
            warnings += _disagreements(comparisons, compare(table, pairs, other))
    sos = sos_parameter(table, scale=scale)
    if sos > _UNLIKELY_SOS and len(np.unique(flat_ratings(table).stimuli)) >= _MANY_STIMULI:
        warnings.append(
            f"ratings of the same stimulus differ more than is usual (SOS parameter {sos:.2f}; "
            "listening tests lie at .18 to .38): check instructions, scale and listeners"
        )
    return warnings


def _disagreements(ours: Sequence[Comparison], theirs: Sequence[Comparison]) -> list[str]:
    """Pairs that a second method judges otherwise, or puts in the other order."""
    found = []
    for one, other in zip(ours, theirs, strict=True):
        if math.isnan(one.p_holm) or math.isnan(other.p_holm):
            continue
        # The signed-rank test has a smallest p; where even that is not enough it has no opinion.
        if other.method == "wilcoxon" and len(theirs) * 2.0 ** (1 - other.n_units) >= ALPHA:
            continue
        if (one.p_holm < ALPHA) != (other.p_holm < ALPHA):
            found.append(
                f"{one.a} and {one.b}: {one.method} gives p = {one.p_holm:.2g}, "
                f"{other.method} {other.p_holm:.2g}, both after Holm"
            )
        elif one.p_holm < ALPHA and one.difference * other.difference < 0:
            found.append(f"{one.a} and {one.b}: {other.method} puts them in the other order")
    return found


def inference_json(inference: Inference) -> dict[str, Any]:
    """Return the keys that `analyze --json` adds; NaN becomes null, beside a reason."""
    return {
        "comparisons": [
            _clean(asdict(one))
            | {"low": _finite(one.low), "high": _finite(one.high)}
            | {"effect": _clean(asdict(effect))}
            for one, effect in zip(inference.comparisons, inference.effects, strict=True)
        ],
        "letters": inference.letters,
        "screening": [_clean(asdict(one)) for one in inference.screening],
        "screening_would_change": {
            rule: _clean(changes) for rule, changes in inference.without.items()
        },
        "reliability": _clean(asdict(inference.reliability)),
        "components": {name: _clean(parts) for name, parts in inference.components.items()},
        "sos_parameter": _finite(inference.sos),
    }


def _clean(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _clean(value) if isinstance(value, dict) else _finite(value)
        for key, value in values.items()
    }


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
