"""From a log-mel back to magnitudes: undo the logarithm, then solve the filter bank.

A mel of 80 bands says nothing about which of its 513 bins hold the energy, so the problem has
many solutions; both solvers return one without negative magnitudes.
"""

import math

import numpy as np
from numpy.typing import NDArray

from evalsuite.mel import MelSpec, mel_filter_bank
from evalsuite.types import FloatArray

__all__ = ["decompress", "invert_by_fista", "invert_by_pseudo_inverse", "magnitudes"]

_SMALLEST_MAGNITUDE = 1e-10


def decompress(values: NDArray[np.floating], spec: MelSpec) -> NDArray[np.float64]:
    """Undo affine map and logarithm; what was floored or clipped away stays lost.

    Parameters
    ----------
    values : shape (n_mels, frames).

    Returns
    -------
    ``max(M |X|^power, floor)`` of the formula in `MelSpec`, same shape.
    """
    mel = (values.astype(np.float64) - spec.affine_offset) / spec.affine_scale
    logarithm = (mel - spec.log_offset) / spec.log_scale
    return np.exp(logarithm * (math.log(10) if spec.log_base == "10" else 1.0))


def magnitudes(values: NDArray[np.floating], spec: MelSpec, *, n_iterations: int) -> FloatArray:
    """Estimate the magnitude spectrogram of a log-mel.

    Parameters
    ----------
    values : shape (n_mels, frames).
    n_iterations : of FISTA; 0 takes the clamped pseudo-inverse.

    Returns
    -------
    float32, shape (frames, n_fft // 2 + 1): one contiguous row per frame.
    """
    mel = decompress(values, spec).T.astype(np.float32)
    bank = mel_filter_bank(spec)
    if n_iterations:
        solution = invert_by_fista(mel, bank, n_iterations=n_iterations)
    else:
        solution = invert_by_pseudo_inverse(mel, bank)
    return np.asarray(np.sqrt(solution), np.float32) if spec.power == 2 else solution


def invert_by_pseudo_inverse(mel: FloatArray, bank: FloatArray) -> FloatArray:
    """Least squares by the pseudo-inverse, then negative magnitudes set to (almost) zero.

    Parameters
    ----------
    mel : shape (frames, n_mels).
    bank : shape (n_mels, bins).

    Returns
    -------
    float32, shape (frames, bins).
    """
    inverse = np.linalg.pinv(bank.astype(np.float64)).astype(np.float32)
    return np.asarray(np.maximum(mel @ inverse.T, _SMALLEST_MAGNITUDE), np.float32)


def invert_by_fista(mel: FloatArray, bank: FloatArray, *, n_iterations: int = 32) -> FloatArray:
    """Non-negative least squares by accelerated projected gradients.

    Filters are scaled to unit length first: an exact solution stays one, and the steps no longer
    crawl along the wide filters of small norm.

    Parameters
    ----------
    mel : float32, shape (frames, n_mels).
    bank : float32, shape (n_mels, bins).

    Returns
    -------
    float32, shape (frames, bins), not negative.

    Source: Beck and Teboulle 2009, FISTA with constant step size, eq. (4.1)-(4.3).
    """
    lengths = np.linalg.norm(bank, axis=1)
    scaled_bank = np.ascontiguousarray(bank / lengths[:, np.newaxis])
    scaled_mel = mel / lengths
    step = np.float32(1 / np.linalg.norm(scaled_bank @ scaled_bank.T, ord=2))
    solution = invert_by_pseudo_inverse(mel, bank)
    ahead, momentum = solution, 1.0
    for _ in range(n_iterations):
        gradient = (ahead @ scaled_bank.T - scaled_mel) @ scaled_bank
        following = np.maximum(ahead - step * gradient, 0)
        next_momentum = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        weight = np.float32((momentum - 1) / next_momentum)
        ahead = following + weight * (following - solution)
        solution, momentum = following, next_momentum
    return solution
