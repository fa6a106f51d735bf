"""The multi-scale discriminator that MelGAN is trained against.

Kumar et al. 2019, arXiv 1910.06711, section 2.2 and figure 1; the details follow the official
release (descriptinc/melgan-neurips 6488045, mel2wav/modules.py). With the paper's settings the
tensors have the official names, so official checkpoints (``netD.pt``) fit.
"""

from dataclasses import dataclass
from typing import NamedTuple

from pydantic import ConfigDict
from torch import Tensor, nn

from evalsuite.errors import ConfigError
from vocoders.layers import NormKind, choose_norm, with_norm

__all__ = ["Discriminator", "DiscriminatorConfig", "Judgement"]

_SLOPE = 0.2
# A group sees four channels, whatever the width (release: groups = previous channels // 4).
_CHANNELS_PER_GROUP = 4


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Architecture of the discriminator; the defaults are the paper's.

    Parameters
    ----------
    n_scales : identical networks on the audio, half its rate, a quarter, ...; 1 is the ablation
        "w/o Multi-scale Discriminator" of the paper's table 2.
    base_channels : of the first layer.
    n_layers : strided layers.
    stride : of each of them; also the factor between their widths.
    max_channels : no layer is wider.
    grouped : False gives every strided convolution all channels (demo page: ``no_group_disc``).
    window_based : False is "w/o Window-based Discriminator": one logit per recording and scale,
        the mean of the windows' logits. The paper does not say how it was made; the mean keeps
        parameters and feature maps as they are, so only the window-wise decision changes.
    weight_norm, spectral_norm : as in `GeneratorConfig`.

    Raises
    ------
    ConfigError if both norms are asked for, or the widths cannot be shared out among groups.
    """

    # Unknown keys of a configuration file are errors in here too.
    __pydantic_config__ = ConfigDict(extra="forbid")

    n_scales: int = 3
    base_channels: int = 16
    n_layers: int = 4
    stride: int = 4
    max_channels: int = 1024
    grouped: bool = True
    window_based: bool = True
    weight_norm: bool = True
    spectral_norm: bool = False

    def __post_init__(self) -> None:
        choose_norm(weight_norm=self.weight_norm, spectral_norm=self.spectral_norm)
        if min(self.n_scales, self.base_channels, self.n_layers, self.stride) < 1:
            raise ConfigError(
                f"discriminator of {self.n_scales} scales, {self.n_layers} layers, "
                f"{self.base_channels} channels, stride {self.stride}",
                wanted="at least 1 of each",
                do="correct the setting",
            )
        for inner, outer, groups in self.strided_layers:
            if self.grouped and (inner % _CHANNELS_PER_GROUP or outer % groups):
                raise ConfigError(
                    f"discriminator layer from {inner} to {outer} channels in groups of "
                    f"{_CHANNELS_PER_GROUP} input channels",
                    wanted="widths that the groups divide",
                    do="make base_channels a multiple of 4 and max_channels one of its multiples "
                    "by the stride, or set grouped: false",
                )

    @property
    def strided_layers(self) -> tuple[tuple[int, int, int], ...]:
        """Channels in, channels out and groups of each strided convolution."""
        layers, channels = [], self.base_channels
        for _ in range(self.n_layers):
            wider = min(channels * self.stride, self.max_channels)
            groups = channels // _CHANNELS_PER_GROUP if self.grouped else 1
            layers.append((channels, wider, groups))
            channels = wider
        return tuple(layers)

    @property
    def norm(self) -> NormKind:
        """What sets the length of the weights."""
        return choose_norm(weight_norm=self.weight_norm, spectral_norm=self.spectral_norm)


class Judgement(NamedTuple):
    """What one scale says of a batch of audio.

    Parameters
    ----------
    features : outputs of all layers but the last, each (batch, channels, time at that layer).
    logits : one per window, (batch, 1, windows), or (batch, 1, 1); large = real.
    """

    features: list[Tensor]
    logits: Tensor


class _OneScale(nn.Module):
    """Layers ``layer_0`` to ``layer_{n_layers + 2}``; the last one has no activation."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self._window_based = config.window_based
        channels, stride = config.base_channels, config.stride
        layers: dict[str, nn.Module] = {
            # (batch, 1, samples) -> (batch, 16, samples)
            "layer_0": nn.Sequential(
                nn.ReflectionPad1d(7),
                with_norm(nn.Conv1d(1, channels, 15), config.norm),
                nn.LeakyReLU(_SLOPE, inplace=True),
            )
        }
        for depth, (inner, channels, groups) in enumerate(config.strided_layers, start=1):
            # (batch, channels, time) -> (batch, 4 * channels, time / 4)
            strided = nn.Conv1d(
                inner,
                channels,
                10 * stride + 1,
                stride=stride,
                padding=5 * stride,
                groups=groups,
            )
            layers[f"layer_{depth}"] = _activated(strided, config.norm)
        wider = min(channels * 2, config.max_channels)
        dense = nn.Conv1d(channels, wider, 5, padding=2)
        layers[f"layer_{config.n_layers + 1}"] = _activated(dense, config.norm)
        layers[f"layer_{config.n_layers + 2}"] = with_norm(
            nn.Conv1d(wider, 1, 3, padding=1), config.norm
        )
        self.model = nn.ModuleDict(layers)

    def forward(self, audio: Tensor) -> Judgement:
        features = []
        x = audio
        for layer in self.model.values():
            x = layer(x)
            features.append(x)
        logits = features.pop()
        return Judgement(features, logits if self._window_based else logits.mean(-1, keepdim=True))


class Discriminator(nn.Module):
    """Audio of shape (batch, 1, samples) to one judgement per scale, finest first.

    Parameters
    ----------
    config : the architecture.
    """

    def __init__(self, config: DiscriminatorConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or DiscriminatorConfig()
        names = [f"disc_{scale}" for scale in range(config.n_scales)]
        self.model = nn.ModuleDict({name: _OneScale(config) for name in names})
        self.downsample = nn.AvgPool1d(4, stride=2, padding=1, count_include_pad=False)

    def forward(self, audio: Tensor) -> list[Judgement]:
        """Judge the audio at each scale."""
        judgements, x = [], audio
        for scale in self.model.values():
            judgements.append(scale(x))
            x = self.downsample(x)
        return judgements


def _activated(layer: nn.Module, norm: NormKind) -> nn.Module:
    return nn.Sequential(with_norm(layer, norm), nn.LeakyReLU(_SLOPE, inplace=True))
