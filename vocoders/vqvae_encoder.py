"""Encoders of the VQ-VAE: audio to local vectors, and to one global Gaussian.

Kumar et al. 2019, section 3.5, gives the down-sampling (64x) and the size of the global latent
(256), not the layers. Ours mirror the decoder: its ratios in reverse order, kernels of twice the
stride, the same residual blocks before each down-sampling, weight norm everywhere.

*Initial weights* keep the variance of the signal (He et al. 2015, arXiv 1502.01852, eq. 15), and
biases are 0. Torch's own shrink it at every layer: all vectors would begin equal to five digits,
and no codebook could tell them apart.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from vocoders.layers import set_weight, with_weight_norm
from vocoders.melgan_generator import ResidualBlock

__all__ = ["Gaussian", "GlobalEncoder", "LocalEncoder"]

_SLOPE = 0.2


class Trunk(nn.Sequential):
    """Audio of shape (batch, 1, samples) to (batch, channels, samples / product of ratios).

    Parameters
    ----------
    base_channels : of the first layer; each stage doubles them.
    ratios : down-sampling of each stage.
    n_residual_layers : blocks before each down-sampling, of dilation 1, 3, 9, ...
    """

    def __init__(
        self, base_channels: int, ratios: Sequence[int], *, n_residual_layers: int
    ) -> None:
        channels = base_channels
        layers: list[nn.Module] = [
            nn.ReflectionPad1d(3),
            with_weight_norm(nn.Conv1d(1, channels, 7)),
        ]
        for ratio in ratios:
            layers += [
                ResidualBlock(channels, 3**depth, norm="weight")
                for depth in range(n_residual_layers)
            ]
            # (batch, channels, time) -> (batch, 2 channels, time / ratio), also for odd ratios
            down = nn.Conv1d(channels, 2 * channels, 2 * ratio, stride=ratio)
            padding = nn.ReflectionPad1d((ratio // 2, ratio - ratio // 2))
            layers += [nn.LeakyReLU(_SLOPE), padding, with_weight_norm(down)]
            channels *= 2
        super().__init__(*layers, nn.LeakyReLU(_SLOPE))
        self.out_channels = channels
        _keep_variance(self)


class LocalEncoder(nn.Module):
    """Audio of shape (batch, 1, samples) to vectors of shape (batch, n_channels, samples / hop).

    Parameters
    ----------
    n_channels : of the vectors, which are those of the codebook.
    base_channels, ratios, n_residual_layers : see `Trunk`.
    """

    def __init__(
        self,
        n_channels: int,
        *,
        base_channels: int = 32,
        ratios: Sequence[int] = (2, 2, 4, 4),
        n_residual_layers: int = 3,
    ) -> None:
        super().__init__()
        self.trunk = Trunk(base_channels, ratios, n_residual_layers=n_residual_layers)
        self.output = nn.Conv1d(self.trunk.out_channels, n_channels, 1)
        _keep_variance(self.output)

    def forward(self, audio: Tensor) -> Tensor:
        """Encode."""
        vectors: Tensor = self.output(self.trunk(audio))
        return vectors


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Independent normal distributions.

    Parameters
    ----------
    mean, log_variance : shape (batch, dimensions).
    """

    mean: Tensor
    log_variance: Tensor

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw once, so that gradients reach mean and variance (Kingma and Welling 2014, 2.4)."""
        noise = torch.randn(
            self.mean.shape, generator=generator, device=self.mean.device, dtype=self.mean.dtype
        )
        return self.mean + (0.5 * self.log_variance).exp() * noise

    def divergence_from_standard(self) -> Tensor:
        """Kullback-Leibler divergence from N(0, 1) in nats, summed over dimensions, per item.

        Kingma and Welling 2014, arXiv 1312.6114, appendix B.
        """
        terms = self.mean**2 + self.log_variance.exp() - 1 - self.log_variance
        return 0.5 * terms.sum(1)


class GlobalEncoder(nn.Module):
    """What does not change in time: audio of shape (batch, 1, samples) to one Gaussian.

    The mean over time makes it independent of length; it has no residual blocks, because what it
    describes (speaker, room, instrument) needs no fine resolution. Both are our choices.

    Parameters
    ----------
    n_dimensions : of the latent.
    base_channels, ratios : see `Trunk`.
    """

    def __init__(
        self, n_dimensions: int, *, base_channels: int = 32, ratios: Sequence[int] = (2, 2, 4, 4)
    ) -> None:
        super().__init__()
        self.trunk = Trunk(base_channels, ratios, n_residual_layers=0)
        self.output = nn.Linear(self.trunk.out_channels, 2 * n_dimensions)

    def forward(self, audio: Tensor) -> Gaussian:
        """Encode; the distribution is float32 also under autocast."""
        mean, log_variance = self.output(self.trunk(audio).mean(2)).float().chunk(2, dim=1)
        return Gaussian(mean, log_variance)


def _keep_variance(network: nn.Module) -> None:
    """Draw initial weights from torch's global generator so that variance passes unchanged."""
    for name, layer in network.named_modules():
        if not isinstance(layer, nn.Conv1d):
            continue
        gain = 1.0
        if layer.in_channels > 1 and not name.endswith("shortcut"):
            gain = math.sqrt(2 / (1 + _SLOPE**2))  # a leaky ReLU stands before it
        if name.endswith(("shortcut", "block.4")):
            gain *= math.sqrt(0.5)  # the two paths add up
        scale = gain / math.sqrt(layer.in_channels * layer.kernel_size[0])
        set_weight(layer, scale * torch.randn(layer.weight.shape))
        nn.init.zeros_(cast("Tensor", layer.bias))
