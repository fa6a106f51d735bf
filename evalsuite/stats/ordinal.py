"""Ordinal check: do the systems stand in the same order if scores are ranks, not numbers?

A mean treats the step from Bad to Poor like the step from Good to Excellent. The proportional
odds model (McCullagh 1980, "Regression models for ordinal data", J. R. Stat. Soc. B 42) does not:
``P(score <= k) = logistic(threshold_k - ability of the system)``. Its errors are made robust
against shared listeners and utterances by the same two-way clusters as the default comparison
(Cameron, Gelbach and Miller 2011, section 2.3 on estimators from score contributions).

A mixed model with random listeners would estimate abilities for one listener instead of the
average over listeners; its abilities are larger by a common factor, its order the same.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from scipy.special import expit, logit, stdtr, stdtrit

from evalsuite.stats.clusters import combine
from evalsuite.stats.comparison import Comparison, Pair
from evalsuite.stats.scores import ScoreTable

__all__ = ["OrdinalModel", "fit_ordinal", "ordinal_contrasts"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OrdinalModel:
    """A fitted proportional odds model.

    Parameters
    ----------
    levels : the distinct scores, ascending.
    thresholds : float64, shape (levels - 1,).
    abilities : float64, shape (systems,); the first system's is 0 by definition.
    log_likelihood : at the optimum.
    influence : float64, shape (systems, levels, systems): what one rating of this level for that
        system adds to the error of each ability.
    """

    levels: Array
    thresholds: Array
    abilities: Array
    log_likelihood: float
    influence: Array


def fit_ordinal(table: ScoreTable) -> OrdinalModel | None:
    """Fit by maximum likelihood; None if fewer than two scores occur or systems are separated.

    A system that was only given the best (or only the worst) score has no finite ability; nor have
    systems none of whose scores is above any score of the others. Ratings of the same system and
    score share a term, so the cost does not grow with their number.
    """
    levels, counts = _counts(table)
    n_systems, n_levels = counts.shape
    if n_levels < 2 or len(_groups(counts)) > 1:
        return None
    start = _start(counts)
    found = scipy.optimize.minimize(
        _negative_log_likelihood, start, args=(counts,), jac=True, method="BFGS",
        options={"gtol": 1e-9 * counts.sum(), "maxiter": 1000},
    )  # fmt: skip
    parameters = _polish(found.x, counts)
    gradients = _cell_gradients(parameters, n_systems, n_levels)
    hessian = _hessian(parameters, counts)
    influence = np.zeros((n_systems, n_levels, n_systems))
    influence[:, :, 1:] = (gradients @ np.linalg.pinv(hessian))[:, :, n_levels - 1 :]
    return OrdinalModel(
        levels,
        parameters[: n_levels - 1],
        np.concatenate([[0.0], parameters[n_levels - 1 :]]),
        -float(_negative_log_likelihood(parameters, counts)[0]),
        influence,
    )


def ordinal_contrasts(
    table: ScoreTable, pairs: Sequence[Pair], confidence: float
) -> list[Comparison]:
    """Compare abilities, in log odds, with two-way cluster-robust errors and t(min(L, U) - 1).

    Systems none of whose scores is above any score of the others are infinitely far from them: no
    pair between them has a p. As they move apart without end, the likelihood becomes the product of
    those of the groups by themselves, so that pairs within a group are compared in its own model.
    """
    n_units = min(len(table.listeners), len(table.utterances))
    found: dict[Pair, Comparison] = {}
    for group in _groups(_counts(table)[1]) if n_units > 1 else ():
        part = ScoreTable(
            tuple(table.systems[row] for row in group), table.listeners, table.utterances
        )
        model = fit_ordinal(part)
        inside = [pair for pair in pairs if set(pair) <= set(group)]
        if model is None or not inside:
            continue
        sums = _sum_up(part, model)
        for pair in inside:
            own = (group.index(pair[0]), group.index(pair[1]))
            found[pair] = _contrast(part, model, sums, own, confidence)
    return [found[pair] if pair in found else _undefined(table, pair, n_units) for pair in pairs]


def _undefined(table: ScoreTable, pair: Pair, n_units: int) -> Comparison:
    reason = (
        "no finite ability: some systems have no score above any score of the others"
        if n_units > 1
        else "one listener or one utterance: no spread between them"
    )
    a, b = (table.systems[row].system for row in pair)
    nan = math.nan
    return Comparison(a, b, nan, nan, nan, nan, "ordinal", n_units, reason=reason)


@dataclass(frozen=True, eq=False)
class _Sums:
    """Influence summed over listeners, utterances and both together, shape (groups, systems).

    `products` are those of the last, summed over groups, shape (systems, systems).
    """

    by_listener: Array
    by_utterance: Array
    products: Array
    n_cells: int


def _sum_up(table: ScoreTable, model: OrdinalModel) -> _Sums:
    systems = np.repeat(np.arange(len(table.systems)), [one.n for one in table.systems])
    levels = np.searchsorted(model.levels, np.concatenate([one.scores for one in table.systems]))
    listeners = np.concatenate([one.listeners for one in table.systems])
    utterances = np.concatenate([one.utterances for one in table.systems])
    keys = listeners * len(table.utterances) + utterances
    cells, cell_of = np.unique(keys, return_inverse=True)
    sums = []
    for codes, size in (
        (listeners, len(table.listeners)), (utterances, len(table.utterances)),
        (cell_of, len(cells)),
    ):  # fmt: skip
        columns = [
            np.bincount(codes, model.influence[:, :, column][systems, levels], size)
            for column in range(len(table.systems))
        ]
        sums.append(np.stack(columns, axis=1).astype(np.float64))
    by_listener, by_utterance, by_cell = sums
    return _Sums(by_listener, by_utterance, by_cell.T @ by_cell, len(cells))


def _contrast(
    table: ScoreTable, model: OrdinalModel, sums: _Sums, pair: Pair, confidence: float
) -> Comparison:
    a, b = pair
    by_listener = sums.by_listener[:, a] - sums.by_listener[:, b]
    by_utterance = sums.by_utterance[:, a] - sums.by_utterance[:, b]
    squares = sums.products[a, a] + sums.products[b, b] - 2 * sums.products[a, b]
    variance = combine(
        float(by_listener @ by_listener), len(by_listener),
        float(by_utterance @ by_utterance), len(by_utterance),
        float(squares), sums.n_cells,
    )  # fmt: skip
    difference = float(model.abilities[a] - model.abilities[b])
    error = math.sqrt(variance.total)
    return Comparison(
        table.systems[a].system,
        table.systems[b].system,
        difference,
        float(stdtrit(variance.df, 0.5 + confidence / 2)) * error,
        variance.df,
        2 * float(stdtr(variance.df, -abs(difference) / error)),
        "ordinal",
        variance.df + 1,
    )


def _counts(table: ScoreTable) -> tuple[Array, Array]:
    """Distinct scores, ascending, and how often each system has each, shape (systems, levels)."""
    scores = np.concatenate([one.scores for one in table.systems])
    levels, codes = np.unique(scores, return_inverse=True)
    systems = np.repeat(np.arange(len(table.systems)), [one.n for one in table.systems])
    counts = np.zeros((len(table.systems), len(levels)))
    np.add.at(counts, (systems, codes), 1.0)
    return levels, counts


def _groups(counts: Array) -> list[list[int]]:
    """Systems whose scores overlap, the lowest group first; one group if all abilities are finite.

    With m the highest score of the lower systems, and none of the others' below it, moving the
    others' abilities and every threshold from m up by the same amount lowers no probability and
    raises some, without end. Without such a split every direction like it is flat, so this is the
    whole condition.
    """
    used = counts > 0
    lowest = used.argmax(axis=1)
    highest = used.shape[1] - 1 - used[:, ::-1].argmax(axis=1)
    # In this order every split there is lies between two neighbours.
    order = np.lexsort((highest, lowest))
    apart = np.maximum.accumulate(highest[order])[:-1] <= lowest[order][1:]
    return [part.tolist() for part in np.split(order, np.flatnonzero(apart) + 1)]


def _start(counts: Array) -> Array:
    """Thresholds that give the pooled shares, and equal abilities."""
    shares = np.cumsum(counts.sum(axis=0))[:-1] / counts.sum()
    return np.concatenate([logit(shares), np.zeros(len(counts) - 1)])


def _edges(parameters: Array, n_systems: int, n_levels: int) -> Array:
    """Edges of the levels for each system, shape (systems, levels + 1), infinite at the ends."""
    thresholds = parameters[: n_levels - 1]
    abilities = np.concatenate([[0.0], parameters[n_levels - 1 :]])
    edges = np.full((n_systems, n_levels + 1), np.inf)
    edges[:, 0] = -np.inf
    edges[:, 1:-1] = thresholds[None, :] - abilities[:, None]
    return edges


def _cell_gradients(parameters: Array, n_systems: int, n_levels: int) -> Array:
    """Gradient of log P(level | system), shape (systems, levels, parameters)."""
    cumulative = expit(_edges(parameters, n_systems, n_levels))
    density = cumulative * (1 - cumulative)
    probability = np.maximum(np.diff(cumulative, axis=1), 1e-300)
    gradients = np.zeros((n_systems, n_levels, len(parameters)))
    for level in range(n_levels):
        if level < n_levels - 1:
            gradients[:, level, level] += density[:, level + 1] / probability[:, level]
        if level > 0:
            gradients[:, level, level - 1] -= density[:, level] / probability[:, level]
    slope = -(density[:, 1:] - density[:, :-1]) / probability
    for system in range(1, n_systems):
        gradients[system, :, n_levels - 2 + system] = slope[system]
    return gradients


def _negative_log_likelihood(parameters: Array, counts: Array) -> tuple[float, Array]:
    n_systems, n_levels = counts.shape
    if (np.diff(parameters[: n_levels - 1]) <= 0).any():
        return math.inf, np.zeros_like(parameters)
    probability = np.diff(expit(_edges(parameters, n_systems, n_levels)), axis=1)
    value = -float((counts * np.log(np.maximum(probability, 1e-300))).sum())
    gradients = _cell_gradients(parameters, n_systems, n_levels)
    return value, -np.einsum("sl,slp->p", counts, gradients)


def _hessian(parameters: Array, counts: Array) -> Array:
    """Second derivatives of the negative log likelihood, by central differences of its gradient."""
    size = len(parameters)
    hessian = np.empty((size, size))
    for column in range(size):
        step = np.zeros(size)
        step[column] = 1e-5
        ahead = _negative_log_likelihood(parameters + step, counts)[1]
        behind = _negative_log_likelihood(parameters - step, counts)[1]
        hessian[column] = (ahead - behind) / 2e-5
    return (hessian + hessian.T) / 2


def _polish(parameters: Array, counts: Array) -> Array:
    """Newton steps from close by, to the last digits."""
    for _ in range(5):
        _, gradient = _negative_log_likelihood(parameters, counts)
        step = np.linalg.lstsq(_hessian(parameters, counts), gradient, rcond=None)[0]
        better = parameters - step
        if not math.isfinite(_negative_log_likelihood(better, counts)[0]):
            break
        parameters = better
    return parameters
