"""Variance of a sum whose terms depend on each other through shared listeners and utterances.

Two ratings by one listener, or of one sentence, are alike; treating them as independent makes an
interval too narrow. The two-way cluster-robust variance of Cameron, Gelbach and Miller (2011,
"Robust inference with multiway clustering", J. Bus. Econ. Stat. 29) counts both dependences in
O(N) and without a model. Camp, Kenter, Finkelstein and Clark (2023, "MOS vs. AB") use the same
idea for speech synthesis.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalsuite.stats.scores import Codes

__all__ = ["ClusterVariance", "combine", "two_way_variance"]

#: Of a variance; sums that cancel leave far less.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class ClusterVariance:
    """A two-way clustered variance and its parts.

    Parameters
    ----------
    total : the variance to use.
    by_listener, by_utterance, independent : the parts V_L, V_U and V_0.
    n_listeners, n_utterances : the numbers of clusters.
    """

    total: float
    by_listener: float
    by_utterance: float
    independent: float
    n_listeners: int
    n_utterances: int

    @property
    def vanishes(self) -> bool:
        """Whether ratings differ, but neither listeners nor sentences do: too few of them for that.

        Two listeners who disagree in opposite ways about two sentences are such a case. The
        variance is then 0 up to rounding, which no one may read as certainty.
        """
        return self.independent > 0 and self.total <= _ROUNDING * self.independent

    @property
    def df(self) -> int:
        """Degrees of freedom: the smaller number of clusters, less one."""
        return min(self.n_listeners, self.n_utterances) - 1


def two_way_variance(
    influence: NDArray[np.float64], listeners: Codes, utterances: Codes
) -> ClusterVariance:
    """V = V_L + V_U - V_0, or the larger of V_L and V_U where V falls below it.

    Parameters
    ----------
    influence : float64, shape (n,), each rating's contribution to the error of the estimate; for
        a mean, ``(score - mean) / n``; for a difference, the same with the second system's sign
        turned.
    listeners, utterances : int64 codes, shape (n,). At least two of each must be present.

    Notes
    -----
    ``V_g = G / (G - 1) * sum over groups of (sum of influence in the group)**2`` with G the
    number of groups; V_0 is the same with listener and utterance together as the group, which is
    every rating alone unless a listener rated an utterance more than once.
    """
    by_listener, n_listeners = _one_way(influence, listeners)
    by_utterance, n_utterances = _one_way(influence, utterances)
    cells = listeners * (int(utterances.max()) + 1) + utterances
    squares, n_cells = _one_way(influence, np.unique(cells, return_inverse=True)[1])
    return combine(by_listener, n_listeners, by_utterance, n_utterances, squares, n_cells)


def combine(
    by_listener: float,
    n_listeners: int,
    by_utterance: float,
    n_utterances: int,
    by_cell: float,
    n_cells: int,
) -> ClusterVariance:
    """Put the parts together.

    Parameters
    ----------
    by_listener, by_utterance, by_cell : sums of squares of the influence's sum in each listener,
        in each utterance, in each pair of both.
    n_listeners, n_utterances, n_cells : numbers of them; at least 2 each.
    """
    v_listener = n_listeners / (n_listeners - 1) * by_listener
    v_utterance = n_utterances / (n_utterances - 1) * by_utterance
    independent = n_cells / (n_cells - 1) * by_cell
    # The difference can fall below either part (even below zero) in small samples.
    total = max(v_listener + v_utterance - independent, v_listener, v_utterance)
    return ClusterVariance(total, v_listener, v_utterance, independent, n_listeners, n_utterances)


def _one_way(influence: NDArray[np.float64], groups: Codes) -> tuple[float, int]:
    sums = np.bincount(groups, weights=influence)
    return float(sums @ sums), int(np.count_nonzero(np.bincount(groups)))
