"""Findings in words: one entry per fault and system, the worst case with its limit and advice."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from evalsuite.gate.report import Finding, Severity

__all__ = ["Summary", "number_text", "summarise"]


@dataclass(frozen=True)
class Summary:
    """All findings of one fault in one system.

    Parameters
    ----------
    subject : the fault, and the system if it is of one.
    text : how many there are, and of the worst what was measured, the limit and where.
    do : the next step; empty for a note, which is corrected already or only to be known.
    """

    severity: Severity
    subject: str
    text: str
    do: str


def summarise(findings: Iterable[Finding]) -> list[Summary]:
    """Group findings by severity, fault and system, in their order.

    >>> [one] = summarise([
    ...     Finding("warning", "delay", "world", "u1", "late", "trim it", 2.5, 2.0, "ms"),
    ...     Finding("warning", "delay", "world", "u2", "later", "trim it", 9.0, 2.0, "ms"),
    ... ])
    >>> one.subject, one.text, one.do
    ('delay, world', '2x, worst 9 ms (limit 2) at u2: later', 'trim it')
    """
    groups: dict[tuple[Severity, str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.severity, finding.fault, finding.system].append(finding)
    return [_summary(group) for group in groups.values()]


def number_text(value: float, *, signed: bool = False) -> str:
    """Up to two decimals; empty if undefined.

    >>> number_text(2.0), number_text(-0.25, signed=True), number_text(float("nan"))
    ('2', '-0.25', '')
    """
    if math.isnan(value):
        return ""
    if math.isfinite(value) and value == int(value):
        return f"{int(value):+d}" if signed else f"{int(value)}"
    return f"{value:+.2f}" if signed else f"{value:.2f}"


def _summary(group: list[Finding]) -> Summary:
    worst = max(group, key=_excess)
    subject = worst.fault + (f", {worst.system}" if worst.system else "")
    if worst.severity == "note":
        return Summary(worst.severity, subject, worst.detail, "")
    value, limit = number_text(worst.measured), number_text(worst.limit)
    case = f"worst {value} {worst.unit}" if value else "first"
    case += f" (limit {limit})" if limit else ""
    case += f" at {worst.utterance}" if worst.utterance else ""
    count = f"{len(group)}x" if case == "first" else f"{len(group)}x, {case}"
    return Summary(worst.severity, subject, f"{count}: {worst.detail}", worst.do)


def _excess(finding: Finding) -> float:
    """How far a finding is from its limit, for choosing the worst of one kind."""
    limit = 0.0 if math.isnan(finding.limit) else finding.limit
    distance = abs(abs(finding.measured) - abs(limit))
    return -1.0 if math.isnan(distance) else distance
