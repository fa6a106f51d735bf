"""``evalsuite analyze``: mean opinion scores, intervals, comparisons, screening, reliability."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.cli.rating_source import (
    Columns,
    Database,
    DropBad,
    DuplicatePolicy,
    ScoreScale,
    load_ratings,
)
from evalsuite.errors import RatingsError, UsageError

if TYPE_CHECKING:
    from evalsuite.analysis import Analysis
    from evalsuite.prediction import Prediction
    from evalsuite.ratings import Ratings

__all__ = ["analyze"]


def analyze(
    source: Annotated[Path, typer.Argument(help="A rating table (CSV, parquet) or a study file.")],
    columns: Columns = "",
    intervals: Annotated[
        str,
        typer.Option(
            "--intervals", "--methods", help="Interval methods, or all.", metavar="M,…|all"
        ),
    ] = "paper,t,cluster2",
    comparison: Annotated[
        str,
        typer.Option(
            help="cluster2, wilcoxon, paired_t, ordinal, mann_whitney (legacy), or none.",
        ),
    ] = "cluster2",
    reference: Annotated[
        str | None, typer.Option(help="Compare all others with this system, not all pairs.")
    ] = None,
    apply_screening: Annotated[
        str | None,
        typer.Option(help="Leave out the listeners this rule names.", metavar="RULE"),
    ] = None,
    metrics: Annotated[
        Path | None,
        typer.Option(help="A run with metrics.jsonl: how well do its metrics predict listeners?"),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(help="One analysis for each value of this column.", metavar="COLUMN"),
    ] = None,
    confidence: Annotated[float, typer.Option(help="Nominal coverage of the intervals.")] = 0.95,
    paper_ddof: Annotated[
        int, typer.Option(help="The paper's standard deviation divides by N - this.", min=0, max=1)
    ] = 1,
    scale: ScoreScale = "1..5",
    duplicates: DuplicatePolicy = "keep_last",
    drop_bad: DropBad = False,
    database: Database = None,
    format: Annotated[
        str, typer.Option("--format", help="table, md, csv, json, latex or html.")
    ] = "table",
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write here instead of printing.")
    ] = None,
) -> None:
    """Compute mean opinion scores with intervals that say what they cover, and compare systems."""
    from evalsuite.analysis import analyse
    from evalsuite.files import write_text
    from evalsuite.stats.intervals import INTERVALS
    from evalsuite.tables.render import require_format

    chosen = "json" if as_json else require_format(format)
    names = [name.strip() for name in intervals.split(",") if name.strip()]
    ratings = load_ratings(
        source,
        columns=columns,
        scale=scale,
        duplicates=duplicates,
        drop_bad=drop_bad,
        database=database,
    )
    groups = {"": ratings} if by is None else _split(ratings, by)
    analyses = {
        value: analyse(
            part,
            methods=list(INTERVALS) if names == ["all"] else names,
            confidence=confidence,
            paper_ddof=paper_ddof,
            comparison=None if comparison == "none" else comparison,
            reference=reference,
            apply_screening=apply_screening,
        )
        for value, part in groups.items()
    }
    predictions = {
        value: _predict(analyses[value], part, metrics) for value, part in groups.items()
    }
    if chosen == "json":
        text = _as_json(analyses, predictions, by)
    else:
        text = _as_tables(analyses, predictions, by, chosen)
    if chosen in ("csv", "json"):  # the others say it themselves
        for analysis in analyses.values():
            for line in [*analysis.notes, *analysis.warnings]:
                typer.echo(line, err=True)
    if output:
        write_text(output, text)
        typer.echo(f"wrote {output}", err=True)
    else:
        typer.echo(text, nl=False)


def _split(ratings: "Ratings", column: str) -> "dict[str, Ratings]":
    """Ratings of each value of a column, in the order of the values."""
    from dataclasses import replace

    if column not in ratings.frame:
        raise RatingsError(
            f"the ratings have no column {column!r}",
            wanted=f"one of {', '.join(ratings.frame.columns)}",
            do=f"name the file's column: --columns {column}=THEIRS",
        )
    if column in ("system", "score"):
        raise UsageError(
            f"--by {column}", wanted="a column that groups listeners or trials", do="use --by panel"
        )
    return {
        str(value): replace(
            ratings,
            frame=part.reset_index(drop=True),
            source=f"{ratings.source}, {column} {value}",
        )
        for value, part in ratings.frame.groupby(column, sort=True)
    }


def _predict(analysis: "Analysis", ratings: "Ratings", run: Path | None) -> "list[Prediction]":
    """Compare the metrics of a run with its listeners; nothing without a run.

    Raises
    ------
    RatingsError if the run was not measured, or nothing that was measured was rated.
    """
    if run is None:
        return []
    from evalsuite.metrics.measure import read_metrics
    from evalsuite.prediction import predict

    interval = "cluster2" if "cluster2" in analysis.methods else analysis.methods[0]
    found = predict(analysis, ratings, read_metrics(run), interval=interval)
    if not found:
        raise RatingsError(
            f"{run} holds no metrics of what was rated",
            wanted="metrics.jsonl of the run that the ratings are of",
            do=f"run: evalsuite metrics {run}",
        )
    return found


def _as_json(
    analyses: "dict[str, Analysis]", predictions: "dict[str, list[Prediction]]", by: str | None
) -> str:
    import json

    from evalsuite.analysis import analysis_json
    from evalsuite.prediction import prediction_json

    values = {
        name: analysis_json(analysis)
        | ({"objective": prediction_json(predictions[name])} if predictions[name] else {})
        for name, analysis in analyses.items()
    }
    value = values[""] if by is None else {"by": by, "groups": values}
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _as_tables(
    analyses: "dict[str, Analysis]",
    predictions: "dict[str, list[Prediction]]",
    by: str | None,
    format: str,
) -> str:
    from dataclasses import replace

    from evalsuite.tables.comparisons import comparison_table, screening_table
    from evalsuite.tables.mos import mos_table
    from evalsuite.tables.prediction import prediction_table
    from evalsuite.tables.render import render

    parts = []
    for name, analysis in analyses.items():
        tables = [mos_table(analysis)]
        if analysis.inference is not None and format != "csv":
            tables += [comparison_table(analysis), screening_table(analysis)]
        if predictions[name] and format != "csv":
            tables.append(prediction_table(predictions[name], stamps=tables[0].stamps))
        for table in tables:
            if by is not None:
                table = replace(table, title=f"{table.title}, {by} {name}")
            parts.append(render(table, format))
    return "\n".join(parts)
