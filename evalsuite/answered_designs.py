"""Analyse preference, ABX and best-worst tests: answers instead of ratings."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalsuite.answers import BETWEEN_SYSTEMS, Answers
from evalsuite.errors import TooFewRatings, UnknownName
from evalsuite.other_designs import DesignOptions, Found, OtherAnalysis, Record, finished
from evalsuite.stats.bradley_terry import (
    best_worst_scores,
    best_worst_wins,
    fit_bradley_terry,
)
from evalsuite.stats.discrimination import discrimination
from evalsuite.stats.holm import holm
from evalsuite.stats.preference import preference

__all__ = ["analyse_answers"]


def analyse_answers(answers: Answers, options: DesignOptions) -> OtherAnalysis:
    """Analyse a preference, ABX or best-worst test.

    Raises
    ------
    UnknownName if no system has the reference's name.
    """
    found = _ANSWERED[answers.kind](answers.frame, options)
    return finished(answers.kind, answers.frame, options, found, answers.source, answers.sha256)


def _preference(frame: pd.DataFrame, options: DesignOptions) -> Found:
    """Every pair by itself, and abilities over all pairs."""
    names = sorted({*frame["a"], *frame["b"]})
    code = {name: row for row, name in enumerate(names)}
    wins = np.zeros((len(names), len(names)))
    listeners, utterances = _codes(frame["listener"]), _codes(frame["utterance"])
    a, b = (frame[column].map(code).to_numpy(np.int64) for column in ("a", "b"))
    # Anything but the two names is no preference: Answers holds nothing else.
    preferred = frame["preferred"].map(code).fillna(-1).to_numpy(np.int64)
    first, second = np.minimum(a, b), np.maximum(a, b)
    answers = (preferred == first).astype(np.int64) - (preferred == second)
    found: list[Record] = []
    for i, j in combinations(range(len(names)), 2):
        rows = (first == i) & (second == j)
        if not rows.any():
            continue
        one = preference(
            answers[rows], listeners[rows], utterances[rows], confidence=options.confidence
        )
        wins[i, j] += one.share * one.n
        wins[j, i] += (1 - one.share) * one.n
        found.append({"a": names[i], "b": names[j], **asdict(one)})
    _adjust(found, "cluster_p")
    abilities, facts, notes = _abilities(wins, names, options.reference)
    return Found({"pairs": found, "abilities": abilities}, facts, notes)


def _abx(frame: pd.DataFrame, options: DesignOptions) -> Found:
    """Every system by itself, all listeners pooled."""
    listeners, utterances = _codes(frame["listener"]), _codes(frame["utterance"])
    right = frame["correct"].to_numpy(bool)
    found: list[Record] = []
    for system, rows in frame.groupby("system", sort=True).indices.items():
        one = discrimination(int(right[rows].sum()), len(rows), confidence=options.confidence)
        clustered = preference(
            np.where(right[rows], 1, -1).astype(np.int64), listeners[rows], utterances[rows],
            confidence=options.confidence,
        )  # fmt: skip
        found.append(
            {
                "system": str(system) or "all", "right": int(right[rows].sum()), **asdict(one),
                "cluster_low": clustered.cluster_low, "cluster_high": clustered.cluster_high,
            }
        )  # fmt: skip
    _adjust(found, "p")
    notes = ["p is the exact binomial, one-sided, against guessing, as if answers were independent"]
    if any(math.isinf(float(one["d_prime_independent"])) for one in found):
        notes.append("no finite d' where all answers are right")
    return Found({"systems": found}, {}, tuple(notes))


def _best_worst(frame: pd.DataFrame, options: DesignOptions) -> Found:
    """Counts, and abilities from the pairs that answers imply."""
    shown = [[name.strip() for name in text.split(BETWEEN_SYSTEMS)] for text in frame["shown"]]
    names = sorted({name for row in shown for name in row})
    code = {name: row for row, name in enumerate(names)}
    best, worst = (frame[column].map(code).to_numpy(np.int64) for column in ("best", "worst"))
    coded = [[code[name] for name in row] for row in shown]
    n = len(names)
    times_shown = np.bincount(np.concatenate(coded), minlength=n)
    times_best, times_worst = (np.bincount(codes, minlength=n) for codes in (best, worst))
    counts = (one.astype(np.float64) for one in (times_best, times_worst, times_shown))
    scores = best_worst_scores(*counts)
    wins = best_worst_wins(list(zip(coded, best.tolist(), worst.tolist(), strict=True)), n)
    abilities, facts, notes = _abilities(wins, names, options.reference)
    systems: list[Record] = [
        {
            "system": name, "shown": int(times_shown[row]), "best": int(times_best[row]),
            "worst": int(times_worst[row]), "score": float(scores[row]),
        }
        for row, name in enumerate(names)
    ]  # fmt: skip
    systems.sort(key=lambda one: (-float(one["score"]), str(one["system"])))
    if abilities:
        # One answer implies several pairs: errors that take them as independent are too small, and
        # so is the p of the fit.
        abilities = [{**one, "error": math.nan} for one in abilities]
        notes = (*notes, "no errors of abilities: the pairs that one answer implies are dependent")
    facts = {key: value for key, value in facts.items() if key == "reference"}
    return Found({"systems": systems, "abilities": abilities}, facts, notes)


def _abilities(
    wins: NDArray[np.float64], names: Sequence[str], reference: str | None
) -> tuple[list[Record], Record, tuple[str, ...]]:
    """Bradley-Terry abilities, best first, with the fit; a note instead where they are infinite."""
    if reference is not None and reference not in names:
        raise UnknownName(
            f"no answers about a system {reference!r}",
            wanted=f"one of {', '.join(names)}",
            do="choose one of them",
        )
    zero = reference or names[0]
    try:
        model = fit_bradley_terry(wins, reference=list(names).index(zero))
    except TooFewRatings as error:
        return [], {}, (f"no abilities: {error.got}",)
    records: list[Record] = [
        {"system": name, "ability": float(ability), "error": float(deviation), "elo": float(points)}
        for name, ability, deviation, points in zip(
            names, model.abilities, model.errors, model.elo, strict=True
        )
    ]
    records.sort(key=lambda one: (-float(one["ability"]), str(one["system"])))
    facts: Record = {
        "reference": zero, "deviance": model.deviance, "deviance_df": model.df,
        "fit_p": model.p,
    }  # fmt: skip
    return records, facts, ()


def _adjust(records: list[Record], key: str) -> None:
    """Add p after Holm to every record."""
    adjusted = holm([float(one[key]) for one in records])
    for one, p in zip(records, adjusted, strict=True):
        one["p_holm"] = float(p)


def _codes(names: "pd.Series[Any]") -> NDArray[np.int64]:
    return np.asarray(pd.factorize(names, sort=True)[0], dtype=np.int64)


_ANSWERED: dict[str, Callable[[pd.DataFrame, DesignOptions], Found]] = {
    "preference": _preference,
    "abx": _abx,
    "best_worst": _best_worst,
}
