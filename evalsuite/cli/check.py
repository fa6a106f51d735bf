"""``evalsuite check``: the audio gate, before anyone listens."""

import json
import math
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from evalsuite.gate import Finding, GateReport

__all__ = ["check"]

_STYLE = {"error": "bold red", "warning": "yellow", "note": "dim"}


def check(
    run: Annotated[Path | None, typer.Argument(help="A run folder of evalsuite generate.")] = None,
    folders: Annotated[
        str,
        typer.Option(
            help="Instead of a run, folders of files: original=DIR,a=DIR2?name=generated_{id}.wav.",
            metavar="LABEL=DIR,…",
        ),
    ] = "",
    name: Annotated[
        str, typer.Option(help="How files are named in folders that do not say it themselves.")
    ] = "{id}.wav",
    reference: Annotated[
        str | None, typer.Option(help="The folder that holds the recordings.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes.", min=1)] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on stdout.")] = False,
) -> None:
    """Look for what makes a comparison unfair or a metric meaningless. Exit code 1 on an error."""
    from evalsuite.threads import pin_threads

    pin_threads()
    from evalsuite.cli.console import progress_bar
    from evalsuite.gate import check_folders, check_run, parse_folder

    if (run is None) == (not folders):
        raise UsageError(
            "a run and folders are given" if run else "nothing to check is given",
            wanted="either a run folder or --folders",
            do="write evalsuite check RUN, or evalsuite check --folders original=DIR,a=DIR2",
        )
    with progress_bar(quiet=quiet) as bar:
        task = bar.add_task("checking", total=None, rate="utterances")

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        if run is not None:
            report = check_run(run, jobs=jobs, progress=show)
        else:
            named = dict(parse_folder(text, default_name=name) for text in folders.split(","))
            report = check_folders(named, reference=reference, jobs=jobs, progress=show)
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
    else:
        _print(report)
    if not report.passed:
        raise typer.Exit(1)


def _print(report: "GateReport") -> None:
    from rich.console import Console

    console = Console(highlight=False)
    _print_levels(console, report)
    _print_findings(console, report)
    verdict = "passed" if report.passed else "FAILED"
    counts = ", ".join(f"{report.count(kind)} {kind}s" for kind in ("error", "warning", "note"))
    console.print(f"{report.subject}: {verdict}: {counts}", soft_wrap=True)


def _print_levels(console: "Console", report: "GateReport") -> None:
    from rich.table import Table

    unit = "LUFS" if report.meter == "lufs" else "dBov"
    table = Table(title="Levels, medians", title_justify="left", box=None, pad_edge=False)
    headings = ("files", f"before {unit}", "vs reference", "gain dB", f"now {unit}", "range",
                "peak dBTP", "delay ms")  # fmt: skip
    table.add_column("system")
    for heading in headings:
        table.add_column(heading, justify="right")
    for row in report.level_table():
        spread = f"{_number(row.lowest_db)} … {_number(row.highest_db)}"
        table.add_row(
            row.system,
            str(row.n_samples),
            _number(row.level_before_db),
            _number(row.against_reference_db, signed=True),
            _number(row.gain_db, signed=True),
            _number(row.level_db),
            spread,
            _number(row.highest_peak_dbtp),
            _number(row.delay_ms, signed=True),
        )
    console.print(table)


def _print_findings(console: "Console", report: "GateReport") -> None:
    """One entry per fault and system: the worst case, how many there are, what to do."""
    groups: dict[tuple[str, str, str], list[Finding]] = defaultdict(list)
    for finding in report.findings:
        groups[finding.severity, finding.fault, finding.system].append(finding)
    if not groups:
        return
    console.print("Findings")
    for (severity, fault, system), findings in groups.items():
        console.print(
            _finding_text(severity, fault, system, findings),
            style=_STYLE[severity],
            markup=False,
            soft_wrap=True,
        )


def _finding_text(severity: str, fault: str, system: str, findings: "list[Finding]") -> str:
    worst = max(findings, key=_excess)
    subject = f"{severity:8}{fault}" + (f", {system}" if system else "")
    if severity == "note":  # corrected already, or only to be known
        return f"{subject}: {worst.detail}"
    where = f" at {worst.utterance}" if worst.utterance else ""
    value = _with_unit(worst.measured, worst.unit) or "found"
    limit = f" (limit {_number(worst.limit)})" if _number(worst.limit) else ""
    text = f"{subject}: {len(findings)}x, worst {value}{limit}{where}: {worst.detail}"
    return f"{text}\n{'':8}to do: {worst.do}"


def _excess(finding: "Finding") -> float:
    """How far a finding is from its limit, for choosing the worst of one kind."""
    limit = 0.0 if math.isnan(finding.limit) else finding.limit
    distance = abs(abs(finding.measured) - abs(limit))
    return -1.0 if math.isnan(distance) else distance


def _with_unit(value: float, unit: str) -> str:
    return "" if math.isnan(value) else f"{_number(value)} {unit}"


def _number(value: float, *, signed: bool = False) -> str:
    """Up to two decimals; empty if undefined."""
    if math.isnan(value):
        return ""
    if math.isfinite(value) and value == int(value):
        return f"{int(value):+d}" if signed else f"{int(value)}"
    return f"{value:+.2f}" if signed else f"{value:.2f}"
