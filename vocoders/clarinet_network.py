"""ClariNet: a Gaussian WaveNet (the teacher) and a student of six inverse autoregressive flows.

Ping, Peng and Chen 2018, arXiv 1807.07281, in the sizes of the open implementation
ksw0306/ClariNet df31b4c, whose tensor names fit. The student has no upsampler of its own: it
runs on the teacher's, so the system of the paper's table 1 is both networks: `ClariNetNetwork`.

*Conventions* Audio is (batch, 1, samples), conditioning (batch, n_mels, samples), outputs are
(batch, 2, samples): mean, then log sigma.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from evalsuite.errors import ConfigError
from vocoders.layers import with_weight_norm

__all__ = [
    "ClariNetConfig",
    "ClariNetNetwork",
    "GaussianConfig",
    "GaussianWaveNet",
    "ResidualBlock",
    "Student",
    "StudentOutput",
    "Teacher",
    "upsample",
]

#: Residual paths are scaled so that the variance of a sum stays.
RESIDUAL_SCALE = math.sqrt(0.5)
_UPSAMPLE_SLOPE = 0.4
_MEL_KERNEL = 3


@dataclass(frozen=True)
class GaussianConfig:
    """One Gaussian WaveNet.

    Parameters
    ----------
    n_blocks, n_layers : dilations 1, 2, 4, ... restart in every block.
    channels : of the residual path and the skips.
    gate_channels : of the filter and of the gate.
    kernel : taps of the dilated convolutions.
    front_kernel : taps of the first convolution.
    """

    n_blocks: int = 2
    n_layers: int = 10
    channels: int = 128
    gate_channels: int = 256
    kernel: int = 2
    front_kernel: int = 32

    @property
    def dilations(self) -> tuple[int, ...]:
        """Of every layer, in order."""
        return tuple(2**n for _ in range(self.n_blocks) for n in range(self.n_layers))

    @property
    def receptive_field(self) -> int:
        """Samples that one output depends on."""
        return sum(self.dilations) * (self.kernel - 1) + self.front_kernel


@dataclass(frozen=True)
class ClariNetConfig:
    """Both networks; the defaults are those of the paper's table 1.

    Parameters
    ----------
    n_mels : of the mel convention.
    ratios : upsampling of each transposed convolution; their product is the hop.
    teacher : the Gaussian WaveNet.
    flow : one flow of the student.
    n_flows : of the student.
    weight_norm : False for checkpoints saved without it.

    Raises
    ------
    ConfigError for an odd upsampling ratio, whose padding would not be whole.
    """

    n_mels: int = 80
    ratios: tuple[int, ...] = (16, 16)
    teacher: GaussianConfig = GaussianConfig()
    flow: GaussianConfig = GaussianConfig(1, 10, channels=64, gate_channels=128, kernel=3)
    n_flows: int = 6
    weight_norm: bool = True

    def __post_init__(self) -> None:
        if any(ratio < 2 or ratio % 2 for ratio in self.ratios):
            raise ConfigError(
                f"ClariNet upsamples by {self.ratios}",
                wanted="even ratios",
                do="correct the setting",
            )

    @property
    def hop_length(self) -> int:
        """Samples per mel frame."""
        return math.prod(self.ratios)


class CausalConv(nn.Module):
    """A dilated convolution that sees the present and the past only; the past begins with zeros."""

    def __init__(
        self, n_in: int, n_out: int, kernel: int, dilation: int = 1, *, weight_norm: bool
    ) -> None:
        super().__init__()
        self.n_past = dilation * (kernel - 1)
        layer = nn.Conv1d(n_in, n_out, kernel, dilation=dilation)
        self.conv = with_weight_norm(layer, enabled=weight_norm)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the number of samples."""
        y: Tensor = self.conv(nn.functional.pad(x, (self.n_past, 0)))
        return y


