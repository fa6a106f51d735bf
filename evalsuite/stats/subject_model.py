"""Subject models: listeners with a bias and an inconsistency of their own.

``score = quality of the stimulus + bias of the listener + inconsistency of the listener * noise``.

- Bias removal, ITU-T P.913 12.4: the bias is the mean difference from the others' mean scores.
- Maximum likelihood, ITU-T P.910 annex E (Li, Bampis, Krasula, Janowski and Katsavounidis 2020,
  "A simple model for subject behavior in subjective experiments"): alternating projection.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalsuite.stats.scores import Codes, Scores, ScoreTable
from evalsuite.stats.screening import flat_ratings

__all__ = ["SubjectModel", "fit_subject_model", "listener_bias", "remove_bias"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SubjectModel:
    """Maximum likelihood estimates.

    Parameters
    ----------
    quality, quality_error : float64, shape (stimuli,), with standard errors.
    bias, inconsistency : float64, shape (listeners,), in points.
    system_means : float64, shape (systems,): mean quality over the system's stimuli.
    n_iterations : until the change fell below the tolerance.
    """

    quality: Array
    quality_error: Array
    bias: Array
    inconsistency: Array
    system_means: Array
    n_iterations: int


def listener_bias(scores: Scores, listeners: Codes, stimuli: Codes) -> Array:
    """P.913: mean over a listener's ratings of the difference to the stimulus's mean score."""
    mean = _group_mean(scores, stimuli)
    return _group_mean(scores - mean[stimuli], listeners)


def remove_bias(scores: Scores, listeners: Codes, stimuli: Codes) -> Scores:
    """Subtract each listener's bias from their scores (P.913); scores may leave the scale."""
    return scores - listener_bias(scores, listeners, stimuli)[listeners]


def fit_subject_model(
    table: ScoreTable, *, tolerance: float = 1e-8, max_iterations: int = 1000
) -> SubjectModel:
    """Alternate between qualities and listeners until the qualities stay.

    Weights are ``1 / (inconsistency^2 + 1e-8)``, so that a listener who agrees perfectly does not
    take over.
    """
    flat = flat_ratings(table)
    y, stimuli = flat.scores, flat.stimuli
    _, listeners = np.unique(flat.listeners, return_inverse=True)
    quality = _group_mean(y, stimuli)
    bias = np.zeros(int(listeners.max()) + 1)
    inconsistency = np.ones_like(bias)
    n_iterations, change = 0, np.inf
    while change >= tolerance and n_iterations < max_iterations:
        n_iterations += 1
        bias = _group_mean(y - quality[stimuli], listeners)
        residual = y - quality[stimuli] - bias[listeners]
        inconsistency = np.sqrt(
            np.maximum(
                _group_mean(residual**2, listeners) - _group_mean(residual, listeners) ** 2, 0
            )
        )
        weights = (1 / (inconsistency**2 + 1e-8))[listeners]
        better = np.bincount(stimuli, weights * (y - bias[listeners])) / np.bincount(
            stimuli, weights
        )
        change = float(np.linalg.norm(better - quality))
        quality = better
    information = np.bincount(stimuli, (1 / np.maximum(inconsistency, 1e-4) ** 2)[listeners])
    system_of = np.zeros(len(quality), dtype=np.int64)
    system_of[stimuli] = flat.systems
    return SubjectModel(
        quality,
        1 / np.sqrt(information),
        bias,
        inconsistency,
        _group_mean(quality, system_of),
        n_iterations,
    )


def _group_mean(values: Array, groups: Codes) -> Array:
    means: Array = np.bincount(groups, values) / np.bincount(groups)
    return means
