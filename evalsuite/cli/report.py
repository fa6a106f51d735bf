"""``evalsuite report``: one HTML page of a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.cli.rating_source import Columns, Database, study_facts
from evalsuite.cli.results import (
    BenchmarkFiles,
    Names,
    RatingTable,
    StudyFile,
    TableNumber,
    gather_results,
)

if TYPE_CHECKING:
    from evalsuite.report.page import GateSummary

__all__ = ["report"]

_SHOWN_FAULTS = 20


def report(
    run: Annotated[Path, typer.Argument(help="A run made by evalsuite generate.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.")] = Path("report.html"),
    ratings: RatingTable = None,
    study: StudyFile = None,
    benchmark: BenchmarkFiles = None,
    table: TableNumber = None,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "",
    players: Annotated[
        int, typer.Option(help="Utterances to hear on the page, all systems each.", min=0)
    ] = 5,
    link_audio: Annotated[
        bool, typer.Option("--link-audio", help="Link to the samples instead of embedding them.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Run the audio gate for the page.")
    ] = True,
    names: Names = "",
    columns: Columns = "",
    database: Database = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written.")] = False,
) -> None:
    """Write one self-contained page: players, figures, tables, method and provenance."""
    import json

    from evalsuite.files import write_text
    from evalsuite.manifest import read_manifest
    from evalsuite.report.page import build_page, render_page
    from evalsuite.report.players import make_grid

    manifest = read_manifest(run)
    found = gather_results(
        run=run,
        ratings=ratings,
        study=study,
        benchmarks=benchmark or [],
        number=table,
        names=names,
        columns=columns,
        database=database,
    )
    grid = make_grid(
        run,
        manifest,
        systems=[system.label for system in manifest.systems],
        limit=players,
        link_from=output.resolve().parent if link_audio else None,
    )
    page = build_page(
        manifest,
        grid,
        title=title or f"Vocoders compared: {run.resolve().name}",
        analysis=found.analysis,
        tables=found.tables,
        gate=_gate(run) if check else None,
        study=_study(study),
        names=found.names,
    )
    write_text(output, render_page(page))
    size_mb = output.stat().st_size / 1e6
    typer.echo(f"wrote {output} ({size_mb:.1f} MB)", err=True)
    if as_json:
        typer.echo(json.dumps({"written": [str(output)], "banners": list(page.banners)}))


def _study(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    from tests_mos.study import load_study

    return study_facts(load_study(path))


def _gate(run: Path) -> "GateSummary":
    from evalsuite.gate import check_run
    from evalsuite.gate.summary import summarise
    from evalsuite.report.page import GateSummary

    found = check_run(run)
    serious = summarise(one for one in found.findings if one.severity != "note")
    lines = [
        f"{one.severity}: {one.subject}: {one.text}. To do: {one.do}."
        for one in serious[:_SHOWN_FAULTS]
    ]
    if len(serious) > _SHOWN_FAULTS:
        lines.append(f"and {len(serious) - _SHOWN_FAULTS} more: evalsuite check {run}")
    counts = {kind: found.count(kind) for kind in ("error", "warning", "note")}
    return GateSummary({kind: count for kind, count in counts.items() if count}, lines)