class ResidualBlock(nn.Module):
    """One gated layer; gives the next x and its part of the skips."""

    def __init__(
        self, config: GaussianConfig, n_mels: int, dilation: int, *, weight_norm: bool
    ) -> None:
        super().__init__()
        channels, gates = config.channels, config.gate_channels

        def dilated() -> CausalConv:
            return CausalConv(channels, gates, config.kernel, dilation, weight_norm=weight_norm)

        def pointwise(n_in: int, n_out: int) -> nn.Module:
            return with_weight_norm(nn.Conv1d(n_in, n_out, 1), enabled=weight_norm)

        self.filter_conv, self.gate_conv = dilated(), dilated()
        self.res_conv, self.skip_conv = pointwise(gates, channels), pointwise(gates, channels)
        self.filter_conv_c, self.gate_conv_c = pointwise(n_mels, gates), pointwise(n_mels, gates)

    def forward(self, x: Tensor, conditioning: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, channels, samples) to the next x and the skip, of the same shape."""
        filtered = self.filter_conv(x) + self.filter_conv_c(conditioning)
        opened = self.gate_conv(x) + self.gate_conv_c(conditioning)
        y = filtered.tanh() * opened.sigmoid()
        return (x + self.res_conv(y)) * RESIDUAL_SCALE, self.skip_conv(y)


class GaussianWaveNet(nn.Module):
    """Mean and log sigma of the next sample, from the past and the conditioning."""

    def __init__(self, config: GaussianConfig, n_mels: int, *, weight_norm: bool) -> None:
        super().__init__()
        self.config = config
        channels = config.channels

        def causal(n_in: int, n_out: int, kernel: int) -> CausalConv:
            return CausalConv(n_in, n_out, kernel, weight_norm=weight_norm)

        self.front_conv = nn.Sequential(causal(1, channels, config.front_kernel), nn.ReLU())
        self.res_blocks = nn.ModuleList(
            ResidualBlock(config, n_mels, dilation, weight_norm=weight_norm)
            for dilation in config.dilations
        )
        self.final_conv = nn.Sequential(
            nn.ReLU(), causal(channels, channels, 1), nn.ReLU(), causal(channels, 2, 1)
        )

    def distribution(self, audio: Tensor, conditioning: Tensor) -> Tensor:
        """(batch, 1, samples) and (batch, n_mels, samples) to (batch, 2, samples)."""
        x = self.front_conv(audio)
        total = torch.zeros_like(x)
        for block in self.res_blocks:
            x, skip = block(x, conditioning)
            total = total + skip
        y: Tensor = self.final_conv(total)
        return y

    def forward(self, audio: Tensor, conditioning: Tensor) -> Tensor:
        """The same as `distribution`."""
        return self.distribution(audio, conditioning)


class Teacher(GaussianWaveNet):
    """The autoregressive network, and the upsampler that both networks run on."""

    def __init__(self, config: ClariNetConfig | None = None) -> None:
        config = config or ClariNetConfig()
        super().__init__(config.teacher, config.n_mels, weight_norm=config.weight_norm)
        self.clarinet_config = config
        layers: list[nn.Module] = []
        for ratio in config.ratios:
            spread = nn.ConvTranspose2d(
                1,
                1,
                (_MEL_KERNEL, 2 * ratio),
                stride=(1, ratio),
                padding=(_MEL_KERNEL // 2, ratio // 2),
            )
            layers.append(with_weight_norm(spread, enabled=config.weight_norm))
            layers.append(nn.LeakyReLU(_UPSAMPLE_SLOPE))
        self.upsample_conv = nn.Sequential(*layers)

    def forward(self, audio: Tensor, mel: Tensor) -> Tensor:
        """Audio and mel, (batch, n_mels, frames), to the distribution of the next samples."""
        return self.distribution(audio, upsample(self.upsample_conv, mel))


@dataclass(frozen=True, eq=False)
class StudentOutput:
    """What the flows make of noise, each of shape (batch, 1, samples).

    Parameters
    ----------
    audio : the first sample is 0.
    mean, log_sigma : of all flows together: audio = noise * exp(log_sigma) + mean.
        One sample shorter than the audio: they belong to its samples from the second on.
    """

    audio: Tensor
    mean: Tensor
    log_sigma: Tensor


class Student(nn.Module):
    """Noise to audio in parallel."""

    def __init__(self, config: ClariNetConfig | None = None) -> None:
        super().__init__()
        config = config or ClariNetConfig()
        self.iafs = nn.ModuleList(
            GaussianWaveNet(config.flow, config.n_mels, weight_norm=config.weight_norm)
            for _ in range(config.n_flows)
        )

    def forward(self, noise: Tensor, conditioning: Tensor) -> StudentOutput:
        """(batch, 1, samples) and (batch, n_mels, samples) to audio and its distribution."""
        x = noise
        mean = torch.zeros_like(noise[:, :, 1:])
        log_sigma = torch.zeros_like(mean)
        for flow in self.iafs:
            # What is known up to a sample shifts and scales the next one.
            shift, log_scale = flow(x, conditioning)[:, :, :-1].chunk(2, 1)
            scale = log_scale.exp()
            x = nn.functional.pad(x[:, :, 1:] * scale + shift, (1, 0))
            mean = mean * scale + shift
            log_sigma = log_sigma + log_scale
        return StudentOutput(x, mean, log_sigma)


class ClariNetNetwork(nn.Module):
    """The student with the teacher whose upsampler it needs."""

    def __init__(self, config: ClariNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ClariNetConfig()
        self.teacher = Teacher(config)
        self.student = Student(config)

    def forward(self, noise: Tensor, mel: Tensor) -> StudentOutput:
        """(batch, 1, hop * frames) and (batch, n_mels, frames) to audio."""
        conditioning = upsample(self.teacher.upsample_conv, mel)
        output: StudentOutput = self.student(noise, conditioning)
        return output


def upsample(layers: nn.Sequential, mel: Tensor) -> Tensor:
    """Spread a mel over samples: (batch, n_mels, frames) to (batch, n_mels, hop * frames)."""
    spread: Tensor = layers(mel[:, None])
    return spread[:, 0]
