"""``evalsuite check``: the audio gate, before anyone listens."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from evalsuite.gate import GateReport

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
    """Print the level table; in a narrow terminal long labels fold, and no number is cut."""
    from rich.table import Table

    from evalsuite.gate.summary import number_text

    unit = "LUFS" if report.meter == "lufs" else "dBov"
    table = Table(
        title="Levels, medians",
        title_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    headings = ("files", f"before\n{unit}", "vs\nreference", "gain\ndB", f"now\n{unit}", "range",
                "peak\ndBTP", "delay\nms")  # fmt: skip
    table.add_column("system", overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in report.level_table():
        spread = f"{number_text(row.lowest_db)} … {number_text(row.highest_db)}"
        table.add_row(
            row.system,
            str(row.n_samples),
            number_text(row.level_before_db),
            number_text(row.against_reference_db, signed=True),
            number_text(row.gain_db, signed=True),
            number_text(row.level_db),
            spread,
            number_text(row.highest_peak_dbtp),
            number_text(row.delay_ms, signed=True),
        )
    console.print(table)


def _print_findings(console: "Console", report: "GateReport") -> None:
    from evalsuite.gate.summary import summarise

    if report.findings:
        console.print("Findings")
    for one in summarise(report.findings):
        text = f"{one.severity:8}{one.subject}: {one.text}"
        text += f"\n{'':8}to do: {one.do}" if one.do else ""
        console.print(text, style=_STYLE[one.severity], markup=False, soft_wrap=True)
