"""``evalsuite analyze --test-kind``: tests that are not of opinion scores."""

from pathlib import Path
from typing import TYPE_CHECKING

from evalsuite.cli.rating_source import load_ratings
from evalsuite.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from evalsuite.other_designs import DesignOptions, OtherAnalysis

__all__ = ["OPINION_SCORES", "analyze_other"]

OPINION_SCORES = "mos"
"""The kind of test that `evalsuite analyze` computes by itself."""
_ITS_SCALE = "1..5"


def analyze_other(
    source: Path,
    kind: str,
    *,
    format: str,
    columns: str = "",
    scale: str = _ITS_SCALE,
    duplicates: str = "keep_last",
    drop_bad: bool = False,
    confidence: float = 0.95,
    reference: str | None = None,
    mid_anchor: str | None = None,
    apply_screening: str | None = None,
    database: str | None = None,
) -> str:
    """Analyse a CMOS, MUSHRA, preference, ABX or best-worst test.

    Parameters
    ----------
    scale : of the ratings; the default of opinion scores stands for the scale of the kind.
    apply_screening : ``mushra`` leaves out whom MUSHRA post-screening names.

    Returns
    -------
    The tables in one of `evalsuite.tables.render.FORMATS`.

    Raises
    ------
    UnknownName for another kind; UsageError for options the kind has no use for; RatingsError for
    missing columns and rows that cannot be true.
    """
    from evalsuite.other_designs import TEST_KINDS, DesignOptions

    if kind not in TEST_KINDS:
        from difflib import get_close_matches

        known = [OPINION_SCORES, *TEST_KINDS]
        near = get_close_matches(kind, known, n=1)
        raise UnknownName(
            f"{kind!r} is not a kind of test",
            wanted=f"one of {', '.join(known)}",
            do=f"write --test-kind {near[0]}" if near else "choose one of them",
        )
    _check_options(kind, confidence, mid_anchor, apply_screening)
    options = DesignOptions(confidence, reference, mid_anchor, apply_screening is not None)
    bounds = TEST_KINDS[kind]
    if bounds is None:
        found = _of_answers(source, kind, columns, options)
    else:
        found = _of_ratings(
            source, kind, options, columns=columns, duplicates=duplicates, drop_bad=drop_bad,
            database=database,
            scale=scale if scale != _ITS_SCALE else f"{bounds[0]:g}..{bounds[1]:g}",
        )  # fmt: skip
    return _text(found, format)


def _check_options(
    kind: str, confidence: float, mid_anchor: str | None, apply_screening: str | None
) -> None:
    if not 0 < confidence < 1:
        raise UsageError(
            f"confidence {confidence:g}", wanted="a number between 0 and 1", do="use 0.95"
        )
    if mid_anchor is not None and kind != "mushra":
        raise UsageError(
            f"--mid-anchor with --test-kind {kind}", wanted="a MUSHRA test", do="leave it out"
        )
    if apply_screening not in (None, "mushra") or (apply_screening and kind != "mushra"):
        raise UsageError(
            f"--apply-screening {apply_screening} with --test-kind {kind}",
            wanted="--apply-screening mushra with --test-kind mushra: no other rule is for it",
            do="leave it out",
        )


def _of_answers(source: Path, kind: str, columns: str, options: "DesignOptions") -> "OtherAnalysis":
    from evalsuite.answered_designs import analyse_answers
    from evalsuite.answers import ANSWER_COLUMNS, OPTIONAL_COLUMNS, read_answers
    from evalsuite.ratings import parse_columns

    known = (*ANSWER_COLUMNS[kind], *OPTIONAL_COLUMNS[kind])
    return analyse_answers(read_answers(source, kind, parse_columns(columns, known)), options)


def _of_ratings(
    source: Path,
    kind: str,
    options: "DesignOptions",
    *,
    columns: str,
    scale: str,
    duplicates: str,
    drop_bad: bool,
    database: str | None,
) -> "OtherAnalysis":
    from evalsuite.rated_designs import analyse_rated

    ratings = load_ratings(
        source, columns=columns, scale=scale, duplicates=duplicates, drop_bad=drop_bad,
        database=database,
    )  # fmt: skip
    return analyse_rated(ratings, kind, options)


def _text(analysis: "OtherAnalysis", format: str) -> str:
    import json

    from evalsuite.other_designs import other_analysis_json
    from evalsuite.tables.other_designs import other_tables
    from evalsuite.tables.render import render

    if format == "json":
        value = other_analysis_json(analysis)
        return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    tables = other_tables(analysis)
    # A CSV is one table: the first, which is what the test is for.
    return "\n".join(render(table, format) for table in (tables[:1] if format == "csv" else tables))
