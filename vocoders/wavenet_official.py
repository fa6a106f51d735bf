"""WaveNet generation as the published code does it: the baseline that other engines are timed by.

Source: r9y9/wavenet_vocoder, conv.py (incremental_forward) and modules.py. Every convolution keeps
its last inputs in one buffer, moves it by one sample per step and multiplies all taps together;
conditioning is multiplied sample by sample. Its matrices are made once, from weight norm if it is
on, as the published code caches them.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from vocoders.wavenet_engine import LaneEngine
from vocoders.wavenet_network import RESIDUAL_SCALE, ResidualLayer, WaveNet
from vocoders.wavenet_output import output_of

__all__ = ["OfficialEngine"]


@dataclass(frozen=True, eq=False)
class _Linear:
    """A convolution as a matrix (outputs, taps * inputs) and a bias."""

    weight: Tensor
    bias: Tensor | None

    def __call__(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


@dataclass(frozen=True, eq=False)
class _Layer:
    dilation: int
    conv: _Linear
    condition: _Linear
    out: _Linear
    skip: _Linear
    buffer: Tensor

    def __call__(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        self.buffer[:, :-1] = self.buffer[:, 1:].clone()
        self.buffer[:, -1] = x
        taps = self.buffer[:, :: self.dilation].flatten(1)
        a, b = (self.conv(taps) + self.condition(condition)).chunk(2, dim=1)
        y = torch.tanh(a) * torch.sigmoid(b)
        return (self.out(y) + x) * RESIDUAL_SCALE, self.skip(y)


class OfficialEngine(LaneEngine):
    """Runs on any device, with a fixed number of lanes.

    Parameters
    ----------
    network : with or without weight norm.
    lanes : utterances side by side.
    """

    def __init__(self, network: WaveNet, lanes: int) -> None:
        super().__init__(lanes)
        self._config, self._output = network.config, output_of(network.config)
        self._first = _linear(network.first_conv)
        self._layers = [self._layer(layer) for layer in network.conv_layers]
        self._head = _linear(network.last_conv_layers[1]), _linear(network.last_conv_layers[3])

    def restart(self, lane: int) -> None:
        """Clear the buffers of a lane."""
        for layer in self._layers:
            layer.buffer[lane] = 0

    def condition(self, rows: Tensor) -> None:
        """Keep the conditioning; it is multiplied step by step."""
        self._rows = rows

    def step(self, position: int, codes: Tensor) -> Tensor:
        """Run all layers for one sample."""
        x = self._first(self._output.to_inputs(codes[:, None])[:, :, 0])
        x, total = self._layers[0](x, self._rows[position])
        running = self._config.revision == "2092a64"
        for layer in self._layers[1:]:
            x, skip = layer(x, self._rows[position])
            total = (total + skip) * RESIDUAL_SCALE if running else total + skip
        if not running:
            total = total * math.sqrt(1 / len(self._layers))
        first, second = self._head
        return second(torch.relu(first(torch.relu(total))))

    def _layer(self, layer: nn.Module) -> _Layer:
        assert isinstance(layer, ResidualLayer)
        conv = _linear(layer.conv)
        n_inputs, n_rows = self._config.residual_channels, 2 * layer.dilation + 1
        return _Layer(
            layer.dilation,
            conv,
            _linear(layer.conv1x1c),
            _linear(layer.conv1x1_out),
            _linear(layer.conv1x1_skip),
            torch.zeros(self.lanes, n_rows, n_inputs, device=conv.weight.device),
        )


@torch.no_grad()
def _linear(conv: nn.Module) -> _Linear:
    """(outputs, inputs, taps) -> (outputs, taps * inputs), as the buffers are laid out."""
    assert isinstance(conv, nn.Conv1d)
    return _Linear(conv.weight.mT.flatten(1).contiguous(), conv.bias)
