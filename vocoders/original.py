"""The recording itself: the reference every vocoder is compared with."""

from collections.abc import Sequence

from evalsuite.contract import (
    WaveformSpec,
    require_own_features,
    waveform_features,
    waveform_of,
)
from evalsuite.registry import Setup
from evalsuite.types import Features, Waveform
from evalsuite.vocoder import Vocoder, VocoderInfo

__all__ = ["Original"]


class Original(Vocoder):
    """Returns what it is given, at any rate. It passes the same levelling as all systems."""

    def __init__(self) -> None:
        self.info = VocoderInfo(
            name="original",
            family="reference",
            sample_rate=None,
            spec=WaveformSpec(),
            deterministic=True,
            conditioning="waveform",
        )

    @classmethod
    def create(cls, setup: Setup) -> "Original":
        """Make it; there is nothing to set."""
        return cls()

    def analyse(self, wave: Waveform) -> Features:
        """Give the samples as features."""
        return waveform_features(wave)

    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        """Return the samples unchanged."""
        return [self._one(features) for features in batch]

    def _one(self, features: Features) -> Waveform:
        require_own_features(self.info, features)
        return waveform_of(features)
