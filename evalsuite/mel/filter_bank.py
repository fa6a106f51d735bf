"""Triangular mel filters, without the import time of librosa."""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from evalsuite.mel.spec import MelSpec
from evalsuite.types import FloatArray

__all__ = ["mel_filter_bank"]


@lru_cache(maxsize=32)
def mel_filter_bank(spec: MelSpec) -> FloatArray:
    """Return the triangular filters, float32, shape (n_mels, n_fft // 2 + 1), read-only.

    Slaney's Auditory Toolbox (1998) as `librosa.filters.mel` implements it, or HTK's scale.
    """
    edges_mel = np.linspace(
        _hertz_to_mel(spec.f_min, spec.mel_scale),
        _hertz_to_mel(spec.f_max, spec.mel_scale),
        spec.n_mels + 2,
    )
    edges_hz = _mel_to_hertz(edges_mel, spec.mel_scale)
    bins_hz = np.arange(spec.n_fft // 2 + 1) * spec.sample_rate / spec.n_fft
    low, centre, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising, falling = (bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre)
    filters = np.maximum(0, np.minimum(rising, falling))
    if spec.mel_norm == "slaney":
        filters *= 2 / (high - low)
    bank: FloatArray = filters.astype(np.float32)
    bank.flags.writeable = False
    return bank


# Slaney's scale: 3 mel in 200 Hz below 1 kHz, then 27 mel for a factor of 6.4.
_SLANEY_HERTZ_PER_MEL = 200 / 3
_SLANEY_BREAK_HZ = 1000.0
_SLANEY_BREAK_MEL = _SLANEY_BREAK_HZ / _SLANEY_HERTZ_PER_MEL
_SLANEY_LOG_STEP = math.log(6.4) / 27


def _hertz_to_mel(frequency_hz: float, scale: str) -> float:
    if scale == "htk":
        return 2595 * math.log10(1 + frequency_hz / 700)
    if frequency_hz < _SLANEY_BREAK_HZ:
        return frequency_hz / _SLANEY_HERTZ_PER_MEL
    return _SLANEY_BREAK_MEL + math.log(frequency_hz / _SLANEY_BREAK_HZ) / _SLANEY_LOG_STEP


def _mel_to_hertz(mel: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    if scale == "htk":
        htk: NDArray[np.float64] = 700 * (10 ** (mel / 2595) - 1)
        return htk
    above = _SLANEY_BREAK_HZ * np.exp(_SLANEY_LOG_STEP * (mel - _SLANEY_BREAK_MEL))
    return np.where(mel < _SLANEY_BREAK_MEL, mel * _SLANEY_HERTZ_PER_MEL, above)
