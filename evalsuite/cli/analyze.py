"""``evalsuite analyze``: mean opinion scores, intervals, comparisons, screening, reliability."""

import math
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.cli.analysis_text import json_text, tables_text
from evalsuite.cli.analyze_other import OPINION_SCORES, analyze_other
from evalsuite.cli.rating_source import (
    Columns,
    Database,
    DropBad,
    DuplicatePolicy,
    ScoreScale,
    is_study,
    load_ratings,
)
from evalsuite.cli.run_facts import run_facts
from evalsuite.errors import RatingsError, UnknownName, UsageError

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
    test_kind: Annotated[
        str, typer.Option(help="mos, cmos, preference, abx, mushra or best_worst.", metavar="KIND")
    ] = OPINION_SCORES,
    mid_anchor: Annotated[
        str | None, typer.Option(help="MUSHRA: the mid anchor, for post-screening.")
    ] = None,
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
    from evalsuite.tables.render import require_format

    chosen = "json" if as_json else require_format(format)
    _require_for_opinion_scores(
        test_kind, {"--by": by, "--metrics": metrics}, {"--mid-anchor": mid_anchor}
    )
    if test_kind != OPINION_SCORES:
        text = analyze_other(
            source, test_kind, format=chosen, columns=columns, scale=scale, duplicates=duplicates,
            drop_bad=drop_bad, confidence=confidence, reference=reference, mid_anchor=mid_anchor,
            apply_screening=apply_screening, database=database,
        )  # fmt: skip
        _deliver(text, output)
        return
    methods = _methods(intervals)
    facts = run_facts(run=metrics, study=source if is_study(source) else None)
    ratings = load_ratings(
        source,
        columns=columns,
        scale=scale,
        duplicates=duplicates,
        drop_bad=drop_bad,
        database=database,
    )
    ratings = replace(ratings, notes=(*ratings.notes, *facts.notes))
    groups = {"": ratings} if by is None else _split(ratings, by)
    analyses = {
        value: analyse(
            part,
            methods=methods,
            confidence=confidence,
            paper_ddof=paper_ddof,
            comparison=None if comparison == "none" else comparison,
            reference=reference,
            apply_screening=apply_screening,
            natural=facts.natural,
            clip_s=facts.clip_s,
        )
        for value, part in groups.items()
    }
    predictions = {
        value: _predict(analyses[value], part, metrics) for value, part in groups.items()
    }
    if chosen == "json":
        text = json_text(analyses, predictions, by, facts)
    else:
        text = tables_text(analyses, predictions, by, chosen, facts)
    if chosen in ("csv", "json"):  # the others say it themselves
        for value, analysis in analyses.items():
            group = f"{by} {value}: " if by else ""
            for line in [*analysis.notes, *analysis.warnings]:
                typer.echo(group + line, err=True)
    _deliver(text, output)


def _require_for_opinion_scores(
    kind: str, only_mos: Mapping[str, object], only_others: Mapping[str, object]
) -> None:
    """Refuse options that the kind of test has no use for, rather than ignore them."""
    unused = only_others if kind == OPINION_SCORES else only_mos
    given = [name for name, value in unused.items() if value is not None]
    if given:
        raise UsageError(
            f"{' and '.join(given)} with --test-kind {kind}",
            wanted="options of that kind of test",
            do="leave them out, or name another --test-kind",
        )


def _deliver(text: str, output: Path | None) -> None:
    from evalsuite.files import write_text

    if output:
        write_text(output, text)
        typer.echo(f"wrote {output}", err=True)
    else:
        typer.echo(text, nl=False)


def _methods(text: str) -> list[str]:
    """Interval methods asked for; a mistake shows before ratings are read.

    Raises
    ------
    UsageError if there is none; UnknownName for another name.
    """
    from evalsuite.stats.intervals import INTERVALS

    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError(
            f"--intervals {text!r} names no method",
            wanted=f"all, or some of {', '.join(INTERVALS)}",
            do="leave the option out for paper,t,cluster2",
        )
    if names == ["all"]:
        return list(INTERVALS)
    known = [*INTERVALS, "all"]
    for name in names:
        if name not in INTERVALS:
            near = get_close_matches(name, known, n=1)
            raise UnknownName(
                f"--intervals has {name!r}",
                wanted=f"all, or some of {', '.join(INTERVALS)}",
                do=f"write {near[0]!r}" if near and near[0] != name else "choose from that list",
            )
    return names


def _split(ratings: "Ratings", column: str) -> "dict[str, Ratings]":
    """Ratings of each value of a column, in the order of the values.

    Rows without a value are a group of their own: no rating is left out in silence.
    """
    if column not in ratings.frame:
        raise RatingsError(
            f"the ratings have no column {column!r}",
            wanted=f"one of {', '.join(ratings.frame.columns)}",
            do=f"name the file's column: --columns {column}=THEIRS",
        )
    from evalsuite.rating_rows import as_text

    if column in ("system", "score"):
        raise UsageError(
            f"--by {column}", wanted="a column that groups listeners or trials", do="use --by panel"
        )
    labels = as_text(ratings.frame[column]).replace("", f"(no {column})")
    return {
        value: replace(
            ratings,
            frame=ratings.frame[labels == value].reset_index(drop=True),
            source=f"{ratings.source}, {column} {value}",
        )
        for value in sorted(labels.unique(), key=_by_size)
    }


def _by_size(value: str) -> tuple[float, str]:
    """Numbers by size, then words."""
    try:
        return float(value), ""
    except ValueError:
        return math.inf, value


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
