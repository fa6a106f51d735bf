"""Abilities from paired comparisons: ``P(i beats j) = logistic(ability_i - ability_j)``.

Bradley and Terry 1952, "Rank analysis of incomplete block designs", Biometrika 39; fitted by
Newton's method with the reference's ability fixed at 0 (Agresti 2013, "Categorical Data Analysis",
section 11.6).
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy.stats
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.special import expit

from evalsuite.errors import TooFewRatings

__all__ = ["BradleyTerry", "best_worst_scores", "best_worst_wins", "fit_bradley_terry"]

Array = NDArray[np.float64]
_ELO_POINTS = 400 * math.log10(math.e)


@dataclass(frozen=True, eq=False)
class BradleyTerry:
    """A fitted model.

    Parameters
    ----------
    abilities, errors : float64, shape (systems,): log odds against the reference, whose own are 0.
    covariance : of the abilities, shape (systems, systems).
    deviance, df, p : likelihood-ratio test of the model's fit (G^2): a small p says that
        preferences are not explained by one ability a system. NaN without degrees of freedom.
    """

    abilities: Array
    errors: Array
    covariance: Array
    deviance: float
    df: int
    p: float

    @property
    def elo(self) -> Array:
        """Abilities on the Elo scale, for display only: 400 points are odds of 10 to 1."""
        points: Array = _ELO_POINTS * self.abilities
        return points


def fit_bradley_terry(wins: Array, *, reference: int = 0, ridge: float = 0.0) -> BradleyTerry:
    """Fit by (penalised) maximum likelihood.

    Parameters
    ----------
    wins : float64, shape (systems, systems); how often the row was preferred to the column, ties
        as one half each.
    reference : number of the system with ability 0.
    ridge : weight of half the squared abilities; .01 keeps them finite if a system always wins.

    Raises
    ------
    TooFewRatings if systems are not connected by wins both ways and there is no ridge: abilities
        are infinite then (Ford 1957).
    """
    wins = np.asarray(wins, np.float64)
    if ridge == 0 and connected_components(wins > 0, connection="strong")[0] > 1:
        raise TooFewRatings(
            "a group of systems won, or lost, every comparison with the others",
            wanted="a chain of wins from every system to every other",
            do="collect more comparisons, or fit with ridge=0.01",
        )
    n = len(wins)
    games = wins + wins.T
    free = np.arange(n) != reference
    abilities = np.zeros(n)
    for _ in range(100):
        expected = games * expit(abilities[:, None] - abilities[None, :])
        gradient = (wins - expected).sum(axis=1) - ridge * abilities
        step = np.zeros(n)
        step[free] = np.linalg.solve(_information(abilities, games, ridge)[np.ix_(free, free)],
                                     gradient[free])  # fmt: skip
        # A full Newton step may overshoot far from the solution.
        abilities = abilities + step / max(1.0, float(np.abs(step).max()) / 2)
        if np.abs(step).max() < 1e-12:
            break
    covariance = np.zeros((n, n))
    information = _information(abilities, games, ridge)[np.ix_(free, free)]
    covariance[np.ix_(free, free)] = np.linalg.inv(information)
    deviance, df = _fit(wins, games, abilities)
    p = float(scipy.stats.chi2.sf(deviance, df)) if df > 0 else math.nan
    return BradleyTerry(abilities, np.sqrt(np.diag(covariance)), covariance, deviance, df, p)


def best_worst_scores(best: Array, worst: Array, shown: Array) -> Array:
    """Best-worst scaling by counting: (times best - times worst) / times shown, -1 to 1.

    Louviere, Flynn and Marley 2015, "Best-Worst Scaling". NaN for a system that was never shown.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        scores: Array = (np.asarray(best) - np.asarray(worst)) / np.asarray(shown, np.float64)
    return scores


def best_worst_wins(trials: list[tuple[list[int], int, int]], n_systems: int) -> Array:
    """Paired comparisons implied by best-worst answers, for `fit_bradley_terry`.

    The best beats all others of its trial, all others beat the worst.

    Parameters
    ----------
    trials : (systems shown, best, worst), each.
    """
    wins = np.zeros((n_systems, n_systems))
    for shown, best, worst in trials:
        for other in shown:
            if other != best:
                wins[best, other] += 1
            if other not in (worst, best):
                wins[other, worst] += 1
    return wins


def _information(abilities: Array, games: Array, ridge: float) -> Array:
    p = expit(abilities[:, None] - abilities[None, :])
    weights = games * p * (1 - p)
    information: Array = np.diag(weights.sum(axis=1) + ridge) - weights
    return information


def _fit(wins: Array, games: Array, abilities: Array) -> tuple[float, int]:
    """G^2 over the pairs that met, and its degrees of freedom."""
    expected = games * expit(abilities[:, None] - abilities[None, :])
    seen = wins > 0
    deviance = 2 * float((wins[seen] * np.log(wins[seen] / expected[seen])).sum())
    n_pairs = int(np.count_nonzero(np.triu(games)))
    return deviance, n_pairs - (len(wins) - 1)
