"""How listeners use the scale: spread against mean, listener by system, drift over the session."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from evalsuite.stats.scores import Codes, Scores, ScoreTable
from evalsuite.stats.screening import flat_ratings

__all__ = ["Drift", "listener_by_system", "session_drift", "sos_parameter"]


def sos_parameter(table: ScoreTable, *, scale: tuple[float, float] = (1.0, 5.0)) -> float:
    """The SOS parameter a of ``Var = a (-x^2 + (low + high) x - low high)`` over stimuli.

    Hossfeld, Schatz and Egger 2011, "SOS: the MOS is not enough!", eq. for a five-point scale:
    ``a (-x^2 + 6 x - 5)``. Least squares through all stimuli with two and more ratings. Listening
    tests lie at .18 to .38; a > 1 is impossible on the scale, so something is wrong with the data.
    """
    flat = flat_ratings(table)
    n = np.bincount(flat.stimuli)
    mean = np.bincount(flat.stimuli, flat.scores) / n
    squares = np.bincount(flat.stimuli, (flat.scores - mean[flat.stimuli]) ** 2)
    several = n > 1
    variance, x = squares[several] / (n[several] - 1), mean[several]
    low, high = scale
    shape = -(x**2) + (low + high) * x - low * high
    return float(shape @ variance / (shape @ shape)) if (shape > 0).any() else math.nan


def listener_by_system(table: ScoreTable) -> NDArray[np.float64]:
    """Mean score of each listener for each system, shape (listeners, systems); NaN where none."""
    means = np.full((len(table.listeners), len(table.systems)), np.nan)
    for column, one in enumerate(table.systems):
        n = np.bincount(one.listeners, minlength=len(means))
        sums = np.bincount(one.listeners, one.scores, len(means))
        rated = n > 0
        means[rated, column] = sums[rated] / n[rated]
    return means


@dataclass(frozen=True)
class Drift:
    """Change of the scores over a session, systems held fixed.

    Parameters
    ----------
    slope : points per 100 trials; half_width : of its interval, clustered by listener.
    n_listeners : with at least two trials.
    """

    slope: float
    half_width: float
    n_listeners: int


def session_drift(
    scores: Scores, listeners: Codes, systems: Codes, positions: NDArray[np.float64]
) -> Drift:
    """Regress scores on the position in the session within listener and system.

    Parameters
    ----------
    positions : trial number of each rating in its listener's session.

    Notes
    -----
    Means of listener and system cells are taken out of both sides, so that neither strictness nor
    the order of systems looks like drift; the error is clustered by listener.
    """
    _, cells = np.unique(listeners * (int(systems.max()) + 1) + systems, return_inverse=True)
    y, x = _centred(scores, cells), _centred(positions / 100.0, cells)
    squares = float(x @ x)
    n_listeners = len(np.unique(listeners[np.abs(x) > 0]))
    if squares == 0 or n_listeners < 2:
        return Drift(math.nan, math.nan, n_listeners)
    slope = float(x @ y) / squares
    sums = np.bincount(listeners, x * (y - slope * x))
    variance = n_listeners / (n_listeners - 1) * float(sums @ sums) / squares**2
    quantile = float(stdtrit(n_listeners - 1, 0.975))
    return Drift(slope, quantile * math.sqrt(variance), n_listeners)


def _centred(values: NDArray[np.float64], groups: Codes) -> NDArray[np.float64]:
    means = np.bincount(groups, values) / np.bincount(groups)
    centred: NDArray[np.float64] = values - means[groups]
    return centred
