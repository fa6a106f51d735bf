"""The Parallel WaveGAN generator: a WaveNet without causality that shapes noise into audio.

Yamamoto, Song and Kim 2020, arXiv 1910.11480, section 2; the details follow
kan-bayashi/ParallelWaveGAN, preset ``parallel_wavegan.v1``. Layers have that code's names, so its
tensor names fit.
"""

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from evalsuite.errors import ConfigError
from vocoders.layers import set_weight, with_weight_norm

__all__ = ["ParallelWaveGANConfig", "ParallelWaveGANGenerator", "randomise"]


@dataclass(frozen=True)
class ParallelWaveGANConfig:
    """Architecture of the generator; the defaults are preset v1.

    Parameters
    ----------
    layers, stacks : residual layers in all; each stack starts again at dilation 1 and doubles.
    residual_channels, gate_channels, skip_channels : of each layer; half the gate channels are
        filters, half gates.
    context_frames : the mel's first convolution sees as many frames on each side.
    ratios : up-sampling steps of the mel; their product is the hop.
    weight_norm : as trained.

    Raises
    ------
    ConfigError if the layers do not divide into stacks or the gate channels into halves.
    """

    n_mels: int = 80
    layers: int = 30
    stacks: int = 3
    residual_channels: int = 64
    gate_channels: int = 128
    skip_channels: int = 64
    context_frames: int = 2
    ratios: tuple[int, ...] = (4, 4, 4, 4)
    weight_norm: bool = True

    def __post_init__(self) -> None:
        if self.stacks < 1 or self.layers % self.stacks or self.gate_channels % 2:
            raise ConfigError(
                f"{self.layers} layers in {self.stacks} stacks, {self.gate_channels} gate channels",
                wanted="as many layers in every stack, and an even number of gate channels",
                do="take the config.yml that was published with the checkpoint",
            )

    @property
    def hop_length(self) -> int:
        """Samples per mel frame."""
        return math.prod(self.ratios)


class _Upsampling(nn.Module):
    """Mel with context frames at both ends to one column per sample."""

    def __init__(self, config: ParallelWaveGANConfig) -> None:
        super().__init__()
        kernel = 2 * config.context_frames + 1
        conv_in = nn.Conv1d(config.n_mels, config.n_mels, kernel, bias=False)
        self.conv_in = with_weight_norm(conv_in, enabled=config.weight_norm)
        self.upsample = nn.Module()
        self.upsample.up_layers = nn.ModuleList()
        for ratio in config.ratios:
            smoothing = nn.Conv2d(1, 1, (1, 2 * ratio + 1), padding=(0, ratio), bias=False)
            self.upsample.up_layers.append(nn.Upsample(scale_factor=(1, ratio), mode="nearest"))
            self.upsample.up_layers.append(with_weight_norm(smoothing, enabled=config.weight_norm))

    def forward(self, mel: Tensor) -> Tensor:
        x = self.conv_in(mel)[:, None]
        for layer in cast("nn.ModuleList", self.upsample.up_layers):
            x = layer(x)
        upsampled: Tensor = x[:, 0]
        return upsampled


class _GatedLayer(nn.Module):
    """Dilated convolution and mel through a gate; to the next layer and to the sum of skips."""

    def __init__(self, config: ParallelWaveGANConfig, dilation: int) -> None:
        super().__init__()
        norm, residual = config.weight_norm, config.residual_channels
        gate, half = config.gate_channels, config.gate_channels // 2
        conv = nn.Conv1d(residual, gate, 3, padding=dilation, dilation=dilation)
        self.conv = with_weight_norm(conv, enabled=norm)
        self.conv1x1_aux = _conv1x1(config.n_mels, gate, norm=norm, bias=False)
        self.conv1x1_out = _conv1x1(half, residual, norm=norm)
        self.conv1x1_skip = _conv1x1(half, config.skip_channels, norm=norm)

    def forward(self, x: Tensor, mel: Tensor) -> tuple[Tensor, Tensor]:
        filtered, gate = (self.conv(x) + self.conv1x1_aux(mel)).chunk(2, dim=1)
        gated = torch.tanh(filtered) * torch.sigmoid(gate)
        return (self.conv1x1_out(gated) + x) * math.sqrt(0.5), self.conv1x1_skip(gated)


class ParallelWaveGANGenerator(nn.Module):
    """Noise (batch, 1, hop * frames) and mel (batch, n_mels, frames) to audio like the noise.

    The mel is normalised: mean 0 and deviation 1 per band over the training set.

    Parameters
    ----------
    config : the architecture.
    """

    def __init__(self, config: ParallelWaveGANConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ParallelWaveGANConfig()
        norm, skip = config.weight_norm, config.skip_channels
        self.first_conv = _conv1x1(1, config.residual_channels, norm=norm)
        self.upsample_net = _Upsampling(config)
        per_stack = config.layers // config.stacks
        self.conv_layers = nn.ModuleList(
            _GatedLayer(config, 2 ** (layer % per_stack)) for layer in range(config.layers)
        )
        self.last_conv_layers = nn.ModuleList(
            [nn.ReLU(), _conv1x1(skip, skip, norm=norm), nn.ReLU(), _conv1x1(skip, 1, norm=norm)]
        )

    def forward(self, noise: Tensor, mel: Tensor) -> Tensor:
        """Synthesise; the output is not bounded."""
        context = self.config.context_frames
        mel = self.upsample_net(functional.pad(mel, (context, context), mode="replicate"))
        x = self.first_conv(noise)
        skips: Tensor | float = 0.0
        for layer in self.conv_layers:
            x, skip = layer(x, mel)
            skips = skips + skip
        audio = cast("Tensor", skips) * math.sqrt(1 / self.config.layers)
        for layer in self.last_conv_layers:
            audio = layer(audio)
        return audio


def randomise(generator: ParallelWaveGANGenerator, seed: int) -> None:
    """Draw random weights that make clearly audible noise which follows the mel."""
    source = torch.Generator().manual_seed(seed)
    for layer in generator.modules():
        if isinstance(layer, nn.Conv2d):  # a moving average, as training begins
            averaging = torch.full(layer.weight.shape, 1 / layer.kernel_size[1])
            set_weight(cast("nn.Conv1d", layer), averaging)
        elif isinstance(layer, nn.Conv1d):
            scale = math.sqrt(1 / (layer.in_channels * layer.kernel_size[0]))
            set_weight(layer, torch.randn(layer.weight.shape, generator=source) * scale)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _conv1x1(n_inputs: int, n_outputs: int, *, norm: bool, bias: bool = True) -> nn.Module:
    return with_weight_norm(nn.Conv1d(n_inputs, n_outputs, 1, bias=bias), enabled=norm)
