"""Comparisons of systems by name: all pairs or all against a reference, adjusted after Holm."""

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from itertools import combinations

from evalsuite.errors import UnknownName
from evalsuite.stats.cluster_contrast import cluster2_contrasts
from evalsuite.stats.comparison import Comparison, ComparisonMethod, Pair
from evalsuite.stats.holm import holm
from evalsuite.stats.interval import NEW_LISTENERS_AND_SENTENCES
from evalsuite.stats.letters import compact_letters
from evalsuite.stats.ordinal import ordinal_contrasts
from evalsuite.stats.scores import ScoreTable
from evalsuite.stats.utterance_tests import mann_whitney_tests, paired_t_tests, wilcoxon_tests

__all__ = [
    "COMPARISONS",
    "DEFAULT_COMPARISON",
    "compare",
    "comparison_method",
    "pairs_of",
    "significance_letters",
]

DEFAULT_COMPARISON = "cluster2"
_NEW_SENTENCES = "new sentences like those of the test, rated by these listeners"

COMPARISONS: dict[str, ComparisonMethod] = {
    method.name: method
    for method in (
        ComparisonMethod(
            "cluster2",
            NEW_LISTENERS_AND_SENTENCES,
            "Cameron, Gelbach and Miller 2011",
            cluster2_contrasts,
        ),
        ComparisonMethod("wilcoxon", _NEW_SENTENCES, "Wilcoxon 1945", wilcoxon_tests),
        ComparisonMethod(
            "ordinal",
            f"{NEW_LISTENERS_AND_SENTENCES}; in log odds, without taking scores as numbers",
            "McCullagh 1980",
            ordinal_contrasts,
        ),
        ComparisonMethod("paired_t", _NEW_SENTENCES, "Student 1908", paired_t_tests),
        ComparisonMethod(
            "mann_whitney",
            "these ratings only, as if independent",
            "Mann and Whitney 1947",
            mann_whitney_tests,
            warning="legacy: it takes ratings by one listener or of one sentence as independent; "
            "in the paper's design as recalled it found a difference between equal systems in "
            "11 to 29 of 100 simulated tests instead of 5",
        ),
    )
}


def comparison_method(name: str) -> ComparisonMethod:
    """Return a method by name.

    Raises
    ------
    UnknownName naming the nearest and all known methods.
    """
    if name in COMPARISONS:
        return COMPARISONS[name]
    near = get_close_matches(name, COMPARISONS, n=1)
    raise UnknownName(
        f"{name!r} is not a comparison method",
        wanted=f"one of {', '.join(COMPARISONS)}",
        do=f"write {near[0]!r}" if near else "choose one of them",
    )


def pairs_of(table: ScoreTable, reference: str | None = None) -> list[Pair]:
    """All pairs of systems, the one with the higher mean first; or all others against one.

    Raises
    ------
    UnknownName if no system has the reference's name.
    """
    order = sorted(
        range(len(table.systems)),
        key=lambda row: (-table.systems[row].mean, table.systems[row].system),
    )
    if reference is None:
        return list(combinations(order, 2))
    names = [one.system for one in table.systems]
    if reference not in names:
        near = get_close_matches(reference, names, n=1)
        raise UnknownName(
            f"no ratings of a system {reference!r}",
            wanted=f"one of {', '.join(names)}",
            do=f"write {near[0]!r}" if near else "choose one of them",
        )
    chosen = names.index(reference)
    return [(row, chosen) for row in order if row != chosen]


def compare(
    table: ScoreTable,
    pairs: Sequence[Pair],
    method: str = DEFAULT_COMPARISON,
    *,
    confidence: float = 0.95,
) -> list[Comparison]:
    """Compare pairs of systems; p-values are adjusted over all of them (Holm 1979).

    Parameters
    ----------
    pairs : numbers of systems in `table`, as from `pairs_of`.
    method : a name of `COMPARISONS`.
    confidence : of each interval by itself; intervals are not adjusted.

    Raises
    ------
    UnknownName
    """
    found = comparison_method(method).compute(table, pairs, confidence)
    adjusted = holm([one.p for one in found])
    return [replace(one, p_holm=float(p_holm)) for one, p_holm in zip(found, adjusted, strict=True)]


def significance_letters(
    systems: Sequence[str], comparisons: Sequence[Comparison], *, alpha: float = 0.05
) -> dict[str, str]:
    """Compact letter display of all pairs: who shares a letter could not be told apart.

    Parameters
    ----------
    systems : names, best first.
    comparisons : of all pairs, adjusted; a pair without p counts as not told apart.
    """
    row = {name: number for number, name in enumerate(systems)}
    different = [(row[one.a], row[one.b]) for one in comparisons if one.p_holm < alpha]
    return dict(zip(systems, compact_letters(len(systems), different), strict=True))
