"""What ``tables`` and ``report`` share: from a run, ratings and benchmarks to finished tables."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.cli.rating_source import load_ratings
from evalsuite.cli.run_facts import RunFacts, run_facts
from evalsuite.errors import UsageError

if TYPE_CHECKING:
    from evalsuite.analysis import Analysis
    from evalsuite.manifest import Manifest
    from evalsuite.prediction import Prediction
    from evalsuite.ratings import Ratings
    from evalsuite.tables.published import PublishedTable
    from evalsuite.tables.table import Table

__all__ = [
    "BenchmarkFiles",
    "Names",
    "RatingTable",
    "Results",
    "StudyFile",
    "TableNumber",
    "gather_results",
]

RatingTable = Annotated[
    Path | None, typer.Option("--ratings", help="A rating table (CSV or parquet).")
]
StudyFile = Annotated[
    Path | None, typer.Option("--study", help="A study file whose database holds the ratings.")
]
BenchmarkFiles = Annotated[
    list[Path] | None,
    typer.Option("--benchmark", help="Result of evalsuite benchmark; may be repeated."),
]
TableNumber = Annotated[
    int | None,
    typer.Option(
        "--table",
        help="Table of the paper to set the scores beside; default: the one that the study "
        "follows, else the one that shares most systems (tables 3 and 4 share theirs: 3 is "
        "LJ Speech, 4 is VCTK). 2 also reads the authors' ablation folders as its rows.",
        min=2,
        max=5,
    ),
]
Names = Annotated[
    str,
    typer.Option(
        "--names", help="Names shown, such as ours=MelGAN,gl32=Griffin-Lim.", metavar="S=N,…"
    ),
]


@dataclass
class Results:
    """What was found; None and empty where there was no input.

    Parameters
    ----------
    names : system -> name shown: those asked for, and the rows of the paper's table if one was
        asked for or the study follows one.
    ratings : behind the analysis.
    predictions : of the run's metrics, if it was measured.
    stamps : of the run, or of the one that the study names: untrained weights, synthetic speech.
    """

    manifest: "Manifest | None"
    analysis: "Analysis | None"
    tables: list["Table"]
    names: dict[str, str]
    ratings: "Ratings | None" = None
    predictions: "list[Prediction]" = field(default_factory=list)
    stamps: list[str] = field(default_factory=list)


def gather_results(
    *,
    run: Path | None,
    ratings: Path | None,
    study: Path | None,
    benchmarks: Sequence[Path],
    number: int | None,
    names: str,
    columns: str,
    database: str | None,
) -> Results:
    """Read every input and build the tables that the data allow.

    Raises
    ------
    UsageError if both a rating table and a study are given; the readers' errors.
    """
    from evalsuite.analysis import analyse
    from evalsuite.manifest import read_manifest
    from evalsuite.tables.names import paper_names

    if ratings and study:
        raise UsageError(
            "--ratings and --study", wanted="one source of ratings", do="leave one of them out"
        )
    manifest = read_manifest(run) if run else None
    facts = run_facts(run=run, study=study)
    number = facts.table if number is None else number
    results = Results(manifest, None, [], paper_names(number) | _names(names))
    results.stamps = list(facts.stamps)
    source = ratings or study
    if source:
        loaded = load_ratings(source, columns=columns, database=database)
        results.ratings = replace(loaded, notes=(*loaded.notes, *facts.notes))
        results.analysis = analyse(results.ratings, natural=facts.natural, clip_s=facts.clip_s)
        results.tables.append(_mos_table(results, number, facts))
        results.tables += _further_tables(results, run)
    timed = list(benchmarks) or _own_benchmark(run)
    if timed:
        results.tables.append(_speed_table(timed, results.names))
    return results


def _further_tables(results: Results, run: Path | None) -> "list[Table]":
    """Comparisons, screening, and the run's metrics against the listeners if it was measured."""
    from evalsuite.metrics.measure import read_metrics
    from evalsuite.prediction import predict
    from evalsuite.tables.comparisons import comparison_table, screening_table
    from evalsuite.tables.prediction import prediction_table

    analysis, ratings = results.analysis, results.ratings
    assert analysis is not None and ratings is not None  # the caller made them
    found = [
        comparison_table(analysis, names=results.names, stamps=results.stamps),
        screening_table(analysis, names=results.names, stamps=results.stamps),
    ]
    if run is not None:
        results.predictions = predict(analysis, ratings, read_metrics(run))
    if results.predictions:
        found.append(prediction_table(results.predictions, stamps=found[0].stamps))
    return found


def _names(text: str) -> dict[str, str]:
    names = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        system, equals, shown = part.partition("=")
        if not (equals and system.strip() and shown.strip()):
            raise UsageError(
                f"--names has {part!r}", wanted="SYSTEM=NAME", do="write --names ours=MelGAN"
            )
        names[system.strip()] = shown.strip()
    return names


def _own_benchmark(run: Path | None) -> list[Path]:
    path = run / "benchmark.json" if run else None
    return [path] if path and path.is_file() else []


def _mos_table(results: Results, number: int | None, facts: RunFacts) -> "Table":
    from evalsuite.tables.mos import mos_table

    analysis = results.analysis
    assert analysis is not None  # the caller made it
    return mos_table(
        analysis,
        published=_published([one.system for one in analysis.systems], number, results.names),
        names=results.names,
        standards=facts.standards,
        stamps=results.stamps,
    )


def _published(
    systems: Sequence[str], number: int | None, names: dict[str, str]
) -> "PublishedTable | None":
    from evalsuite.tables.mos import best_match
    from tests_mos.published import published_table

    if number is not None:
        return published_table(number)
    # Table 3 is asked first: tables 3 and 4 hold the same systems on other recordings.
    return best_match(systems, [published_table(one) for one in (3, 2, 4, 5)], names)


def _speed_table(paths: Sequence[Path], names: dict[str, str]) -> "Table":
    from evalsuite.benchmark import read_benchmark
    from evalsuite.files import sha256_file
    from evalsuite.tables.speed import speed_table
    from tests_mos.published import published_table

    return speed_table(
        [read_benchmark(path) for path in paths],
        published=published_table(1),
        names=names,
        inputs=[f"{path.name}, sha256 {sha256_file(path)}" for path in paths],
    )
