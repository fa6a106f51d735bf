"""From a log-mel back to magnitudes: undo the logarithm, then solve the filter bank.

A mel of 80 bands says nothing about which of its 513 bins hold the energy, so the problem has
many solutions; both solvers return one without negative magnitudes.
"""

import math

import numpy as np
from numpy.typing import NDArray

from evalsuite.mel import MelSpec, mel_filter_bank
from evalsuite.types import FloatArray

__all__ = [
    "decompress",
    "invert_by_fista",
    "invert_by_fused_fista",
    "invert_by_pseudo_inverse",
    "magnitudes",
]

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


def magnitudes(
    values: NDArray[np.floating], spec: MelSpec, *, n_iterations: int, fused: bool = False
) -> FloatArray:
    """Estimate the magnitude spectrogram of a log-mel.

    Parameters
    ----------
    values : shape (n_mels, frames).
    n_iterations : of FISTA; 0 takes the clamped pseudo-inverse.
    fused : run FISTA compiled, which needs numba.

    Returns
    -------
    float32, shape (frames, n_fft // 2 + 1): one contiguous row per frame.
    """
    mel = decompress(values, spec).T.astype(np.float32)
    bank = mel_filter_bank(spec)
    if n_iterations:
        invert = invert_by_fused_fista if fused else invert_by_fista
        solution = invert(mel, bank, n_iterations=n_iterations)
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
    lengths, scaled_bank, step = _scaled(bank)
    scaled_mel = mel / lengths
    solution = invert_by_pseudo_inverse(mel, bank)
    ahead = solution
    for weight in _momenta(n_iterations):
        gradient = (ahead @ scaled_bank.T - scaled_mel) @ scaled_bank
        following = np.maximum(ahead - step * gradient, 0)
        ahead = following + weight * (following - solution)
        solution = following
    return solution


def invert_by_fused_fista(mel: FloatArray, bank: FloatArray, *, n_iterations: int) -> FloatArray:
    """Do as `invert_by_fista`, compiled; needs numba. Differs by rounding.

    Some frames at a time stay in the cache through all iterations, and weights of zero cost
    nothing. Parameters and result are those of `invert_by_fista`.
    """
    from vocoders.griffin_lim_kernels import LANES, fista

    lengths, scaled_bank, step = _scaled(bank)
    n_frames = len(mel)
    solution = np.empty((n_frames, bank.shape[1]), np.float32)
    start = invert_by_pseudo_inverse(mel, bank)
    bands, momenta = _bands(bank), _momenta(n_iterations)
    for first in range(0, n_frames, LANES):
        block = slice(first, min(first + LANES, n_frames))
        # The last block is filled up with silence.
        lanes = np.zeros((bank.shape[1], LANES), np.float32)
        lanes[:, : block.stop - first] = start[block].T
        wanted = np.zeros((len(bank), LANES), np.float32)
        wanted[:, : block.stop - first] = (mel[block] / lengths).T
        fista(lanes, wanted, scaled_bank, bands, float(step), momenta)
        solution[block] = lanes[:, : block.stop - first].T
    return solution


def _scaled(bank: FloatArray) -> tuple[FloatArray, FloatArray, np.float32]:
    """Lengths of the filters, the bank with filters of unit length, and FISTA's step."""
    lengths = np.linalg.norm(bank, axis=1)
    scaled_bank = np.ascontiguousarray(bank / lengths[:, np.newaxis])
    return lengths, scaled_bank, np.float32(1 / np.linalg.norm(scaled_bank @ scaled_bank.T, ord=2))


def _momenta(n_iterations: int) -> FloatArray:
    """Extrapolation ``(t_k - 1) / t_(k+1)`` of each iteration, float32, shape (iterations,)."""
    weights, momentum = [], 1.0
    for _ in range(n_iterations):
        next_momentum = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        weights.append((momentum - 1) / next_momentum)
        momentum = next_momentum
    return np.asarray(weights, np.float32)


def _bands(bank: FloatArray) -> NDArray[np.int64]:
    """First bin of each filter and the one after its last, shape (n_mels, 2)."""
    some = bank != 0
    first = some.argmax(axis=1)
    last = bank.shape[1] - some[:, ::-1].argmax(axis=1)
    return np.stack([first, np.where(some.any(axis=1), last, first)], axis=1).astype(np.int64)
