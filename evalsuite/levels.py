"""How loud audio is: loudness, active speech level, true and sample peak.

Every meter returns NaN where the quantity is undefined; only peaks know silence, as -inf.
"""

import math
import warnings
from collections.abc import Callable

import numpy as np
import pyloudnorm
import soxr
from numpy.typing import NDArray
from scipy.signal import lfilter

from evalsuite.types import FloatArray, Waveform

__all__ = ["loudness_lufs", "sample_peak_dbfs", "speech_level_dbov", "true_peak_dbtp"]

GATING_BLOCK_S = 0.4

# ITU-T P.56 (12/2011), method B.
_ENVELOPE_TIME_S = 0.03
_HANGOVER_S = 0.2
_MARGIN_DB = 15.9
_OCTAVES_OF_THRESHOLDS = 24

_OVERSAMPLING = 4
_PADDING_SAMPLES = 512


def loudness_lufs(wave: Waveform) -> float:
    """Integrated loudness with both gates (ITU-R BS.1770-4), LUFS.

    Returns
    -------
    NaN if the audio is shorter than one gating block (0.4 s) or never reaches -70 LUFS.
    """
    if len(wave.samples) < GATING_BLOCK_S * wave.sample_rate:
        return math.nan
    # The meter takes means over no blocks and logarithms of zero when nothing passes a gate.
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        meter = pyloudnorm.Meter(wave.sample_rate)
        loudness = float(meter.integrated_loudness(wave.samples.astype(np.float64)))
    return loudness if math.isfinite(loudness) else math.nan


def speech_level_dbov(wave: Waveform) -> float:
    """Active speech level, dB relative to a full-scale square wave (ITU-T P.56, method B).

    The level of the speech without its pauses. A sample is active while the envelope is above a
    threshold, and 0.2 s longer; the threshold is the one that lies 15.9 dB below the level it
    yields itself. The Recommendation interpolates between thresholds a factor two apart, fixed
    to the converter's range; here the equation is solved, so a gain shifts the level exactly.

    Returns
    -------
    NaN if no threshold fulfils the equation: silence, a click.
    """
    samples = wave.samples.astype(np.float64)
    energy = float(np.sum(samples**2))
    if energy == 0:
        return math.nan
    envelope = _envelope(samples, wave.sample_rate)
    hangover = math.ceil(_HANGOVER_S * wave.sample_rate)

    def level_and_excess_db(threshold: float) -> tuple[float, float]:
        n_active = _count_active(envelope, threshold, hangover)
        level = 10 * math.log10(energy / n_active)
        return level, level - 20 * math.log10(threshold) - _MARGIN_DB

    return _solve_threshold(level_and_excess_db, float(envelope.max()))


def true_peak_dbtp(wave: Waveform) -> float:
    """Peak of the four times oversampled signal (after ITU-R BS.1770-4, annex 2), dBTP.

    The oversampling filter is soxr's (very high quality), which is longer and flatter than the
    48-tap example of the annex.

    Returns
    -------
    -inf for silence.
    """
    if len(wave.samples) == 0:
        return -math.inf
    # Zeros on both sides let the filter see the edges as what they are: jumps from silence.
    padded = np.pad(wave.samples, _PADDING_SAMPLES)
    oversampled = soxr.resample(
        padded, wave.sample_rate, _OVERSAMPLING * wave.sample_rate, quality="VHQ"
    )
    return max(_peak_db(oversampled), _peak_db(wave.samples))


def sample_peak_dbfs(wave: Waveform) -> float:
    """Largest absolute sample, dBFS; -inf for silence."""
    return _peak_db(wave.samples)


def _peak_db(samples: FloatArray) -> float:
    peak = float(np.abs(samples).max(initial=0))
    return 20 * math.log10(peak) if peak > 0 else -math.inf


def _envelope(samples: NDArray[np.float64], sample_rate: int) -> NDArray[np.float64]:
    """Rectify and smooth twice with the same first-order filter."""
    decay = math.exp(-1 / (sample_rate * _ENVELOPE_TIME_S))
    once = lfilter([1 - decay], [1, -decay], np.abs(samples))
    twice: NDArray[np.float64] = lfilter([1 - decay], [1, -decay], once)
    return twice


def _count_active(envelope: NDArray[np.float64], threshold: float, hangover: int) -> int:
    """Samples above the threshold or at most `hangover` after one that is."""
    above = np.flatnonzero(envelope >= threshold)
    gaps = np.diff(above, append=len(envelope))
    return int(np.minimum(gaps, hangover + 1).sum())


def _solve_threshold(
    level_and_excess_db: Callable[[float], tuple[float, float]], top: float
) -> float:
    """Find, from below, where the level comes down to the margin above its threshold."""
    low = top * 2.0**-_OCTAVES_OF_THRESHOLDS
    for octave in range(_OCTAVES_OF_THRESHOLDS - 1, -1, -1):
        high = top * 2.0**-octave
        if level_and_excess_db(high)[1] <= 0:
            break
        low = high
    else:
        return math.nan
    for _ in range(24):
        middle = math.sqrt(low * high)
        if level_and_excess_db(middle)[1] > 0:
            low = middle
        else:
            high = middle
    return level_and_excess_db(high)[0]
