"""What a rating table says beyond means: who differs from whom, and how far listeners agree.

*Conventions* Everything here describes; nothing is removed from the ratings. Screening names
listeners and says what would change without them.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from evalsuite.rater_models import (
    AnswerTimes,
    RaterModels,
    rater_models,
    screen_listeners,
    would_change,
)
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
from evalsuite.stats.scores import ScoreTable
from evalsuite.stats.screening import ScreeningResult, flat_ratings

__all__ = ["Inference", "infer", "inference_json"]

#: Significance of comparisons and letters beside 95 % intervals; see `Inference.alpha`.
ALPHA = 0.05
# What the default comparison is checked against in every report.
_SECOND_OPINION, _ORDINAL = "wilcoxon", "ordinal"
# Scores of a slider are no categories, and as many thresholds take minutes to fit.
_MOST_CATEGORIES = 11
# The parameter scatters with fewer stimuli than this.
_UNLIKELY_SOS, _MANY_STIMULI = 0.45, 20


@dataclass(frozen=True)
class Inference:
    """Comparisons, screening and reliability of one rating table.

    Parameters
    ----------
    method : of the comparisons.
    alpha : significance of comparisons and letters: 1 - confidence of the intervals, so that no
        pair differs whose interval holds 0.
    comparisons : all pairs, the better first, or all against the reference; adjusted after Holm.
    effects : effect size of each comparison, in the same order.
    letters : system -> letters; no entry for comparisons against a reference, and empty text for
        a system that was not tested against every other.
    screening : every rule for every listener.
    without : rule -> system -> change of its mean if the listeners it names were left out; only
        rules that name somebody.
    rater_models : each listener's bias and inconsistency, and what taking them out would change.
    reliability : agreement of the listeners.
    components : system -> standard deviations of listener, utterance and residual, by moments;
        NaN where they cannot be told apart.
    sos : the SOS parameter; NaN where undefined.
    warnings : disagreement of the methods, warnings of a method, implausible data.
    """

    method: str
    alpha: float
    comparisons: tuple[Comparison, ...]
    effects: tuple[EffectSize, ...]
    letters: dict[str, str]
    screening: tuple[ScreeningResult, ...]
    without: dict[str, dict[str, float]]
    rater_models: RaterModels
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
    natural: Collection[str] = (),
    times: AnswerTimes | None = None,
) -> Inference:
    """Compute everything.

    Parameters
    ----------
    method : a name of `evalsuite.stats.comparisons.COMPARISONS`.
    reference : compare all others with this system instead of all pairs.
    confidence : of the intervals; what is called different is so at 1 - confidence.
    natural : systems that are the recording itself, for the rule on hidden references.
    times : of the answers, for the rule on answers sooner than the clip.

    Raises
    ------
    UnknownName for a method or a system that is not there.
    """
    pairs = pairs_of(table, reference)
    comparisons = compare(table, pairs, method, confidence=confidence)
    order = sorted(table.systems, key=lambda one: (-one.mean, one.system))
    alpha = round(1 - confidence, 12)  # 1 - .95 is .05 and a rounding error
    letters = {}
    if reference is None:
        letters = _letters([one.system for one in order], comparisons, alpha)
    screening = screen_listeners(table, natural=natural, times=times, scale=scale)
    return Inference(
        method=method,
        alpha=alpha,
        comparisons=tuple(comparisons),
        effects=tuple(effect_size(table.systems[a], table.systems[b]) for a, b in pairs),
        letters=letters,
        screening=tuple(screening),
        without=would_change(table, screening),
        rater_models=rater_models(table),
        reliability=reliability(table),
        components={one.system: _components(one) for one in table.systems},
        sos=sos_parameter(table, scale=scale),
        warnings=tuple(_warnings(table, pairs, comparisons, method, scale, alpha)),
    )


def _letters(
    systems: Sequence[str], comparisons: Sequence[Comparison], alpha: float
) -> dict[str, str]:
    """Letters of the systems that were tested against each other; none for the others.

    A shared letter says that a test did not tell two systems apart, so a pair without a test must
    not share one. Those with most untested pairs lose theirs, until all that are left were tested.
    """
    untested = [{one.a, one.b} for one in comparisons if math.isnan(one.p_holm)]
    tested = list(systems)
    while open_pairs := [pair for pair in untested if pair <= set(tested)]:
        count = {name: sum(name in pair for pair in open_pairs) for name in tested}
        most = max(count.values())
        tested = [name for name in tested if count[name] < most]
    among = [one for one in comparisons if {one.a, one.b} <= set(tested)]
    return dict.fromkeys(systems, "") | significance_letters(tested, among, alpha=alpha)


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
    alpha: float,
) -> list[str]:
    warnings = []
    if COMPARISONS[method].warning:
        warnings.append(f"{method}: {COMPARISONS[method].warning}")
    others = [_SECOND_OPINION]
    if len(np.unique(flat_ratings(table).scores)) <= _MOST_CATEGORIES:
        others.append(_ORDINAL)
    for other in others:
        if other != method:
            warnings += _disagreements(comparisons, compare(table, pairs, other), alpha)
    sos = sos_parameter(table, scale=scale)
    if sos > _UNLIKELY_SOS and len(np.unique(flat_ratings(table).stimuli)) >= _MANY_STIMULI:
        warnings.append(
            f"ratings of the same stimulus differ more than is usual (SOS parameter {sos:.2f}; "
            "listening tests lie at .18 to .38): check instructions, scale and listeners"
        )
    return warnings


def _disagreements(
    ours: Sequence[Comparison], theirs: Sequence[Comparison], alpha: float
) -> list[str]:
    """Pairs that a second method judges otherwise, or puts in the other order."""
    found = []
    for one, other in zip(ours, theirs, strict=True):
        if math.isnan(one.p_holm) or math.isnan(other.p_holm):
            continue
        # The signed-rank test has a smallest p; where even that is not enough it has no opinion.
        if other.method == "wilcoxon" and len(theirs) * 2.0 ** (1 - other.n_units) >= alpha:
            continue
        if (one.p_holm < alpha) != (other.p_holm < alpha):
            found.append(
                f"{one.a} and {one.b}: {one.method} gives p = {one.p_holm:.2g}, "
                f"{other.method} {other.p_holm:.2g}, both after Holm"
            )
        elif one.p_holm < alpha and one.difference * other.difference < 0:
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
        "alpha": inference.alpha,
        "letters": inference.letters,
        "screening": [_clean(asdict(one)) for one in inference.screening],
        "screening_would_change": {
            rule: _clean(changes) for rule, changes in inference.without.items()
        },
        "rater_models": {
            "listeners": [_clean(asdict(one)) for one in inference.rater_models.listeners],
            "would_change": _clean(inference.rater_models.would_change),
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
