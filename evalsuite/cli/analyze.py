"""``evalsuite analyze``: mean opinion scores with intervals."""

from pathlib import Path
from typing import Annotated

import typer

from evalsuite.cli.rating_source import (
    Columns,
    Database,
    DropBad,
    DuplicatePolicy,
    ScoreScale,
    load_ratings,
)

__all__ = ["analyze"]


def analyze(
    source: Annotated[Path, typer.Argument(help="A rating table (CSV, parquet) or a study file.")],
    columns: Columns = "",
    methods: Annotated[
        str, typer.Option(help="Interval methods: paper, t, cluster2.", metavar="M,…")
    ] = "paper,t,cluster2",
    confidence: Annotated[float, typer.Option(help="Nominal coverage of the intervals.")] = 0.95,
    paper_ddof: Annotated[
        int, typer.Option(help="The paper's standard deviation divides by N - this.", min=0, max=1)
    ] = 1,
    scale: ScoreScale = "1,5",
    duplicates: DuplicatePolicy = "keep_last",
    drop_bad: DropBad = False,
    database: Database = None,
    format: Annotated[
        str, typer.Option("--format", help="table, md, csv, json or latex.")
    ] = "table",
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write here instead of printing.")
    ] = None,
) -> None:
    """Compute mean opinion scores with intervals that say what they cover."""
    import json

    from evalsuite.analysis import analyse, analysis_json
    from evalsuite.files import write_text
    from evalsuite.tables.mos import mos_table
    from evalsuite.tables.render import render, require_format

    chosen = "json" if as_json else require_format(format)
    ratings = load_ratings(
        source,
        columns=columns,
        scale=scale,
        duplicates=duplicates,
        drop_bad=drop_bad,
        database=database,
    )
    analysis = analyse(
        ratings,
        methods=[name.strip() for name in methods.split(",") if name.strip()],
        confidence=confidence,
        paper_ddof=paper_ddof,
    )
    if chosen == "json":
        value = analysis_json(analysis)
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    else:
        text = render(mos_table(analysis), chosen)
    if chosen in ("csv", "json"):  # the others say it themselves
        for line in [*analysis.notes, *analysis.warnings]:
            typer.echo(line, err=True)
    if output:
        write_text(output, text)
        typer.echo(f"wrote {output}", err=True)
    else:
        typer.echo(text, nl=False)
