"""Findings, and the report of a whole check."""

import math
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

from evalsuite.manifest import LevelMeter

__all__ = ["Finding", "GateReport", "LevelRow", "Row", "Severity"]

Severity = Literal["error", "warning", "note"]
_ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class Finding:
    """Something a person must know before the samples are used.

    Parameters
    ----------
    system, utterance : empty if it concerns all of them.
    fault : short name, such as ``clipping``.
    detail : what was found, in words.
    measured, limit : in `unit`; NaN where there is no number.
    do : the next step.
    """

    severity: Severity
    fault: str
    system: str
    utterance: str
    detail: str
    do: str
    measured: float = math.nan
    limit: float = math.nan
    unit: str = ""

    def as_json(self) -> dict[str, Any]:
        """Give all fields; undefined numbers are null."""
        return {name: _null(value) for name, value in vars(self).items()}


@dataclass(frozen=True)
class Row:
    """The measurements of one sample, for tables.

    Parameters
    ----------
    level_before_db : before `evalsuite.generate` levelled it; NaN for files from elsewhere.
    gain_db : what was applied; NaN for files from elsewhere.
    """

    system: str
    utterance: str
    path: str
    sample_rate: int
    n_samples: int
    level_db: float
    level_before_db: float
    gain_db: float
    true_peak_dbtp: float
    dc_offset: float
    delay_s: float
    delay_correlation: float

    def as_json(self) -> dict[str, Any]:
        """Give all fields; undefined numbers are null."""
        return {name: _null(value) for name, value in vars(self).items()}


@dataclass(frozen=True)
class LevelRow:
    """One system of the level table; medians over its samples, and the range of levels.

    Parameters
    ----------
    against_reference_db : median difference to the reference of the same utterance, of the
        levels before any correction; NaN without a reference.
    """

    system: str
    n_samples: int
    level_before_db: float
    against_reference_db: float
    gain_db: float
    level_db: float
    lowest_db: float
    highest_db: float
    highest_peak_dbtp: float
    delay_ms: float


@dataclass(frozen=True)
class GateReport:
    """The result of a check.

    Parameters
    ----------
    subject : what was checked.
    meter : ``lufs`` (ITU-R BS.1770) or ``p56`` (ITU-T P.56).
    reference : label of the recording among the systems; None if it is not among them.
    findings : errors first.
    rows : one per usable file.
    """

    subject: str
    meter: LevelMeter
    reference: str | None
    findings: tuple[Finding, ...]
    rows: tuple[Row, ...]

    @property
    def passed(self) -> bool:
        """True if there is no error."""
        return not self.count("error")

    def count(self, severity: Severity) -> int:
        """Number of findings of one severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def level_table(self) -> list[LevelRow]:
        """Levels by system, in the order of the systems.

        Before levelling, this is where a system wins or loses by mere loudness.
        """
        before = {(row.system, row.utterance): _before(row) for row in self.rows}
        return [
            self._level_row([row for row in self.rows if row.system == system], before)
            for system in dict.fromkeys(row.system for row in self.rows)
        ]

    def _level_row(self, rows: list[Row], before: dict[tuple[str, str], float]) -> LevelRow:
        levels = [row.level_db for row in rows]
        against = [
            _before(row) - before.get((self.reference or "", row.utterance), math.nan)
            for row in rows
        ]
        return LevelRow(
            system=rows[0].system,
            n_samples=len(rows),
            level_before_db=_median([_before(row) for row in rows]),
            against_reference_db=_median(against),
            gain_db=_median([row.gain_db for row in rows]),
            level_db=_median(levels),
            lowest_db=min(_defined(levels), default=math.nan),
            highest_db=max(_defined(levels), default=math.nan),
            highest_peak_dbtp=max(row.true_peak_dbtp for row in rows),
            delay_ms=1000 * _median([row.delay_s for row in rows]),
        )

    def as_json(self) -> dict[str, Any]:
        """Give everything, for a program that reads it."""
        return {
            "subject": self.subject,
            "passed": self.passed,
            "errors": self.count("error"),
            "warnings": self.count("warning"),
            "notes": self.count("note"),
            "meter": self.meter,
            "reference": self.reference,
            "findings": [finding.as_json() for finding in self.findings],
            "levels": [
                {name: _null(value) for name, value in vars(row).items()}
                for row in self.level_table()
            ],
            "rows": [row.as_json() for row in self.rows],
        }


def by_severity(findings: list[Finding]) -> tuple[Finding, ...]:
    """Sort findings: errors first, then as they were found."""
    return tuple(sorted(findings, key=lambda finding: _ORDER[finding.severity]))


def _before(row: Row) -> float:
    """Level before any correction; of files from elsewhere that is the level itself."""
    return row.level_db if math.isnan(row.level_before_db) else row.level_before_db


def _defined(values: list[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def _median(values: list[float]) -> float:
    defined = _defined(values)
    return median(defined) if defined else math.nan


def _null(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
