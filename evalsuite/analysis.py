"""From ratings to mean opinion scores with intervals that say what they cover.

*Conventions* Systems are ordered by mean, highest first, equal means by name; no result depends
on the order of the input rows. What is undefined is NaN with a reason, never 0.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from typing import Any

import numpy as np

from evalsuite.errors import TooFewRatings, UnknownName, UsageError
from evalsuite.inference import Inference, infer, inference_json
from evalsuite.provenance import package_versions
from evalsuite.rater_models import RULES, screen_listeners
from evalsuite.rating_times import answer_times, drift_over_trials
from evalsuite.ratings import Ratings
from evalsuite.stats.comparisons import DEFAULT_COMPARISON
from evalsuite.stats.interval import Interval, IntervalOptions
from evalsuite.stats.intervals import DEFAULT_METHODS, interval_method, intervals
from evalsuite.stats.scale_use import Drift, listener_by_system
from evalsuite.stats.scores import ScoreTable, SystemScores, score_table
from evalsuite.tables.names import REFERENCE_NAMES

__all__ = ["Analysis", "SystemSummary", "analyse", "analysis_json"]

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class SystemSummary:
    """The ratings of one system.

    Parameters
    ----------
    n, listeners, utterances : numbers of ratings, listeners and utterances.
    mean, sd : of the ratings; sd with ddof 1, NaN for one rating.
    intervals : method -> interval.
    score_counts : whole point of the scale -> number of ratings nearest to it (halves go up).
    """

    system: str
    n: int
    listeners: int
    utterances: int
    mean: float
    sd: float
    intervals: dict[str, Interval]
    score_counts: dict[int, int]


@dataclass(frozen=True)
class Analysis:
    """The result of a listening test.

    Parameters
    ----------
    systems : by mean, highest first.
    n, listeners, utterances : of the whole table.
    confidence : nominal coverage of the intervals.
    methods : interval methods, in the order asked for.
    scale : lowest and highest possible score.
    scope : method -> what its interval covers.
    notes : what was done to the ratings.
    warnings : what makes a number here less than it seems.
    n_simulated : ratings no person gave.
    source, sha256 : where the ratings are from.
    versions : of the packages that made the numbers.
    inference : comparisons, screening and reliability; None if they were not asked for.
    listener_means : listener -> system -> mean score; only systems that the listener rated.
    drift : of the scores over the trials of a session; None where the trials are not known.
    """

    systems: tuple[SystemSummary, ...]
    n: int
    listeners: int
    utterances: int
    confidence: float
    methods: tuple[str, ...]
    scale: tuple[float, float]
    scope: dict[str, str]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    n_simulated: int
    source: str
    sha256: str
    versions: dict[str, str]
    inference: Inference | None = None
    listener_means: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    drift: Drift | None = None

    @property
    def simulated(self) -> bool:
        """True if any rating is simulated."""
        return self.n_simulated > 0


def analyse(
    ratings: Ratings,
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
    confidence: float = 0.95,
    paper_ddof: int = 1,
    comparison: str | None = DEFAULT_COMPARISON,
    reference: str | None = None,
    apply_screening: str | None = None,
    natural: Collection[str] = REFERENCE_NAMES,
    clip_s: Mapping[tuple[str, str], float] | None = None,
) -> Analysis:
    """Compute mean opinion scores and intervals for every system.

    Parameters
    ----------
    methods : names from `evalsuite.stats.intervals.INTERVALS`.
    confidence : nominal coverage, between 0 and 1.
    paper_ddof : 1 or 0, for the ``paper`` method.
    comparison : a name of `evalsuite.stats.comparisons.COMPARISONS`; None leaves comparisons,
        screening and reliability out.
    reference : compare all others with this system instead of all pairs.
    apply_screening : a rule of `evalsuite.rater_models.RULES`: the listeners it names are left out
        before anything else is computed, which the notes say.
    natural : systems that are the recording itself, for the rule on hidden references.
    clip_s : (system, utterance) -> seconds of its sample, for the rule on answers that come sooner
        than the clip lasts; None leaves that rule out.

    Raises
    ------
    UnknownName for a method, rule or system that is not there; UsageError for an impossible
    confidence, no method, or a rule that these ratings have no data for; TooFewRatings if
    screening would leave nobody.
    """
    if not 0 < confidence < 1:
        raise UsageError(
            f"confidence {confidence:g}", wanted="a number between 0 and 1", do="use 0.95"
        )
    if not methods:
        raise UsageError(
            "no interval method", wanted="at least one", do=f"use {', '.join(DEFAULT_METHODS)}"
        )
    chosen = {name: interval_method(name) for name in dict.fromkeys(methods)}
    if apply_screening is not None:
        ratings = _screened(ratings, apply_screening, natural, clip_s)
    table = _table(ratings)
    options = IntervalOptions(confidence, paper_ddof, ratings.scale)
    rows = intervals(table, list(chosen), options)
    inference = None
    if comparison is not None:
        inference = infer(
            table, method=comparison, reference=reference, confidence=confidence,
            scale=ratings.scale, natural=natural, times=answer_times(ratings.frame, clip_s),
        )  # fmt: skip
    systems = [
        _summary(scores, found, ratings.scale)
        for scores, found in zip(table.systems, rows, strict=True)
    ]
    return Analysis(
        systems=tuple(sorted(systems, key=lambda one: (-one.mean, one.system))),
        n=sum(one.n for one in table.systems),
        listeners=len(table.listeners),
        utterances=len(table.utterances),
        confidence=confidence,
        methods=tuple(chosen),
        scale=ratings.scale,
        scope={name: method.scope for name, method in chosen.items()},
        notes=ratings.notes,
        warnings=(*_warnings(table, systems, ratings), *(inference.warnings if inference else ())),
        n_simulated=ratings.n_simulated,
        source=ratings.source,
        sha256=ratings.sha256,
        versions=package_versions(),
        inference=inference,
        listener_means=_listener_means(table),
        drift=drift_over_trials(ratings.frame),
    )


def _table(ratings: Ratings) -> ScoreTable:
    frame = ratings.frame
    return score_table(
        frame["system"], frame["listener"], frame["utterance"], frame["score"].to_numpy()
    )


def _screened(
    ratings: Ratings,
    rule: str,
    natural: Collection[str],
    clip_s: Mapping[tuple[str, str], float] | None,
) -> Ratings:
    """Leave out the listeners a rule names, and say so."""
    if rule not in RULES:
        near = get_close_matches(rule, RULES, n=1)
        raise UnknownName(
            f"{rule!r} is not a screening rule",
            wanted=f"one of {', '.join(RULES)}",
            do=f"write {near[0]!r}" if near else "choose one of them",
        )
    table = _table(ratings)
    found = screen_listeners(
        table, natural=natural, times=answer_times(ratings.frame, clip_s), scale=ratings.scale
    )
    if all(one.rule != rule for one in found):
        raise UsageError(
            f"these ratings say nothing about {rule}",
            wanted="a system that is the recording itself (hidden_reference), or the times of the "
            "answers and the run they are of (too_fast)",
            do=f"choose one of {', '.join(dict.fromkeys(one.rule for one in found))}",
        )
    out = [one.listener for one in found if one.rule == rule and one.would_exclude]
    if not out:
        return replace(ratings, notes=(*ratings.notes, f"screening by {rule}: nobody was left out"))
    if len(out) == len(table.listeners):
        raise TooFewRatings(
            f"screening by {rule} leaves none of {len(out)} listeners",
            wanted="listeners who agree at least with each other",
            do="look at the ratings: the columns may be mixed up",
        )
    note = (
        f"screening by {rule}: left out {', '.join(out)} ({len(out)} of {len(table.listeners)} "
        "listeners), chosen after their scores were known"
    )
    kept = ~ratings.frame["listener"].isin(out)
    frame = ratings.frame[kept].reset_index(drop=True)
    return replace(ratings, frame=frame, notes=(*ratings.notes, note))


def _listener_means(table: ScoreTable) -> dict[str, dict[str, float]]:
    names = [one.system for one in table.systems]
    return {
        listener: {
            name: mean for name, mean in zip(names, row, strict=True) if not math.isnan(mean)
        }
        for listener, row in zip(table.listeners, listener_by_system(table).tolist(), strict=True)
    }


def _summary(
    scores: SystemScores, found: dict[str, Interval], scale: tuple[float, float]
) -> SystemSummary:
    return SystemSummary(
        system=scores.system,
        n=scores.n,
        listeners=scores.n_listeners,
        utterances=scores.n_utterances,
        mean=scores.mean,
        sd=float(scores.scores.std(ddof=1)) if scores.n > 1 else math.nan,
        intervals=found,
        score_counts=_count(scores, scale),
    )


def _count(scores: SystemScores, scale: tuple[float, float]) -> dict[int, int]:
    nearest = np.floor(scores.scores + 0.5).astype(int)
    points = range(math.floor(scale[0]), math.floor(scale[1]) + 1)
    # A hundred-point scale would make a hundred columns; counts are for category scales.
    if len(points) > 11:
        return {}
    return {point: int(np.count_nonzero(nearest == point)) for point in points}


def _warnings(table: ScoreTable, systems: Sequence[SystemSummary], ratings: Ratings) -> list[str]:
    warnings = []
    if ratings.n_simulated:
        warnings.append(
            f"{ratings.n_simulated} of {len(ratings.frame)} ratings are simulated: "
            "they say nothing about how the systems sound"
        )
    found = [warning for one in systems for i in one.intervals.values() for warning in i.warnings]
    warnings.extend(dict.fromkeys(found))
    warnings.extend(
        f"{one.system}: {name} interval undefined, {interval.reason}"
        for one in systems
        for name, interval in one.intervals.items()
        if math.isnan(interval.half_width)
    )
    warnings.extend(_lone_listeners(table))
    return warnings


def _lone_listeners(table: ScoreTable) -> list[str]:
    """Listeners who rated one system only shift its mean by their own strictness."""
    if len(table.systems) < 2:
        return []
    heard = np.zeros(len(table.listeners), dtype=int)
    for scores in table.systems:
        heard += np.bincount(scores.listeners, minlength=len(heard)) > 0
    lone = int(np.count_nonzero(heard == 1))
    if lone == 0:
        return []
    return [f"{lone} of {len(heard)} listeners rated one system only: their strictness shifts it"]


def analysis_json(analysis: Analysis) -> dict[str, Any]:
    """Return the analysis as JSON values: NaN becomes null, beside the reason.

    The keys ``system, n, listeners, utterances, mean, sd`` and ``intervals`` of every entry of
    ``systems`` are stable; others may be added.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "systems": [_system_json(one) for one in analysis.systems],
        "n": analysis.n,
        "listeners": analysis.listeners,
        "utterances": analysis.utterances,
        "confidence": analysis.confidence,
        "scale": list(analysis.scale),
        "scope": analysis.scope,
        "simulated": analysis.simulated,
        "n_simulated": analysis.n_simulated,
        "notes": list(analysis.notes),
        "warnings": list(analysis.warnings),
        "source": analysis.source,
        "sha256": analysis.sha256,
        "versions": analysis.versions,
        "listener_means": analysis.listener_means,
        "drift": _drift_json(analysis.drift),
        **(inference_json(analysis.inference) if analysis.inference else {}),
    }


def _system_json(one: SystemSummary) -> dict[str, Any]:
    return {
        "system": one.system,
        "n": one.n,
        "listeners": one.listeners,
        "utterances": one.utterances,
        "mean": one.mean,
        "sd": _finite(one.sd),
        "intervals": {name: _interval_json(found) for name, found in one.intervals.items()},
        "score_counts": {str(point): count for point, count in one.score_counts.items()},
    }


def _drift_json(drift: Drift | None) -> dict[str, float | None] | None:
    """Null where the order of the trials is not known; NaN becomes null."""
    return {key: _finite(value) for key, value in asdict(drift).items()} if drift else None


def _interval_json(interval: Interval) -> dict[str, Any]:
    return {
        "estimate": _finite(interval.estimate),
        "half_width": _finite(interval.half_width),
        "low": _finite(interval.low),
        "high": _finite(interval.high),
        "df": _finite(interval.df),
        "computed_by": interval.computed_by,
        "scope": interval.scope,
        "reason": interval.reason,
    }


def _finite(value: float) -> float | None:
    """Null for NaN (undefined) and for the infinite degrees of freedom of the normal."""
    return value if math.isfinite(value) else None
