"""Which of two sets of weights to keep, decided on recordings that neither was trained on.

*Rule* For each metric, the paired differences between new and old on every clip have a mean and
a 95 % Student-t interval (ITU-T P.1401, 7.4, on differences). New is better where the interval
lies above 0, worse where it lies below, and otherwise no difference is shown. New is kept if it
is better on more metrics than it is worse on, and does not lose the bar of Griffin-Lim that old
passes (`evalsuite.model_card.BAR`). In any other case old is kept: a change must show its worth.

The interval counts clips as independent; it covers new sentences of the voices that were
measured, weighted by how many clips of each there are.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import stdtrit

from evalsuite.errors import TooFewRatings
from evalsuite.metrics.registry import make_metric
from evalsuite.model_card import BAR
from vocoders.training.held_out import Score, mean_scores

__all__ = ["Decision", "Difference", "decide", "paired_difference", "render_decision"]

NEW, OLD, BASELINE = "new", "old", "griffin_lim"
CONFIDENCE = 0.95

Verdict = Literal["better", "worse", "no difference shown"]


@dataclass(frozen=True)
class Difference:
    """New against old on one metric and one group of clips.

    Parameters
    ----------
    new, old, griffin_lim : means over the same clips.
    difference, half_width : new minus old in the metric's unit, and half its 95 % interval; the
        latter is NaN for a single clip.
    """

    metric: str
    group: str
    higher_is_better: bool
    n_clips: int
    new: float
    old: float
    griffin_lim: float
    difference: float
    half_width: float

    @property
    def verdict(self) -> Verdict:
        """What the interval shows."""
        gain = self.difference if self.higher_is_better else -self.difference
        if math.isnan(self.half_width) or abs(gain) <= self.half_width:
            return "no difference shown"
        return "better" if gain > 0 else "worse"


@dataclass(frozen=True)
class Decision:
    """The outcome and all it rests on.

    Parameters
    ----------
    keep : ``new`` or ``old``.
    why : in words.
    differences : by metric and group; the group ``all`` decides.
    """

    keep: Literal["new", "old"]
    why: str
    differences: tuple[Difference, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values; null where an interval is undefined."""
        rows = []
        for one in self.differences:
            row = asdict(one) | {"verdict": one.verdict}
            rows.append({k: None if v != v else v for k, v in row.items()})
        return {"keep": self.keep, "why": self.why, "differences": rows}


def paired_difference(new: Sequence[float], old: Sequence[float]) -> tuple[float, float]:
    """Mean difference and half of its Student-t interval; NaN for fewer than two pairs.

    >>> paired_difference([2.0, 3.0, 4.0], [1.0, 2.0, 3.0])
    (1.0, 0.0)
    """
    differences = np.asarray(new, float) - np.asarray(old, float)
    n = len(differences)
    if n < 2:
        return float(differences.mean()) if n else math.nan, math.nan
    quantile = float(stdtrit(n - 1, 0.5 + CONFIDENCE / 2))
    return float(differences.mean()), quantile * float(differences.std(ddof=1)) / math.sqrt(n)


def decide(scores: Sequence[Score]) -> Decision:
    """Apply the rule to the scores of the systems ``new``, ``old`` and ``griffin_lim``.

    Raises
    ------
    TooFewRatings if no metric is defined on two clips or more.
    """
    differences = _differences(scores)
    deciding = [one for one in differences if one.group == "all" and one.n_clips > 1]
    if not deciding:
        raise TooFewRatings(
            "no metric is defined on two held-out clips or more",
            wanted="at least two clips",
            do="compare on more recordings",
        )
    named = {verdict: [one.metric for one in deciding if one.verdict == verdict]
             for verdict in ("better", "worse")}  # fmt: skip
    better, worse = named["better"], named["worse"]
    said = f"better on {_listed(better)}, worse on {_listed(worse)} of {len(deciding)} metrics"
    if _passes_bar(deciding, "old") and not _passes_bar(deciding, "new"):
        return Decision("old", f"{said}; old beats Griffin-Lim and new does not", differences)
    return Decision("new" if len(better) > len(worse) else "old", said, differences)


def render_decision(decision: Decision) -> str:
    """Markdown table and the decision below it."""
    lines = [
        "| clips | n | metric | new | old | Griffin-Lim | new − old, 95 % interval | new is |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in decision.differences:
        arrow = "↑" if one.higher_is_better else "↓"
        interval = (
            "undefined" if math.isnan(one.half_width)
            else f"{one.difference:+.4f} ± {one.half_width:.4f}"
        )  # fmt: skip
        lines.append(
            f"| {one.group} | {one.n_clips} | {one.metric} {arrow} | {one.new:.4f} | "
            f"{one.old:.4f} | {one.griffin_lim:.4f} | {interval} | {one.verdict} |"
        )
    return "\n".join([*lines, "", f"keep {decision.keep}: {decision.why}"])


def _differences(scores: Sequence[Score]) -> tuple[Difference, ...]:
    means = mean_scores(scores)
    values: dict[tuple[str, str, str], dict[str, float]] = {}
    for one in scores:
        for group in ("all", one.group):
            values.setdefault((one.system, group, one.metric), {})[one.clip] = one.value
    found = []
    for metric in dict.fromkeys(one.metric for one in scores):
        for group in dict.fromkeys(("all", *(one.group for one in scores))):
            if (NEW, group, metric) in means:
                found.append(_difference(values, means, group, metric))
    return tuple(found)


def _difference(
    values: Mapping[tuple[str, str, str], Mapping[str, float]],
    means: Mapping[tuple[str, str, str], tuple[float, int]],
    group: str,
    metric: str,
) -> Difference:
    by_system = {name: values[name, group, metric] for name in (NEW, OLD, BASELINE)}
    clips = [
        clip for clip in by_system[NEW]
        if not any(math.isnan(found[clip]) for found in by_system.values())
    ]  # fmt: skip
    difference, half_width = paired_difference(
        [by_system[NEW][clip] for clip in clips], [by_system[OLD][clip] for clip in clips]
    )
    new, old, baseline = (means[name, group, metric][0] for name in (NEW, OLD, BASELINE))
    higher = make_metric(metric).higher_is_better
    return Difference(metric, group, higher, len(clips), new, old, baseline, difference, half_width)


def _passes_bar(deciding: Sequence[Difference], which: Literal["new", "old"]) -> bool:
    bar = [one for one in deciding if one.metric in BAR]
    return len(bar) == len(BAR) and all(
        (getattr(one, which) > one.griffin_lim) == one.higher_is_better
        and getattr(one, which) != one.griffin_lim
        for one in bar
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
