"""Analyse CMOS and MUSHRA tests: ratings on another scale than that of opinion scores."""

from collections.abc import Sequence
from dataclasses import asdict, replace

import pandas as pd

from evalsuite.errors import TooFewRatings
from evalsuite.other_designs import DesignOptions, Found, OtherAnalysis, Record, finished
from evalsuite.ratings import Ratings
from evalsuite.stats.cmos import cmos_contrasts
from evalsuite.stats.comparisons import compare, pairs_of
from evalsuite.stats.mushra import mushra_screening, mushra_summary, mushra_tests
from evalsuite.stats.scores import ScoreTable, score_table
from evalsuite.stats.screening import ScreeningResult

__all__ = ["analyse_rated"]


def analyse_rated(ratings: Ratings, kind: str, options: DesignOptions) -> OtherAnalysis:
    """Analyse a CMOS or MUSHRA test.

    Raises
    ------
    UnknownName for a system that was not rated; TooFewRatings if screening would leave nobody.
    """
    frame = ratings.frame
    if kind == "cmos":
        found = replace(_cmos(_table(frame), options), notes=ratings.notes)
    else:
        screening = _screening(frame, options)
        frame, remark = _screened(frame, screening, options)
        found = replace(_mushra(_table(frame), screening), notes=(*ratings.notes, remark))
    return finished(kind, frame, options, found, ratings.source, ratings.sha256)


def _cmos(table: ScoreTable, options: DesignOptions) -> Found:
    """Every system against 0, and systems with each other by the default comparison."""
    against_zero = {one.a: one for one in cmos_contrasts(table, confidence=options.confidence)}
    systems: list[Record] = []
    for one in sorted(table.systems, key=lambda one: (-one.mean, one.system)):
        zero = against_zero[one.system]
        systems.append(
            {
                "system": one.system, "n": one.n, "listeners": one.n_listeners,
                "utterances": one.n_utterances, "mean": one.mean, "half_width": zero.half_width,
                "low": zero.low, "high": zero.high, "df": zero.df, "p": zero.p,
                "p_holm": zero.p_holm, "reason": zero.reason,
            }
        )  # fmt: skip
    pairs: list[Record] = [
        {**asdict(one), "low": one.low, "high": one.high}
        for one in compare(table, pairs_of(table, options.reference), confidence=options.confidence)
    ]
    return Found({"systems": systems, "comparisons": pairs}, {}, ())


def _mushra(table: ScoreTable, screening: Sequence[ScreeningResult]) -> Found:
    """Medians, and tests over listeners' medians."""
    tests = mushra_tests(table)
    medians = {one.system: one for one in mushra_summary(table)}
    names = [one.system for one in table.systems]
    systems: list[Record] = [
        asdict(one) for one in sorted(medians.values(), key=lambda one: (-one.median, one.system))
    ]
    pairs: list[Record] = []
    for (a, b), p, p_holm in zip(tests.pairs, tests.p, tests.p_holm, strict=True):
        first, second = sorted((names[a], names[b]), key=lambda name: (-medians[name].median, name))
        pairs.append(
            {
                "a": first, "b": second,
                "difference": medians[first].median - medians[second].median,
                "p": float(p), "p_holm": float(p_holm),
            }
        )  # fmt: skip
    facts: Record = {
        "friedman_p": tests.friedman_p, "listeners_of_all_systems": tests.n_listeners
    }  # fmt: skip
    named: list[Record] = [asdict(one) for one in screening]
    return Found({"systems": systems, "comparisons": pairs, "screening": named}, facts, ())


def _screening(frame: pd.DataFrame, options: DesignOptions) -> list[ScreeningResult]:
    """Post-screening; nothing if the hidden reference was not named."""
    if options.reference is None:
        return []
    return mushra_screening(
        _table(frame), reference=options.reference, mid_anchor=options.mid_anchor
    )


def _screened(
    frame: pd.DataFrame, screening: Sequence[ScreeningResult], options: DesignOptions
) -> tuple[pd.DataFrame, str]:
    """Leave out whom post-screening names, if that was asked for; and a note on it."""
    if options.reference is None:
        return frame, "no post-screening: the hidden reference was not named (--reference)"
    out = sorted({one.listener for one in screening if one.would_exclude})
    who = f"{', '.join(out) or 'nobody'} ({len(out)} of {frame['listener'].nunique()} listeners)"
    if not options.apply_screening:
        return frame, f"post-screening would leave out {who}; it was not applied"
    kept = frame[~frame["listener"].isin(out)]
    if kept.empty:
        raise TooFewRatings(
            f"post-screening leaves none of {len(out)} listeners",
            wanted="listeners who find the hidden reference",
            do="check that --reference and --mid-anchor name the right systems",
        )
    return kept, f"post-screening left out {who}"


def _table(frame: pd.DataFrame) -> ScoreTable:
    return score_table(
        frame["system"], frame["listener"], frame["utterance"], frame["score"].to_numpy()
    )
