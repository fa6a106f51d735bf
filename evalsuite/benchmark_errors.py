"""What a faster engine costs in exactness: against the plain computation, or the recording."""

import math

import numpy as np
from scipy.fft import rfft

from evalsuite.benchmark_records import NumericalError
from evalsuite.types import FloatArray

__all__ = ["numerical_error", "spectral_convergence"]


def numerical_error(
    output: FloatArray, reference: FloatArray, reference_engine: str
) -> NumericalError:
    """Compare two outputs of the same features and seed over their common length.

    Parameters
    ----------
    output, reference : shape (samples,).
    """
    n_samples = min(len(output), len(reference))
    wanted = reference[:n_samples].astype(np.float64)
    difference = output[:n_samples] - wanted
    noise = float(np.sum(difference**2))
    signal = float(np.sum(wanted**2))
    return NumericalError(
        reference=reference_engine,
        max_abs=float(np.abs(difference).max(initial=0.0)),
        snr_db=10 * math.log10(signal / noise) if noise > 0 and signal > 0 else None,
    )


def spectral_convergence(output: FloatArray, recording: FloatArray) -> float:
    """Relative error of the magnitudes of a Hann-windowed transform of 1024, hop 256.

    Frobenius norm of the difference over that of the recording's; NaN for silence. A delay or
    another phase does not matter, a wrong spectrum does.

    Source: Sturmel and Daudet 2011, eq. (11).
    """
    n_samples = min(len(output), len(recording))
    wanted, found = (_magnitudes(samples[:n_samples]) for samples in (recording, output))
    norm = float(np.linalg.norm(wanted))
    return float(np.linalg.norm(found - wanted)) / norm if norm else math.nan


def _magnitudes(samples: FloatArray, n_fft: int = 1024, hop_length: int = 256) -> FloatArray:
    padded = np.pad(samples, n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop_length]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    return np.asarray(np.abs(rfft(frames * window, axis=1)), np.float32)
