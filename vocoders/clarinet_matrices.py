"""A Gaussian WaveNet of ClariNet as matrices, shared by the fast engines of teacher and student."""

from typing import cast

import torch
from torch import Tensor, nn

from vocoders.clarinet_network import RESIDUAL_SCALE, CausalConv, GaussianWaveNet, ResidualBlock
from vocoders.gated_layers import GatedLayer, LayerWeights, as_matrix, fold_layers

__all__ = ["GaussianMatrices"]


class GaussianMatrices(nn.Module):
    """Front, folded layers and head; a row holds x and the skips, C + C columns.

    Parameters
    ----------
    network : without weight norm; not kept.
    """

    front: Tensor
    front_bias: Tensor
    skip_start: Tensor

    def __init__(self, network: GaussianWaveNet) -> None:
        super().__init__()
        self.config = network.config
        front = cast("CausalConv", network.front_conv[0]).conv
        assert isinstance(front, nn.Conv1d)
        self.register_buffer("front", front.weight.detach()[:, 0].T.contiguous())
        self.register_buffer("front_bias", cast("Tensor", front.bias).detach().clone())
        layers, skip_start = fold_layers(
            [_layer_weights(cast("ResidualBlock", block)) for block in network.res_blocks],
            residual_scale=RESIDUAL_SCALE,
        )
        self._layers = layers
        self.register_buffer("skip_start", skip_start)
        for name, index in (("hidden", 1), ("last", 3)):
            head = cast("CausalConv", network.final_conv[index]).conv
            weight, bias = as_matrix(cast("nn.Conv1d", head))
            self.register_buffer(name, weight.T.contiguous())
            self.register_buffer(f"{name}_bias", bias.clone())

    @property
    def layers(self) -> list[GatedLayer]:
        """The folded layers, in order."""
        return [cast("GatedLayer", layer) for layer in self._layers]

    def first(self, windows: Tensor) -> Tensor:
        """Windows of the latest samples, shape (rows, 32), to the first x, shape (rows, C)."""
        return torch.addmm(self.front_bias, windows, self.front).relu_()

    def distribution(self, skips: Tensor) -> Tensor:
        """Summed skips, shape (rows, C), to mean and log sigma, shape (rows, 2)."""
        hidden = torch.addmm(
            self.get_buffer("hidden_bias"), skips.relu(), self.get_buffer("hidden")
        )
        return torch.addmm(self.get_buffer("last_bias"), hidden.relu_(), self.get_buffer("last"))


def _layer_weights(block: ResidualBlock) -> LayerWeights:
    filtered, opened = (
        cast("nn.Conv1d", block.filter_conv.conv),
        cast("nn.Conv1d", block.gate_conv.conv),
    )
    filtered_c, filtered_c_bias = as_matrix(cast("nn.Conv1d", block.filter_conv_c))
    opened_c, opened_c_bias = as_matrix(cast("nn.Conv1d", block.gate_conv_c))
    residual, residual_bias = as_matrix(cast("nn.Conv1d", block.res_conv))
    skip, skip_bias = as_matrix(cast("nn.Conv1d", block.skip_conv))
    biases = [
        cast("Tensor", filtered.bias).detach() + filtered_c_bias,
        cast("Tensor", opened.bias).detach() + opened_c_bias,
    ]
    return LayerWeights(
        taps=torch.cat([filtered.weight.detach(), opened.weight.detach()]),
        condition=torch.cat([filtered_c, opened_c]),
        bias=torch.cat(biases),
        residual=residual,
        residual_bias=residual_bias,
        skip=skip,
        skip_bias=skip_bias,
    )
