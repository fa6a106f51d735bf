"""The WaveGlow network: an invertible map between audio and noise, given a mel.

Prenger, Valle and Catanzaro 2018, arXiv 1811.00002; the details follow the official release
(NVIDIA/waveglow 8afb643, glow.py), and so do the names of the layers: its tensors fit.

*Conventions* Audio is squeezed to (batch, 8, groups): channel = sample within a group of eight.
Conditioning is (batch, 640, groups): channel = mel band times 8 plus sample within the group.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from evalsuite.errors import ConfigError
from vocoders.layers import with_weight_norm

__all__ = [
    "CouplingNetwork",
    "Invertible1x1",
    "Latent",
    "WaveGlowConfig",
    "WaveGlowNetwork",
    "affine_halves",
    "negative_log_likelihood",
]


@dataclass(frozen=True)
class WaveGlowConfig:
    """Architecture; the defaults are the 256-channel network of the paper's table 1.

    Parameters
    ----------
    n_mels, hop_length : of the mel convention.
    upsample_kernel : of the transposed convolution that spreads frames over samples.
    n_group : samples squeezed into one step.
    n_flows : couplings, each behind an invertible 1x1 convolution.
    early_every, early_size : so many channels leave before every so-manieth flow.
    n_layers, channels : of each coupling network; dilations 1, 2, 4, ...
    alternate_halves : in odd flows the second half conditions the first, as the earliest
        checkpoints have it (glow_old.py).
    weight_norm : False for checkpoints saved without it.

    Raises
    ------
    ConfigError if the sizes do not fit each other.
    """

    n_mels: int = 80
    hop_length: int = 256
    upsample_kernel: int = 1024
    n_group: int = 8
    n_flows: int = 12
    early_every: int = 4
    early_size: int = 2
    n_layers: int = 8
    channels: int = 256
    alternate_halves: bool = False
    weight_norm: bool = True

    def __post_init__(self) -> None:
        last = self.n_channels(self.n_flows - 1)
        fits = self.hop_length % self.n_group == 0 and self.upsample_kernel % self.hop_length == 0
        even = all(self.n_channels(k) % 2 == 0 for k in range(self.n_flows))
        if not (fits and even and last >= 2):
            raise ConfigError(
                f"WaveGlow with groups of {self.n_group}, hop {self.hop_length}, kernel "
                f"{self.upsample_kernel}, {last} channels in the last flow",
                wanted="whole groups in a hop, whole hops in the kernel, an even number of "
                "channels, at least 2, in every flow",
                do="correct the setting",
            )

    def n_channels(self, flow: int) -> int:
        """Channels that flow number `flow` sees: 8, then 6, then 4."""
        return self.n_group - self.early_size * (flow // self.early_every)

    def leaves_early(self, flow: int) -> bool:
        """Whether channels leave before this flow (in the direction from audio to noise)."""
        return flow > 0 and flow % self.early_every == 0

    @property
    def n_condition_channels(self) -> int:
        """Channels of the squeezed conditioning."""
        return self.n_mels * self.n_group


@dataclass(frozen=True, eq=False)
class Latent:
    """What the network makes of audio.

    Parameters
    ----------
    z : shape (batch, n_group, groups): channels that left early come first.
    log_scales : shape (batch,): sum of the log scales of all couplings.
    log_determinant : shape (): sum of log|det W| over all 1x1 convolutions and groups of one item.
    """

    z: Tensor
    log_scales: Tensor
    log_determinant: Tensor


class Invertible1x1(nn.Module):
    """A square 1x1 convolution without bias, at first a random rotation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 1, bias=False)
        rotation = nn.init.orthogonal_(torch.empty(channels, channels))
        # A determinant of +1: the first column is turned round if it is -1.
        rotation[:, 0] *= torch.where(torch.linalg.det(rotation) < 0, -1.0, 1.0)
        self.conv.weight = nn.Parameter(rotation[:, :, None])

    @property
    def matrix(self) -> Tensor:
        """Shape (channels, channels)."""
        return self.conv.weight[:, :, 0]

    def inverse(self) -> Tensor:
        """Invert in float32 at least, whatever the precision of the network."""
        matrix = self.matrix.detach()
        wide = matrix if matrix.dtype == torch.float64 else matrix.float()
        return cast("Tensor", torch.linalg.inv(wide)).to(matrix.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Mix channels of (batch, channels, groups)."""
        mixed: Tensor = self.conv(x)
        return mixed


class CouplingNetwork(nn.Module):
    """Half of the channels and the mel to shift and log scale of the other half ("WN")."""

    def __init__(self, half: int, config: WaveGlowConfig) -> None:
        super().__init__()
        channels, self.channels = config.channels, config.channels

        def conv(n_in: int, n_out: int, kernel: int = 1, dilation: int = 1) -> nn.Module:
            padding = dilation * (kernel - 1) // 2
            layer = nn.Conv1d(n_in, n_out, kernel, dilation=dilation, padding=padding)
            return with_weight_norm(layer, enabled=config.weight_norm)

        depths = range(config.n_layers)
        self.start = conv(half, channels)
        # One convolution computes the conditioning of all layers.
        self.cond_layer = conv(config.n_condition_channels, 2 * channels * config.n_layers)
        self.in_layers = nn.ModuleList(conv(channels, 2 * channels, 3, 2**i) for i in depths)
        # The last layer feeds no further one.
        self.res_skip_layers = nn.ModuleList(
            conv(channels, channels if i == config.n_layers - 1 else 2 * channels) for i in depths
        )
        # Zeros make every coupling the identity at first.
        self.end = nn.Conv1d(channels, 2 * half, 1)
        nn.init.zeros_(self.end.weight)
        nn.init.zeros_(cast("Tensor", self.end.bias))

    def forward(self, kept: Tensor, conditioning: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, half, groups) to shift and log scale of the same shape."""
        x: Tensor = self.start(kept)
        total = torch.zeros_like(x)
        conditions = self.cond_layer(conditioning).split(2 * self.channels, 1)
        for i, (layer, condition) in enumerate(zip(self.in_layers, conditions, strict=True)):
            filtered, opened = (layer(x) + condition).chunk(2, 1)
            out = self.res_skip_layers[i](filtered.tanh() * opened.sigmoid())
            if i < len(self.in_layers) - 1:
                residual, out = out.chunk(2, 1)
                x = x + residual
            total = total + out
        shift, log_scale = self.end(total).chunk(2, 1)
        return shift, log_scale


class WaveGlowNetwork(nn.Module):
    """Audio and mel to noise, the direction of training; `vocoders.waveglow_synthesis` goes back.

    Parameters
    ----------
    config : the architecture.
    """

    def __init__(self, config: WaveGlowConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or WaveGlowConfig()
        bands, kernel = config.n_mels, config.upsample_kernel
        self.upsample = nn.ConvTranspose1d(bands, bands, kernel, stride=config.hop_length)
        counts = [config.n_channels(k) for k in range(config.n_flows)]
        self.WN = nn.ModuleList(CouplingNetwork(n // 2, config) for n in counts)
        self.convinv = nn.ModuleList(Invertible1x1(n) for n in counts)

    def condition(self, mel: Tensor, n_samples: int) -> Tensor:
        """Spread (batch, n_mels, frames) over n_samples and squeeze: (batch, 640, groups)."""
        spread = self.upsample(mel)[:, :, :n_samples]  # (batch, 80, n_samples)
        grouped = torch.unflatten(spread, 2, (-1, self.config.n_group))  # (batch, 80, groups, 8)
        squeezed: Tensor = grouped.transpose(2, 3).flatten(1, 2)
        return squeezed

    def forward(self, audio: Tensor, mel: Tensor) -> Latent:
        """Map audio to noise.

        Parameters
        ----------
        audio : shape (batch, samples), whole groups.
        mel : shape (batch, n_mels, frames), enough frames for all samples.
        """
        config = self.config
        conditioning = self.condition(mel, audio.shape[1])
        x = torch.unflatten(audio, 1, (-1, config.n_group)).transpose(1, 2)  # (batch, 8, groups)
        left: list[Tensor] = []
        log_scales = audio.new_zeros(len(audio))
        log_determinant = audio.new_zeros(())
        for k in range(config.n_flows):
            if config.leaves_early(k):
                left.append(x[:, : config.early_size])
                x = x[:, config.early_size :]
            rotation = cast("Invertible1x1", self.convinv[k])
            x = rotation(x)
            log_determinant = log_determinant + x.shape[2] * _log_determinant(rotation.matrix)
            kept, changed, swapped = affine_halves(x, 1, config, k)
            shift, log_scale = self.WN[k](kept, conditioning)
            changed = log_scale.exp() * changed + shift
            x = torch.cat([changed, kept] if swapped else [kept, changed], 1)
            log_scales = log_scales + log_scale.sum((1, 2))
        return Latent(torch.cat([*left, x], 1), log_scales, log_determinant)


def affine_halves(
    x: Tensor, dim: int, config: WaveGlowConfig, flow: int
) -> tuple[Tensor, Tensor, bool]:
    """The half a coupling keeps, the half it changes, and whether the changed one stands first."""
    first, second = x.chunk(2, dim)
    swapped = config.alternate_halves and flow % 2 == 1
    return (second, first, True) if swapped else (first, second, False)


def negative_log_likelihood(latent: Latent, *, sigma: float = 1.0) -> Tensor:
    """Loss per sample, up to a constant: the paper's eq. (11), averaged as the release does."""
    n_items = len(latent.z)
    gaussian = latent.z.square().sum() / (2 * sigma**2)
    total = gaussian - latent.log_scales.sum() - n_items * latent.log_determinant
    return total / latent.z.numel()


def _log_determinant(matrix: Tensor) -> Tensor:
    # Always defined, unlike logdet, and equal to it while the determinant stays positive.
    wide = matrix if matrix.dtype == torch.float64 else matrix.float()
    logarithm: Tensor = torch.linalg.slogdet(wide).logabsdet
    return logarithm
