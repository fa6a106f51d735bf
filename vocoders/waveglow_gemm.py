"""WaveGlow's couplings as matrix products on time-major rows.

The convolutions of the plain network spend their time rearranging: the conditioning of all layers
is one tensor of 4096 channels, written and read once, and every dilated convolution copies its
input. Here a group of samples is a row; a dilated convolution is three products with shifted
rows, and the conditioning of a layer is a fourth that adds onto them. Rows are taken in
blocks that stay in the cache.
"""

from typing import cast

import torch
from torch import Tensor, nn

from vocoders.gated_layers import GatedLayer, LayerWeights, as_matrix, fold_layers, gate
from vocoders.waveglow_network import CouplingNetwork, WaveGlowConfig, WaveGlowNetwork
from vocoders.waveglow_synthesis import Couplings, FlowInversion

__all__ = ["GemmInversion"]

#: Rows per block on a CPU: 1024 sums of 512 channels are 2 MiB. A GPU takes all rows at once.
BLOCK_ROWS = 1024


class GemmInversion(FlowInversion):
    """The couplings as matrix products; holds its own copy of the weights.

    Parameters
    ----------
    network : trained, without weight norm; not kept.
    """

    upsample_weight: Tensor
    upsample_bias: Tensor

    def __init__(self, network: WaveGlowNetwork) -> None:
        super().__init__(network)
        weight, bias = _polyphase_upsampling(network.upsample, self.config)
        self.register_buffer("upsample_weight", weight)
        self.register_buffer("upsample_bias", bias)
        self.flows = nn.ModuleList(
            _CouplingMatrices(cast("CouplingNetwork", coupling)) for coupling in network.WN
        )

    def couplings(self, mel: Tensor) -> Couplings:
        """Upsample the mel to rows, shape (groups, 640), and make room for the activations."""
        conditioning = self.condition(mel)
        n_rows, n_channels = len(conditioning), self.config.channels
        edge = 2 ** (self.config.n_layers - 1)
        room = conditioning.new_empty(2, n_rows + 2 * edge, 2 * n_channels)

        def couple(flow: int, kept: Tensor) -> tuple[Tensor, Tensor]:
            matrices = cast("_CouplingMatrices", self.flows[flow])
            return matrices.shift_and_log_scale(kept, conditioning, room, edge)

        return couple

    def condition(self, mel: Tensor) -> Tensor:
        """Upsample (n_mels, frames) to squeezed rows, shape (groups, n_mels * n_group)."""
        config = self.config
        n_taps = config.upsample_kernel // config.hop_length
        frames = torch.nn.functional.pad(mel.T, (0, 0, n_taps - 1, 0))
        # Row l: frames l, l - 1, l - 2, l - 3, which between them make the samples of hop l.
        rows = torch.cat([frames[n_taps - 1 - j : len(frames) - j] for j in range(n_taps)], dim=1)
        spread = torch.addmm(self.upsample_bias, rows, self.upsample_weight)
        return spread.view(-1, config.n_condition_channels)


