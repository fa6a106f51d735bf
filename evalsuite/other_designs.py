"""What an analysis of a listening test that is not of opinion scores gives.

`TEST_KINDS` names these tests: CMOS and MUSHRA rate on another scale and read a rating table
(`evalsuite.rated_designs`); preference, ABX and best-worst read answers
(`evalsuite.answered_designs`). Each gives records under section names, which are the keys of the
JSON and the tables' rows. What is undefined is NaN, never 0.
"""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from evalsuite.provenance import package_versions

__all__ = [
    "TEST_KINDS",
    "DesignOptions",
    "Found",
    "OtherAnalysis",
    "Record",
    "Sections",
    "finished",
    "other_analysis_json",
]

Record = dict[str, str | int | float | bool]
Sections = dict[str, list[Record]]

#: Kind -> lowest and highest score of a rated test; None for tests of answers.
TEST_KINDS: dict[str, tuple[float, float] | None] = {
    "cmos": (-3.0, 3.0),
    "mushra": (0.0, 100.0),
    "preference": None,
    "abx": None,
    "best_worst": None,
}
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class DesignOptions:
    """What these analyses may be told; each reads what it needs.

    Parameters
    ----------
    confidence : nominal coverage of intervals, between 0 and 1.
    reference : CMOS: compare the other systems with this one instead of all pairs; MUSHRA: the
        hidden reference; preference and best-worst: the system with ability 0.
    mid_anchor : MUSHRA: the anchor that post-screening looks at.
    apply_screening : MUSHRA: leave out whom post-screening names.
    """

    confidence: float = 0.95
    reference: str | None = None
    mid_anchor: str | None = None
    apply_screening: bool = False


@dataclass(frozen=True, eq=False)
class OtherAnalysis:
    """The result of a test that is not of opinion scores.

    Parameters
    ----------
    kind : a key of `TEST_KINDS`.
    n, listeners, utterances, n_simulated : of all answers or ratings.
    sections : name -> records; the same keys in all records of a section.
    facts : single values, such as the p of a test of all systems.
    notes : what was done, and what a number here does not say.
    """

    kind: str
    n: int
    listeners: int
    utterances: int
    n_simulated: int
    confidence: float
    sections: Sections
    facts: Record
    notes: tuple[str, ...]
    source: str
    sha256: str


@dataclass(frozen=True)
class Found:
    """What one kind of test gives: see `OtherAnalysis`."""

    sections: Sections
    facts: Record
    notes: tuple[str, ...]


def finished(
    kind: str,
    frame: pd.DataFrame,
    options: DesignOptions,
    found: Found,
    source: str,
    sha256: str,
) -> OtherAnalysis:
    """Put the counts of a table beside what was found in it."""
    return OtherAnalysis(
        kind,
        len(frame),
        frame["listener"].nunique(),
        frame["utterance"].nunique(),
        int(frame["simulated"].sum()),
        options.confidence,
        found.sections,
        found.facts,
        found.notes,
        source,
        sha256,
    )


def other_analysis_json(analysis: OtherAnalysis) -> dict[str, Any]:
    """Return the analysis as JSON values; NaN and infinity become null."""
    return {
        "schema_version": SCHEMA_VERSION,
        "test_kind": analysis.kind,
        "n": analysis.n,
        "listeners": analysis.listeners,
        "utterances": analysis.utterances,
        "confidence": analysis.confidence,
        "simulated": analysis.n_simulated > 0,
        "n_simulated": analysis.n_simulated,
        **{name: [_plain(one) for one in rows] for name, rows in analysis.sections.items()},
        **_plain(analysis.facts),
        "notes": list(analysis.notes),
        "source": analysis.source,
        "sha256": analysis.sha256,
        "versions": package_versions(),
    }


def _plain(record: Record) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in record.items()
    }
