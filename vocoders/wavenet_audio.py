"""What each WaveNet revision does to audio before the mel and after the network.

Source: r9y9/wavenet_vocoder, audio.py of both commits. Revision 2092a64 scales the wave to a peak
of 0.999, as its mel convention says, and nothing else. Master filters out what lies below the
speaking voice, and its network learnt audio with pre-emphasis and a gain, which are undone here.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy import signal

from evalsuite.contract import within_full_scale
from evalsuite.mel import MelSpec, mel_spec
from evalsuite.types import FloatArray, Waveform
from vocoders.wavenet_config import Revision

__all__ = ["HighPassedMelSpec", "finish", "high_pass", "spec_of"]

_PREEMPHASIS, _GAIN = 0.85, 0.55


@dataclass(frozen=True)
class HighPassedMelSpec(MelSpec):
    """A mel of audio without its lowest frequencies; both settings are part of the digest.

    Parameters
    ----------
    high_pass_hz : edge of the filter.
    high_pass_taps : its length, odd.
    """

    high_pass_hz: float = 70.0
    high_pass_taps: int = 255


def spec_of(revision: Revision) -> MelSpec:
    """Return the mel convention that a revision's networks were trained on."""
    if revision == "2092a64":
        return mel_spec("wavenet")
    return HighPassedMelSpec(**dataclasses.asdict(mel_spec("wavenet_master")))


def high_pass(wave: Waveform, spec: HighPassedMelSpec) -> Waveform:
    """Filter a wave with master's linear-phase filter, without its delay.

    The published code filters causally, so that its mels, and what the network makes of them, are
    127 samples late against the recording. In the middle of the filter nothing is late.
    """
    taps = signal.firwin(
        spec.high_pass_taps, spec.high_pass_hz, fs=wave.sample_rate, pass_zero=False
    )
    filtered = signal.fftconvolve(wave.samples.astype(np.float64), taps, mode="same")
    return Waveform(filtered.astype(np.float32), wave.sample_rate, wave.id)


def finish(samples: FloatArray, revision: Revision) -> FloatArray:
    """Turn what the network made into audio within full scale.

    Parameters
    ----------
    samples : float32 in [-1, 1]; not changed.

    Returns
    -------
    For master ``y[n] = x[n] / 0.55 + 0.85 y[n-1]``, scaled down as a whole if it is too loud.
    """
    if revision == "2092a64":
        return samples
    return within_full_scale(signal.lfilter([1 / _GAIN], [1, -_PREEMPHASIS], samples.astype(float)))
