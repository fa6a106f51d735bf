"""A WaveNet's weights, rearranged for generation one sample at a time. Exact up to rounding.

The residual layers are folded as `vocoders.gated_layers` says: a step is nothing but matrix
products, one tanh, and a sum into the state. The skip outputs of all layers, with their weights in
the sum, are one product with all gated activations side by side.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from vocoders.gated_layers import GatedLayer, LayerWeights, as_matrix, fold_layers
from vocoders.wavenet_network import RESIDUAL_SCALE, ResidualLayer, WaveNet, skip_factors

__all__ = ["FusedLayer", "FusedWaveNet", "fuse"]


@dataclass(frozen=True, eq=False)
class FusedLayer:
    """One residual layer; matrices are (inputs, outputs), as rows of activations multiply them.

    Parameters
    ----------
    taps : oldest, middle, newest; each of shape (residual, gate).
    condition : shape (n_mels, gate).
    bias : shape (gate,).
    out : shape (gate / 2, residual); None in the last layer, whose output nobody hears.
    rest : the state before the first sample, shape (residual,).
    """

    dilation: int
    taps: tuple[Tensor, Tensor, Tensor]
    condition: Tensor
    bias: Tensor
    out: Tensor | None
    rest: Tensor


@dataclass(frozen=True, eq=False)
class FusedWaveNet:
    """All layers, and the head.

    Parameters
    ----------
    first : weight of the first convolution, (1, residual) or (256, residual), and its bias.
    skip : shape (layers * gate / 2, skip).
    skip_bias : shape (skip,).
    head : weight and bias of the two last convolutions.
    """

    first: tuple[Tensor, Tensor]
    layers: tuple[FusedLayer, ...]
    skip: Tensor
    skip_bias: Tensor
    head: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.skip.device

    def matrices(self) -> list[Tensor]:
        """List everything that rows of activations are multiplied with."""
        of_layers = [
            matrix
            for layer in self.layers
            for matrix in (*layer.taps, layer.condition, layer.out)
            if matrix is not None
        ]
        return [self.skip, self.head[0][0], self.head[1][0], *of_layers]


@torch.no_grad()
def fuse(network: WaveNet) -> FusedWaveNet:
    """Rearrange the weights of a network without weight norm; the network stays as it is."""
    parts = _layer_weights(network)
    folded, skip_bias = fold_layers(parts, residual_scale=RESIDUAL_SCALE)
    n_skip, layers, skips = network.config.skip_channels, [], []
    for dilation, one in zip(network.config.dilations, folded, strict=True):
        assert isinstance(one, GatedLayer)
        n_out = one.output.shape[1] - n_skip
        out = one.output[:, :n_out].contiguous() if n_out else None
        oldest, middle, newest = (tap.contiguous() for tap in one.taps)
        taps = (oldest, middle, newest)
        layers.append(FusedLayer(dilation, taps, one.condition, one.bias, out, one.rest))
        skips.append(one.output[:, n_out:])
    first, hidden, last = (
        _transposed(conv)
        for conv in (
            network.first_conv,
            network.last_conv_layers[1],
            network.last_conv_layers[3],
        )
    )
    return FusedWaveNet(first, tuple(layers), torch.cat(skips), skip_bias, (hidden, last))


def _layer_weights(network: WaveNet) -> list[LayerWeights]:
    factors = skip_factors(network.config)
    found: list[LayerWeights] = []
    for layer, factor in zip(network.conv_layers, factors, strict=True):
        assert isinstance(layer, ResidualLayer)
        conv, condition = layer.conv, layer.conv1x1c
        assert isinstance(conv, nn.Conv1d) and isinstance(condition, nn.Conv1d)
        bias = cast("Tensor", conv.bias)
        out = _matrix(layer.conv1x1_out) if len(found) + 1 < len(factors) else (None, None)
        skip, skip_bias = _matrix(layer.conv1x1_skip)
        found.append(
            LayerWeights(
                taps=conv.weight,
                condition=condition.weight[:, :, 0],
                bias=bias if condition.bias is None else bias + condition.bias,
                residual=out[0],
                residual_bias=out[1],
                skip=skip * factor,
                skip_bias=skip_bias * factor,
            )
        )
    return found


def _matrix(conv: nn.Module) -> tuple[Tensor, Tensor]:
    assert isinstance(conv, nn.Conv1d)
    return as_matrix(conv)


def _transposed(conv: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight of shape (inputs, outputs) and bias."""
    weight, bias = _matrix(conv)
    return weight.T.contiguous(), bias
