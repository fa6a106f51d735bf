"""The WaveNet network: dilated causal convolutions, gated, conditioned on an up-sampled mel.

van den Oord et al. 2016, arXiv 1609.03499, section 2; the details follow the published vocoders
of r9y9/wavenet_vocoder (see `vocoders.wavenet_config`). Attribute names are the published ones, so
that published tensors fit. Dropout (0.05 in 2092a64) acts in training only and is left out.
"""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils import parametrize

from vocoders.layers import with_weight_norm
from vocoders.wavenet_config import WaveNetConfig
from vocoders.wavenet_upsampler import StretchUpsampler, TransposedUpsampler

__all__ = [
    "KERNEL_SIZE",
    "RESIDUAL_SCALE",
    "ResidualLayer",
    "WaveNet",
    "randomise",
    "skip_factors",
]

#: Taps of every dilated convolution, in both revisions.
KERNEL_SIZE = 3
#: Keeps the power of a residual sum, once per layer.
RESIDUAL_SCALE = math.sqrt(0.5)


class ResidualLayer(nn.Module):
    """One gated layer: (batch, residual_channels, time) to the same, and to the skip path.

    Parameters
    ----------
    dilation : samples between taps.
    """

    def __init__(self, config: WaveNetConfig, dilation: int) -> None:
        super().__init__()
        half, norm = config.gate_channels // 2, config.weight_norm
        self.dilation = dilation
        # (batch, residual, time) -> (batch, gate, time)
        conv = nn.Conv1d(
            config.residual_channels, config.gate_channels, KERNEL_SIZE, dilation=dilation
        )
        self.conv = with_weight_norm(conv, enabled=norm)
        # Master has no bias here, which its parameter count shows.
        self.conv1x1c = _conv1x1(
            config.n_mels, config.gate_channels, norm=norm, bias=config.revision == "2092a64"
        )
        self.conv1x1_out = _conv1x1(half, config.residual_channels, norm=norm)
        self.conv1x1_skip = _conv1x1(half, config.skip_channels, norm=norm)

    def forward(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Return what goes on to the next layer, and what goes to the skip sum."""
        gates = self.conv(pad(x, ((KERNEL_SIZE - 1) * self.dilation, 0))) + self.conv1x1c(condition)
        a, b = gates.chunk(2, dim=1)
        y = torch.tanh(a) * torch.sigmoid(b)
        return (self.conv1x1_out(y) + x) * RESIDUAL_SCALE, self.conv1x1_skip(y)


class WaveNet(nn.Module):
    """Predicts the distribution of each next sample.

    Parameters
    ----------
    config : the architecture.
    """

    def __init__(self, config: WaveNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or WaveNetConfig()
        norm, skip = config.weight_norm, config.skip_channels
        self.first_conv = _conv1x1(config.in_channels, config.residual_channels, norm=norm)
        self.conv_layers = nn.ModuleList(
            ResidualLayer(config, dilation) for dilation in config.dilations
        )
        self.last_conv_layers = nn.Sequential(
            nn.ReLU(),
            _conv1x1(skip, skip, norm=norm),
            nn.ReLU(),
            _conv1x1(skip, config.out_channels, norm=norm),
        )
        scales = config.upsample_scales
        if config.revision == "2092a64":
            self.upsample_conv = TransposedUpsampler(scales, weight_norm=norm)
        else:
            self.upsample_net = StretchUpsampler(config.n_mels, scales, weight_norm=norm)

    @property
    def upsampler(self) -> TransposedUpsampler | StretchUpsampler:
        """The revision's own."""
        if self.config.revision == "2092a64":
            return self.upsample_conv
        return self.upsample_net

    def forward(self, inputs: Tensor, condition: Tensor) -> Tensor:
        """Predict from a given past, all samples at once.

        Parameters
        ----------
        inputs : shape (batch, in_channels, time); at time t the sample before the predicted one.
        condition : the up-sampled mel, shape (batch, n_mels, time).

        Returns
        -------
        Shape (batch, out_channels, time): parameters of the sample that follows each input.
        """
        x = self.first_conv(inputs)
        skips = []
        for layer in self.conv_layers:
            x, skip = layer(x, condition)
            skips.append(skip)
        factors = skip_factors(self.config)
        total = sum(factor * skip for factor, skip in zip(factors, skips, strict=True))
        predicted: Tensor = self.last_conv_layers(total)
        return predicted


def skip_factors(config: WaveNetConfig) -> Sequence[float]:
    """Weight of each layer's skip output in their sum.

    Revision 2092a64 keeps ``s = (s + h) sqrt(1/2)``, which starts as the first layer's own output
    and so forgets the early layers; master adds all and scales by ``sqrt(1 / layers)``.

    >>> skip_factors(WaveNetConfig(n_layers=3, n_stacks=1))
    [0.5000000000000001, 0.5000000000000001, 0.7071067811865476]
    """
    n_layers = config.n_layers
    if config.revision == "master":
        return [math.sqrt(1 / n_layers)] * n_layers
    # The first output is scaled as often as the second: n - 1 times.
    times = [n_layers - max(layer, 1) for layer in range(n_layers)]
    return [math.prod([math.sqrt(0.5)] * n) for n in times]


def randomise(network: WaveNet, seed: int) -> None:
    """Draw random weights that make audible, unclipped noise of moderate spread.

    As initialised by torch, the distributions would be about as wide as full scale, and the
    samples would sit at the clipping points. Up-samplers keep their published start: averages.
    """
    source = torch.Generator().manual_seed(seed)
    for name, layer in network.named_modules():
        if not isinstance(layer, nn.Conv1d):
            continue
        weight = torch.randn(layer.weight.shape, generator=source)
        weight *= _gain_of(name) / math.sqrt(layer.in_channels * layer.kernel_size[0])
        with torch.no_grad():
            if parametrize.is_parametrized(layer, "weight"):
                layer.weight = weight  # torch solves for length and direction
            else:
                layer.weight.copy_(weight)
            if layer.bias is not None:
                layer.bias.copy_(0.05 * torch.randn(layer.bias.shape, generator=source))
    _narrow(network)


def _gain_of(name: str) -> float:
    """How much louder a convolution makes unit noise."""
    if name == "first_conv":
        return 3.0  # the input is a quiet waveform
    return 0.3 if name == "last_conv_layers.3" else 1.0


def _narrow(network: WaveNet) -> None:
    """Give the predicted scales a small mean; class logits stay as they are."""
    bias, config = cast("Tensor", network.last_conv_layers[3].bias), network.config
    n_scales = {"logistics": config.n_mixtures, "gaussian": 1, "mulaw": 0}[config.output]
    with torch.no_grad():
        bias[len(bias) - n_scales :] -= 3.0


def _conv1x1(n_in: int, n_out: int, *, norm: bool, bias: bool = True) -> nn.Module:
    return with_weight_norm(nn.Conv1d(n_in, n_out, 1, bias=bias), enabled=norm)
