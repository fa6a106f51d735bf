"""``evalsuite tables``: the paper's tables, ours beside the published figures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evalsuite.cli.rating_source import Columns, Database
from evalsuite.cli.results import (
    BenchmarkFiles,
    Names,
    RatingTable,
    Results,
    StudyFile,
    TableNumber,
    gather_results,
)
from evalsuite.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from evalsuite.analysis import Analysis

__all__ = ["tables"]


def tables(
    results: Annotated[Path, typer.Argument(help="Folder to write tables and figures to.")],
    run: Annotated[Path | None, typer.Option(help="The run the ratings are of.")] = None,
    ratings: RatingTable = None,
    study: StudyFile = None,
    benchmark: BenchmarkFiles = None,
    table: TableNumber = None,
    formats: Annotated[str, typer.Option(help="Some of md, csv, json, latex, html.")] = (
        "md,csv,json,latex"
    ),
    figures: Annotated[
        bool, typer.Option("--figures/--no-figures", help="Also write figures (PDF and PNG).")
    ] = True,
    names: Names = "",
    columns: Columns = "",
    database: Database = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written.")] = False,
) -> None:
    """Write the paper's tables as far as the data go, with the published figures beside ours.

    Table 1 needs --benchmark (or RUN/benchmark.json), tables 2 to 5 need --ratings or --study.
    """
    import json

    from evalsuite.tables.render import require_format

    wanted = [require_format(one.strip()) for one in formats.split(",") if one.strip()]
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
    if not found.tables:
        raise UsageError(
            "neither ratings nor a benchmark",
            wanted="something to make a table of",
            do="add --ratings FILE, --study FILE or --benchmark FILE",
        )
    written = _write_tables(results, found, wanted)
    if figures and found.analysis:
        written += _write_figures(results, found, found.analysis)
    for path in written:
        typer.echo(f"wrote {path}", err=True)
    if as_json:
        typer.echo(json.dumps({"written": [str(path) for path in written]}))


def _write_tables(folder: Path, found: Results, formats: list[str]) -> list[Path]:
    from evalsuite.files import write_text
    from evalsuite.tables.render import SUFFIXES, render

    written = []
    for table in found.tables:
        for format in formats:
            path = folder / f"{table.id}{SUFFIXES[format]}"
            write_text(path, render(table, format))
            written.append(path)
    return written


def _write_figures(folder: Path, found: Results, analysis: "Analysis") -> list[Path]:
    from evalsuite.figures import save_figure

    drawn = _draw(found, analysis)
    written = []
    for name, figure in drawn.items():
        for suffix in (".pdf", ".png"):
            save_figure(figure, folder / f"{name}{suffix}")
            written.append(folder / f"{name}{suffix}")
    return written


def _draw(found: Results, analysis: "Analysis") -> "dict[str, Figure]":
    """Every figure that the data allow, by file name."""
    from evalsuite import figures

    common: dict[str, Any] = {"names": found.names, "stamps": found.stamps}
    drawn = {"mos": figures.mos_figure(analysis, **common)}
    if any(one.score_counts for one in analysis.systems):
        drawn["scores"] = figures.counts_figure(analysis, **common)
    if analysis.inference is not None and len(analysis.systems) > 1:
        drawn["significance"] = figures.significance_figure(analysis, **common)
        drawn["ranks"] = figures.rank_figure(analysis, **common)
    if found.ratings is not None:
        drawn["listeners"] = figures.heat_map_figure(analysis, found.ratings, **common)
        order = figures.order_figure(analysis, found.ratings, stamps=found.stamps)
        if order is not None:
            drawn["order"] = order
    for one in found.predictions:
        drawn[f"metric_{one.metric}"] = figures.metric_figure(
            analysis, one.means, title=one.metric, **common
        )
    return drawn
