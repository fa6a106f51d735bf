"""WORLD: analysis and synthesis by pitch, spectral envelope and aperiodicity.

It sees more than a mel (the pitch and the full envelope of the waveform), which tables say.
Morise, Yokomori and Ozawa 2016; Harvest (Morise 2017), CheapTrick and D4C (Morise 2015, 2016).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pyworld
from numpy.typing import NDArray

from evalsuite.contract import require_own_features, require_sample_rate, within_full_scale
from evalsuite.errors import AudioError
from evalsuite.files import sha256_json
from evalsuite.registry import Setup
from evalsuite.types import Features, Waveform
from evalsuite.vocoder import Vocoder, VocoderInfo

__all__ = ["World", "WorldSpec"]

PitchMethod = Literal["harvest", "dio"]
_SHORTEST_S = 0.05


@dataclass(frozen=True)
class WorldSpec:
    """Features of shape (1 + 2 * bins, frames), float64: F0 in Hz (0 = unvoiced), the spectral
    envelope as energy, and the aperiodicity in [0, 1]; bins = fft_size // 2 + 1.

    Parameters
    ----------
    f0 : ``harvest``, or ``dio`` refined by StoneMask: 14 times faster, more octave errors.
    """

    sample_rate: int
    fft_size: int
    f0: PitchMethod
    frame_period_ms: float = 5.0
    name: str = "world"

    @property
    def digest(self) -> str:
        """Hex SHA-256 over every setting."""
        return sha256_json(asdict(self))


class World(Vocoder):
    """Takes a voice apart into source and filter and puts it together again."""

    def __init__(self, sample_rate: int, f0: PitchMethod = "harvest") -> None:
        self._spec = WorldSpec(sample_rate, pyworld.get_cheaptrick_fft_size(sample_rate), f0)
        self.info = VocoderInfo(
            name="world",
            family="dsp",
            sample_rate=sample_rate,
            spec=self._spec,
            deterministic=True,
            conditioning="world",
            licence="modified BSD",
            source="Morise, Yokomori and Ozawa 2016",
            config={"f0": f0, "frame_period_ms": self._spec.frame_period_ms},
        )

    @classmethod
    def create(cls, setup: Setup, *, f0: PitchMethod = "harvest") -> "World":
        """Make it at the run's sample rate."""
        return cls(setup.sample_rate, f0)

    def analyse(self, wave: Waveform) -> Features:
        """Measure pitch, envelope and aperiodicity.

        Raises
        ------
        AudioError if the wave is shorter than a few pitch periods.
        """
        require_sample_rate(self.info, wave)
        if wave.duration_s < _SHORTEST_S:
            raise AudioError(
                f"{wave.id or 'the waveform'} lasts {wave.duration_s:.3f} s",
                wanted=f"at least {_SHORTEST_S} s, some periods of a voice",
                do="leave it out, or pad it with silence",
            )
        samples = wave.samples.astype(np.float64)
        rate, fft_size = wave.sample_rate, self._spec.fft_size
        pitch_hz, time_s = self._pitch(samples)
        envelope = pyworld.cheaptrick(samples, pitch_hz, time_s, rate, fft_size=fft_size)
        aperiodicity = pyworld.d4c(samples, pitch_hz, time_s, rate, fft_size=fft_size)
        values = np.vstack([pitch_hz, envelope.T, aperiodicity.T])
        return Features(values, self._spec, len(samples), id=wave.id)

    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        """Synthesise; WORLD seeds its own noise alike in every call."""
        return [self._one(features) for features in batch]

    def _pitch(self, samples: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        rate, period = self._spec.sample_rate, self._spec.frame_period_ms
        if self._spec.f0 == "harvest":
            pitch_hz, time_s = pyworld.harvest(samples, rate, frame_period=period)
        else:
            rough_hz, time_s = pyworld.dio(samples, rate, frame_period=period)
            pitch_hz = pyworld.stonemask(samples, rough_hz, time_s, rate)
        return pitch_hz, time_s

    def _one(self, features: Features) -> Waveform:
        require_own_features(self.info, features)
        bins = self._spec.fft_size // 2 + 1
        parts = np.split(features.values.astype(np.float64), [1, 1 + bins])
        pitch_hz, envelope, aperiodicity = (np.ascontiguousarray(part.T) for part in parts)
        samples = pyworld.synthesize(
            pitch_hz[:, 0].copy(),
            envelope,
            aperiodicity,
            self._spec.sample_rate,
            self._spec.frame_period_ms,
        )
        # Whole frames of 5 ms, so up to a frame more or less than the waveform.
        samples = np.pad(samples, (0, max(0, features.n_samples - len(samples))))
        samples = samples[: features.n_samples]
        return Waveform(within_full_scale(samples), self._spec.sample_rate, features.id)
