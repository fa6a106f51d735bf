"""Tables of listening tests that are not of opinion scores."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from evalsuite.other_designs import TEST_KINDS, OtherAnalysis, Record
from evalsuite.tables.names import display_name
from evalsuite.tables.table import Column, Row, Table, Value

__all__ = ["other_tables"]


@dataclass(frozen=True)
class _Form:
    """How one section of one kind is drawn; with `pairs` a record is of two systems, a and b."""

    title: str
    caption: str
    columns: tuple[Column, ...]
    footer: tuple[str, ...] = ()
    pairs: bool = False


def other_tables(analysis: OtherAnalysis, *, names: Mapping[str, str] | None = None) -> list[Table]:
    """One table for each section that holds anything.

    Parameters
    ----------
    names : system -> name to show.
    """
    stamps: tuple[str, ...] = ()
    if analysis.n_simulated:
        counted = f"{analysis.n_simulated} of {analysis.n} {_what(analysis)}"
        stamps = (f"SIMULATED LISTENERS: {counted}",)
    tables = []
    for section, form in _FORMS[analysis.kind].items():
        records = analysis.sections.get(section, [])
        if not records:
            continue
        tables.append(
            Table(
                id=f"{analysis.kind}_{section}",
                title=form.title,
                caption=form.caption.format(percent=f"{100 * analysis.confidence:g} %"),
                columns=form.columns,
                rows=tuple(_row(one, form, analysis, names) for one in records),
                footer=form.footer,
                stamps=stamps,
            )
        )
    # What holds of the whole test stands once, under the first table.
    return [replace(tables[0], footer=(*tables[0].footer, *_facts(analysis))), *tables[1:]]


def _row(
    record: Record, form: _Form, analysis: OtherAnalysis, names: Mapping[str, str] | None
) -> Row:
    values: dict[str, Value] = dict(record)
    for key in ("p", "p_holm", "cluster_p", "p_without_ties"):
        if isinstance(p := values.get(key), float) and p < 1e-4:
            values[key] = "<0.0001"
    p_holm = float(record.get("p_holm", math.nan))
    values["significant"] = (
        "not tested" if math.isnan(p_holm) else "yes" if p_holm < 1 - analysis.confidence else "no"
    )  # fmt: skip
    if form.pairs:
        a, b = (display_name(str(record[key]), names) for key in ("a", "b"))
        values["system"] = f"{a} − {b}"
    elif "rule" in record:
        values["system"] = str(record["listener"])
        values["would_go"] = "yes" if record["would_exclude"] else "no"
    else:
        values["system"] = display_name(str(record["system"]), names)
    return Row(values)


def _facts(analysis: OtherAnalysis) -> list[str]:
    """Lines on the whole test: sizes, tests of all systems, notes, source."""
    lines = [
        f"In all {analysis.n} {_what(analysis)} by {analysis.listeners} listeners of "
        f"{analysis.utterances} utterances."
    ]
    facts = {key: value for key, value in analysis.facts.items() if not _undefined(value)}
    lines += [text(facts) for key, text in _FACTS.items() if key in facts]
    lines += [
        f"{one['system']}: no p, {one['reason']}."
        for one in analysis.sections.get("systems", [])
        if one.get("reason")
    ]
    lines += [f"Note: {note}." for note in analysis.notes]
    lines.append(f"Input: {analysis.source}, sha256 {analysis.sha256}.")
    return lines


def _what(analysis: OtherAnalysis) -> str:
    return "answers" if TEST_KINDS[analysis.kind] is None else "ratings"


def _undefined(value: str | float) -> bool:
    return isinstance(value, float) and math.isnan(value)


#: Key -> the line about it.
_FACTS: dict[str, Callable[[Record], str]] = {
    "friedman_p": lambda facts: (
        f"Friedman's test of all systems over the medians of {facts['listeners_of_all_systems']} "
        f"listeners: p = {facts['friedman_p']:.2g}."
    ),
    "reference": lambda facts: f"Abilities are log odds against {facts['reference']}.",
    "fit_p": lambda facts: (
        f"Fit of one ability a system: G² = {facts['deviance']:.2f} on {facts['deviance_df']} "
        f"degrees of freedom, p = {facts['fit_p']:.2g}."
    ),
}

_HOLM = "p: two-sided; Holm: adjusted over the rows of this table (Holm 1979)."
_CLUSTERED = "with listeners and utterances as clusters (Cameron, Gelbach and Miller 2011)"
_P = (
    Column("p", "p", significant=2),
    Column("p_holm", "p (Holm)", significant=2),
)
_DIFFER = Column("significant", "differ", words=True)
_ABILITIES = _Form(
    "Abilities",
    "Bradley-Terry abilities in log odds, and the same in Elo points",
    (
        Column("system", "system"),
        Column("ability", "ability", decimals=2),
        Column("error", "standard error", decimals=2),
        Column("elo", "Elo", decimals=0),
    ),
    ("Errors take answers as independent; Elo is for display only.",),
)

#: Kind -> section -> form.
_FORMS: dict[str, dict[str, _Form]] = {
    "cmos": {
        "systems": _Form(
            "Comparison mean opinion scores",
            "Means from -3 (much worse) to 3 (much better), with half widths of {percent} "
            "intervals, and the test of no difference (0)",
            (
                Column("system", "system"),
                Column("n", "N"),
                Column("listeners", "L"),
                Column("utterances", "U"),
                Column("mean", "CMOS", decimals=2),
                Column("half_width", "CI", decimals=2, half_width=True,
                       details=("low", "high", "df")),
                *_P,
                Column("significant", "differs from 0", words=True, details=("reason",)),
            ),
            (f"CI and p {_CLUSTERED}: new listeners and new sentences like those of the test.",
             _HOLM),
        ),
        "comparisons": _Form(
            "Comparisons",
            "Differences of systems in points, with half widths of {percent} intervals",
            (
                Column("system", "systems", details=("a", "b")),
                Column("difference", "difference", decimals=2),
                Column("half_width", "CI", decimals=2, half_width=True,
                       details=("low", "high", "df")),
                *_P,
                replace(_DIFFER, details=("reason",)),
            ),
            (_HOLM,),
            pairs=True,
        ),
    },
    "mushra": {
        "systems": _Form(
            "MUSHRA",
            "Medians and quartiles of all ratings from 0 to 100 (ITU-R BS.1534-3)",
            (
                Column("system", "system"),
                Column("n", "N"),
                Column("median", "median", decimals=1),
                Column("lower_quartile", "lower quartile", decimals=1),
                Column("upper_quartile", "upper quartile", decimals=1),
            ),
        ),
        "comparisons": _Form(
            "Comparisons",
            "Differences of medians, and Wilcoxon's signed-rank test over listeners' medians",
            (
                Column("system", "systems", details=("a", "b")),
                Column("difference", "difference", decimals=1),
                *_P,
                _DIFFER,
            ),
            (_HOLM, "Not tested below six listeners."),
            pairs=True,
        ),
        "screening": _Form(
            "Post-screening",
            "Share of ratings that miss the hidden reference or the mid anchor",
            (
                Column("system", "listener"),
                Column("rule", "rule", words=True),
                Column("value", "share", decimals=2),
                Column("threshold", "limit", decimals=2),
                Column("would_go", "would go", words=True, details=("reason",)),
            ),
        ),
    },
    "preference": {
        "pairs": _Form(
            "Preferences",
            "Share of answers for the first system, ties counting half, with {percent} intervals",
            (
                Column("system", "systems", details=("a", "b")),
                Column("n", "N", details=("n_ties",)),
                Column("share", "share", decimals=3,
                       details=("share_without_ties", "p_without_ties")),
                Column("low", "Wilson from", decimals=3),
                Column("high", "to", decimals=3),
                Column("cluster_low", "clustered from", decimals=3),
                Column("cluster_high", "to", decimals=3),
                Column("p", "p (binomial)", significant=2),
                Column("cluster_p", "p (clustered)", significant=2),
                Column("p_holm", "p (Holm)", significant=2),
                _DIFFER,
            ),
            ("Wilson and binomial take answers as independent, ties split.",
             f"Clustered: {_CLUSTERED}; Holm: of these p, adjusted over the rows."),
            pairs=True,
        ),
        "abilities": _ABILITIES,
    },
    "abx": {
        "systems": _Form(
            "ABX",
            "Share of right answers with {percent} intervals, and sensitivity d'",
            (
                Column("system", "system"),
                Column("n", "N", details=("right",)),
                Column("share", "right", decimals=3),
                Column("low", "Wilson from", decimals=3),
                Column("high", "to", decimals=3),
                Column("cluster_low", "clustered from", decimals=3),
                Column("cluster_high", "to", decimals=3),
                *_P,
                Column("d_prime_independent", "d' independent", decimals=2),
                Column("d_prime_differencing", "d' differencing", decimals=2),
                Column("significant", "heard", words=True),
            ),
            (f"Clustered: {_CLUSTERED}; Wilson takes answers as independent.",
             "d': Macmillan and Creelman 2005, by what listeners are thought to compare."),
        ),
    },
    "best_worst": {
        "systems": _Form(
            "Best-worst scaling",
            "Times best less times worst, over times shown: -1 to 1",
            (
                Column("system", "system"),
                Column("shown", "shown"),
                Column("best", "best"),
                Column("worst", "worst"),
                Column("score", "score", decimals=3),
            ),
        ),
        "abilities": replace(_ABILITIES, footer=("Elo is for display only.",)),
    },
}  # fmt: skip
