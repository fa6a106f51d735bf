"""Gated residual layers as plain matrices, for inference engines built on matrix products.

A WaveNet layer (van den Oord et al. 2016, eq. 2) with filter f, gate g and conditioning c is::

    f, g  = sum_j W_j x[t + j] + V c[t] + b        a = tanh(f) sigmoid(g)
    x'    = s (x + R a + r)                        skip' = skip + S a + q

`fold_layers` rewrites a stack of them so that a step needs no arithmetic but matrix products and
one tanh; the values are the same up to rounding:

- sigmoid(g) = (1 + tanh(g / 2)) / 2, so one tanh serves both halves; 1/2 goes into the weights.
- The scale s (the square root of one half, or 1) goes into the next layers' weights.
- The biases r add up along the stack; the sum goes into the next layers' biases, and the product
  with R adds onto x in place. Samples before the start are zeros of x, which after this change of
  variable is the constant `GatedLayer.rest`.
- x and skip stand side by side in one row, so R and S are one product.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["GatedLayer", "LayerWeights", "as_matrix", "fold_layers", "gate"]


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """One layer as trained, without weight norm. Sizes: C channels, G gate pairs, S skip, M mels.

    Parameters
    ----------
    taps : shape (2 G, C, kernel): filter rows, then gate rows.
    condition : shape (2 G, M).
    bias : shape (2 G,): of `taps` and `condition` together.
    residual, residual_bias : shapes (C, G) and (C,); None in a last layer that has none.
    skip, skip_bias : shapes (S, G) and (S,).
    """

    taps: Tensor
    condition: Tensor
    bias: Tensor
    residual: Tensor | None
    residual_bias: Tensor | None
    skip: Tensor
    skip_bias: Tensor


class GatedLayer(nn.Module):
    """One folded layer; a module only to travel to another device.

    Attributes
    ----------
    taps : one matrix per tap, oldest first, shape (kernel, C, 2 G).
    condition : shape (M, 2 G).
    bias : shape (2 G,).
    output : shape (G, C + S), or (G, S) in a last layer without residual.
    rest : shape (C,): what x holds where there is no signal.
    """

    taps: Tensor
    condition: Tensor
    bias: Tensor
    output: Tensor
    rest: Tensor

    def __init__(
        self, taps: Tensor, condition: Tensor, bias: Tensor, output: Tensor, rest: Tensor
    ) -> None:
        super().__init__()
        self.register_buffer("taps", taps.contiguous())
        self.register_buffer("condition", condition.contiguous())
        self.register_buffer("bias", bias.contiguous())
        self.register_buffer("output", output.contiguous())
        self.register_buffer("rest", rest.contiguous())


def fold_layers(
    layers: Sequence[LayerWeights], *, residual_scale: float
) -> tuple[nn.ModuleList, Tensor]:
    """Fold a stack of layers, see the module text.

    Returns
    -------
    One `GatedLayer` per layer, and what the skip columns start from: the sum of all skip biases.
    """
    dtype, device = layers[0].bias.dtype, layers[0].bias.device
    n_channels = layers[0].taps.shape[1]
    # Sums of biases are taken in double precision: they are few, and every sample sees them.
    rest = torch.zeros(n_channels, dtype=torch.float64, device=device)
    skip_start = torch.zeros_like(layers[0].skip_bias, dtype=torch.float64)
    folded = nn.ModuleList()
    for depth, layer in enumerate(layers):
        scale = residual_scale**depth
        bias = layer.bias.double() - layer.taps.double().sum(2) @ (scale * rest)
        parts = [layer.skip]
        if layer.residual is not None:
            parts = [layer.residual / scale, layer.skip]
        folded.append(
            GatedLayer(
                _halve_gate(layer.taps * scale, dim=0).permute(2, 1, 0),
                _halve_gate(layer.condition, dim=0).T,
                _halve_gate(bias, dim=0).to(dtype),
                torch.cat(parts).T / 2,
                rest.to(dtype),
            )
        )
        skip_start += layer.skip_bias.double()
        if layer.residual_bias is not None:
            rest = rest - layer.residual_bias.double() / scale
    return folded, skip_start.to(dtype)


def gate(total: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Turn folded sums, shape (rows, 2 G), into twice the gated activation, shape (rows, G).

    `total` is overwritten. The factor two is undone by `GatedLayer.output`.
    """
    n_gates = total.shape[1] // 2
    total.tanh_()
    filtered, opened = total[:, :n_gates], total[:, n_gates:]
    return torch.addcmul(filtered, filtered, opened, out=out)


def as_matrix(layer: nn.Conv1d) -> tuple[Tensor, Tensor]:
    """Weight of shape (out, in) and bias of a 1x1 convolution."""
    assert layer.kernel_size == (1,)
    assert layer.bias is not None
    return layer.weight.detach()[:, :, 0], layer.bias.detach()


def _halve_gate(weights: Tensor, *, dim: int) -> Tensor:
    filtered, opened = weights.chunk(2, dim)
    return torch.cat([filtered, opened / 2], dim)
