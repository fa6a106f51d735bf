"""Findings in words, on the command line and on the page."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from evalsuite.cli.check import _print_levels
from evalsuite.cli.report import _gate
from evalsuite.gate import Finding, GateReport
from evalsuite.gate.report import Row
from evalsuite.gate.summary import summarise

NAN = float("nan")


def delay(utterance: str, measured_ms: float) -> Finding:
    return Finding(
        "warning", "delay", "world", utterance, "envelope correlation 0.97",
        "declare the vocoder's start offset", measured_ms, 2.0, "ms",
    )  # fmt: skip


def missing(system: str, utterance: str) -> Finding:
    return Finding("error", "missing", system, utterance, "there is no file", "add the file")


def gate_report(*findings: Finding, systems: tuple[str, ...] = ()) -> GateReport:
    rows = [
        Row(system, "u1", "u1.wav", 22050, 44100, -23.04, -31.25, -12.75, -10.5, 0.0, -0.00125, 0.9)
        for system in systems
    ]
    return GateReport("RUN", "lufs", None, findings, tuple(rows))


def test_the_worst_is_the_furthest_from_its_limit_on_either_side() -> None:
    [one] = summarise([delay("u1", 3.0), delay("u2", -5.25), delay("u3", 2.5)])
    assert one.text == "3x, worst -5.25 ms (limit 2) at u2: envelope correlation 0.97"


def test_faults_and_systems_are_kept_apart_in_their_order() -> None:
    found = summarise([missing("b", "u1"), missing("a", "u1"), missing("b", "u2"), delay("u1", 3)])
    assert [one.subject for one in found] == ["missing, b", "missing, a", "delay, world"]
    assert found[0].text == "2x, first at u1: there is no file"


def test_a_note_has_nothing_to_do() -> None:
    [one] = summarise([Finding("note", "level", "", "", "levelled by 3 dB", "nothing")])
    assert (one.subject, one.text, one.do) == ("level", "levelled by 3 dB", "")


def test_the_page_says_fault_value_limit_and_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    found = gate_report(delay("sentence02", 3.5), missing("world", "u1"))
    monkeypatch.setattr("evalsuite.gate.check_run", lambda run: found)
    summary = _gate(Path("RUN"))
    assert summary.counts == {"error": 1, "warning": 1}
    assert summary.lines[0] == (
        "warning: delay, world: 1x, worst 3.50 ms (limit 2) at sentence02: envelope correlation "
        "0.97. To do: declare the vocoder's start offset."
    )


def test_the_page_says_how_many_faults_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = gate_report(*[missing(f"s{number}", "u1") for number in range(23)])
    monkeypatch.setattr("evalsuite.gate.check_run", lambda run: found)
    lines = _gate(Path("RUN")).lines
    assert len(lines) == 21
    assert lines[-1] == "and 3 more: evalsuite check RUN"


def test_levels_are_whole_at_80_columns() -> None:
    labels = ("griffin_lim", "our_melgan", "a_system_of_a_rather_long_name")
    console = Console(file=io.StringIO(), width=80)
    _print_levels(console, gate_report(systems=labels))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text.replace("-23.04 … -23.04", "")
    for label in labels[:2]:
        assert f"\n{label} " in text
    first_column = "".join(line[:15].strip() for line in text.splitlines())
    assert labels[2] in first_column
    numbers = ["-31.25", "-12.75", "-23.04", "-23.04 … -23.04", "-10.50", "-1.25"]
    assert all(text.count(number) >= len(labels) for number in numbers)
    assert max(map(len, text.splitlines())) <= 80
