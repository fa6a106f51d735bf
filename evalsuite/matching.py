"""What makes samples comparable: every system, the original too, passes these steps.

::

    recording ── resampled once, cut to whole frames ──▶ reference
    vocoder output ─▶ `place`: input gain undone, start offset dropped, at the run's rate,
                      exactly as long as the reference, short fades
                   ─▶ `measure`: delay, level, true peak, faults of the raw output
    all systems of one utterance ─▶ `gains_db`: one level for all, and the same reduction for
                      all if one of them would come too close to full scale

Only constant gains are applied: no limiter, no time shift, no filter. A vocoder's wrapper does
none of this itself, so no system can be favoured by its wrapper.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evalsuite.align import estimate_delay_s
from evalsuite.audio import resample
from evalsuite.errors import AudioError, VocoderError
from evalsuite.faults import count_wraps, find_flat_top
from evalsuite.levels import loudness_lufs, speech_level_dbov, true_peak_dbtp
from evalsuite.manifest import LevelMeter, Settings
from evalsuite.types import FloatArray, Waveform

__all__ = [
    "MATCHING_VERSION",
    "Measured",
    "Placed",
    "RawOutput",
    "gains_db",
    "measure",
    "measure_level_db",
    "place",
    "reference_from",
]

#: Raised whenever equal inputs would give other files; part of every cache key.
MATCHING_VERSION = 1

#: Vocoders make whole frames; all conventions of the field use a hop of 256.
FRAME = 256
_MIN_SAMPLES = 4 * FRAME
_SHORTEST_FOR_LOUDNESS_S = 0.4  # one gating block of ITU-R BS.1770


@dataclass(frozen=True, eq=False)
class RawOutput:
    """What a vocoder returned, untouched, and what is needed to line it up.

    Parameters
    ----------
    wave : at the vocoder's own rate.
    input_gain : factor the vocoder put on the recording before its analysis.
    start_offset : samples to drop from the start, at the vocoder's own rate.
    """

    wave: Waveform
    input_gain: float
    start_offset: int


@dataclass(frozen=True, eq=False)
class Placed:
    """An output in time with its reference, not yet levelled.

    Parameters
    ----------
    missing_samples : zeros appended because the output was too short.
    extra_samples : samples cut off because it was too long.
    """

    wave: Waveform
    missing_samples: int
    extra_samples: int


@dataclass(frozen=True)
class Measured:
    """Measurements of one placed output.

    Parameters
    ----------
    level_db : by `level_method`, before levelling; LUFS or dBov.
    level_method : ``bs1770``, ``bs1770-repeated`` (clips under 0.4 s) or ``p56``.
    true_peak_dbtp : before levelling.
    delay_s, delay_correlation : against the reference; None if undefined.
    output_rate : rate of the raw output, hertz.
    raw_peak, raw_dc, raw_flat_top, raw_flat_top_level, raw_wraps : of the raw output, where
        clipping and wrap-around are still exact; see `evalsuite.faults`.
    """

    level_db: float
    level_method: str
    true_peak_dbtp: float
    delay_s: float | None
    delay_correlation: float | None
    missing_samples: int
    extra_samples: int
    output_rate: int
    raw_peak: float
    raw_dc: float
    raw_flat_top: int
    raw_flat_top_level: float
    raw_wraps: int


def reference_from(recording: Waveform, sample_rate: int) -> Waveform:
    """Turn a recording into the reference: resampled once, cut to whole frames of 256 samples.

    Raises
    ------
    AudioError if fewer than four frames remain.
    """
    wave = resample(recording, sample_rate)
    n_samples = FRAME * (len(wave.samples) // FRAME)
    if n_samples < _MIN_SAMPLES:
        raise AudioError(
            f"{recording.id or 'the recording'} has {len(wave.samples)} samples at "
            f"{sample_rate} Hz",
            wanted=f"at least {_MIN_SAMPLES} samples, four frames of {FRAME}",
            do="leave it out",
        )
    return Waveform(wave.samples[:n_samples], sample_rate, recording.id)


def place(raw: RawOutput, reference: Waveform, settings: Settings) -> Placed:
    """Bring an output in time with its reference: same rate, same number of samples.

    The input gain is divided out and the declared start offset dropped; a measured delay is
    never corrected, because it belongs to what the system does. Raised-cosine fades at both
    ends keep a cut from clicking.

    Raises
    ------
    VocoderError if the output is not mono, not finite, or empty after its start offset.
    """
    _refuse_unusable(raw)
    samples = raw.wave.samples[raw.start_offset :] / np.float32(raw.input_gain)
    wave = resample(Waveform(samples, raw.wave.sample_rate, raw.wave.id), reference.sample_rate)
    n_samples, length = len(reference.samples), len(wave.samples)
    placed = np.zeros(n_samples, np.float32)
    kept = min(length, n_samples)
    placed[:kept] = wave.samples[:kept]
    _fade(placed, round(settings.fade_s * reference.sample_rate))
    return Placed(
        Waveform(placed, reference.sample_rate, reference.id),
        missing_samples=max(0, n_samples - length),
        extra_samples=max(0, length - n_samples),
    )


def measure(raw: RawOutput, placed: Placed, reference: Waveform, meter: LevelMeter) -> Measured:
    """Measure what levelling and the gate need to know.

    Raises
    ------
    AudioError if the recording or the output is silent: no gain could bring it to a level.
    """
    level, method = measure_level_db(placed.wave, meter)
    if math.isnan(level):
        if math.isnan(measure_level_db(reference, meter)[0]):
            raise AudioError(
                f"the recording {reference.id!r} is silent (sample peak {_peak(reference):.2g})",
                wanted="audible speech",
                do="leave it out, or copy it again from its source",
            )
        raise AudioError(
            f"the output for {reference.id!r} is silent (sample peak {_peak(placed.wave):.2g})",
            wanted="audible speech",
            do="listen to what the vocoder made; random or damaged weights are often silent",
        )
    delay = estimate_delay_s(reference, placed.wave)
    flat_top = find_flat_top(raw.wave.samples)
    return Measured(
        level_db=level,
        level_method=method,
        true_peak_dbtp=true_peak_dbtp(placed.wave),
        delay_s=None if math.isnan(delay.delay_s) else delay.delay_s,
        delay_correlation=None if math.isnan(delay.correlation) else delay.correlation,
        missing_samples=placed.missing_samples,
        extra_samples=placed.extra_samples,
        output_rate=raw.wave.sample_rate,
        raw_peak=_peak(raw.wave),
        raw_dc=float(raw.wave.samples.mean(dtype=np.float64)),
        raw_flat_top=flat_top.run,
        raw_flat_top_level=flat_top.level,
        raw_wraps=count_wraps(raw.wave.samples),
    )


def measure_level_db(wave: Waveform, meter: LevelMeter) -> tuple[float, str]:
    """Level by the run's meter, and the method that gave it; NaN for silence.

    BS.1770 is undefined below 0.4 s. Such a clip is measured as if it were repeated until it
    lasts that long: the same weighting and gates, and the same treatment for every system, since
    all have one length.
    """
    if meter == "p56":
        return speech_level_dbov(wave), "p56"
    if wave.duration_s >= _SHORTEST_FOR_LOUDNESS_S:
        return loudness_lufs(wave), "bs1770"
    repeats = 1 + math.ceil(_SHORTEST_FOR_LOUDNESS_S / wave.duration_s)
    repeated = Waveform(np.tile(wave.samples, repeats), wave.sample_rate, wave.id)
    return loudness_lufs(repeated), "bs1770-repeated"


def gains_db(
    measured: Mapping[str, Measured], settings: Settings
) -> tuple[dict[str, float], float]:
    """Gain of every system of one utterance, and the common part of it.

    Returns
    -------
    (total gain in dB by system, common reduction in dB, 0 or negative). The common reduction
    keeps the largest true peak of the utterance at the limit without changing the balance.
    """
    to_target = {name: settings.level_target_db - m.level_db for name, m in measured.items()}
    peaks = [measured[name].true_peak_dbtp + gain for name, gain in to_target.items()]
    common = min(0.0, settings.peak_limit_dbtp - max(peaks, default=-math.inf))
    return {name: gain + common for name, gain in to_target.items()}, common


def _refuse_unusable(raw: RawOutput) -> None:
    samples = raw.wave.samples
    if samples.ndim != 1 or len(samples) <= raw.start_offset:
        raise VocoderError(
            f"the output for {raw.wave.id!r} has shape {samples.shape} with a start offset of "
            f"{raw.start_offset} samples",
            wanted="mono samples of shape (n,) beyond the start offset",
            do="mend the vocoder; evalsuite.conformance.check_vocoder shows what it breaks",
        )
    if bad := int(np.count_nonzero(~np.isfinite(samples))):
        raise VocoderError(
            f"the output for {raw.wave.id!r} holds {bad} NaN or infinite samples",
            wanted="finite samples",
            do="mend the vocoder or its weights; nothing was written for this sample",
        )


def _fade(samples: FloatArray, length: int) -> None:
    """Fade in and out in place, half a raised cosine each."""
    length = min(length, len(samples) // 2)
    ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / max(length, 1))).astype(
        np.float32
    )
    samples[:length] *= ramp
    samples[len(samples) - length :] *= ramp[::-1]


def _peak(wave: Waveform) -> float:
    return float(np.abs(wave.samples).max(initial=0))
