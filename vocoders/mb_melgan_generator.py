"""The Multi-band MelGAN generator: a MelGAN that makes four narrow signals, and a filter bank.

Yang et al. 2021, "Multi-band MelGAN: faster waveform generation for high-quality text-to-speech",
arXiv 2005.05106, section 2; sizes are those of kan-bayashi/ParallelWaveGAN, preset
``multi_band_melgan.v2``.
"""

from typing import cast

from torch import Tensor, nn

from vocoders.layers import set_weight, with_norm
from vocoders.melgan_generator import Generator, GeneratorConfig, randomise
from vocoders.pqmf import PQMF

__all__ = ["MB_MELGAN_V2", "MBMelGANGenerator", "randomise_bands"]

#: 384 channels before the first of three stages, four blocks of dilation 1, 3, 9, 27 in each.
MB_MELGAN_V2 = GeneratorConfig(base_channels=48, n_residual_layers=4, ratios=(8, 4, 2))


class _BandGenerator(Generator):
    """A MelGAN generator with one output per band: (batch, bands, samples / bands)."""

    def __init__(self, config: GeneratorConfig, bands: int) -> None:
        super().__init__(config)
        last = nn.Conv1d(config.base_channels, bands, 7)
        self.model[-2] = with_norm(last, config.norm)


class MBMelGANGenerator(nn.Module):
    """Log-mel of shape (batch, n_mels, frames) to audio of shape (batch, 1, hop * frames).

    Parameters
    ----------
    config : of the network before the filter bank.
    bands : of the filter bank.
    """

    def __init__(self, config: GeneratorConfig = MB_MELGAN_V2, bands: int = 4) -> None:
        super().__init__()
        self.melgan = _BandGenerator(config, bands)
        self.pqmf = PQMF(bands)

    @property
    def hop_length(self) -> int:
        """Samples per mel frame."""
        return self.melgan.config.hop_length * self.pqmf.bands

    def forward(self, mel: Tensor) -> Tensor:
        """Synthesise; the bands are bounded, their sum not quite."""
        return self.pqmf.synthesise(self.melgan(mel))


def randomise_bands(generator: MBMelGANGenerator, seed: int) -> None:
    """Draw random weights that make clearly audible noise in every band."""
    randomise(generator.melgan, seed)
    last = cast("nn.Conv1d", generator.melgan.model[-2])
    set_weight(last, 0.3 * last.weight.detach())  # the tanh must not saturate
