"""The low-passed recording: a listener who hears no difference to the reference is not listening.

ITU-R BS.1534-3, 5.1: the low anchor has a cut-off of 3.5 kHz with at most ±0.1 dB of pass-band
ripple, at least 25 dB of attenuation at 4 kHz and 50 dB at 4.5 kHz; the mid anchor passes 7 kHz.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from evalsuite.contract import (
    WaveformSpec,
    require_own_features,
    waveform_features,
    waveform_of,
    within_full_scale,
)
from evalsuite.errors import AudioError, ConfigError
from evalsuite.registry import Setup
from evalsuite.types import Features, Waveform
from evalsuite.vocoder import Vocoder, VocoderInfo

__all__ = ["Anchor", "low_pass_filter"]

_STOP_BAND_DB = 60.0
#: Half way down in the middle of this band; all of `_STOP_BAND_DB` at its end.
_TRANSITION_HZ = 500.0


class Anchor(Vocoder):
    """Low-passes the recording with a linear-phase filter whose delay is taken out again.

    Parameters
    ----------
    cutoff_hz : end of the pass band; 3500 is the low anchor, 7000 the mid anchor.

    Raises
    ------
    ConfigError if `cutoff_hz` is not positive.
    """

    def __init__(self, cutoff_hz: float = 3500.0) -> None:
        if not cutoff_hz > 0:
            raise ConfigError(
                f"the anchor's cutoff_hz is {cutoff_hz}",
                wanted="a positive frequency: 3500 (low anchor) or 7000 (mid anchor)",
                do="correct it",
            )
        self._cutoff_hz = cutoff_hz
        self.info = VocoderInfo(
            name="anchor",
            family="anchor",
            sample_rate=None,
            spec=WaveformSpec(),
            deterministic=True,
            conditioning="waveform",
            source="ITU-R BS.1534-3, 5.1",
            config={"cutoff_hz": cutoff_hz},
        )

    @classmethod
    def create(cls, setup: Setup, *, cutoff_hz: float = 3500.0) -> "Anchor":
        """Make it."""
        return cls(cutoff_hz)

    def analyse(self, wave: Waveform) -> Features:
        """Give the samples as features.

        Raises
        ------
        AudioError if the rate is too low for the cut-off.
        """
        self._require_room_above(wave.sample_rate, wave.id)
        return waveform_features(wave)

    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        """Low-pass each waveform; length and timing stay."""
        return [self._one(features) for features in batch]

    def _one(self, features: Features) -> Waveform:
        require_own_features(self.info, features)
        wave = waveform_of(features)
        taps = low_pass_filter(self._cutoff_hz, wave.sample_rate)
        delay = len(taps) // 2
        filtered = signal.oaconvolve(wave.samples.astype(np.float64), taps)
        filtered = filtered[delay : delay + len(wave.samples)]
        return Waveform(within_full_scale(filtered), wave.sample_rate, wave.id)

    def _require_room_above(self, sample_rate: int, utterance: str) -> None:
        lowest = 2 * (self._cutoff_hz + _TRANSITION_HZ)
        if sample_rate <= lowest:
            raise AudioError(
                f"{utterance or 'a waveform'} is at {sample_rate} Hz",
                wanted=f"more than {lowest:.0f} Hz, or a {self._cutoff_hz:.0f} Hz low-pass does "
                "nothing",
                do="use recordings of a higher rate, or leave the anchor out",
            )


@lru_cache(maxsize=8)
def low_pass_filter(cutoff_hz: float, sample_rate: int) -> NDArray[np.float64]:
    """Taps of an odd-length linear-phase low-pass by the Kaiser window; read-only.

    Source: Kaiser's order formula (Oppenheim and Schafer, Discrete-Time Signal Processing, 7.5.3).
    """
    n_taps, beta = signal.kaiserord(_STOP_BAND_DB, _TRANSITION_HZ / (sample_rate / 2))
    middle_hz = cutoff_hz + _TRANSITION_HZ / 2
    taps: NDArray[np.float64] = signal.firwin(
        n_taps | 1, middle_hz, window=("kaiser", beta), fs=sample_rate
    )
    taps.flags.writeable = False
    return taps
