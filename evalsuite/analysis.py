"""From ratings to mean opinion scores with intervals that say what they cover.

*Conventions* Systems are ordered by mean, highest first, equal means by name; no result depends
on the order of the input rows. What is undefined is NaN with a reason, never 0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

from evalsuite.errors import TooFewRatings, UnknownName, UsageError
from evalsuite.inference import Inference, infer, inference_json, without_listeners
from evalsuite.provenance import package_versions
from evalsuite.ratings import Ratings
from evalsuite.stats.comparisons import DEFAULT_COMPARISON
from evalsuite.stats.interval import Interval, IntervalOptions
from evalsuite.stats.intervals import DEFAULT_METHODS, interval_method, intervals
from evalsuite.stats.scores import ScoreTable, SystemScores, score_table
from evalsuite.stats.screening import SCREENING_RULES, screen

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
    apply_screening : a rule of `evalsuite.stats.screening.SCREENING_RULES`: the listeners it names
        are left out before anything else is computed, which the notes say.

    Raises
    ------
    UnknownName for a method, rule or system that is not there; UsageError for an impossible
    confidence; TooFewRatings if screening would leave nobody.
    """
    if not 0 < confidence < 1:
        raise UsageError(
            f"confidence {confidence:g}", wanted="a number between 0 and 1", do="use 0.95"
        )
    chosen = {name: interval_method(name) for name in dict.fromkeys(methods)}
    frame = ratings.frame
    table = score_table(
        frame["system"], frame["listener"], frame["utterance"], frame["score"].to_numpy()
    )
    notes = ratings.notes
    if apply_screening is not None:
        table, note = _screened(table, apply_screening)
        notes = (*notes, note)
    options = IntervalOptions(confidence, paper_ddof, ratings.scale)
    rows = intervals(table, list(chosen), options)
    inference = None
    if comparison is not None:
        inference = infer(
            table, method=comparison, reference=reference, confidence=confidence,
            scale=ratings.scale,
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
        notes=notes,
        warnings=(*_warnings(table, systems, ratings), *(inference.warnings if inference else ())),
        n_simulated=ratings.n_simulated,
        source=ratings.source,
        sha256=ratings.sha256,
        versions=package_versions(),
        inference=inference,
    )


def _screened(table: ScoreTable, rule: str) -> tuple[ScoreTable, str]:
    """Leave out the listeners a rule names, and say so."""
    if rule not in SCREENING_RULES:
        near = get_close_matches(rule, SCREENING_RULES, n=1)
        raise UnknownName(
            f"{rule!r} is not a screening rule",
            wanted=f"one of {', '.join(SCREENING_RULES)}",
            do=f"write {near[0]!r}" if near else "choose one of them",
        )
    out = [one.listener for one in screen(table, (rule,)) if one.would_exclude]
    if not out:
        return table, f"screening by {rule}: nobody was left out"
    if len(out) == len(table.listeners):
        raise TooFewRatings(
            f"screening by {rule} leaves none of {len(out)} listeners",
            wanted="listeners who agree at least with each other",
            do="look at the ratings: the columns may be mixed up",
        )
    return (
        without_listeners(table, out),
        f"screening by {rule}: left out {', '.join(out)} ({len(out)} of {len(table.listeners)} "
        "listeners), chosen after their scores were known",
    )


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


def _interval_json(interval: Interval) -> dict[str, Any]:
    return {
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
