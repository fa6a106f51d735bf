"""Constant delay between a recording and what a vocoder made of it.

Neural vocoders do not keep the phase, so waveforms do not correlate (|r| < 0.25 for MelGAN);
their log-mel envelopes do. The envelopes of all bands are correlated together.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft

from evalsuite.errors import AudioError
from evalsuite.types import FloatArray, Waveform

__all__ = ["Delay", "estimate_delay_s"]

_MAX_HOP = 32
_WINDOW_S = 0.02
_N_BANDS = 24
_LOWEST_HZ = 80.0
_HIGHEST_HZ = 7600.0
_RANGE_DB = 50.0
_MIN_OVERLAP_S = 0.1
_FRAMES_AT_ONCE = 4096


@dataclass(frozen=True)
class Delay:
    """A constant delay.

    Parameters
    ----------
    delay_s : seconds; positive if the degraded signal is later. The search limit (with its sign)
        if the correlation still rises there: the delay is then at least that. NaN if undefined.
    correlation : of the log-mel envelopes at that delay, in [-1, 1]; below about 0.8 the two
        hardly say the same, and the delay means little. NaN if undefined.
    """

    delay_s: float
    correlation: float


_UNDEFINED = Delay(float("nan"), float("nan"))


def estimate_delay_s(reference: Waveform, degraded: Waveform, *, max_delay_s: float = 0.1) -> Delay:
    """Estimate the constant delay of `degraded` against `reference`.

    24 log-mel envelopes with a hop of at most 32 samples, 50 dB deep, each without its mean
    (so a gain has no effect), are cross-correlated together, normalised over the overlap of each
    lag; a parabola through the maximum refines it.

    Parameters
    ----------
    reference, degraded : at the same rate; a longer tail of one of them is ignored.
    max_delay_s : the search covers ± this, at most what leaves 0.1 s of overlap.

    Returns
    -------
    Delay with NaN if one of the two is silent or unchanging, or shorter than 0.14 s.

    Raises
    ------
    AudioError if the rates differ.
    """
    if reference.sample_rate != degraded.sample_rate:
        raise AudioError(
            f"reference at {reference.sample_rate} Hz, degraded at {degraded.sample_rate} Hz",
            wanted="one sample rate",
            do="resample one of them with evalsuite.audio.resample",
        )
    rate = reference.sample_rate
    hop = min(_MAX_HOP, max(1, rate // 1000))
    length = min(len(reference.samples), len(degraded.samples))
    first = _log_envelopes(reference.samples[:length], rate, hop)
    second = _log_envelopes(degraded.samples[:length], rate, hop)
    max_lag = min(
        round(max_delay_s * rate / hop), first.shape[1] - round(_MIN_OVERLAP_S * rate / hop)
    )
    if max_lag < 1 or _is_flat(first) or _is_flat(second):
        return _UNDEFINED
    lag, correlation = _best_lag(_correlate(first, second, max_lag))
    return Delay((lag - max_lag) * hop / rate, correlation)


def _log_envelopes(samples: FloatArray, sample_rate: int, hop: int) -> NDArray[np.float64]:
    """Log band energies, (bands, frames), each band without its mean; no frame if too short."""
    n_fft = 2 * round(_WINDOW_S * sample_rate / 2)
    if len(samples) < n_fft:
        return np.zeros((_N_BANDS, 0))
    window = np.hanning(n_fft + 2)[1:-1].astype(np.float32)
    frames = sliding_window_view(samples, n_fft)[::hop]
    bands = _band_filters(sample_rate, n_fft)
    energies = np.empty((_N_BANDS, len(frames)))
    for start in range(0, len(frames), _FRAMES_AT_ONCE):
        spectra = fft.rfft(frames[start : start + _FRAMES_AT_ONCE] * window)
        energies[:, start : start + _FRAMES_AT_ONCE] = bands @ (np.abs(spectra) ** 2).T
    # A floor per band, relative to that band's loudest frame: noise below it carries no timing.
    loudest = energies.max(axis=1, keepdims=True)
    floor = np.maximum(loudest * 10 ** (-_RANGE_DB / 10), np.finfo(np.float64).tiny)
    levels = np.log(np.maximum(energies, floor))
    centred: NDArray[np.float64] = levels - levels.mean(axis=1, keepdims=True)
    return centred


@lru_cache(maxsize=4)
def _band_filters(sample_rate: int, n_fft: int) -> NDArray[np.float32]:
    """Triangles of equal width on the mel scale of O'Shaughnessy, (bands, n_fft // 2 + 1)."""
    low_mel, high_mel = (
        2595 * np.log10(1 + edge_hz / 700)
        for edge_hz in (_LOWEST_HZ, min(_HIGHEST_HZ, sample_rate / 2))
    )
    edges_mel = np.linspace(low_mel, high_mel, _N_BANDS + 2)
    edges_hz = 700 * (10 ** (edges_mel / 2595) - 1)
    bins_hz = np.arange(n_fft // 2 + 1) * sample_rate / n_fft
    # A triangle narrower than the bin spacing could miss every bin: none is narrower than two.
    half_width_hz = np.maximum(np.diff(edges_hz)[:-1], sample_rate / n_fft)[:, None]
    distance_hz = np.abs(bins_hz - edges_hz[1:-1, None])
    filters: NDArray[np.float32] = np.maximum(0, 1 - distance_hz / half_width_hz).astype(np.float32)
    return filters


def _is_flat(envelopes: NDArray[np.float64]) -> bool:
    return envelopes.size == 0 or bool(np.abs(envelopes).max() < 1e-6)


def _correlate(
    first: NDArray[np.float64], second: NDArray[np.float64], max_lag: int
) -> NDArray[np.float64]:
    """Correlation for lags -max_lag..max_lag, normalised by the energies of each overlap."""
    frames = first.shape[1]
    n_fft = fft.next_fast_len(frames + max_lag, real=True)
    spectrum = np.conj(fft.rfft(first, n_fft)) * fft.rfft(second, n_fft)
    circular = fft.irfft(spectrum.sum(axis=0), n_fft)
    lags = np.arange(-max_lag, max_lag + 1)
    # Energy of `first` in frames [0, k) and of `second` likewise, for every k.
    below_first = np.append(0, np.cumsum((first**2).sum(axis=0)))
    below_second = np.append(0, np.cumsum((second**2).sum(axis=0)))
    later, earlier = np.maximum(lags, 0), np.maximum(-lags, 0)
    energy_first = below_first[frames - later] - below_first[earlier]
    energy_second = below_second[frames - earlier] - below_second[later]
    scale = np.sqrt(np.maximum(energy_first * energy_second, np.finfo(np.float64).tiny))
    correlation: NDArray[np.float64] = circular[lags] / scale
    return correlation


def _best_lag(correlation: NDArray[np.float64]) -> tuple[float, float]:
    """Index of the maximum, refined by a parabola, and its height."""
    best = int(np.argmax(correlation))
    if best in (0, len(correlation) - 1):
        return float(best), float(correlation[best])
    before, peak, after = (float(value) for value in correlation[best - 1 : best + 2])
    curvature = before - 2 * peak + after
    if curvature == 0:
        return float(best), peak
    shift = 0.5 * (before - after) / curvature
    return best + shift, min(1.0, peak - 0.25 * (before - after) * shift)
