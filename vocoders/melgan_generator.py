"""The MelGAN generator: a feed-forward network from log-mels to audio.

Kumar et al. 2019, arXiv 1910.06711, figure 1; the details follow the official release
(descriptinc/melgan-neurips 6488045, mel2wav/modules.py). With the paper's settings the layers
stand in `Generator.model` at the official positions, so official tensor names fit.
"""

import math
from dataclasses import dataclass
from typing import cast

import torch
from pydantic import ConfigDict
from torch import Tensor, nn

from evalsuite.contract import require_frames
from vocoders.layers import NormKind, choose_norm, set_weight, with_norm

__all__ = ["Generator", "GeneratorConfig", "ResidualBlock", "randomise"]

_SLOPE = 0.2
#: Mirrored at each end before the first and the last convolution, of 7 taps.
_EDGE = 3


@dataclass(frozen=True)
class GeneratorConfig:
    """Architecture of the generator; the defaults are the paper's.

    Parameters
    ----------
    base_channels : of the last stage; each earlier stage has twice as many.
    n_residual_layers : blocks per stage, of dilation 1, 3, 9, ...
    ratios : up-sampling of each stage; their product is the hop.
    weight_norm : False is the ablation "w/o Weight Normalization" of the paper's table 2.
    spectral_norm : in weight norm's place, the ablation "w/ Spectral Normalization".
    dilated : False is the ablation "w/o Dilated Convolutions": dilation 1 in all blocks.

    Raises
    ------
    ConfigError if both norms are asked for.
    """

    # Unknown keys of a configuration file are errors in here too.
    __pydantic_config__ = ConfigDict(extra="forbid")

    n_mels: int = 80
    base_channels: int = 32
    n_residual_layers: int = 3
    ratios: tuple[int, ...] = (8, 8, 2, 2)
    weight_norm: bool = True
    spectral_norm: bool = False
    dilated: bool = True

    def __post_init__(self) -> None:
        choose_norm(weight_norm=self.weight_norm, spectral_norm=self.spectral_norm)

    @property
    def norm(self) -> NormKind:
        """What sets the length of the weights."""
        return choose_norm(weight_norm=self.weight_norm, spectral_norm=self.spectral_norm)

    @property
    def hop_length(self) -> int:
        """Samples per mel frame."""
        return math.prod(self.ratios)

    @property
    def dilations(self) -> tuple[int, ...]:
        """Of the residual blocks of each stage, in order."""
        return tuple(3**depth if self.dilated else 1 for depth in range(self.n_residual_layers))

    @property
    def minimum_frames(self) -> int:
        """Shortest mel whose every reflection has enough to mirror.

        A reflection of n samples needs n + 1. The first mirrors three frames; the blocks mirror
        their dilation, and have least to mirror in the first stage: ``ratios[0]`` samples a frame.

        >>> GeneratorConfig().minimum_frames, GeneratorConfig(ratios=(2, 4)).minimum_frames
        (4, 5)
        """
        mirrored = max(self.dilations, default=0) if self.ratios else 0
        first_ratio = self.ratios[0] if self.ratios else 1
        return max(_EDGE + 1, math.ceil((mirrored + 1) / first_ratio))


class ResidualBlock(nn.Module):
    """Dilated convolution beside a 1x1 shortcut; keeps shape (batch, channels, time)."""

    def __init__(self, channels: int, dilation: int, *, norm: NormKind) -> None:
        super().__init__()

        def conv(kernel: int, dilation: int = 1) -> nn.Module:
            layer = nn.Conv1d(channels, channels, kernel, dilation=dilation)
            return with_norm(layer, norm)

        self.block = nn.Sequential(
            nn.LeakyReLU(_SLOPE),
            nn.ReflectionPad1d(dilation),
            conv(3, dilation),
            nn.LeakyReLU(_SLOPE),
            conv(1),
        )
        self.shortcut = conv(1)

    def forward(self, x: Tensor) -> Tensor:
        """Add both paths."""
        total: Tensor = self.shortcut(x) + self.block(x)
        return total


class Generator(nn.Module):
    """Log-mel of shape (batch, n_mels, frames) to audio of shape (batch, 1, hop * frames).

    Parameters
    ----------
    config : the architecture.
    """

    def __init__(self, config: GeneratorConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or GeneratorConfig()
        self.minimum_frames = config.minimum_frames
        norm = config.norm
        channels = config.base_channels * 2 ** len(config.ratios)  # 512
        layers: list[nn.Module] = [
            nn.ReflectionPad1d(_EDGE),
            # (batch, 80, frames) -> (batch, 512, frames)
            with_norm(nn.Conv1d(config.n_mels, channels, 7), norm),
        ]
        for ratio in config.ratios:
            # (batch, channels, time) -> (batch, channels / 2, ratio * time), also for odd ratios
            up = nn.ConvTranspose1d(
                channels,
                channels // 2,
                2 * ratio,
                stride=ratio,
                padding=ratio // 2 + ratio % 2,
                output_padding=ratio % 2,
            )
            channels //= 2
            layers += [nn.LeakyReLU(_SLOPE), with_norm(up, norm)]
            layers += [
                ResidualBlock(channels, dilation, norm=norm) for dilation in config.dilations
            ]
        layers += [
            nn.LeakyReLU(_SLOPE),
            nn.ReflectionPad1d(_EDGE),
            # (batch, 32, hop * frames) -> (batch, 1, hop * frames)
            with_norm(nn.Conv1d(channels, 1, 7), norm),
            nn.Tanh(),
        ]
        self.model = nn.Sequential(*layers)

    def forward(self, mel: Tensor) -> Tensor:
        """Synthesise; under autocast the audio keeps the weights' number format, float32.

        Raises
        ------
        AudioError for fewer than `minimum_frames` frames.
        """
        require_frames(mel.shape[-1], minimum=self.minimum_frames)
        *hidden, to_audio, squash = self.model
        x = mel
        for layer in hidden:
            x = layer(x)
        # Audio of eight significant bits carries white noise some 50 dB below it, which log-mel and
        # STFT losses would take for sound in weak bands.
        audio: Tensor = squash(_outside_autocast(to_audio, x))
        return audio


def _outside_autocast(layer: nn.Module, x: Tensor) -> Tensor:
    """Run a layer in its weights' number format, also where autocast would take a shorter one."""
    device = x.device.type
    out: Tensor
    # Asked first: exported graphs and counts on the meta device know no autocast.
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        with torch.autocast(device, enabled=False):
            out = layer(x.to(next(layer.parameters()).dtype))
    else:
        out = layer(x)
    return out


def randomise(generator: Generator, seed: int) -> None:
    """Draw random weights that make clearly audible noise.

    As initialised, the network is almost silent (about 0.003), which would hide an error in a
    parity test and flatter a loudness measurement.
    """
    source = torch.Generator().manual_seed(seed)
    after_leaky_relu = math.sqrt(2 / (1 + _SLOPE**2))
    for name, layer in generator.named_modules():
        if not isinstance(layer, nn.Conv1d | nn.ConvTranspose1d):
            continue
        gain = after_leaky_relu
        if name.endswith(("shortcut", "block.4")):
            gain = math.sqrt(0.5)  # the two paths add up
        elif layer.in_channels == generator.config.n_mels or layer.out_channels == 1:
            gain = 0.4  # log-mels are large, and the tanh must not saturate
        taps = layer.kernel_size[0] / layer.stride[0]
        scale = gain / math.sqrt(layer.in_channels * taps)
        set_weight(layer, torch.randn(layer.weight.shape, generator=source) * scale)
        nn.init.zeros_(cast("Tensor", layer.bias))