class _CouplingMatrices(nn.Module):
    """One coupling network; rows hold the activation x and the summed output side by side."""

    def __init__(self, coupling: CouplingNetwork) -> None:
        super().__init__()
        layers, total_start = fold_layers(_layer_weights(coupling), residual_scale=1.0)
        self.layers = layers
        start, start_bias = as_matrix(cast("nn.Conv1d", coupling.start))
        end, end_bias = as_matrix(coupling.end)
        self.register_buffer("start", start.T.contiguous())
        self.register_buffer("start_bias", start_bias.clone())
        self.register_buffer("total_start", total_start)
        self.register_buffer("end", end.T.contiguous())
        self.register_buffer("end_bias", end_bias.clone())

    def shift_and_log_scale(
        self, kept: Tensor, conditioning: Tensor, room: Tensor, edge: int
    ) -> tuple[Tensor, Tensor]:
        """(half, groups) to shift and log scale of the same shape.

        Parameters
        ----------
        conditioning : shape (groups, 640).
        room : two buffers of shape (groups + 2 * edge, 2 * channels), overwritten.
        edge : rows of rest on both sides, at least the largest dilation.
        """
        n_rows, n_channels = len(conditioning), room.shape[2] // 2
        old, new = room[0], room[1]
        inside = slice(edge, edge + n_rows)
        torch.addmm(
            self.get_buffer("start_bias"), kept.T, self.get_buffer("start"),
            out=old[inside, :n_channels],
        )  # fmt: skip
        old[inside, n_channels:] = self.get_buffer("total_start")
        for i, module in enumerate(self.layers):
            layer, last = cast("GatedLayer", module), i == len(self.layers) - 1
            old[:edge, :n_channels] = layer.rest
            old[edge + n_rows :, :n_channels] = layer.rest
            for rows in _blocks(n_rows, conditioning.device):
                total = _layer_sums(layer, old, conditioning, rows, edge, 2**i)
                columns = slice(n_channels if last else 0, None)
                here = slice(edge + rows.start, edge + rows.stop)
                torch.addmm(old[here, columns], gate(total), layer.output, out=new[here, columns])
            old, new = new, old
        ends = torch.addmm(self.get_buffer("end_bias"), old[inside, n_channels:],
                           self.get_buffer("end"))  # fmt: skip
        shift, log_scale = ends.T.chunk(2)
        return shift, log_scale


def _layer_sums(
    layer: GatedLayer, x: Tensor, conditioning: Tensor, rows: slice, edge: int, dilation: int
) -> Tensor:
    """Filter and gate sums of a block of rows, shape (rows, 2 * channels)."""
    n_channels = layer.taps.shape[1]
    total = torch.addmm(layer.bias, conditioning[rows], layer.condition)
    for taps, shift in zip(layer.taps, (-dilation, 0, dilation), strict=True):
        shifted = slice(edge + rows.start + shift, edge + rows.stop + shift)
        total.addmm_(x[shifted, :n_channels], taps)
    return total


def _blocks(n_rows: int, device: torch.device) -> list[slice]:
    size = BLOCK_ROWS if device.type == "cpu" else n_rows
    return [slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]


def _layer_weights(coupling: CouplingNetwork) -> list[LayerWeights]:
    condition, condition_bias = as_matrix(cast("nn.Conv1d", coupling.cond_layer))
    conditions = torch.split(condition, 2 * coupling.channels)
    condition_biases = torch.split(condition_bias, 2 * coupling.channels)
    weights = []
    for i, dilated in enumerate(coupling.in_layers):
        layer = cast("nn.Conv1d", dilated)
        output, output_bias = as_matrix(cast("nn.Conv1d", coupling.res_skip_layers[i]))
        has_residual = len(output) > coupling.channels
        weights.append(
            LayerWeights(
                taps=layer.weight.detach(),
                condition=conditions[i],
                bias=cast("Tensor", layer.bias).detach() + condition_biases[i],
                residual=output[: coupling.channels] if has_residual else None,
                residual_bias=output_bias[: coupling.channels] if has_residual else None,
                skip=output[-coupling.channels :],
                skip_bias=output_bias[-coupling.channels :],
            )
        )
    return weights


def _polyphase_upsampling(
    layer: nn.ConvTranspose1d, config: WaveGlowConfig
) -> tuple[Tensor, Tensor]:
    """The transposed convolution as one matrix: frames l ... l - 3 to the squeezed rows of hop l.

    Returns
    -------
    Weight of shape (taps * n_mels, groups per hop * n_mels * n_group), bias of its columns.
    """
    n_groups = config.hop_length // config.n_group
    # (mel in, mel out, kernel) -> (mel in, mel out, tap, group, sample within the group)
    weight = torch.unflatten(layer.weight.detach(), 2, (-1, n_groups, config.n_group))
    matrix = weight.permute(2, 0, 3, 1, 4).flatten(2).flatten(0, 1)
    bias = cast("Tensor", layer.bias).detach()[:, None].expand(n_groups, -1, config.n_group)
    return matrix.contiguous(), bias.flatten()
