"""Tables of mean opinion scores: ours, with the published figures beside them."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from evalsuite.analysis import Analysis, SystemSummary
from evalsuite.stats.comparisons import COMPARISONS
from evalsuite.stats.interval import Interval
from evalsuite.stats.intervals import INTERVALS
from evalsuite.tables.names import REFERENCE_NAMES, STANDARD_NAMES, display_name, match_key
from evalsuite.tables.published import PublishedRow, PublishedTable
from evalsuite.tables.stamps import table_stamps
from evalsuite.tables.table import Column, Row, Table, Value

__all__ = ["best_match", "mos_table"]

# Points of the scale; an iterative fit of balanced ratings stops this near to their mean.
_SAME_CENTRE = 1e-6
_NOT_COMPARABLE = (
    "Published figures come from another test with other listeners: not comparable in significance."
)


def mos_table(
    analysis: Analysis,
    *,
    published: PublishedTable | None = None,
    names: Mapping[str, str] | None = None,
    standards: Collection[str] = STANDARD_NAMES,
    stamps: Sequence[str] = (),
) -> Table:
    """Build a table of mean opinion scores.

    Parameters
    ----------
    analysis : our results; its rows come first, by mean.
    published : printed rows to set beside ours; those without a counterpart follow.
    names : system -> name shown, before the built-in `evalsuite.tables.names.DISPLAY_NAMES`.
    standards : the recording and anchors: they do not compete and are never emphasised.
    stamps : what else to stamp the table with; simulated ratings stamp it anyway.
    """
    printed = {match_key(row.name): row for row in published.rows} if published else {}
    letters = analysis.inference.letters if analysis.inference else {}
    best = _best(analysis.systems, standards, letters)
    rows = []
    for one in analysis.systems:
        shown = display_name(one.system, names)
        counterpart = printed.pop(match_key(shown), None)
        row = _row(one, shown, counterpart, best=one.system in best)
        rows.append(replace(row, values={**row.values, "letters": letters.get(one.system, "")}))
    rows.extend(Row({"system": row.name, **_printed_values(row)}) for row in printed.values())
    return Table(
        id=f"table{published.number}" if published else "mos",
        title=_title(published),
        caption=_caption(analysis, published),
        columns=_columns(analysis, published),
        rows=tuple(rows),
        footer=tuple(_footer(analysis, published, names)),
        stamps=tuple(table_stamps(analysis, stamps)),
    )


def best_match(
    systems: Iterable[str],
    tables: Sequence[PublishedTable],
    names: Mapping[str, str] | None = None,
) -> PublishedTable | None:
    """Return the published table that shares most rows with `systems`, references not counted.

    Of equals the first wins; None if nothing is shared. Which corpus was rated cannot be told
    from names, so tables with the same systems (3 and 4) need an explicit choice.
    """
    ours = {match_key(display_name(name, names)) for name in systems} - set(REFERENCE_NAMES)
    shared = [len(ours & {match_key(row.name) for row in table.rows}) for table in tables]
    if not any(shared):
        return None
    return tables[shared.index(max(shared))]


def _best(
    systems: Sequence[SystemSummary], standards: Collection[str], letters: Mapping[str, str]
) -> set[str]:
    """The highest mean among systems that compete, and those not told apart from it."""
    candidates = [one for one in systems if one.system not in standards]
    if len(candidates) < 2:
        return set()
    top = max(candidates, key=lambda one: one.mean)
    ties = {one.system for one in candidates if one.mean == top.mean}
    own = set(letters.get(top.system, ""))
    return ties | {one.system for one in candidates if own & set(letters.get(one.system, ""))}


def _row(one: SystemSummary, shown: str, counterpart: PublishedRow | None, *, best: bool) -> Row:
    values: dict[str, Value] = {
        "system": shown,
        "n": one.n,
        "listeners": one.listeners,
        "utterances": one.utterances,
        "mos": one.mean,
        "sd": one.sd,
    }
    marks = {}
    for name, interval in one.intervals.items():
        values |= _interval_values(name, interval)
        if interval.computed_by != name:
            marks[f"{name}_half_width"] = f"({interval.computed_by})"
    values |= {f"count_{point}": count for point, count in one.score_counts.items()}
    if counterpart:
        values |= _printed_values(counterpart)
    return Row(values, best=best, marks=marks)


def _interval_values(name: str, interval: Interval) -> dict[str, Value]:
    return {
        f"{name}_half_width": interval.half_width,
        f"{name}_low": interval.low,
        f"{name}_high": interval.high,
        f"{name}_computed_by": interval.computed_by,
    }


def _printed_values(row: PublishedRow) -> dict[str, Value]:
    return {
        "published_mos": row.values.get("mos"),
        "published_half_width": row.values.get("ci"),
        "published_name": row.name,
    }


def _columns(analysis: Analysis, published: PublishedTable | None) -> tuple[Column, ...]:
    points = analysis.systems[0].score_counts if analysis.systems else {}
    counts = tuple(f"count_{point}" for point in points)
    columns = [
        Column("system", "system"),
        Column("n", "N"),
        Column("listeners", "L"),
        Column("utterances", "U"),
        Column("mos", "MOS", decimals=2, details=("sd", *counts)),
    ]
    columns += [_interval_column(analysis, name) for name in analysis.methods]
    if analysis.inference and analysis.inference.letters:
        columns.append(Column("letters", "letters", words=True))
    if published:
        columns += [
            Column("published_mos", "published MOS", decimals=2, details=("published_name",)),
            Column("published_half_width", "published CI", decimals=2, half_width=True),
        ]
    return tuple(columns)


def _interval_column(analysis: Analysis, name: str) -> Column:
    ends = (f"{name}_low", f"{name}_high")
    return Column(
        f"{name}_half_width",
        INTERVALS[name].title,
        decimals=2,
        half_width=True,
        ends=None if _around_mean(analysis, name) else ends,
        details=(*ends, f"{name}_computed_by"),
    )


def _around_mean(analysis: Analysis, name: str) -> bool:
    """False if an interval of the method is not symmetric, or has another centre than the MOS."""
    return all(
        math.isnan(one.intervals[name].half_width)
        or (
            one.intervals[name].ends is None
            and abs(one.intervals[name].estimate - one.mean) < _SAME_CENTRE
        )
        for one in analysis.systems
    )


def _title(published: PublishedTable | None) -> str:
    if published is None:
        return "Mean opinion scores"
    return f"Table {published.number}: {published.title}"


def _caption(analysis: Analysis, published: PublishedTable | None) -> str:
    beside = ", published figures beside ours" if published else ""
    low, high = analysis.scale
    return (
        f"Mean opinion scores ({low:g} to {high:g}) with half widths of "
        f"{100 * analysis.confidence:g} % intervals{beside}"
    )


def _footer(
    analysis: Analysis, published: PublishedTable | None, names: Mapping[str, str] | None
) -> list[str]:
    lines = [
        f"N, L, U: ratings, listeners and utterances of a row; in all {analysis.n} ratings by "
        f"{analysis.listeners} listeners of {analysis.utterances} utterances, "
        f"{len(analysis.systems)} systems."
    ]
    for name in analysis.methods:
        interval = INTERVALS[name]
        lines.append(f"{interval.title} ({interval.source}) covers {interval.scope}.")
    if aside := [
        INTERVALS[name].title for name in analysis.methods if not _around_mean(analysis, name)
    ]:
        lines.append(
            f"In brackets: lower and upper end, as {', '.join(aside)} "
            f"{'do' if len(aside) > 1 else 'does'} not lie symmetrically around the MOS."
        )
    lines += _letter_lines(analysis, names)
    if published:
        lines.append(f"Published: {published.source}. {_NOT_COMPARABLE}")
    lines += [f"Note: {note}." for note in analysis.notes]
    lines += [f"Warning: {warning}." for warning in analysis.warnings]
    lines.append(f"Input: {analysis.source}, sha256 {analysis.sha256}.")
    return lines


def _letter_lines(analysis: Analysis, names: Mapping[str, str] | None) -> list[str]:
    inference = analysis.inference
    if inference is None or not any(inference.letters.values()):
        untested = inference is not None and bool(inference.letters)
        lines = ["No letters: no system was tested against another."] if untested else []
        return [*lines, "Emphasised: highest mean; the recording and anchors do not compete."]
    method = COMPARISONS[inference.method]
    lines = [
        f"Letters: systems that share one were not told apart ({method.name} comparison, "
        f"{method.source}; p after Holm below {inference.alpha:g})."
    ]
    without = [display_name(name, names) for name, text in inference.letters.items() if not text]
    if without:
        lines.append(
            f"No letter: {', '.join(without)} could not be tested against every other system."
        )
    return [
        *lines,
        "Emphasised: highest mean and what shares its letter; the recording and anchors do not "
        "compete.",
    ]
