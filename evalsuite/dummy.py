"""A vocoder without weights: a bank of sines at the mel bands' centres.

It sounds like a robot behind a door, runs everywhere in no time, and keeps every promise of the
contract; tests, trial runs and new studies use it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evalsuite.contract import require_own_features, require_sample_rate, within_full_scale
from evalsuite.mel import extract_mel, mel_filter_bank, mel_spec
from evalsuite.registry import Setup
from evalsuite.types import Features, FloatArray, Waveform
from evalsuite.vocoder import Vocoder, VocoderInfo

__all__ = ["Dummy"]

_SPEC = mel_spec("melgan")


class Dummy(Vocoder):
    """Sums one sine per mel band, with that band's envelope and a random phase."""

    def __init__(self) -> None:
        self.info = VocoderInfo(
            name="dummy",
            family="dsp",
            sample_rate=_SPEC.sample_rate,
            spec=_SPEC,
            deterministic=False,
            source="evalsuite",
        )

    @classmethod
    def create(cls, setup: Setup) -> "Dummy":
        """Make it; there is nothing to set."""
        return cls()

    def analyse(self, wave: Waveform) -> Features:
        """Compute the mel of the ``melgan`` convention."""
        require_sample_rate(self.info, wave)
        return extract_mel(wave, _SPEC)

    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        """Sum the sines; `seed` draws their phases, alike for every utterance."""
        return [self._one(features, seed) for features in batch]

    def _one(self, features: Features, seed: int) -> Waveform:
        require_own_features(self.info, features)
        samples = _sum_of_sines(10.0**features.values, features.n_samples, seed)
        return Waveform(samples, _SPEC.sample_rate, features.id)


def _sum_of_sines(mel: NDArray[np.floating], n_samples: int, seed: int) -> FloatArray:
    """Turn magnitudes of shape (n_mels, frames) into float32 samples of shape (n_samples,)."""
    bank = mel_filter_bank(_SPEC)
    bins_hz = np.arange(bank.shape[1]) * _SPEC.sample_rate / _SPEC.n_fft
    centres_hz = (bank @ bins_hz) / bank.sum(axis=1)
    # A sine of amplitude a shows as a * n_fft / 4 in its bin under a Hann window.
    amplitudes = mel / bank.max(axis=1, keepdims=True) * (4 / _SPEC.n_fft)
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(bank))
    time = np.arange(n_samples)
    frame_centres = (np.arange(mel.shape[1]) + 0.5) * _SPEC.hop_length
    total = np.zeros(n_samples)
    # Band by band: the whole (n_mels, n_samples) array of a minute would take a gigabyte.
    for amplitude, centre_hz, phase in zip(amplitudes, centres_hz, phases, strict=True):
        angle = (2 * np.pi * centre_hz / _SPEC.sample_rate) * time + phase
        total += np.interp(time, frame_centres, amplitude) * np.sin(angle)
    return within_full_scale(total)
