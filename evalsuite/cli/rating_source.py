"""Where the verbs that need ratings get them: a table on disk, or the database of a study."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalsuite.cli.published_study import open_published
from evalsuite.errors import RatingsError, UsageError

if TYPE_CHECKING:
    from evalsuite.ratings import Duplicates, Ratings
    from tests_mos.study import Study

__all__ = [
    "Columns",
    "Database",
    "DropBad",
    "DuplicatePolicy",
    "ScoreScale",
    "is_study",
    "load_ratings",
    "study_facts",
]

_STUDY_SUFFIXES = {".yaml", ".yml"}

Columns = Annotated[
    str,
    typer.Option(
        "--columns", help="Names in the file, such as listener=worker,score=mos.", metavar="O=T,…"
    ),
]
ScoreScale = Annotated[
    str, typer.Option("--scale", help="Lowest and highest possible score.", metavar="LOW..HIGH")
]
DuplicatePolicy = Annotated[
    str,
    typer.Option(
        "--duplicates",
        help="Repeated ratings: keep_last, keep_first, mean or error.",
        metavar="POLICY",
    ),
]
DropBad = Annotated[
    bool, typer.Option("--drop-bad", help="Leave impossible rows out and count them.")
]
Database = Annotated[
    str | None,
    typer.Option("--database", help="Study database URL; default: the file beside the study."),
]


def is_study(source: Path) -> bool:
    """True for a study file, whose ratings lie in a database; else it is a rating table."""
    return source.suffix.lower() in _STUDY_SUFFIXES


def load_ratings(
    source: Path,
    *,
    columns: str = "",
    scale: str = "1..5",
    duplicates: str = "keep_last",
    drop_bad: bool = False,
    database: str | None = None,
) -> "Ratings":
    """Read ratings from a CSV or parquet file, or from the database of a study file.

    Raises
    ------
    RatingsError, UsageError as `evalsuite.ratings`; UsageError or StoreError if the study is
    not published.
    """
    from evalsuite.ratings import parse_columns, ratings_from_frame, read_ratings

    policy = _duplicate_policy(duplicates)
    if not is_study(source):
        return read_ratings(
            source,
            parse_columns(columns),
            scale=_scale(scale),
            duplicates=policy,
            drop_bad=drop_bad,
        )
    with open_published(source, database) as (store, key, study):
        frame = store.ratings(key)
    if frame.empty:
        raise RatingsError(
            f"study {study.id} version {study.version} has no ratings yet",
            wanted="at least one rated trial",
            do=f"send people the link of evalsuite serve {source}; see evalsuite study status",
        )
    scores = sorted(study.scale.labels)
    return ratings_from_frame(
        frame,
        source=f"study {study.id} version {study.version}",
        scale=(float(scores[0]), float(scores[-1])),
        duplicates=policy,
        drop_bad=drop_bad,
    )


def study_facts(study: "Study") -> dict[str, str]:
    """What a report says about a study, in words: heading -> text."""
    labels = ", ".join(f"{score} {label}" for score, label in study.scale.shown)
    return {
        "Study": f"{study.id}, version {study.version}, digest {study.digest}",
        "Protocol": study.protocol.upper(),
        "Question": study.question,
        "Scale": labels,
        "Instructions": study.instructions,
        "Language": study.language,
        "Listeners planned": str(study.listeners),
        "Seed of the design": str(study.seed),
    }


def _scale(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.replace("..", ",").split(","))
    except ValueError:
        low = high = 0.0
    if not low < high:
        raise UsageError(
            f"--scale {text!r}", wanted="two numbers, the lower first", do="write --scale 1..5"
        )
    return low, high


def _duplicate_policy(name: str) -> "Duplicates":
    from typing import get_args

    from evalsuite.ratings import Duplicates

    for policy in get_args(Duplicates):
        if policy == name:
            found: Duplicates = policy
            return found
    raise UsageError(
        f"--duplicates {name!r}",
        wanted=f"one of {', '.join(get_args(Duplicates))}",
        do="choose one of them",
    )
