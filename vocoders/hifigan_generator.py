"""The HiFi-GAN generator in its three published sizes.

Kong, Kim and Bae 2020, arXiv 2010.05646, section 2.2 and appendix A.1; the details follow the
official release (jik876/hifi-gan 4769534, models.py). Layers have the official names, so official
tensor names fit.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from evalsuite.errors import ConfigError
from vocoders.layers import set_weight, with_weight_norm

__all__ = ["VARIANTS", "HiFiGANConfig", "HiFiGANGenerator", "randomise"]

_SLOPE = 0.1
#: The last activation has torch's default slope, not the paper's 0.1: so does every release.
_LAST_SLOPE = 0.01


@dataclass(frozen=True)
class HiFiGANConfig:
    """Architecture of the generator; the defaults are V1.

    Parameters
    ----------
    initial_channels : before the first up-sampling; each stage halves them.
    ratios : up-sampling of each stage; their product is the hop.
    up_kernels : of each transposed convolution; kernel - ratio is even.
    block_kernels : of the residual blocks side by side in each stage, whose mean goes on.
    dilations : of each block's convolutions, one tuple per block kernel.
    block_type : 1 puts an undilated convolution behind every dilated one, 2 does not.
    weight_norm : as trained.

    Raises
    ------
    ConfigError if the settings contradict each other.
    """

    n_mels: int = 80
    initial_channels: int = 512
    ratios: tuple[int, ...] = (8, 8, 2, 2)
    up_kernels: tuple[int, ...] = (16, 16, 4, 4)
    block_kernels: tuple[int, ...] = (3, 7, 11)
    dilations: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    block_type: Literal[1, 2] = 1
    weight_norm: bool = True

    def __post_init__(self) -> None:
        pairs = list(zip(self.up_kernels, self.ratios, strict=False))
        fits = (
            len(self.ratios) == len(self.up_kernels)
            and len(self.block_kernels) == len(self.dilations)
            and all(kernel >= ratio > 0 and (kernel - ratio) % 2 == 0 for kernel, ratio in pairs)
            and all(kernel % 2 == 1 for kernel in self.block_kernels)
            and self.initial_channels % 2 ** len(self.ratios) == 0
            and self.block_type in (1, 2)
        )
        if not fits:
            raise ConfigError(
                f"a HiFi-GAN of {self}",
                wanted="a kernel per ratio with an even surplus, odd block kernels with a tuple of "
                "dilations each, channels that can be halved at every stage, block type 1 or 2",
                do="take the config.json that was published with the checkpoint",
            )

    @property
    def hop_length(self) -> int:
        """Samples per mel frame."""
        return math.prod(self.ratios)


#: The paper's appendix A.1 and the release's config_v1.json, config_v2.json, config_v3.json.
VARIANTS: Mapping[str, HiFiGANConfig] = MappingProxyType(
    {
        "v1": HiFiGANConfig(),
        "v2": HiFiGANConfig(initial_channels=128),
        "v3": HiFiGANConfig(
            initial_channels=256,
            ratios=(8, 8, 4),
            up_kernels=(16, 16, 8),
            block_kernels=(3, 5, 7),
            dilations=((1, 2), (2, 6), (3, 12)),
            block_type=2,
        ),
    }
)


class _BlockOfPairs(nn.Module):
    """Type 1: x + conv(lrelu(dilated conv(lrelu(x)))), once per dilation."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...], *, norm: bool):
        super().__init__()
        self.convs1 = nn.ModuleList(_same(channels, kernel, d, norm=norm) for d in dilations)
        self.convs2 = nn.ModuleList(_same(channels, kernel, 1, norm=norm) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            inner = dilated(functional.leaky_relu(x, _SLOPE))
            x = x + plain(functional.leaky_relu(inner, _SLOPE))
        return x


class _Block(nn.Module):
    """Type 2: x + dilated conv(lrelu(x)), once per dilation."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...], *, norm: bool):
        super().__init__()
        self.convs = nn.ModuleList(_same(channels, kernel, d, norm=norm) for d in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for dilated in self.convs:
            x = x + dilated(functional.leaky_relu(x, _SLOPE))
        return x


class HiFiGANGenerator(nn.Module):
    """Log-mel of shape (batch, n_mels, frames) to audio of shape (batch, 1, hop * frames).

    Parameters
    ----------
    config : the architecture.
    """

    def __init__(self, config: HiFiGANConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or HiFiGANConfig()
        norm, channels = config.weight_norm, config.initial_channels
        self.conv_pre = _convolution(config.n_mels, channels, 7, norm=norm)
        self.ups, self.resblocks = nn.ModuleList(), nn.ModuleList()
        block = _BlockOfPairs if config.block_type == 1 else _Block
        for ratio, kernel in zip(config.ratios, config.up_kernels, strict=True):
            # (batch, channels, time) -> (batch, channels / 2, ratio * time)
            padding = (kernel - ratio) // 2
            up = nn.ConvTranspose1d(channels, channels // 2, kernel, ratio, padding)
            channels //= 2
            self.ups.append(with_weight_norm(up, enabled=norm))
            self.resblocks.extend(
                block(channels, size, dilations, norm=norm)
                for size, dilations in zip(config.block_kernels, config.dilations, strict=True)
            )
        self.conv_post = _convolution(channels, 1, 7, norm=norm)

    def forward(self, mel: Tensor) -> Tensor:
        """Synthesise."""
        x = self.conv_pre(mel)
        n_blocks = len(self.config.block_kernels)
        for stage, up in enumerate(self.ups):
            x = up(functional.leaky_relu(x, _SLOPE))
            blocks = self.resblocks[n_blocks * stage : n_blocks * (stage + 1)]
            total = blocks[0](x)
            for block in blocks[1:]:
                total = total + block(x)
            x = total / n_blocks
        audio: Tensor = torch.tanh(self.conv_post(functional.leaky_relu(x, _LAST_SLOPE)))
        return audio


def randomise(generator: HiFiGANGenerator, seed: int) -> None:
    """Draw random weights that make clearly audible noise, as `melgan_generator.randomise` does."""
    source = torch.Generator().manual_seed(seed)
    for name, layer in generator.named_modules():
        if not isinstance(layer, nn.Conv1d | nn.ConvTranspose1d):
            continue
        # Residual paths add up over the blocks; log-mels are large; the tanh must not saturate.
        gain = {"conv_pre": 0.3, "conv_post": 0.3}.get(name, 1.4 if "ups" in name else 0.5)
        taps = layer.kernel_size[0] / layer.stride[0]
        scale = gain / math.sqrt(layer.in_channels * taps)
        set_weight(layer, torch.randn(layer.weight.shape, generator=source) * scale)
        nn.init.zeros_(cast("Tensor", layer.bias))


def _same(channels: int, kernel: int, dilation: int, *, norm: bool) -> nn.Module:
    return _convolution(channels, channels, kernel, dilation, norm=norm)


def _convolution(
    n_inputs: int, n_outputs: int, kernel: int, dilation: int = 1, *, norm: bool
) -> nn.Module:
    """Convolution between zeros; keeps the length."""
    padding = dilation * (kernel - 1) // 2
    layer = nn.Conv1d(n_inputs, n_outputs, kernel, dilation=dilation, padding=padding)
    return with_weight_norm(layer, enabled=norm)
