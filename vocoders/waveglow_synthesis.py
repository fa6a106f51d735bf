"""From mel and noise to audio: WaveGlow's flows run backwards.

`FlowInversion` has the loop; engines differ in how they compute the couplings. All engines give
the same audio up to rounding.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from vocoders.waveglow_network import Invertible1x1, WaveGlowConfig, WaveGlowNetwork, affine_halves

__all__ = ["Couplings", "EagerInversion", "FlowInversion", "draw_noise", "split_latent"]

#: Number of a flow and the kept half, (half, groups), to shift and log scale of the other half.
Couplings = Callable[[int, Tensor], tuple[Tensor, Tensor]]


class FlowInversion(nn.Module, ABC):
    """Mel and noise to audio, for one utterance.

    Parameters
    ----------
    network : trained, without weight norm. The inverses of its 1x1 convolutions are computed
        here, once, in float32.
    """

    def __init__(self, network: WaveGlowNetwork) -> None:
        super().__init__()
        self.config: WaveGlowConfig = network.config
        for k, rotation in enumerate(network.convinv):
            assert isinstance(rotation, Invertible1x1)
            self.register_buffer(f"inverse_{k}", rotation.inverse())

    @abstractmethod
    def couplings(self, mel: Tensor) -> Couplings:
        """Prepare the couplings of one utterance.

        Parameters
        ----------
        mel : shape (n_mels, frames).
        """

    def forward(self, mel: Tensor, noise: Sequence[Tensor]) -> Tensor:
        """Synthesise.

        Parameters
        ----------
        mel : shape (n_mels, frames).
        noise : already scaled, in the order of use: see `draw_noise`.

        Returns
        -------
        shape (hop * frames,).
        """
        config = self.config
        couple = self.couplings(mel)
        waiting = list(noise)
        x = waiting.pop(0)
        for k in reversed(range(config.n_flows)):
            kept, changed, swapped = affine_halves(x, 0, config, k)
            shift, log_scale = couple(k, kept)
            changed = (changed - shift) * torch.exp(-log_scale)
            x = torch.cat([changed, kept] if swapped else [kept, changed])
            x = self.get_buffer(f"inverse_{k}") @ x
            if config.leaves_early(k):
                x = torch.cat([waiting.pop(0), x])
        return x.T.flatten()


class EagerInversion(FlowInversion):
    """The couplings as the network computes them, convolution by convolution."""

    def __init__(self, network: WaveGlowNetwork) -> None:
        super().__init__(network)
        self.network = network

    def couplings(self, mel: Tensor) -> Couplings:
        """Upsample the mel and run the coupling networks."""
        n_samples = mel.shape[1] * self.config.hop_length
        conditioning = self.network.condition(mel[None], n_samples)

        def couple(flow: int, kept: Tensor) -> tuple[Tensor, Tensor]:
            shift, log_scale = self.network.WN[flow](kept[None], conditioning)
            return shift[0], log_scale[0]

        return couple


def draw_noise(config: WaveGlowConfig, n_groups: int, seed: int) -> list[Tensor]:
    """Draw standard normal noise in the order in which it enters.

    The first part feeds the last flow; each further part joins where channels leave early, last
    place first. Drawn on the CPU, so that every device sees the same.

    >>> [tuple(part.shape) for part in draw_noise(WaveGlowConfig(), 100, seed=0)]
    [(4, 100), (2, 100), (2, 100)]
    """
    source = torch.Generator().manual_seed(seed)
    return [torch.randn(n, n_groups, generator=source) for n in _part_sizes(config)]


def split_latent(config: WaveGlowConfig, z: Tensor) -> list[Tensor]:
    """Split a latent, shape (n_group, groups), into the parts `FlowInversion` takes."""
    return list(torch.split(z, _part_sizes(config)[::-1]))[::-1]


def _part_sizes(config: WaveGlowConfig) -> list[int]:
    n_early = sum(config.leaves_early(k) for k in range(config.n_flows))
    return [config.n_channels(config.n_flows - 1), *[config.early_size] * n_early]
