"""Faults that can be measured in the samples of one file, or against its reference.

*Conventions* Samples are float32, full scale 1. Runs are counted in samples, stretches in
seconds. Nothing here judges: limits are in `evalsuite.gate`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalsuite.types import FloatArray, Waveform

__all__ = [
    "FlatTop",
    "content_rate_hz",
    "count_wraps",
    "find_flat_top",
    "longest_dropout_s",
    "similarity_db",
]

#: Rates a file may really have been made at, whatever its header says.
COMMON_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)

_WRAP_JUMP = 1.5  # of the 2.0 between the two ends of the number range
_WRAP_AROUND = 16  # samples on either side
_WRAP_SMOOTH = 0.25  # mean step around a wrap; around loud fricatives it is 0.5
_FRAME_S = 0.02
_ACTIVE_DB = 25.0  # below the loud parts: still speech
_DROPPED_DB = 50.0  # below the loud parts: gone
_ENVELOPE_HOP_S = 0.01
_RATE_TOLERANCE = 0.01
_CLEARER_BY = 0.1


@dataclass(frozen=True)
class FlatTop:
    """The longest run of equal samples at the extreme of a file.

    Parameters
    ----------
    run : samples in a row.
    level : their absolute value.
    """

    run: int
    level: float


def count_wraps(samples: FloatArray) -> int:
    """Count integer wrap-arounds: a sample beyond +1 stored modulo 2, so that it lands near -1.

    Such a step is longer than 1.5, and taken modulo 2 it is as short as the steps around it.
    Loud fricatives and clicks also step that far, but every step around them is long.

    >>> rising = np.linspace(0.5, 1.3, 20)
    >>> count_wraps(((rising + 1) % 2 - 1).astype(np.float32))
    1
    """
    steps = np.diff(samples.astype(np.float64))
    (jumps,) = np.nonzero(np.abs(steps) > _WRAP_JUMP)
    unwrapped = np.abs((steps + 1) % 2 - 1)
    around = [unwrapped[max(0, i - _WRAP_AROUND) : i + _WRAP_AROUND + 1].mean() for i in jumps]
    return sum(bool(step < _WRAP_SMOOTH) for step in around)


def find_flat_top(samples: FloatArray) -> FlatTop:
    """Find the longest run of equal samples at the file's positive or negative extreme.

    Clipping leaves such runs, at full scale or, if the gain was changed later, below it.

    >>> find_flat_top(np.array([0.1, 1.0, 1.0, 1.0, 0.2, -1.0], np.float32))
    FlatTop(run=3, level=1.0)
    """
    candidates = [_flat_top_at(samples, float(extreme)) for extreme in _extremes(samples)]
    return max(candidates, key=lambda top: (top.run, top.level), default=FlatTop(0, 0.0))


def longest_dropout_s(degraded: Waveform, reference: Waveform) -> float:
    """Longest stretch that is gone in `degraded` while the reference speaks.

    Gone is 50 dB below the file's own loud frames (95th percentile), speaking within 25 dB of the
    reference's; so levels need not match.
    """
    gone, speaking = _frame_levels_db(degraded), _frame_levels_db(reference)
    frames = min(len(gone), len(speaking))
    lost = gone[:frames] < _loud_db(gone) - _DROPPED_DB
    active = speaking[:frames] > _loud_db(speaking) - _ACTIVE_DB
    return _longest_run(lost & active) * _FRAME_S


def similarity_db(first: FloatArray, second: FloatArray) -> float:
    """Signal-to-residual ratio of `second` after the best constant gain, over the common length.

    Infinite for equal audio; two independent ditherings of one speech file give about 60 dB; two
    different vocoders under 30 dB. NaN if one of the two is silent.
    """
    length = min(len(first), len(second))
    a, b = first[:length].astype(np.float64), second[:length].astype(np.float64)
    energy_a, energy_b, product = float(a @ a), float(b @ b), float(a @ b)
    if energy_a == 0 or energy_b == 0:
        return float("nan")
    explained = min(1.0, product**2 / (energy_a * energy_b))
    return float(-10 * np.log10(1 - explained)) if explained < 1 else float("inf")


def content_rate_hz(
    degraded: Waveform, reference: Waveform, *, duration_ratio: float
) -> int | None:
    """Find a header rate that contradicts the content.

    Audio made at 24 kHz and stored under a 22.05 kHz header lasts 24/22.05 = 1.088 times as long
    and is that much too slow. Two signs must agree: the ratio of the durations is that of two
    common rates, and the envelope fits the reference better once the time is scaled back.

    Parameters
    ----------
    duration_ratio : length of the file before any trimming over that of the reference.

    Returns
    -------
    The rate the content was made at, or None if the header is right (or cannot be judged).
    """
    ratio_of = {
        rate: rate / degraded.sample_rate
        for rate in COMMON_RATES_HZ
        if rate != degraded.sample_rate
    }
    fitting = [
        rate
        for rate, ratio in ratio_of.items()
        if abs(duration_ratio / ratio - 1) < _RATE_TOLERANCE
    ]
    as_it_is = _scaled_correlation(reference, degraded, 1.0)
    for rate in fitting:
        scaled = _scaled_correlation(reference, degraded, ratio_of[rate])
        if scaled > as_it_is + _CLEARER_BY:
            return rate
    return None


def _extremes(samples: FloatArray) -> list[np.float32]:
    return [samples.max(), samples.min()] if len(samples) else []


def _flat_top_at(samples: FloatArray, extreme: float) -> FlatTop:
    # One part in a million: equal codes of any integer format, but no two neighbouring ones.
    at_top = np.abs(samples - extreme) <= 1e-6 * abs(extreme)
    return FlatTop(_longest_run(at_top), abs(extreme))


def _frame_levels_db(wave: Waveform) -> NDArray[np.float64]:
    """RMS of frames of 20 ms, dBFS, not below -200."""
    size = max(1, round(_FRAME_S * wave.sample_rate))
    count = len(wave.samples) // size
    frames = wave.samples[: count * size].astype(np.float64).reshape(count, size)
    levels: NDArray[np.float64] = 10 * np.log10(np.maximum((frames**2).mean(axis=1), 1e-20))
    return levels


def _loud_db(levels_db: NDArray[np.float64]) -> float:
    return float(np.quantile(levels_db, 0.95)) if len(levels_db) else float("nan")


def _longest_run(flags: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _envelope(wave: Waveform) -> NDArray[np.float64]:
    """Square root of the RMS per 10 ms: loudness-like, without a floor to choose."""
    size = max(1, round(_ENVELOPE_HOP_S * wave.sample_rate))
    count = len(wave.samples) // size
    frames = wave.samples[: count * size].astype(np.float64).reshape(count, size)
    envelope: NDArray[np.float64] = (frames**2).mean(axis=1) ** 0.25
    return envelope


def _scaled_correlation(reference: Waveform, degraded: Waveform, ratio: float) -> float:
    """Correlation of the envelopes with the degraded one read `ratio` times as fast."""
    first, second = _envelope(reference), _envelope(degraded)
    positions = np.arange(len(first)) * ratio
    positions = positions[positions <= len(second) - 1]
    first = first[: len(positions)]
    if len(first) < 10:
        return float("nan")
    read = np.interp(positions, np.arange(len(second)), second)
    if first.std() == 0 or read.std() == 0:
        return float("nan")
    return float(np.corrcoef(first, read)[0, 1])
